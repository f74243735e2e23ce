"""Defect 3 of the tutorial: a normal close ends its loop over messages without an exception, past the backoff, so it
dials again at once, thousands of times a second.
"""

from __future__ import annotations

import anyio
import pytest

from genscribe.emulator import Emulator
from tests.fault.rig import rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_server_that_closes_normally_at_once_sees_8_dials_in_20_s(code):
    platform = Emulator()
    platform.fault("flap", code=code)
    async with rig(platform) as run:
        await anyio.sleep(600)
        at = [asked.at_ms for asked in platform.ledger.handshakes]
        assert len(at) >= 10
        assert max(sum(0 <= other - one <= 20_000 for other in at) for one in at) <= 8
        assert run.ended is None


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_normal_close_is_a_gap_like_any_other(code):
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("clean-close", code=code)
        await run.heard.until(lambda: len(run.heard.gaps) == 1)
        run.platform.say("heard again")
        await run.hears("heard again")
