"""Journal to one sink: read, write, advance the cursor, dead-letter; written once for all sinks.

Each sink has its own task, cursor and backlog, so a slow one delays no other. The cursor moves after the sink has
the batch, so an event may come twice, and never not at all. A sink that keeps the cursor itself, beside its data, is
asked where it stands, and believed where that place is one of this journal. Whatever goes wrong the backlog stays in
the journal:

- a sink that is unavailable, or fails in a way of its own, is tried again without end, with backoff;
- one that refuses us (`SinkMisconfigured`, any `Fatal`) is paused with an alarm and looked at again every minute;
- one that refuses events (`RowsRejected`) has these dead-lettered, found by halving the batch if it does not say which;
- one that is slow gets smaller batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import anyio
import anyio.lowlevel

from genscribe import clock
from genscribe.attempts import Pace
from genscribe.core.backlog import Backlog
from genscribe.core.batches import MAX_EVENTS, Batch, Choice, Sizing
from genscribe.core.documents import Documents
from genscribe.core.feeds import Feed, Holding, Moment, Straight, facts
from genscribe.core.filters import Sieve
from genscribe.core.gathering import Gathering
from genscribe.core.tally import DeliveryState, Status, Tally
from genscribe.errors import Fatal, GenscribeError
from genscribe.events import Position, Record
from genscribe.redelivery import Redelivery
from genscribe.settings.parameters import EVERYTHING, IDLE_S, SinkFilters
from genscribe.sinks.base import KeepsPosition, RowsRejected, Sink, SinkEnded
from genscribe.telemetry import Happening, Telemetry
from genscribe.telemetry.delivery import (
    DestinationForgot,
    EventsRefused,
    LeftBehind,
    ReaderGone,
    SinkFailing,
    SinkPaused,
    SinkRecovered,
)

__all__ = ["Backlog", "Delivery", "DeliveryState", "Shape", "Start", "Status", "Tally"]

LINGER_S = 0.05
"""How long a delivery at the journal's end lets events gather, so that a burst of commits wakes it once."""

PAUSE_S = 60.0
"""How often a paused sink is looked at again."""

BY_HAND = "paused by hand; `genscribe sinks resume` lets it go on."
"""What stands where a failing sink has its error."""

CLOSE_S = 2.0
"""What a sink gets to close."""

Start = Literal["now", "beginning"]


@runtime_checkable
class Reopens(Protocol):
    """A sink that lets go of its file when asked to, for log rotation."""

    def reopen(self) -> None:
        """Opens it anew with the next batch."""


@dataclass(frozen=True)
class Shape:
    """In which form and order a sink gets its events.

    Attributes:
        filters: What it leaves out, beside kinds.
        hold_s: Seconds for which events wait, to put a conversation's utterances in order; 0 = none.
        per_conversation: One document a conversation, after its end, in place of events.
        idle_s: For documents: seconds of silence after which a conversation is over whose start nobody told.
    """

    filters: SinkFilters = EVERYTHING
    hold_s: float = 0.0
    per_conversation: bool = False
    idle_s: float = IDLE_S


_AS_THEY_COME = Shape()


