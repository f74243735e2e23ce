"""Defect 4 of the tutorial: the backoff began anew on every connect, before any data, and had no jitter."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

from genscribe import clock
from genscribe.attempts import Pace
from genscribe.core.retry import ProvenLink
from genscribe.errors import Disconnected
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


async def dials(pace: Pace, until_s: float, *, lives_s: float) -> list[float]:
    """Dials a server that accepts, says one thing and closes normally after `lives_s`."""
    at = []
    while anyio.current_time() < until_s:
        await pace.turn()
        at.append(anyio.current_time())
        link = ProvenLink(opened_at=at[-1])
        link.heard(at[-1])
        await anyio.sleep(lives_s)
        if link.proved(anyio.current_time()):
            pace.reset()
        await pace.pause(Disconnected("closed", code=1000))
    return at


@pytest.mark.parametrize("seed", range(10))
async def test_a_server_that_closes_at_once_sees_at_most_8_attempts_in_20_s(seed):
    clock.seed(seed)
    at = await dials(Pace(), 600, lives_s=0.001)
    assert max(sum(start <= when <= start + 20 for when in at) for start in at) <= 8
    assert max(sum(start <= when <= start + 60 for when in at) for start in at) <= 12
    assert len(at) < 40


async def test_a_link_that_proved_itself_is_dialled_again_within_a_second():
    at = await dials(Pace(), 600, lives_s=10)
    assert all(10 <= later - earlier <= 11 for earlier, later in pairwise(at))


async def test_two_clients_that_lost_the_same_server_come_back_at_different_times():
    waits = []
    for seed in (1, 2):
        clock.seed(seed)
        pace = Pace()
        waits.append([pace.next_delay(Disconnected("closed", code=1001)) for _ in range(6)])
    assert not set(waits[0]) & set(waits[1])
    assert len(set(waits[0])) == 6
