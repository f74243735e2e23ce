"""Journal to sink: nothing lost, nothing stuck, nobody held up by a neighbour. Time is virtual."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genscribe import ahead, clock, outlet
from genscribe import delivery as module
from genscribe.core import feeds
from genscribe.core.batches import MAX_EVENTS, Choice
from genscribe.core.filters import Sieve
from genscribe.delivery import Delivery, Shape
from genscribe.events import DELIVERED_KINDS, Conversation, Record, Utterance, encode
from genscribe.settings.parameters import SinkFilters
from genscribe.sinks.base import RowsRejected, SinkEnded, SinkMisconfigured, SinkUnavailable
from genscribe.telemetry import Telemetry
from genscribe.telemetry.delivery import (
    DestinationForgot,
    EventsRefused,
    LeftBehind,
    SinkFailing,
    SinkPaused,
    SinkRecovered,
)
from tests.fakes import Destination, MemoryJournal, MemorySink, record
from tests.fakes import KeepingSink as Keeping
from tests.virtual_time import EPOCH_MS, VIRTUAL, VirtualTimeLoop, move_wall_clock

DOWN = SinkUnavailable("The destination does not answer.")
REFUSED = SinkMisconfigured("The destination does not know us.", advice="Log in.")


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


class Told(Telemetry):
    """Telemetry that remembers the happenings themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.happenings: list[Any] = []

    def emit(self, happening: Any) -> None:
        self.happenings.append(happening)
        super().emit(happening)

    def of(self, kind: type) -> list[Any]:
        return [happening for happening in self.happenings if isinstance(happening, kind)]


def deliver(journal: MemoryJournal, sink: Any, **options: Any) -> Delivery:
    return Delivery("sink", sink, journal, Told(), **options)


def told(delivery: Delivery) -> Told:
    return delivery._telemetry  # type: ignore[return-value]


@asynccontextmanager
async def running(delivery: Delivery) -> AsyncIterator[Delivery]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        yield delivery
        tasks.cancel_scope.cancel()


