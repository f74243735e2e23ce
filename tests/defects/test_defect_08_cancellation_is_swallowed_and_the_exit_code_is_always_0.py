"""Defect 8 of the tutorial: it catches its own cancellation and goes on, knows nothing of SIGTERM, and exits with 0
whatever happened.
"""

from __future__ import annotations

import asyncio

import anyio
import pytest

from genscribe.assemble import open_pipeline
from genscribe.emulator import Emulator
from genscribe.emulator.thread import running
from genscribe.telemetry import Telemetry
from tests.fault.recording import chosen
from tests.process.runner import rows, run, stop, streaming, until
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize("fault", [None, "503", "no-answer"], ids=["connected", "waiting", "dialling"])
async def test_what_is_cancelled_is_cancelled_wherever_it_waits_and_leaves_no_task(tmp_path, fault):
    async with (
        Emulator() as platform,
        open_pipeline(chosen(platform, tmp_path / "s.db"), telemetry=Telemetry()) as made,
    ):
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(made.run())
        await platform.wait_connected()
        if fault is not None:
            platform.fault(fault, times=None)
            platform.fault("drop")
            await platform.wait_handshakes(2, within_s=60)
            await anyio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = [one for one in asyncio.all_tasks() - before if "Exchange" not in str(one.get_coro())]
        assert left == []


@pytest.mark.slow
def test_sigterm_ends_it_cleanly_and_that_is_0(tmp_path):
    with running() as cloud, streaming(tmp_path / "s.db", cloud.settings()) as process:
        cloud.wait_connected()
        cloud.say("heard")
        until(lambda: rows(tmp_path / "s.db", "select 1 from utterances"))
        assert stop(process) == 0
        assert cloud.ledger.closures[-1].code == 1000


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "code"), [("403", 77), ("404", 78), ("invalid_client", 78)])
def test_an_end_that_is_none_of_ours_has_a_code_of_its_own(tmp_path, fault, code):
    with running() as cloud:
        cloud.fault(fault, times=None)
        done = run("stream", "--source", "transcripts", "--store", str(tmp_path / "s.db"), env=cloud.settings())
    assert done.returncode == code
