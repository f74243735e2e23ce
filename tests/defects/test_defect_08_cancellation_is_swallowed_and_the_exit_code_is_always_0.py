"""Defect 8 of the tutorial: it catches its own cancellation and goes on, knows nothing of SIGTERM, and exits with 0
whatever happened.
"""

from __future__ import annotations

import asyncio

import anyio
import pytest

from genscribe.emulator import Emulator
from genscribe.emulator.thread import running
from tests.fault.recording import recording
from tests.fault.rig import rig
from tests.process.runner import run, stop, streaming
from tests.virtual_time import VirtualTimeLoop, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": lambda: VirtualTimeLoop(grace_s=0.003)}


@pytest.fixture
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize("fault", [None, "503", "no-answer"], ids=["connected", "waiting", "dialling"])
async def test_a_cancelled_source_is_cancelled_wherever_it_waits(fault):
    async with rig(Emulator()) as made:
        await made.platform.wait_connected()
        if fault is not None:
            made.platform.fault(fault, times=None)
            made.platform.fault("drop")
            await made.platform.wait_handshakes(2)
        task = asyncio.current_task()
        others = asyncio.all_tasks()
        again = asyncio.ensure_future(made.source.run(made.heard))
        await anyio.sleep(2)
        again.cancel()
        with pytest.raises(asyncio.CancelledError):
            await again
        left = asyncio.all_tasks() - others - {task}
        assert [one for one in left if "emulator" not in str(one.get_coro())] == []


@pytest.mark.usefixtures("_clock")
async def test_a_cancelled_pipeline_is_cancelled(tmp_path):
    async with Emulator() as platform, recording(platform, tmp_path / "s.db") as made:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await made.pipeline.run()
        assert scope.cancelled_caught


@pytest.mark.slow
def test_sigterm_ends_it_cleanly_and_that_is_0(tmp_path):
    with running() as cloud, streaming(tmp_path / "s.db", cloud.settings()) as process:
        cloud.wait_connected()
        assert stop(process) == 0
        assert cloud.ledger.closures[-1].code == 1000


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "code"), [("403", 77), ("404", 78), ("invalid_client", 78)])
def test_an_end_that_is_none_of_ours_has_a_code_of_its_own(tmp_path, fault, code):
    with running() as cloud:
        cloud.fault(fault, times=None)
        done = run("stream", "--source", "transcripts", "--store", str(tmp_path / "s.db"), env=cloud.settings())
    assert done.returncode == code