async def drained(delivery: Delivery, seconds: float = 10.0) -> bool:
    """Runs the delivery until it has everything."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await anyio.sleep(0)
        return await delivery.drain(seconds)


async def until(true: Callable[[], object]) -> None:
    with anyio.fail_after(3600):
        while not true():
            await anyio.sleep(0.1)


@pytest.mark.anyio
async def test_everything_arrives_once_and_in_order() -> None:
    journal = MemoryJournal([record(n) for n in range(1, 2201)])
    sink = MemorySink()
    delivery = deliver(journal, sink)
    assert await drained(delivery)
    assert sink.seqs == list(range(1, 2201))
    assert [len(batch) for batch in sink.batches] == [1000, 1000, 200]
    assert journal.cursors == {"sink": 2200}
    assert (sink.opened, sink.closed) == (1, 1)
    assert delivery.state().status == "stopped"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("saved", "options", "first"),
    [
        (None, {}, 1),
        (None, {"start": "now"}, 11),
        (4, {}, 5),
        (4, {"start": "now"}, 5),
        (4, {"start": "now", "durable": False}, 11),
        (4, {"durable": False}, 1),
    ],
)
async def test_where_a_sink_begins(saved: int | None, options: Any, first: int) -> None:
    journal = MemoryJournal([record(n) for n in range(1, 11)])
    if saved is not None:
        journal.cursors["sink"] = saved
    sink = MemorySink()
    async with running(deliver(journal, sink, **options)) as delivery:
        await anyio.sleep(1)
        journal.say(2)
        await until(lambda: delivery.cursor == 12)
    assert sink.seqs == list(range(first, 13))
    assert journal.cursors.get("sink") == (saved if options.get("durable") is False else 12)


@pytest.mark.anyio
async def test_a_sink_that_begins_now_is_known_to_the_journal_at_once() -> None:
    """Or a restart before its first event would begin at a later now."""
    journal = MemoryJournal([record(1)])
    async with running(deliver(journal, MemorySink(), start="now")):
        await anyio.sleep(0)
        assert journal.cursors == {"sink": 1}


@pytest.mark.anyio
async def test_a_sink_that_begins_now_and_is_down_still_begins_at_that_now() -> None:
    journal = MemoryJournal([record(1)])
    async with running(deliver(journal, MemorySink(open_faults=[DOWN] * 1000), start="now")):
        await anyio.sleep(60)
        journal.say(1)
        await anyio.sleep(60)
    assert journal.cursors == {"sink": 1}
    sink = MemorySink()
    assert await drained(deliver(journal, sink, start="now"))
    assert sink.seqs == [2]


@pytest.mark.anyio
async def test_a_burst_of_commits_is_one_batch() -> None:
    journal = MemoryJournal()
    sink = MemorySink()
    async with running(deliver(journal, sink)):
        await anyio.sleep(1)
        for _ in range(20):
            journal.say(1)
            await anyio.sleep(ahead.LINGER_S / 25)
        await until(lambda: len(sink.seqs) == 20)
    assert len(sink.batches) == 1
    assert journal.reads == 1


@pytest.mark.anyio
async def test_a_full_batch_does_not_linger() -> None:
    journal = MemoryJournal()
    sink = MemorySink()
    async with running(deliver(journal, sink)):
        await anyio.sleep(1)
        journal.say(MAX_EVENTS)
        await sink.wrote.wait()
        assert anyio.current_time() < 1 + ahead.LINGER_S


@pytest.mark.anyio
async def test_what_a_sink_did_not_ask_for_moves_its_cursor_only() -> None:
    journal = MemoryJournal([record(1, final=False), record(2, kind="conversation"), record(3, final=False)])
    sink = MemorySink()
    delivery = deliver(journal, sink, choice=Choice(frozenset({"utterance"})))
    assert await drained(delivery)
    assert sink.tries == 0
    assert journal.cursors["sink"] == 3
    assert delivery.tally.filtered == 3


@pytest.mark.anyio
async def test_a_sink_that_is_down_gets_the_same_batch_again() -> None:
    journal = MemoryJournal([record(n) for n in range(1, 4)])
    sink = MemorySink([DOWN] * 6)
    async with running(deliver(journal, sink)) as delivery:
        await until(lambda: sink.tries == 1)
        state = delivery.state()
        assert (state.status, state.lag_events, state.last_error) == ("retrying", 3, "The destination does not answer.")
        assert state.cursor == 0
        await sink.wrote.wait()
        await until(lambda: delivery.state().status == "running")
        assert delivery.state().last_error is None
    assert sink.batches == [[1, 2, 3]]
    assert sink.opened == 7, "opened again after each error"
    assert [type(happening) for happening in told(delivery).happenings] == [SinkFailing, SinkRecovered]


@pytest.mark.anyio
async def test_a_long_outage_costs_few_tries() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink([DOWN] * 10_000)
    async with running(deliver(journal, sink)):
        await anyio.sleep(3600)
    assert 60 < sink.tries < 12 * 60


@pytest.mark.anyio
async def test_chance_cannot_make_us_hammer_a_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.clock, "uniform", lambda low, high: low)
    sink = MemorySink([DOWN] * 10_000)
    async with running(deliver(MemoryJournal([record(1)]), sink)):
        await anyio.sleep(60)
    assert sink.tries <= 13


@pytest.mark.anyio
async def test_a_success_begins_the_backoff_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.clock, "uniform", lambda low, high: high)
    journal = MemoryJournal([record(1)])
    sink = MemorySink([*[DOWN] * 5, None, DOWN])
    async with running(deliver(journal, sink)) as delivery:
        await sink.wrote.wait()
        await anyio.sleep(100)
        began = anyio.current_time()
        journal.say(1)
        await until(lambda: delivery.cursor == 2)
        assert anyio.current_time() - began < 2


@pytest.mark.anyio
async def test_the_destination_may_ask_for_patience() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink([SinkUnavailable("Too many requests.", retry_after_s=300)])
    async with running(deliver(journal, sink)):
        await sink.wrote.wait()
    assert anyio.current_time() >= 300


@pytest.mark.anyio
async def test_a_sink_that_is_down_at_start_is_opened_until_it_opens() -> None:
    journal = MemoryJournal()
    sink = MemorySink(open_faults=[DOWN, REFUSED, DOWN])
    async with running(deliver(journal, sink)):
        await anyio.sleep(0.1)
        journal.say(1)
        await sink.wrote.wait()
    assert sink.opened == 4


@pytest.mark.anyio
async def test_a_sink_that_refuses_us_pauses_and_keeps_its_backlog() -> None:
    journal = MemoryJournal([record(n) for n in range(1, 4)])
    sink = MemorySink([REFUSED] * 3)
    async with running(deliver(journal, sink)) as delivery:
        await until(lambda: sink.tries == 1)
        began = anyio.current_time()
        assert delivery.state().status == "paused"
        assert journal.dead == {}
        await sink.wrote.wait()
        assert anyio.current_time() - began == pytest.approx(3 * outlet.PAUSE_S, abs=0.1)
    assert sink.seqs == [1, 2, 3]
    assert len(told(delivery).of(SinkPaused)) == 1, "one alarm, not one a minute"
    assert told(delivery).of(SinkPaused)[0].level == logging.ERROR


@pytest.mark.anyio
async def test_a_bug_in_a_sink_stops_nobody_and_its_words_stay_out_of_the_log() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink([ValueError("my card is 4111 1111")])
    async with running(deliver(journal, sink)) as delivery:
        await sink.wrote.wait()
    (failing,) = told(delivery).of(SinkFailing)
    assert "ValueError" in str(failing)
    assert "4111" not in str(failing)


@pytest.mark.anyio
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("poison", [{1}, {5}, {9}, {1, 9}, {3, 4, 5}, set(range(1, 10)), set()])
async def test_poison_becomes_a_dead_letter_and_its_neighbours_arrive(poison: set[int], tells: bool) -> None:
    journal = MemoryJournal([record(n) for n in range(1, 10)])
    sink = MemorySink(poison=sorted(poison), tells=tells)
    delivery = deliver(journal, sink)
    assert await drained(delivery)
    assert sink.seqs == [n for n in range(1, 10) if n not in poison]
    assert {seq for _, seq in journal.dead} == poison
    assert set(journal.dead.values()) <= {"poison" if tells else "refused"}
    assert journal.cursors["sink"] == 9
    assert delivery.tally.dead_lettered == len(poison)
    assert sum(happening.events for happening in told(delivery).of(EventsRefused)) == len(poison)


@pytest.mark.anyio
async def test_reasons_for_other_rows_are_no_reasons() -> None:
    """A sink that names rows it was not given must not make delivery go round for ever."""
    journal = MemoryJournal([record(1), record(2)])
    sink = MemorySink([RowsRejected({77: "?"}), RowsRejected({77: "?"}), None])
    assert await drained(deliver(journal, sink))
    assert [seq for _, seq in journal.dead] == [1]
    assert sink.seqs == [2]


@pytest.mark.anyio
async def test_the_cursor_follows_the_parts_of_a_halved_batch() -> None:
    journal = MemoryJournal([record(n) for n in range(1, 9)])
    sink = MemorySink([RowsRejected({}), None, *[DOWN] * 1000])
    async with running(deliver(journal, sink)):
        await until(lambda: sink.tries == 3)
        assert sink.batches == [[1, 2, 3, 4]]
        assert journal.cursors["sink"] == 4


@pytest.mark.anyio
async def test_a_slow_sink_delays_no_other() -> None:
    journal = MemoryJournal()

    class Stuck(MemorySink):
        async def write(self, batch: Sequence[Record]) -> None:
            await anyio.sleep_forever()

    slow, quick = deliver(journal, Stuck()), deliver(journal, MemorySink())
    async with running(slow), running(quick):
        await anyio.sleep(1)
        journal.say(300)
        await until(lambda: quick.cursor == 300)
        assert (slow.state().lag_events, quick.state().lag_events) == (300, 0)


@pytest.mark.anyio
async def test_lag_in_seconds_is_the_age_of_the_oldest_event_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.clock, "wall_ms", lambda: 1_774_055_342_500)  # 2026-03-21T01:09:02.500Z
    journal = MemoryJournal([record(1), record(2)])
    sink = MemorySink([REFUSED] * 9)
    async with running(deliver(journal, sink)) as delivery:
        await sink.tried.wait()
        assert delivery.state().lag_seconds == 1.5


@pytest.mark.anyio
async def test_lag_in_seconds_of_a_sink_that_does_not_open() -> None:
    journal = MemoryJournal()
    sink = MemorySink(open_faults=[REFUSED] * 9)
    async with running(deliver(journal, sink)) as delivery:
        await sink.tried.wait()
        assert delivery.state().lag_seconds == 0
        journal.say(1)
        assert delivery.state().lag_seconds == 0
        await anyio.sleep(30)
        assert delivery.state().lag_seconds == pytest.approx(30, abs=0.1)


@pytest.mark.anyio
async def test_status_tells_since_when() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink([DOWN] * 500)
    async with running(deliver(journal, sink)) as delivery:
        await anyio.sleep(100)
        assert delivery.state().since_ms == EPOCH_MS


@pytest.mark.anyio
async def test_draining_gives_a_failing_sink_one_more_try_at_once() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink([SinkUnavailable("Busy.", retry_after_s=900)])
    async with running(deliver(journal, sink)) as delivery:
        await until(lambda: delivery.state().status == "retrying")
        assert await delivery.drain(10)
        assert anyio.current_time() < 1
    assert sink.seqs == [1]


@pytest.mark.anyio
async def test_draining_gives_up_at_its_deadline() -> None:
    journal = MemoryJournal([record(1), record(2)])
    sink = MemorySink([DOWN] * 1000)
    async with running(deliver(journal, sink)) as delivery:
        await until(lambda: delivery.state().status == "retrying")
        began = anyio.current_time()
        assert not await delivery.drain(10)
        assert anyio.current_time() - began <= 10
        assert sink.closed == 1
    assert told(delivery).of(LeftBehind)[0].pending == 2
    assert journal.cursors["sink"] == 0


@pytest.mark.anyio
async def test_draining_does_not_wait_for_a_paused_sink() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink([REFUSED] * 1000)
    async with running(deliver(journal, sink)) as delivery:
        await until(lambda: delivery.state().status == "paused")
        began = anyio.current_time()
        assert not await delivery.drain(10)
        assert anyio.current_time() == began
    assert sink.tries == 2


@pytest.mark.anyio
async def test_draining_does_not_wait_for_a_sink_that_hangs() -> None:
    class Stuck(MemorySink):
        async def write(self, batch: Sequence[Record]) -> None:
            await anyio.sleep_forever()

        async def aclose(self) -> None:
            await anyio.sleep_forever()

    async with running(deliver(MemoryJournal([record(1)]), Stuck())) as delivery:
        await anyio.sleep(1)
        assert not await delivery.drain(10)
        assert anyio.current_time() <= 11 + 2 * outlet.CLOSE_S


@pytest.mark.anyio
async def test_draining_ends_the_linger() -> None:
    journal = MemoryJournal()
    sink = MemorySink()
    async with running(deliver(journal, sink)) as delivery:
        await anyio.sleep(1)
        journal.say(1)
        await anyio.sleep(0)
        await anyio.sleep(0)
        assert await delivery.drain(10)
        assert anyio.current_time() == 1
    assert sink.seqs == [1]


@pytest.mark.anyio
async def test_draining_what_never_ran() -> None:
    assert await deliver(MemoryJournal(), MemorySink()).drain(10)
    assert anyio.current_time() == 0


@pytest.mark.anyio
async def test_when_the_reader_has_gone_the_delivery_ends() -> None:
    journal = MemoryJournal([record(1), record(2)])
    delivery = deliver(journal, MemorySink([SinkEnded("Nobody reads.")]), durable=False)
    await delivery.run()
    assert delivery.state().status == "ended"
    assert not await delivery.drain(10)
    assert told(delivery).of(LeftBehind) == []


@pytest.mark.anyio
async def test_cancellation_is_the_hard_stop() -> None:
    journal = MemoryJournal([record(1)])
    sink = MemorySink([DOWN] * 1000)
    async with running(deliver(journal, sink)):
        await sink.tried.wait()
    assert sink.closed == 1
    assert journal.cursors == {"sink": 0}


@pytest.mark.anyio
async def test_log_rotation_reaches_a_sink_that_minds() -> None:
    class Rotating(MemorySink):
        turns = 0

        def reopen(self) -> None:
            self.turns += 1

    sink = Rotating()
    deliver(MemoryJournal(), sink).reopen()
    deliver(MemoryJournal(), MemorySink()).reopen()
    assert sink.turns == 1


@pytest.mark.anyio
async def test_what_retention_took_is_counted() -> None:
    journal = MemoryJournal([record(n) for n in range(1, 11)])
    journal.purge(4)
    sink = MemorySink()
    delivery = deliver(journal, sink)
    assert await drained(delivery)
    assert sink.seqs == [5, 6, 7, 8, 9, 10]
    assert delivery.tally.purged == 4


@pytest.mark.anyio
async def test_a_journal_that_retention_emptied() -> None:
    journal = MemoryJournal([record(n) for n in range(1, 11)])
    journal.purge(10)
    delivery = deliver(journal, MemorySink())
    assert await drained(delivery)
    assert (delivery.cursor, delivery.tally.purged) == (10, 10)


async def settled(delivery: Delivery, journal: MemoryJournal) -> None:
    await until(lambda: delivery.cursor == journal.head or delivery.state().status == "ended")


FAULTS = st.sampled_from([None, None, DOWN, REFUSED, ValueError("bug"), RowsRejected({}), "lost ack", "cut"])


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from(["say", "interim", "gap"]), min_size=1, max_size=30),
    st.lists(FAULTS, max_size=25),
    st.sets(st.integers(1, 30)),
    st.booleans(),
    st.integers(0, 5),
    st.integers(1, 600),
)
def test_accepted_is_delivered_dead_lettered_purged_or_not_asked_for(
    kinds: list[str], faults: list[Any], poison: set[int], tells: bool, purged: int, max_bytes: int
) -> None:
    """Whatever a sink does, through errors, lost acknowledgements and restarts."""
    rows = [
        record(n, kind="gap") if kind == "gap" else record(n, final=kind == "say")
        for n, kind in enumerate(kinds, start=1)
    ]
    asked = {row.seq for row, kind in zip(rows, kinds, strict=True) if kind == "say"}

    async def scenario() -> None:
        journal = MemoryJournal(rows)
        journal.purge(min(purged, len(rows)))
        sink = MemorySink([], poison=sorted(poison), tells=tells)
        restarts = [0]

        def acknowledgement_lost(batch: Sequence[Record]) -> None:
            sink.batches.append([row.seq for row in batch])
            raise DOWN

        def crash(batch: Sequence[Record]) -> None:
            restarts[0] += 1
            sink.batches.append([row.seq for row in batch])
            raise SinkEnded("crash")

        acts: dict[Any, Any] = {"lost ack": acknowledgement_lost, "cut": crash}
        sink.faults = [acts.get(fault, fault) for fault in faults]
        while True:
            cursor = journal.cursors.get("sink", 0)
            delivery = deliver(journal, sink, choice=Choice(frozenset({"utterance"})))
            with anyio.move_on_after(100_000):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(delivery.run)
                    await settled(delivery, journal)
                    await anyio.sleep(1)
                    tasks.cancel_scope.cancel()
            if delivery.state().status != "ended":
                assert delivery.tally.total == journal.head - cursor
                break
        dead = {seq for _, seq in journal.dead}
        gone = set(range(1, min(purged, len(rows)) + 1))
        refused_whole = sum(isinstance(f, RowsRejected) for f in faults)
        assert set(sink.seqs) | dead | gone >= asked
        assert set(sink.seqs) <= asked
        assert len(dead - poison) <= refused_whole
        if not restarts[0]:
            assert not set(sink.seqs) & dead or "lost ack" in faults
            assert delivery.tally.delivered == len(asked - dead - gone)
        firsts = [seq for n, seq in enumerate(sink.seqs) if seq not in sink.seqs[:n]]
        assert firsts == sorted(firsts), "a retry may repeat, never overtake"

    with pytest.MonkeyPatch.context() as patch:
        move_wall_clock(patch)
        patch.setattr(feeds, "batches", functools.partial(feeds.batches, max_bytes=max_bytes))
        anyio.run(scenario, backend="asyncio", backend_options={"loop_factory": VirtualTimeLoop})


# --- form and order ---------------------------------------------------------------------------------------------------


def spoken(seq: int, came_s: float, spoken_s: float, conversation: str = "c") -> Record:
    def at(seconds: float) -> str:
        return clock.iso(EPOCH_MS + round(seconds * 1000))

    event = Utterance[str](
        key=f"k{seq}", revision=1, conversation_id=conversation, spoken_at=at(spoken_s), received_at=at(came_s)
    )
    return Record(seq, "utterance", encode(event))


def ended(seq: int, at_s: float, conversation: str = "c") -> Record:
    at = clock.iso(EPOCH_MS + round(at_s * 1000))
    return Record(seq, "conversation", encode(Conversation[str](f"{conversation}:ended", 1, conversation, "ended", at)))


@pytest.mark.anyio
async def test_filters_are_applied_and_counted() -> None:
    journal = MemoryJournal([record(1, text="please cancel"), record(2, text="no"), record(3, kind="gap")])
    sink = MemorySink()
    delivery = deliver(journal, sink, shape=Shape(SinkFilters(match=("cancel",))))
    assert await drained(delivery)
    assert sink.seqs == [1, 3]
    assert (delivery.tally.filtered, delivery.tally.delivered) == (1, 2)


@pytest.mark.anyio
async def test_the_names_of_queues_are_asked_for_at_start() -> None:
    said = Record(1, "utterance", encode(Utterance[str](key="k", revision=1, queue_id="q")))
    journal = MemoryJournal([said])
    journal.names = {"q": "Sales"}
    sink = MemorySink()
    assert await drained(deliver(journal, sink, shape=Shape(SinkFilters(queues=("Sal*",)))))
    assert sink.seqs == [1]


@pytest.mark.anyio
async def test_names_that_the_source_tells_in_this_run_count_at_once() -> None:
    """On a new store the first words of a queue's first call come before any participant has been told."""
    journal = MemoryJournal()
    sink = MemorySink()
    async with running(deliver(journal, sink, shape=Shape(SinkFilters(queues=("Sal*",))))):
        await anyio.sleep(1)
        journal.queues = {"q": "Sales", "r": "Billing"}
        journal.commit(
            *(
                Record(seq, "utterance", encode(Utterance[str](key=str(seq), revision=1, queue_id=queue)))
                for seq, queue in ((1, "q"), (2, "r"))
            )
        )
        await anyio.sleep(1)
        assert sink.seqs == [1]