class Delivery:
    """Delivers a journal to one sink.

    Args:
        name: What the sink, and its cursor, are called.
        sink: The sink; opened and closed here.
        journal: Where events come from.
        telemetry: Where trouble is told.
        choice: Which events it gets; `None` = its own kinds, final ones.
        shape: Their form and order, and what else is left out.
        start: Where to begin without a saved cursor.
        durable: Whether it has a cursor in the journal. Without one it begins at `start` every time, and nothing is
            kept for it: right for a screen, where nobody wants to see last week's calls.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        journal: Backlog,
        telemetry: Telemetry,
        *,
        choice: Choice | None = None,
        shape: Shape = _AS_THEY_COME,
        start: Start = "beginning",
        durable: bool = True,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.cursor = 0
        self._sink = sink
        self._journal = journal
        self._telemetry = telemetry
        self._shape = shape
        self._sieve = Sieve(choice or Choice(sink.kinds), shape.filters)
        self._documents = Documents(shape.filters, shape.idle_s) if shape.per_conversation else None
        self._feed: Feed = Straight(self._sieve, 0)
        self._keeper = sink if durable and isinstance(sink, KeepsPosition) else None
        self._sizing = Sizing()
        self._start: Start = start
        self._durable = durable
        self._pace = Pace()
        self._status: Status = "new"
        self._since_ms = clock.wall_ms()
        self._error: str | None = None
        self._failing_since_ms: int | None = None
        self._behind_since_ms: int | None = None
        self._in_hand: Record | None = None
        self._open = False
        self._draining = anyio.Event()
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self._idling = anyio.CancelScope()
        self._waiting = anyio.CancelScope()
        self._held: anyio.Event | None = None
        self._held_since_ms = 0
        self._again: deque[Redelivery] = deque()
        self._work: Redelivery | None = None

    async def run(self) -> None:
        """Delivers until `drain` or cancellation, or until the reader has gone (status `ended`); once only."""
        self.cursor = self._saved()
        self._become("running")
        try:
            with self._scope:
                await self._save()  # before anything can fail: a sink that begins now begins at this now
                await self._begin()
                await self._deliver_all()
        except SinkEnded:
            self._become("ended")
            self._tell(ReaderGone(self.name))
        finally:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await self._sink.aclose()
            if self._status != "ended":
                self._become("stopped")
            for work in self._again:
                work.ended.set()
            self._done.set()

    async def drain(self, seconds: float) -> bool:
        """Ends `run` once it has delivered what is in the journal, or after `seconds`. Nothing may be appended now.

        Returns:
            Whether the sink has everything. The rest stays in the journal and is delivered after the next start.
        """
        self._draining.set()
        self._idling.cancel()
        if self._held is not None:
            self._held.set()
        if self._status != "new":
            with anyio.move_on_after(seconds):
                await self._done.wait()
            self._scope.cancel()
            with anyio.move_on_after(CLOSE_S):
                await self._done.wait()
        pending = self._journal.head - self.cursor
        if pending and self._durable:
            self._tell(LeftBehind(self.name, pending))
        return not pending

    def pause(self) -> None:
        """Writes nothing more until `resume`, once a write in hand has ended; the backlog is kept. Idempotent."""
        if self._held is None:
            self._held, self._held_since_ms = anyio.Event(), clock.wall_ms()

    def resume(self) -> None:
        """Goes on after `pause`, and tries at once where the sink waits for its next try. Idempotent."""
        if self._held is not None:
            self._held.set()
            self._held = None
        self._waiting.cancel()

    async def remove(self) -> None:
        """Ends `run` at once; its cursor is saved no more."""
        self._durable = False
        self._draining.set()
        self._scope.cancel()
        if self._status != "new":
            await self._done.wait()

    def redeliver(self, work: Redelivery) -> None:
        """Has events written once more, between what is new, after what was asked for before."""
        if self._done.is_set() or self._draining.is_set():
            work.ended.set()
            return
        self._again.append(work)
        self._idling.cancel()

    def give_up(self, work: Redelivery) -> None:
        """Writes no more of it, but for what is in hand."""
        work.ended.set()
        if work in self._again:
            self._again.remove(work)

    def reopen(self) -> None:
        """Passes a log rotation (SIGHUP) on to a sink that minds."""
        if isinstance(self._sink, Reopens):
            self._sink.reopen()

    def state(self) -> DeliveryState:
        """How the sink is doing, now."""
        now = clock.wall_ms()
        lag = max(self._journal.head - self.cursor, 0)
        if not lag:
            self._behind_since_ms = None
        elif self._behind_since_ms is None:
            self._behind_since_ms = now
        oldest = None if self._in_hand is None else facts(self._in_hand.body).epoch_ms()
        oldest = self._behind_since_ms if oldest is None else oldest
        seconds = max(now - oldest, 0) / 1000 if lag and oldest is not None else 0.0
        status, since_ms, error = self._status, self._since_ms, self._error
        if self._held is not None and status not in ("ended", "stopped"):
            status, since_ms, error = "paused", self._held_since_ms, BY_HAND
        return DeliveryState(self.name, status, since_ms, self.cursor, lag, seconds, error, replace(self.tally))

    def _saved(self) -> int:
        saved = self._journal.cursor(self.name) if self._durable else None
        if saved is not None:
            return saved
        return self._journal.head if self._start == "now" else 0

    async def _begin(self) -> None:
        if self._keeper is not None:
            self.cursor = await self._kept(self._keeper)
            await self._save()
        self._feed = self._make_feed(self.cursor)
        if self._sieve.wants_names:
            names = await self._journal.queue_names()
            self._sieve.learn(names)
            if self._documents is not None:
                self._documents.learn(names)

    async def _kept(self, keeper: KeepsPosition) -> int:
        """Where the destination says that it stands. It is believed, not our cursor: it may have been restored."""
        found: list[Position | None] = []

        async def ask() -> None:
            found.append(await keeper.position())

        await self._attempt(ask)
        at = found[-1]
        if at is not None:
            return await self._journal.trusted(self.name, at)
        # It has nothing of us. What a sink that began later was never to get, it does not get now either.
        if self._start == "now":
            return self.cursor
        if self.cursor:
            self._tell(DestinationForgot(self.name, self.cursor))
        return 0

    def _make_feed(self, after: int) -> Feed:
        if self._documents is not None:
            return Gathering(after, self._shape.idle_s)
        if self._shape.hold_s:
            return Holding(self._sieve, after, self._shape.hold_s)
        return Straight(self._sieve, after)

    async def _deliver_all(self) -> None:
        if self.cursor >= self._journal.head:
            await self._attempt()  # what is wrong with a sink shows at start, not with the first call
        while True:
            ending = self._draining.is_set()
            if self._feed.read_to < self._journal.head:
                await self._read_on()
            more = await self._deliver_ready()
            more = await self._deliver_again() or more
            if more or self._feed.read_to < self._journal.head:
                continue
            if ending:
                return
            await self._idle()

    async def _idle(self) -> None:
        with anyio.CancelScope() as self._idling:
            wait_s = self._feed.wait_s(self._moment())
            with anyio.move_on_after(wait_s):
                head = await self._journal.wait_beyond(self._feed.read_to)
                if head - self._feed.read_to < MAX_EVENTS:
                    await anyio.sleep(LINGER_S)

    def _moment(self) -> Moment:
        return self._moment_of(self._feed.read_to < self._journal.head, self._draining.is_set())

    def _moment_of(self, more: bool, ending: bool) -> Moment:
        return Moment(anyio.current_time(), clock.wall_ms(), more, ending)

    async def _read_on(self) -> None:
        head = self._journal.head
        records = await self._journal.read(self._feed.read_to, MAX_EVENTS)
        self._feed.add(records, records[-1].seq if records else head, self._moment())

    async def _deliver_ready(self) -> bool:
        """Writes what is ready; whether there was anything."""
        ready = self._feed.ready(self._moment())
        for batch in ready:
            records = await self._records(batch)
            self._in_hand = records[0] if records else None
            await self._deliver(batch, records)
            self._in_hand = None
            self.tally.filtered += batch.filtered
            self.tally.purged += batch.purged
            self.tally.gathered += batch.gathered
            await self._advance(batch.upto)
        return bool(ready)

    async def _deliver_again(self) -> bool:
        """Writes a slice of what is to be written once more; whether there may be more of it."""
        if not self._again or self._draining.is_set():
            return False
        work = self._again[0]
        self._work = work
        try:
            if not work.begun:
                work.begin(self._make_feed, self._sieve, self._documents)
            ready = await work.slice(self._journal, self._moment_of)
            for batch in ready or []:
                if work.ended.is_set():
                    break
                records = await self._records(batch)
                await self._deliver(replace(batch, upto=self.cursor, in_order=False), records)
                await work.wrote(self.name, batch, self._journal)
        finally:
            self._work = None
        if ready is None:
            work.finished = True
            self.give_up(work)
        return True

    @property
    def _count(self) -> Tally:
        """Where what is written now is counted."""
        return self.tally if self._work is None else self._work.tally

    async def _records(self, batch: Batch) -> list[Record]:
        if batch.ended is None or self._documents is None:
            return batch.records
        told = await self._journal.told(batch.ended, batch.known_to)
        document = self._documents.document(batch.ended, told)
        if document is None:
            self._count.filtered += 1
        return [document] if document is not None else []

    async def _deliver(self, batch: Batch, records: list[Record]) -> None:
        """Writes records in order, whatever it takes; the cursor follows every part that is written."""
        parts = [records] if records else []
        while parts:
            part = parts.pop()
            most = self._sizing.events
            if len(part) > most:
                parts += [part[most:], part[:most]]
                continue
            upto = batch.upto if not parts else part[-1].seq if batch.in_order else self.cursor
            try:
                written = await self._write(part, upto)
            except RowsRejected as refusal:
                parts.extend(reversed(await self._without_refused(part, refusal)))
                continue
            if not written:
                parts.append(part)
                continue
            self._count.delivered += len(part)
            if parts and self._work is None:
                await self._advance(upto)

    async def _without_refused(self, part: list[Record], refusal: RowsRejected) -> list[list[Record]]:
        """Dead-letters what is known to be bad; what is left to write, in parts."""
        reasons = {record.seq: refusal.reasons[record.seq] for record in part if record.seq in refusal.reasons}
        if not reasons and len(part) > 1:
            half = len(part) // 2
            return [part[:half], part[half:]]
        reasons = reasons or {part[0].seq: refusal.message}
        for seq, reason in reasons.items():
            await self._journal.dead_letter(self.name, seq, reason)
        self._count.dead_lettered += len(reasons)
        if self._work is not None:
            self._work.refused.update(reasons)
        first = next(iter(reasons))
        self._tell(EventsRefused(self.name, len(reasons), first, reasons[first]))
        rest = [record for record in part if record.seq not in reasons]
        return [rest] if rest else []

    async def _write(self, records: Sequence[Record], upto: int) -> bool:
        """Writes, trying until the sink takes them or refuses them; `False` when they are to come in smaller parts."""
        keeper = self._keeper
        if keeper is None:
            return await self._attempt(lambda: self._sink.write(records), len(records))
        position = await self._journal.position(upto)
        return await self._attempt(lambda: keeper.write_at(records, position), len(records))

    async def _attempt(self, act: Callable[[], Awaitable[None]] | None = None, events: int = 0) -> bool:
        """Opens the sink if need be and acts, again and again; `False` when it is too slow for so many events."""
        while True:
            await self._while_held()
            began = anyio.current_time()
            error = await self._failure(act)
            if events:
                self._sizing.took(anyio.current_time() - began, events, failed=error is not None)
            if error is None:
                return True
            self._open = False
            await self._fail(error)
            if events > self._sizing.events:
                return False

    async def _failure(self, act: Callable[[], Awaitable[None]] | None) -> Exception | None:
        """One try: `None` when it went well, else why it is to be tried again."""
        try:
            if not self._open:
                await self._sink.open()
                self._open = True
            if act is not None:
                await act()
        except (RowsRejected, SinkEnded):
            self._recover()
            raise
        except Exception as error:  # noqa: BLE001  # a sink is anyone's code: its bugs must stop nobody else
            return error
        self._recover()
        return None

    async def _fail(self, error: Exception) -> None:
        """Says what is wrong, when it is news, and waits for the time at which to try again."""
        now = clock.wall_ms()
        if self._failing_since_ms is None:
            self._failing_since_ms = now
        # The text of a foreign exception may hold what was said.
        why = str(error) if isinstance(error, GenscribeError) else f"{type(error).__name__} in its code."
        news = why != self._error
        self._error = why
        since, pending = clock.iso(self._failing_since_ms), self._journal.head - self.cursor
        if isinstance(error, Fatal):
            self._become("paused")
            if news:
                self._tell(SinkPaused(self.name, why, since, pending, PAUSE_S))
            delay = PAUSE_S
        else:
            self._become("retrying")
            if news:
                self._tell(SinkFailing(self.name, why, since, pending))
            delay = self._pace.next_delay(error if isinstance(error, GenscribeError) else None)
        await self._wait(delay)

    async def _wait(self, seconds: float) -> None:
        """Waits; a stop that begins meanwhile ends the wait, so that it sees one more try."""
        if not self._draining.is_set():
            with anyio.move_on_after(seconds) as self._waiting:
                await self._draining.wait()
        elif self._status == "paused":
            self._scope.cancel()
            await anyio.lowlevel.checkpoint()
        else:
            await anyio.sleep(seconds)
        self._pace.budget.take(anyio.current_time())

    async def _while_held(self) -> None:
        """Waits while somebody has paused the sink; a stop does not wait for him."""
        while self._held is not None and not self._draining.is_set():
            await self._held.wait()
        if self._held is not None:
            self._scope.cancel()
            await anyio.lowlevel.checkpoint()

    def _recover(self) -> None:
        if self._failing_since_ms is not None:
            pending = self._journal.head - self.cursor
            self._tell(SinkRecovered(self.name, clock.iso(self._failing_since_ms), pending))
        self._failing_since_ms = self._error = None
        self._pace.reset()
        self._become("running")

    async def _advance(self, seq: int) -> None:
        self.cursor = seq
        self._behind_since_ms = None
        await self._save()

    async def _save(self) -> None:
        if self._durable:
            await self._journal.save_cursor(self.name, self.cursor, at_once=True)

    def _become(self, status: Status) -> None:
        if status != self._status:
            self._status, self._since_ms = status, clock.wall_ms()

    def _tell(self, happening: Happening) -> None:
        self._telemetry.emit(happening)
