"""A sink paused, resumed and removed by hand; events written once more beside what is new. Time is virtual."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.delivery import Delivery, Shape
from genscribe.events import Conversation, Record, Utterance, encode
from genscribe.outlet import BY_HAND
from genscribe.redelivery import Letters, Replay
from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable
from genscribe.telemetry import Telemetry
from tests.fakes import Destination, KeepingSink, MemoryJournal, MemorySink, record
from tests.virtual_time import VIRTUAL, move_wall_clock


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


def journal_of(count: int) -> MemoryJournal:
    return MemoryJournal([record(n) for n in range(1, count + 1)])


def deliver(journal: MemoryJournal, sink: Any, **options: Any) -> Delivery:
    return Delivery("sink", sink, journal, Telemetry(), **options)


async def until(true: Any) -> None:
    with anyio.fail_after(3600):
        while not true():
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_a_paused_sink_gets_nothing_and_then_everything() -> None:
    journal, sink = journal_of(3), MemorySink()
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.seqs == [1, 2, 3])
        delivery.pause()
        delivery.pause()
        journal.say(4)
        await anyio.sleep(600)
        state = delivery.state()
        assert sink.seqs == [1, 2, 3]
        assert (state.status, state.last_error, state.lag_events) == ("paused", BY_HAND, 4)
        delivery.resume()
        await until(lambda: sink.seqs == list(range(1, 8)))
        assert delivery.state().status == "running"
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_one_paused_from_the_start_is_not_even_opened_and_a_stop_does_not_wait_for_it() -> None:
    journal, sink = journal_of(3), MemorySink()
    delivery = deliver(journal, sink)
    delivery.pause()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await anyio.sleep(60)
        began = anyio.current_time()
        assert not await delivery.drain(100)
        assert anyio.current_time() - began < 1
    assert (sink.opened, sink.tries, journal.cursors) == (0, 0, {"sink": 0})


@pytest.mark.anyio
async def test_a_sink_paused_while_it_fails_is_tried_no_more_and_resume_tries_at_once() -> None:
    journal = journal_of(3)
    sink = MemorySink([SinkMisconfigured("Who are you?")] * 2 + [SinkUnavailable("Down.")])
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.tries == 1)
        delivery.pause()
        await anyio.sleep(600)
        assert sink.tries == 1
        delivery.resume()
        await until(lambda: sink.tries == 2)
        now = anyio.current_time()
        delivery.resume()  # of a pause that was not by hand: it need not wait the minute out
        await until(lambda: sink.tries == 3)
        assert anyio.current_time() - now < 1
        await until(lambda: sink.seqs == [1, 2, 3])
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_after_resume_the_backoff_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "uniform", lambda low, high: high)
    sink = MemorySink([SinkUnavailable("Down.")] * 9)
    delivery = deliver(journal_of(3), sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.tries == 8)
        await anyio.sleep(10)
        began = anyio.current_time()
        delivery.resume()
        await until(lambda: sink.tries == 10)
        assert anyio.current_time() - began < 2, "at once, and a second later"
        await until(lambda: sink.seqs == [1, 2, 3])
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_removed_sink_ends_in_the_middle_of_a_write_and_saves_no_cursor() -> None:
    journal = journal_of(3)
    sink = MemorySink([SinkUnavailable("Down.")] * 1000)
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.tries > 2)
        journal.cursors.clear()
        await delivery.remove()
        work = Replay(0, 3)
        delivery.redeliver(work)
        assert work.ended.is_set()
        assert not work.finished
    assert (sink.closed, journal.cursors, delivery.state().status) == (1, {}, "stopped")


@pytest.mark.anyio
@pytest.mark.parametrize("hold_s", [0.0, 3.0])
async def test_a_replay_writes_a_span_again_and_moves_neither_cursor_nor_tally(hold_s: float) -> None:
    journal, sink = journal_of(1200), MemorySink()
    delivery = deliver(journal, sink, shape=Shape(hold_s=hold_s))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: delivery.cursor == 1200)
        sink.batches.clear()
        work = Replay(100, 1150)
        delivery.redeliver(work)
        await work.ended.wait()
        assert work.finished
        assert sorted(sink.seqs) == list(range(101, 1151))
        assert (work.done, work.total, work.tally.delivered) == (1050, 1050, 1050)
        assert (delivery.cursor, delivery.tally.delivered, delivery.tally.total) == (1200, 1200, 1200)
        journal.say(1)
        await until(lambda: sink.seqs[-1] == 1201)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_what_is_new_does_not_wait_for_a_replay() -> None:
    journal = journal_of(12_000)
    said = []

    def say(batch: Any) -> None:
        if len(said) < 5:
            said.append(journal.head + 1)
            journal.say(1)

    sink = MemorySink()
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: delivery.cursor == 12_000)
        sink.batches.clear()
        sink.faults = [say] * 1000
        work = Replay(0, 12_000)
        delivery.redeliver(work)
        await work.ended.wait()
        await until(lambda: delivery.cursor == journal.head)
        place = [next(n for n, batch in enumerate(sink.batches) if seq in batch) for seq in said]
        assert place[0] <= 2, "the first new event goes right after the slice in hand"
        assert len(sink.batches) > 10
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_sink_that_keeps_its_place_keeps_it_in_a_replay() -> None:
    journal, destination = journal_of(20), Destination()
    sink = KeepingSink(destination)
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: delivery.cursor == 20)
        destination.rows.clear()
        work = Replay(4, 9)
        delivery.redeliver(work)
        await work.ended.wait()
        assert len(destination.rows) == 5
        assert destination.position is not None
        assert destination.position.seq == 20
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_dead_letters_that_are_taken_now_leave_the_list_and_the_others_stay() -> None:
    journal = journal_of(10)
    sink = MemorySink(poison=[2, 5, 7], tells=False)
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: delivery.cursor == 10)
        assert sorted(journal.dead) == [("sink", 2), ("sink", 5), ("sink", 7)]
        sink.poison = {5}
        journal.records = [row for row in journal.records if row.seq != 2]
        sink.batches.clear()
        work = Letters([2, 5, 7])
        delivery.redeliver(work)
        await work.ended.wait()
        assert sink.seqs == [7]
        assert sorted(journal.dead) == [("sink", 2), ("sink", 5)]
        assert (work.done, work.tally.delivered, work.tally.purged, work.refused) == (3, 1, 1, {5})
        assert (delivery.tally.delivered, delivery.tally.dead_lettered) == (7, 3)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_work_that_is_given_up_stops() -> None:
    journal, sink = journal_of(3000), MemorySink()
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: delivery.cursor == 3000)
        sink.batches.clear()
        work = Replay(0, 3000)
        sink.faults = [lambda batch: delivery.give_up(work)]
        delivery.redeliver(work)
        await anyio.sleep(60)
        assert len(sink.batches) == 1
        assert not work.finished
        tasks.cancel_scope.cancel()


class Documents(MemorySink):
    """Keeps what it took, whole."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.bodies: list[bytes] = []

    async def write(self, batch: Any) -> None:
        await super().write(batch)
        self.bodies += [row.body for row in batch]

    @property
    def keys(self) -> list[str]:
        return [json.loads(body)["key"] for body in self.bodies]