@pytest.mark.anyio
async def test_held_events_go_in_order_and_the_cursor_waits_for_them() -> None:
    journal = MemoryJournal()
    sink = MemorySink()
    async with running(deliver(journal, sink, shape=Shape(hold_s=3))) as delivery:
        await anyio.sleep(10)
        journal.commit(spoken(1, 10, 9), spoken(2, 10, 8))
        await anyio.sleep(2)
        assert (sink.seqs, journal.cursors["sink"], delivery.state().lag_events) == ([], 0, 2)
        journal.commit(spoken(3, 12, 1))
        await until(lambda: delivery.cursor == 3)
        assert sink.seqs == [3, 2, 1]
        assert anyio.current_time() == pytest.approx(13, abs=0.1)


@pytest.mark.anyio
async def test_a_stop_does_not_wait_for_held_events() -> None:
    journal = MemoryJournal()
    sink = MemorySink()
    async with running(deliver(journal, sink, shape=Shape(hold_s=60))) as delivery:
        await anyio.sleep(10)
        journal.commit(spoken(1, 10, 9), spoken(2, 10, 8))
        await anyio.sleep(1)
        assert await delivery.drain(10)
        assert anyio.current_time() == 11
    assert sink.seqs == [2, 1]


@pytest.mark.anyio
async def test_a_refused_batch_out_of_order_moves_the_cursor_at_its_end_only() -> None:
    journal = MemoryJournal([spoken(1, 0, 9), spoken(2, 0, 8), spoken(3, 0, 7)])
    sink = MemorySink([RowsRejected({}), None, *[DOWN] * 1000])
    async with running(deliver(journal, sink, shape=Shape(hold_s=3))):
        await until(lambda: sink.tries == 3)
        assert sink.batches == [[3]]
        assert journal.cursors["sink"] == 0


