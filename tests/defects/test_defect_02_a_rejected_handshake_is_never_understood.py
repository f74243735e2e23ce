"""Defect 2 of the tutorial: the library says "rejected handshake" by an exception that its branches for 401 and 403
do not catch, so it dials with the same dead token for ever.
"""

from __future__ import annotations

import pytest

from genscribe.emulator import Emulator
from genscribe.errors import NotPermitted
from tests.fault.rig import rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


async def test_a_401_is_answered_with_another_token():
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.revoke()
        run.platform.fault("drop")
        await run.platform.wait_disconnected()
        await run.platform.wait_connected(within_s=30)
        dead, refused, fresh = run.platform.ledger.handshakes
        assert [dead.status, refused.status, fresh.status] == [101, 401, 101]
        assert dead.access_token == refused.access_token != fresh.access_token


async def test_a_403_is_the_end_and_says_which_scope_is_missing():
    platform = Emulator()
    platform.fault("403", times=None)
    async with rig(platform) as run:
        await run.done.wait()
        assert isinstance(run.ended, NotPermitted)
        assert "conversation:transcript:read" in str(run.ended)
        assert len(platform.ledger.handshakes) == 1
