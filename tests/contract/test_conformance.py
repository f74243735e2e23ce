"""`check_sink` with a hand on the destination: what is right passes, and each way of being wrong is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from genscribe.core.batches import MAX_EVENTS
from genscribe.events import Record
from genscribe.sinks.base import RowsRejected
from genscribe.sinks.conformance_events import filled, long
from genscribe.sinks.conformance_trial import Scenario
from genscribe.testing import check_sink
from tests.contract.broken import BROKEN, OUTWAITED, Early, Pretends
from tests.contract.destination import Destination, Good, Once

pytestmark = pytest.mark.anyio


async def test_what_keeps_the_contract_passes() -> None:
    there = Destination()
    await check_sink(lambda: Good(there), **there.hooks)
    assert there.running
    assert not there.swallowing
    assert there.room is None
    there = Destination()
    await check_sink(lambda: Once(there), make_for_store=lambda store: Once(there, store), **there.hooks)
    assert set(there.places) == {"conformance-1", "conformance-2"}


@pytest.mark.parametrize(("kind", "scenario", "complaint"), BROKEN)
async def test_what_does_not_is_told_why(kind: Any, scenario: str, complaint: str) -> None:
    there = Destination()
    stores = {"make_for_store": lambda store: kind(there, store)} if scenario == "position" else {}
    with pytest.raises(AssertionError, match=rf"^{scenario}: .*{complaint}.*\nExpected: .*\.$"):
        await check_sink(lambda: kind(there), within_s=2 if kind in OUTWAITED else 60, **stores, **there.hooks)


async def test_each_scenario_is_failed_by_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    check = Scenario.check

    async def noted(self: Scenario, trial: Any) -> None:
        checked.append(self.name)
        await check(self, trial)

    monkeypatch.setattr(Scenario, "check", noted)
    there = Destination()
    await check_sink(lambda: Once(there), make_for_store=lambda store: Once(there, store), **there.hooks)
    assert len(checked) == len(set(checked))
    assert set(checked) == {scenario for _, scenario, _ in BROKEN}


class Spools(Good):
    """Takes everything, and hands it on when it can."""

    spooled: list[Record]

    async def open(self) -> None:
        pass

    async def write(self, batch: Sequence[Record]) -> None:
        self.spooled += batch
        await self.aclose()

    async def aclose(self) -> None:
        while self.spooled and self.there.running:
            with anyio.CancelScope(shield=True):
                await self.there.take(self.spooled[:1])
                self.spooled.pop(0)


async def test_who_spools_may_say_so_and_loses_nothing_all_the_same() -> None:
    there = Destination()
    kept: list[Record] = []

    def made() -> Spools:
        sink = Spools(there)
        sink.spooled = kept
        return sink

    with pytest.raises(AssertionError, match="down at start: it says that it has written"):
        await check_sink(made, down=there.down, up=there.up)
    await there.up()
    there.rows.clear()
    kept.clear()
    await check_sink(made, delivered=there.delivered, down=there.down, up=there.up, spools=True)
    there.rows.clear()
    with pytest.raises(AssertionError, match="did not arrive"):
        await check_sink(lambda: Pretends(there), delivered=there.delivered, down=there.down, up=there.up, spools=True)


async def test_what_a_hook_raises_is_not_put_on_the_sink() -> None:
    there = Destination()

    async def down() -> None:
        raise OSError("the test's own server does not stop")

    with pytest.raises(OSError, match="own server"):
        await check_sink(lambda: Good(there), down=down, up=there.up)


async def test_a_position_ahead_of_a_batch_that_was_cancelled_is_noticed() -> None:
    there = Destination()
    with pytest.raises(AssertionError, match="did not arrive"):
        await check_sink(
            lambda: Early(there), delivered=there.delivered, make_for_store=lambda store: Early(there, store)
        )


async def test_half_of_a_pair_is_a_mistake_of_the_caller() -> None:
    there = Destination()
    for half in ("down", "up", "hold", "release"):
        with pytest.raises(ValueError, match="together"):
            await check_sink(lambda: Good(there), **{half: getattr(there, half)})


async def test_what_is_huge_is_as_large_as_delivery_makes_it() -> None:
    batch = filled(10)
    assert (len(batch), batch[0].seq) == (MAX_EVENTS, 11)
    assert 0.99 * 2**20 < sum(len(record.body) for record in batch) <= 2**20
    assert len(long(0).body) > 1_000_000


class TooLarge(Good):
    """Has a limit, and says so of the event that is over it."""

    async def write(self, batch: Sequence[Record]) -> None:
        if any(len(record.body) > 900_000 for record in batch):
            raise RowsRejected({}, "larger than it takes")
        await super().write(batch)


async def test_a_destination_may_refuse_a_megabyte_in_one_event() -> None:
    there = Destination()
    await check_sink(lambda: TooLarge(there), **there.hooks)