class Reading(MemorySink):
    """Remembers bodies."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.bodies: list[Any] = []

    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        self.bodies += [json.loads(row.json()) for row in batch]


@pytest.mark.anyio
async def test_one_document_a_conversation_after_its_end() -> None:
    journal = MemoryJournal()
    sink = Reading([DOWN])
    async with running(deliver(journal, sink, shape=Shape(per_conversation=True))) as delivery:
        await anyio.sleep(10)
        journal.commit(spoken(1, 10, 9), spoken(2, 10, 8), spoken(3, 10, 8, "other"), record(4, kind="gap"))
        await anyio.sleep(30)
        assert (sink.tries, journal.cursors["sink"]) == (0, 0)
        journal.commit(ended(5, 40))
        await until(lambda: sink.bodies)
        assert [one["seq"] for one in sink.bodies[0]["lines"]] == [2, 1]
        await until(lambda: journal.cursors["sink"] == 2)
        assert delivery.state().lag_events == 3
        await until(lambda: len(sink.bodies) == 2)
        assert sink.bodies[1]["key"] == "other:transcript"
        await until(lambda: delivery.cursor == 5)
    tally = delivery.tally
    assert (tally.delivered, tally.gathered, tally.filtered, tally.total) == (2, 2, 1, 5)


@pytest.mark.anyio
async def test_a_stop_leaves_open_conversations_to_the_next_run() -> None:
    journal = MemoryJournal([spoken(1, 0, 0), ended(2, 1), spoken(3, 1, 1, "open")])
    sink = Reading()
    async with running(deliver(journal, sink, shape=Shape(per_conversation=True))) as delivery:
        await until(lambda: sink.bodies)
        began = anyio.current_time()
        assert not await delivery.drain(10)
        assert anyio.current_time() == began, "nothing was to be waited for"
    assert told(delivery).of(LeftBehind)[0].pending == 1
    assert journal.cursors["sink"] == 2
    again = deliver(journal, sink, shape=Shape(per_conversation=True))
    async with running(again):
        await until(lambda: len(sink.bodies) == 2)
    assert [body["key"] for body in sink.bodies] == ["c:transcript", "open:transcript"]


@pytest.mark.anyio
async def test_a_document_that_is_refused_is_dead_lettered() -> None:
    journal = MemoryJournal([spoken(1, 0, 0), ended(2, 1)])
    sink = MemorySink(poison=[2])
    delivery = deliver(journal, sink, shape=Shape(per_conversation=True))
    async with running(delivery):
        await until(lambda: delivery.cursor == 2)
    assert journal.dead == {("sink", 2): "poison"}
    assert delivery.tally.total == 2


@pytest.mark.anyio
async def test_a_document_without_lines_left_is_none() -> None:
    journal = MemoryJournal([spoken(1, 0, 0), ended(2, 1)])
    sink = MemorySink()
    delivery = deliver(journal, sink, shape=Shape(SinkFilters(match=("x",)), per_conversation=True))
    async with running(delivery):
        await until(lambda: delivery.cursor == 2)
    assert sink.tries == 0
    assert (delivery.tally.filtered, delivery.tally.total) == (1, 2)


# --- slow sinks -------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_sink_that_times_out_gets_smaller_batches_and_later_larger_ones() -> None:
    class Slow(MemorySink):
        async def write(self, batch: Sequence[Record]) -> None:
            if len(batch) > 100 and not self.batches:
                await anyio.sleep(30)
                raise DOWN
            await super().write(batch)

    journal = MemoryJournal([record(n) for n in range(1, 2001)])
    sink = Slow()
    assert await drained(deliver(journal, sink), 3600)
    assert sink.seqs == list(range(1, 2001))
    assert [len(batch) for batch in sink.batches][:4] == [62, 63, 125, 250]
    assert len(sink.batches[-1]) == MAX_EVENTS


@pytest.mark.anyio
async def test_an_outage_makes_no_batch_smaller() -> None:
    journal = MemoryJournal([record(n) for n in range(1, 401)])
    sink = MemorySink([DOWN] * 5)
    async with running(deliver(journal, sink)):
        await sink.wrote.wait()
    assert [len(batch) for batch in sink.batches] == [400]


# --- sinks that keep the cursor themselves ----------------------------------------------------------------------------


class Restored(MemoryJournal):
    """A journal whose cursors may go back."""

    async def save_cursor(self, name: str, seq: int, *, at_once: bool = False) -> None:
        self.cursors[name] = seq


@pytest.mark.anyio
async def test_the_destinations_word_counts_and_nothing_is_there_twice() -> None:
    journal = Restored([record(n) for n in range(1, 11)])
    destination = Destination()
    destination.position = await journal.position(7)
    journal.cursors["sink"] = 3
    sink = Keeping(destination)
    assert await drained(deliver(journal, sink))
    assert sink.seqs == [8, 9, 10]
    assert destination.position == await journal.position(10)
    assert journal.cursors["sink"] == 10


@pytest.mark.anyio
async def test_a_destination_that_is_down_is_asked_again() -> None:
    journal = Restored([record(1)])
    sink = Keeping(Destination(), open_faults=[DOWN, None], asked_faults=[DOWN])
    assert await drained(deliver(journal, sink), 60)
    assert (sink.seqs, sink.asked) == ([1], 2)


@pytest.mark.anyio
async def test_yesterdays_store_against_todays_sink() -> None:
    """The store comes from yesterday's backup: rows since then are others, and not one of them is missing."""
    destination = Destination()
    today = Restored([record(n) for n in range(1, 11)])
    assert await drained(deliver(today, Keeping(destination)))
    yesterday = Restored([record(n) for n in range(1, 6)])
    yesterday.cursors["sink"] = 5
    yesterday.commit(*(Record(n, "utterance", record(n, text=f"new {n}").body) for n in range(6, 13)))
    changed = [
        row._replace(body=row.body.replace(b'"key":"k', b'"key":"n')) if row.seq > 5 else row
        for row in yesterday.records
    ]
    yesterday.records = changed
    assert await drained(deliver(yesterday, Keeping(destination)))
    assert yesterday.mistrusted == 1
    kept = set(destination.rows.values())
    assert all(row.body in kept for row in yesterday.records), "zero rows missing"
    assert len(destination.rows) == 10 + 7, "and none twice"
    assert destination.position == await yesterday.position(12)


