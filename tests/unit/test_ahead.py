"""Reading ahead: bounded, beside the writing, and nothing is lost or out of order whatever fails meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from genscribe.ahead import LINGER_S, MOST_BYTES, MOST_EVENTS, Ahead, next_limit
from genscribe.core.batches import MAX_EVENTS
from genscribe.delivery import Delivery
from genscribe.errors import StoreFailed
from genscribe.events import Record
from genscribe.sinks.base import SinkEnded, SinkUnavailable
from genscribe.telemetry import Telemetry
from tests.fakes import MemoryJournal, MemorySink, record
from tests.virtual_time import VIRTUAL, move_wall_clock

DOWN = SinkUnavailable("The destination does not answer.")


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


class Watched(MemoryJournal):
    """Notes what is read after which seq; `hangs` and `fails` say what the read after a seq does first."""

    def __init__(self, count: int) -> None:
        super().__init__([record(n) for n in range(1, count + 1)])
        self.read_after: list[int] = []
        self.limits: list[int] = []
        self.hangs: set[int] = set()
        self.fails: set[int] = set()

    async def read(self, after: int, limit: int) -> list[Record]:
        self.read_after.append(after)
        self.limits.append(limit)
        if after in self.hangs:
            await anyio.sleep_forever()
        if after in self.fails:
            self.fails.discard(after)
            raise StoreFailed("The store cannot be read.", advice="Look.")
        return await super().read(after, limit)


def deliver(journal: MemoryJournal, sink: MemorySink) -> Delivery:
    return Delivery("sink", sink, journal, Telemetry())


async def drained(delivery: Delivery) -> bool:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await anyio.sleep(0)
        return await delivery.drain(10.0)


async def until(true: Callable[[], object]) -> None:
    with anyio.fail_after(3600):
        while not true():
            await anyio.sleep(0.01)


def of_size(size: int, count: int = 10) -> list[Record]:
    return [Record(seq, "utterance", b"x" * size) for seq in range(1, count + 1)]


@pytest.mark.parametrize(
    ("records", "limit"),
    [
        ([], MAX_EVENTS),
        (of_size(0), MOST_EVENTS),
        (of_size(600), MOST_EVENTS),
        (of_size(2048), 1024),
        (of_size(1_000_000), MAX_EVENTS),
    ],
)
def test_small_events_are_read_many_at_once_and_large_ones_are_not(records: list[Record], limit: int) -> None:
    assert next_limit(records) == limit
    assert max(limit, MAX_EVENTS) * 600 <= MOST_BYTES


@pytest.mark.anyio
async def test_while_far_behind_the_next_is_read_during_a_write_and_written_in_batches() -> None:
    journal = Watched(6200)
    at_writes: list[list[int]] = []
    sink = MemorySink([lambda batch: at_writes.append(list(journal.read_after))] * 13)
    assert await drained(deliver(journal, sink))
    assert at_writes[0] == [0, 1000], "the next is read while the first is written"
    assert journal.read_after == [0, 1000, 3000, 5000], "each once"
    assert sink.seqs == list(range(1, 6201))
    assert max(map(len, sink.batches)) == MAX_EVENTS
    assert journal.cursors == {"sink": 6200}


@pytest.mark.anyio
async def test_a_sink_that_is_down_has_one_read_ahead_and_no_more() -> None:
    journal = Watched(50_000)
    sink = MemorySink([DOWN] * 10_000)
    async with anyio.create_task_group() as tasks:
        delivery = deliver(journal, sink)
        tasks.start_soon(delivery.run)
        await anyio.sleep(3600)
        assert journal.read_after == [0, 1000]
        assert delivery.cursor == 0
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("poison", [1, 1000, 1001, 3000, 3001, 4999])
async def test_poison_and_failures_lose_nothing_of_what_was_read_ahead(poison: int) -> None:
    journal = Watched(5000)
    sink = MemorySink([None, DOWN, DOWN, None, None, DOWN], poison=[poison], tells=False)
    assert await drained(deliver(journal, sink))
    assert sink.seqs == [seq for seq in range(1, 5001) if seq != poison]
    assert list(journal.dead) == [("sink", poison)]


@pytest.mark.anyio
async def test_a_failure_of_reading_ahead_waits_for_its_turn() -> None:
    journal = Watched(3000)
    journal.fails = {1000}
    sink = MemorySink()
    assert await drained(deliver(journal, sink))
    assert journal.read_after[:3] == [0, 1000, 1000], "read again when it is needed"
    assert sink.seqs == list(range(1, 3001))


@pytest.mark.anyio
async def test_cancellation_amid_both_and_the_next_run_goes_on_where_the_cursor_is() -> None:
    journal = Watched(5000)
    journal.hangs = {1000}
    sink = MemorySink()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver(journal, sink).run)
        await until(lambda: journal.cursors.get("sink") == 1000)
        tasks.cancel_scope.cancel()
    assert sink.closed == 1
    journal.hangs = set()
    later = MemorySink()
    assert await drained(deliver(journal, later))
    assert sink.seqs + later.seqs == list(range(1, 5001))


@pytest.mark.anyio
async def test_what_ends_a_delivery_ends_it_while_it_reads_ahead() -> None:
    """Neither wrapped in a group of exceptions nor held up by a read that hangs."""
    journal = Watched(5000)
    journal.hangs = {1000}
    delivery = deliver(journal, MemorySink([SinkEnded("gone")]))
    with anyio.fail_after(60):
        await delivery.run()
    assert delivery.state().status == "ended"


@pytest.mark.anyio
async def test_what_was_read_for_another_place_is_not_used() -> None:
    journal = Watched(3000)
    ahead = Ahead(journal)

    async def nothing() -> None:
        await anyio.sleep(1)

    await ahead.beside(1000, nothing)
    assert (await ahead.next(0))[0].seq == 1
    assert (await ahead.next(1000))[0].seq == 1001


@pytest.mark.anyio
async def test_small_commits_gather_while_a_sink_writes() -> None:
    """At a steady rate there is a write every `LINGER_S` at most, not one after the other."""
    journal = MemoryJournal()
    sink = MemorySink()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver(journal, sink).run)
        await anyio.sleep(1)
        for _ in range(500):
            journal.say(1)
            await anyio.sleep(0.002)
        await until(lambda: len(sink.seqs) == 500)
        tasks.cancel_scope.cancel()
    assert sink.seqs == list(range(1, 501))
    assert len(sink.batches) <= 1 / LINGER_S + 2


@pytest.mark.anyio
async def test_what_came_during_a_long_write_lingers_no_more() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink()
    slow = sink.write
    began: list[float] = []

    async def write(batch: Any) -> None:
        began.append(anyio.current_time())
        await anyio.sleep(1 if len(began) == 1 else 0)
        await slow(batch)

    sink.write = write  # type: ignore[method-assign]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver(journal, sink).run)
        await anyio.sleep(0.5)
        journal.say(1)
        await until(lambda: len(sink.seqs) == 2)
        tasks.cancel_scope.cancel()
    assert began[1] - began[0] == pytest.approx(1.0, abs=LINGER_S / 2)
