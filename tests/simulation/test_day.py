"""Hours of an organisation in virtual time; a whole day, and more seeds, with `make simulate`."""

from __future__ import annotations

import pytest

from tests.simulation.day import check, run_day
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


async def test_a_shift_without_an_outage_loses_nothing_and_has_no_gap() -> None:
    day = await run_day(1, hours=3, every_s=3)
    check(day, outages=False)
    counters = day.rig.telemetry.counters
    assert len(day.due) > 1000
    assert counters.reconnects["handover"] >= 8 + 3


@pytest.mark.parametrize("seed", [2, 3])
async def test_a_shift_of_outages_misses_nothing_outside_its_gaps(seed: int) -> None:
    day = await run_day(seed, hours=2, every_s=3, outages=12)
    check(day, outages=True)
    assert day.struck