@pytest.mark.anyio
async def test_a_store_of_its_own_begins_at_its_oldest_event() -> None:
    destination = Destination()
    first = Restored([record(n) for n in range(1, 4)])
    assert await drained(deliver(first, Keeping(destination)))
    second = Restored([record(n) for n in range(1, 6)])
    second.store_id = "another"
    sink = Keeping(destination)
    assert await drained(deliver(second, sink))
    assert sink.seqs == [1, 2, 3, 4, 5]
    assert len(destination.rows) == 5


@pytest.mark.anyio
@pytest.mark.parametrize(("start", "again"), [("beginning", [1, 2, 3, 4]), ("now", [4])])
async def test_a_destination_that_was_emptied(start: Any, again: list[int]) -> None:
    journal = Restored([record(n) for n in range(1, 5)])
    journal.cursors["sink"] = 3
    sink = Keeping(Destination())
    delivery = deliver(journal, sink, start=start)
    assert await drained(delivery)
    assert sink.seqs == again
    assert len(told(delivery).of(DestinationForgot)) == (start == "beginning")


@pytest.mark.anyio
async def test_poison_keeps_position_and_rows_together() -> None:
    journal = Restored([record(n) for n in range(1, 10)])
    destination = Destination()
    sink = Keeping(destination, poison=[4], tells=False)
    assert await drained(deliver(journal, sink))
    assert sorted(destination.rows) == [f"k{n}" for n in range(1, 10) if n != 4]
    assert destination.position == await journal.position(9)