def calls() -> MemoryJournal:
    """`a` is over; of `b` no start was told; the end of `c` comes last; `d` goes on."""
    made: list[Record] = []

    def heard(conversation: str, ago_s: float, state: str | None = None) -> None:
        seq, at = len(made) + 1, clock.iso(clock.wall_ms() - round(ago_s * 1000))
        event: Any = Utterance[str](f"k{seq}", 1, conversation, text=f"{seq}", spoken_at=at, received_at=at)
        if state is not None:
            event = Conversation[str](f"{conversation}:{state}", 1, conversation, state, at=at)
        made.append(Record(seq, event.kind, encode(event)))

    for ago_s, conversation, state in (
        (4000, "a", "started"), (3990, "a", None), (3900, "b", None), (3880, "a", "ended"), (3000, "c", "started"),
        (2990, "c", None), (2980, "d", "started"), (2970, "d", None),
        (2000, "c", None), (1990, "c", "ended"), (1000, "d", None),
    ):  # fmt: skip
        heard(conversation, ago_s, state)
    return MemoryJournal(made)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("span", "again"),
    [
        ((0, 11), ["a", "b", "c"]),
        ((0, 8), ["a", "b", "c"]),  # its end tells nobody that `c` was heard before
        ((3, 6), ["a", "c"]),
        ((1, 3), ["a", "b"]),
        ((6, 8), []),
        ((10, 11), []),
    ],
)
async def test_a_replay_of_documents_writes_the_same_documents_again(span: tuple[int, int], again: list[str]) -> None:
    journal, sink = calls(), Documents()
    delivery = deliver(journal, sink, shape=Shape(per_conversation=True))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: len(sink.bodies) == 3)
        first = dict(zip(sink.keys, sink.bodies, strict=True))
        assert sorted(first) == ["a:transcript", "b:transcript", "c:transcript"]
        counted = replace(delivery.tally)
        sink.bodies.clear()
        work = Replay(*span)
        delivery.redeliver(work)
        await work.ended.wait()
        assert work.finished
        assert sorted(sink.keys) == [f"{name}:transcript" for name in again]
        assert all(first[key] == body for key, body in zip(sink.keys, sink.bodies, strict=True))
        assert work.tally.delivered == len(again)
        assert (work.tally.purged, work.done) == (0, work.total)
        assert (delivery.cursor, delivery.tally) == (6, counted), "`d` is not over"
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_documents_that_were_refused_are_tried_again() -> None:
    journal, sink = calls(), Documents(poison=[10], tells=False)
    delivery = deliver(journal, sink, shape=Shape(per_conversation=True))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: len(sink.bodies) == 2 and journal.dead)
        assert list(journal.dead) == [("sink", 10)]
        sink.poison.clear()
        work = Letters([10])
        delivery.redeliver(work)
        await work.ended.wait()
        assert (sink.keys[2:], journal.dead) == (["c:transcript"], {})
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_replay_of_documents_does_not_follow_a_conversation_that_goes_on() -> None:
    journal, sink = calls(), Documents()
    delivery = deliver(journal, sink, shape=Shape(per_conversation=True))

    def go_on(batch: Any) -> None:
        journal.commit(Record(journal.head + 1, "utterance", journal.records[-1].body))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: len(sink.bodies) == 3)
        work = Replay(0, 8)
        sink.faults = [go_on] * 100
        delivery.redeliver(work)
        with anyio.fail_after(60):
            await work.ended.wait()
        assert sink.keys.count("d:transcript") == 0
        tasks.cancel_scope.cancel()
