"""What a sink has to do when time passes is done though nothing is written, and holds up no event. Time is virtual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from genscribe.delivery import Delivery, Shape
from genscribe.outlet import BY_HAND, LOOK_S, PAUSE_S
from genscribe.redelivery import Replay
from genscribe.sinks.base import RowsRejected, SinkEnded, SinkMisconfigured, SinkUnavailable
from genscribe.telemetry import Telemetry
from genscribe.telemetry.delivery import SinkFailing, SinkPaused, SinkRecovered
from tests.fakes import MemoryJournal, MemorySink, record
from tests.virtual_time import VIRTUAL, move_wall_clock

DOWN = SinkUnavailable("The file cannot be renamed.")
REFUSED = SinkMisconfigured("The folder is not ours.", advice="Let this user write there.")
EVERY_S = 600.0


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


class TidySink(MemorySink):
    """Puts away what it took, ten minutes after the first event of it.

    Args:
        tidy_faults: What each call of `tidy` that has something to do raises instead; `None` is no fault.
    """

    def __init__(self, *args: Any, tidy_faults: Sequence[Exception | None] = (), **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.tidy_faults = list(tidy_faults)
        self.loose: list[int] = []
        self.away: list[list[int]] = []
        self.due_at: float | None = None
        self.asked = self.tidied = 0

    def due_in_s(self) -> float | None:
        self.asked += 1
        return None if self.due_at is None else max(self.due_at - anyio.current_time(), 0.0)

    async def tidy(self) -> None:
        self.tidied += 1
        await anyio.lowlevel.checkpoint()
        if self.tidy_faults and (fault := self.tidy_faults.pop(0)) is not None:
            raise fault
        if self.due_at is not None and anyio.current_time() >= self.due_at:
            self.away.append(self.loose)
            self.loose, self.due_at = [], None

    async def write(self, batch: Any) -> None:
        await super().write(batch)
        self.loose += [row.seq for row in batch]
        if self.due_at is None:
            self.due_at = anyio.current_time() + EVERY_S


class Told(Telemetry):
    def __init__(self) -> None:
        super().__init__()
        self.happenings: list[str] = []

    def emit(self, happening: Any) -> None:
        if isinstance(happening, (SinkFailing, SinkPaused, SinkRecovered)):
            self.happenings.append(type(happening).__name__)
        super().emit(happening)


def deliver(journal: MemoryJournal, sink: Any, **options: Any) -> Delivery:
    return Delivery("sink", sink, journal, Told(), **options)


def told(delivery: Delivery) -> list[str]:
    return delivery._telemetry.happenings  # type: ignore[attr-defined,no-any-return]


def journal_of(count: int) -> MemoryJournal:
    return MemoryJournal([record(n) for n in range(1, count + 1)])


async def until(true: Callable[[], object]) -> None:
    with anyio.fail_after(100_000):
        while not true():
            await anyio.sleep(0.03)


@pytest.mark.anyio
@pytest.mark.parametrize("hold_s", [0.0, 1.0])
async def test_an_idle_sink_is_tidied_when_it_is_due_and_not_before(hold_s: float) -> None:
    journal, sink = journal_of(3), TidySink()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver(journal, sink, shape=Shape(hold_s=hold_s)).run)
        await until(lambda: sink.loose == [1, 2, 3])
        due = sink.due_at
        assert due is not None
        await anyio.sleep(EVERY_S - 1)
        assert sink.tidied == 0
        assert sink.asked < 40, "it is left alone meanwhile"
        await until(lambda: sink.away)
        assert anyio.current_time() == pytest.approx(due, abs=0.1)
        assert (sink.away, sink.tidied) == ([[1, 2, 3]], 1)
        journal.say(1)
        await until(lambda: len(sink.away) == 2)
        assert sink.away == [[1, 2, 3], [4]]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_what_an_earlier_run_left_is_tidied_though_nothing_new_comes() -> None:
    journal, sink = MemoryJournal(), TidySink()
    sink.due_at = -1.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver(journal, sink).run)
        await until(lambda: sink.away)
        assert sink.opened == 1
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_failing_tidy_is_shown_and_tried_again_and_events_do_not_wait_for_it() -> None:
    journal, sink = journal_of(1), TidySink(tidy_faults=[DOWN] * 8)
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.tidied == 5)
        state = delivery.state()
        assert (state.status, state.last_error, state.lag_events) == ("retrying", str(DOWN), 0)
        assert sink.opened == 5, "an error means to open it again"
        began = anyio.current_time()
        journal.say(2)
        await until(lambda: sink.seqs == [1, 2, 3])
        assert anyio.current_time() - began < 0.2
        state = delivery.state()
        assert (state.status, state.last_error) == ("retrying", str(DOWN)), "all is not well yet"
        await until(lambda: sink.away)
        assert (delivery.state().status, delivery.state().last_error) == ("running", None)
        assert anyio.current_time() - began > 3, "with backoff"
        assert told(delivery) == ["SinkFailing", "SinkRecovered"]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_one_that_refuses_to_tidy_alarms_and_is_looked_at_every_minute() -> None:
    journal, sink = journal_of(1), TidySink(tidy_faults=[REFUSED] * 3)
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.tidied == 1)
        began = anyio.current_time()
        assert delivery.state().status == "paused"
        await until(lambda: sink.tidied == 3)
        assert anyio.current_time() - began == pytest.approx(2 * PAUSE_S, abs=0.1)
        delivery.resume()
        await until(lambda: sink.away)
        assert anyio.current_time() - began < 2 * PAUSE_S + 1, "resume tries at once"
        assert told(delivery) == ["SinkPaused", "SinkRecovered"]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("fault", [RowsRejected({1: "poison"}), ValueError("what was said")])
async def test_a_bug_in_tidying_ends_nothing_and_tells_nothing_that_was_said(fault: Exception) -> None:
    journal, sink = journal_of(1), TidySink(tidy_faults=[fault])
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.tidied == 1)
        assert delivery.state().last_error == f"{type(fault).__name__} in its code."
        assert journal.dead == {}
        await until(lambda: sink.away)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("fault", [None, ValueError("when?")])
async def test_one_that_is_always_due_does_not_spin(fault: Exception | None) -> None:
    class Restless(TidySink):
        def due_in_s(self) -> float | None:
            self.asked += 1
            if fault is not None:
                raise fault
            return 0.0

    journal, sink = journal_of(1), Restless()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver(journal, sink).run)
        await anyio.sleep(100)
        assert 50 < sink.tidied <= 101
        assert sink.asked < 500
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_wall_clock_that_jumps_is_noticed() -> None:
    journal, sink = journal_of(1), TidySink()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver(journal, sink).run)
        await until(lambda: sink.due_at)
        sink.due_at = began = anyio.current_time() + 1
        sink.due_at += 100_000
        await anyio.sleep(1)
        sink.due_at = began
        await until(lambda: sink.away)
        assert anyio.current_time() - began <= LOOK_S
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_reader_that_is_found_gone_while_tidying_ends_the_delivery() -> None:
    journal, sink = journal_of(1), TidySink(tidy_faults=[SinkEnded("Gone.")])
    delivery = deliver(journal, sink)
    await delivery.run()
    assert delivery.state().status == "ended"


@pytest.mark.anyio
async def test_one_paused_by_hand_is_tidied_when_it_is_resumed() -> None:
    journal, sink = journal_of(1), TidySink()
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.loose)
        delivery.pause()
        await anyio.sleep(10 * EVERY_S)
        assert sink.tidied == 0
        assert sink.asked < 20, "nobody waits for what may not be done"
        assert delivery.state().last_error == BY_HAND
        began = anyio.current_time()
        delivery.resume()
        await until(lambda: sink.away)
        assert anyio.current_time() - began < 1
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_stop_and_work_that_come_while_it_tidies_are_seen_at_once() -> None:
    release = anyio.Event()

    class Slow(TidySink):
        async def tidy(self) -> None:
            await super().tidy()
            if self.away:
                await release.wait()

    journal, sink = journal_of(2), Slow()
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.away)
        work = Replay(0, 2)
        delivery.redeliver(work)
        release.set()
        await work.ended.wait()
        assert work.finished
        await until(lambda: len(sink.away) == 2)
        began = anyio.current_time()
        assert await delivery.drain(100)
        assert anyio.current_time() - began < 1
    assert sink.closed == 1


@pytest.mark.anyio
async def test_a_stop_does_not_wait_for_what_cannot_be_tidied() -> None:
    journal, sink = journal_of(2), TidySink(tidy_faults=[REFUSED] * 100)
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.tidied == 2)
        journal.say(1)
        began = anyio.current_time()
        assert await delivery.drain(100)
        assert anyio.current_time() - began < 1
    assert (sink.seqs, delivery.cursor) == ([1, 2, 3], 3)


@pytest.mark.anyio
async def test_a_sink_that_refuses_rows_before_it_is_open_loses_none() -> None:
    """It cannot mean rows that it has not seen."""
    journal, sink = journal_of(2), MemorySink(open_faults=[RowsRejected({1: "poison"})])
    delivery = deliver(journal, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await until(lambda: sink.seqs == [1, 2])
        assert journal.dead == {}
        tasks.cancel_scope.cancel()