# --- everything at once -----------------------------------------------------------------------------------------------


SHAPES = st.sampled_from(
    [
        Shape(),
        Shape(SinkFilters(match=("cancel",))),
        Shape(SinkFilters(speakers=frozenset({"customer"}))),
        Shape(hold_s=3),
        Shape(SinkFilters(match=("cancel",), words=False), hold_s=0.5),
    ]
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(["cancel", "other", "interim", "gap"]), st.floats(0, 9)), min_size=1, max_size=30
    ),
    st.lists(FAULTS, max_size=20),
    st.sets(st.integers(1, 30)),
    SHAPES,
    st.booleans(),
    st.integers(0, 5),
    st.integers(1, 40),
)
def test_accepted_is_accounted_for_in_every_form(
    rows: list[tuple[str, float]],
    faults: list[Any],
    poison: set[int],
    shape: Shape,
    keeps: bool,
    purged: int,
    most: int,
) -> None:
    """accepted = delivered + dead-lettered + filtered + purged, through errors, restarts, filters and holding."""
    records = []
    for n, (what, spoken_s) in enumerate(rows, start=1):
        row = record(n, kind="gap") if what == "gap" else record(n, text=f"so {what}", final=what != "interim")
        at = f"2026-03-21T01:08:{spoken_s:06.3f}Z".encode()
        records.append(row._replace(body=row.body.replace(b"2026-03-21T01:09:%02d.000Z" % (n % 60), at, 1)))
    sieve = Sieve(Choice(frozenset(DELIVERED_KINDS)), shape.filters)
    asked = {row.seq for row in records if sieve.take(row)}
    gone = set(range(1, min(purged, len(rows)) + 1))

    async def scenario() -> None:
        journal = Restored(records)
        journal.purge(len(gone))
        destination = Destination()
        crashed = Crashing(faults, poison)
        while True:
            sink = Keeping(destination) if keeps else MemorySink()
            crashed.arm(sink)
            delivery = deliver(journal, sink, shape=shape)
            delivery._outlet.sizing.events = most
            with anyio.move_on_after(100_000):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(delivery.run)
                    await settled(delivery, journal)
                    await anyio.sleep(1)
                    tasks.cancel_scope.cancel()
            if delivery.state().status != "ended":
                break
        dead = {seq for _, seq in journal.dead}
        taken = set(crashed.seqs)
        assert taken | dead | gone >= asked, "nothing that was asked for is lost"
        assert taken <= asked
        assert not dead & (set(range(1, len(rows) + 1)) - asked)
        if not crashed.crashes:
            assert delivery.tally.total == journal.head
            assert delivery.tally.delivered == len(asked - dead - gone)
            assert delivery.tally.filtered == len(rows) - len(asked | gone)
        if keeps and not crashed.crashes:
            assert len(destination.rows) == len(asked - dead - gone)

    with pytest.MonkeyPatch.context() as patch:
        move_wall_clock(patch)
        anyio.run(scenario, backend="asyncio", backend_options={"loop_factory": VirtualTimeLoop})


class Crashing:
    """Faults and poison that live longer than one sink: what is left of them meets the next one."""

    def __init__(self, faults: list[Any], poison: set[int]) -> None:
        self.seqs: list[int] = []
        self.crashes = 0
        acts = {"lost ack": self._lost, "cut": self._cut}
        self._faults = [acts.get(fault, fault) if isinstance(fault, str) else fault for fault in faults]
        self._poison = poison

    def arm(self, sink: MemorySink) -> None:
        sink.faults = self._faults
        sink.poison = self._poison
        sink.batches = _Taken(self.seqs)

    def _lost(self, batch: Sequence[Record]) -> None:
        self.seqs += [row.seq for row in batch]
        raise DOWN

    def _cut(self, batch: Sequence[Record]) -> None:
        self.crashes += 1
        self.seqs += [row.seq for row in batch]
        raise SinkEnded("crash")


class _Taken(list):  # type: ignore[type-arg]
    def __init__(self, seqs: list[int]) -> None:
        super().__init__()
        self._seqs = seqs

    def append(self, batch: list[int]) -> None:
        self._seqs += batch
