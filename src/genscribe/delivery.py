"""Journal to one sink: read, write, advance the cursor, dead-letter; written once for all sinks.

Each sink has its own task, cursor and backlog, so a slow one delays no other. The cursor moves after the sink has
the batch, so an event may come twice, and never not at all. A sink that keeps the cursor itself, beside its data, is
asked where it stands, and believed where that place is one of this journal. Whatever goes wrong, and however long it
is tried (`outlet`), the backlog stays in the journal. Events that a sink refuses (`RowsRejected`) are dead-lettered,
found by halving the batch if it does not say which; one that is slow gets smaller batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import anyio

from genscribe import clock
from genscribe.ahead import Ahead
from genscribe.core.backlog import Backlog
from genscribe.core.batches import MAX_EVENTS, Batch, Choice
from genscribe.core.feeds import Moment, facts
from genscribe.core.shape import AS_THEY_COME, Shape, Shaping
from genscribe.core.tally import DeliveryState, Status, Tally
from genscribe.events import Position, Record
from genscribe.outlet import CLOSE_S, GivenUp, Outlet, Rewound
from genscribe.redelivery import Redelivery
from genscribe.sinks.base import KeepsPosition, Reopens, RowsRejected, Sink, SinkEnded
from genscribe.telemetry import Telemetry
from genscribe.telemetry.delivery import DestinationForgot, DestinationSetBack, EventsRefused, LeftBehind, ReaderGone

__all__ = ["Backlog", "Delivery", "DeliveryState", "Shape", "Start", "Status", "Tally"]

Start = Literal["now", "beginning"]


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
        shape: Shape = AS_THEY_COME,
        start: Start = "beginning",
        durable: bool = True,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.cursor = 0
        self._sink = sink
        self._journal = journal
        self._telemetry = telemetry
        self._shaping = Shaping(shape, choice or Choice(sink.kinds))
        self._feed = self._shaping.feed(0)
        self._ahead = Ahead(journal)
        self._keeper = sink if durable and isinstance(sink, KeepsPosition) else None
        self._start: Start = start
        self._durable = durable
        self._behind_since_ms: int | None = None
        self._in_hand: Record | None = None
        self._draining = anyio.Event()
        self._outlet = Outlet(name, sink, telemetry, lambda: journal.head - self.cursor, self._draining, self._look)
        self._ran = False
        self._has: int | None = None  # what a destination that keeps the cursor surely has; `None` before it was asked
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self._idling = anyio.CancelScope()
        self._again: deque[Redelivery] = deque()
        self._work: Redelivery | None = None

    async def run(self) -> None:
        """Delivers until `drain` or cancellation, or until the reader has gone (status `ended`); once only."""
        saved = self._journal.cursor(self.name) if self._durable else None
        beginning = self._journal.head if self._start == "now" else 0
        self.cursor = beginning if saved is None else saved
        self._ran = True
        self._outlet.become("running")
        try:
            with self._scope, suppress(GivenUp):
                await self._save()  # before anything can fail: a sink that begins now begins at this now
                await self._begin()
                await self._deliver_all()
        except SinkEnded:
            self._outlet.become("ended")
            self._telemetry.emit(ReaderGone(self.name))
        finally:
            await self._outlet.aclose()
            if self._outlet.standing.status != "ended":
                self._outlet.become("stopped")
            for work in self._again:
                work.ended.set()
            self._done.set()

    async def drain(self, seconds: float) -> bool:
        """Ends `run` once it has delivered what is in the journal, or after `seconds`. Nothing may be appended now.

        Returns:
            Whether the sink has everything. The rest stays in the journal and is delivered after the next start.
        """
        self._outlet.stop()
        self._idling.cancel()
        if self._ran:
            with anyio.move_on_after(seconds):
                await self._done.wait()
            self._scope.cancel()
            with anyio.move_on_after(CLOSE_S):
                await self._done.wait()
        pending = self._journal.head - self.cursor
        if pending and self._durable:
            self._telemetry.emit(LeftBehind(self.name, pending))
        return not pending

    def pause(self) -> None:
        """Writes nothing more until `resume`, once a write in hand has ended; the backlog is kept. Idempotent."""
        self._outlet.hold()

    def resume(self) -> None:
        """Goes on after `pause`, and tries at once where the sink waits for its next try. Idempotent."""
        self._outlet.resume()
        self._idling.cancel()

    async def remove(self) -> None:
        """Ends `run` at once; its cursor is saved no more."""
        self._durable = False
        self._draining.set()
        self._scope.cancel()
        if self._ran:
            await self._done.wait()

    def redeliver(self, work: Redelivery) -> None:
        """Has events written once more, between what is new, after what was asked for before."""
        if self._done.is_set() or self._draining.is_set():
            work.ended.set()
            return
        self._again.append(work)
        self._idling.cancel()

    def got(self, upto: int) -> int:
        """Up to which seq, at most `upto`, a replay may go: what the sink has not got yet comes by itself, once.

        Where it gets documents, its cursor waits for the oldest conversation, and says nothing of what it got.
        """
        return upto if self._shaping.documents is not None else min(upto, self.cursor)

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
        status, since_ms, error = self._outlet.standing
        return DeliveryState(self.name, status, since_ms, self.cursor, lag, seconds, error, replace(self.tally))

    async def _begin(self) -> None:
        if self._keeper is not None:
            self.cursor = self._has = await self._kept(self._keeper)
            await self._save()
        self._feed = self._shaping.feed(self.cursor)
        if self._shaping.sieve.wants_names:
            self._shaping.learn(await self._journal.queue_names())

    async def _kept(self, keeper: KeepsPosition) -> int:
        """Where the destination says that it stands. It is believed, not our cursor: it may have been restored."""
        found: list[Position | None] = []

        async def ask() -> None:
            found.append(await keeper.position())

        await self._outlet.attempt(ask)
        return await self._believed(found[-1])

    async def _believed(self, at: Position | None) -> int:
        if at is not None:
            return await self._journal.trusted(self.name, at)
        # It has nothing of us. What a sink that began later was never to get, it does not get now either.
        if self._start == "now":
            return self.cursor
        if self.cursor:
            self._telemetry.emit(DestinationForgot(self.name, self.cursor))
        return 0

    async def _look(self) -> None:
        """A destination that keeps the cursor may have been set back while it could not be reached."""
        if self._keeper is None or self._has is None:
            return
        stands = await self._believed(await self._keeper.position())
        if stands < self._has:
            raise Rewound(stands)

    async def _rewind(self, seq: int) -> None:
        """Goes on from what the destination has. What it has besides is there once, by its key."""
        self._telemetry.emit(DestinationSetBack(self.name, self.cursor, seq))
        self._has = seq
        self._feed = self._shaping.feed(seq)
        await self._advance(seq)

    async def _deliver_all(self) -> None:
        if self.cursor >= self._journal.head:
            await self._outlet.attempt()  # what is wrong with a sink shows at start, not with the first call
        going = True
        while going:
            try:
                going = await self._turn()
            except Rewound as back:  # noqa: PERF203  # once in a restore
                await self._rewind(back.seq)

    async def _turn(self) -> bool:
        """Reads and writes once, or waits; `False` when we stop and nothing is left."""
        ending = self._draining.is_set()
        await self._outlet.tidy()
        if self._feed.read_to < self._journal.head:
            await self._read_on()
        more = await self._deliver_ready()
        behind = self._journal.head - self._feed.read_to
        if await self._deliver_again() or behind >= MAX_EVENTS or (more and not behind):
            return True
        if not ending:
            await self._idle()
        return not ending or bool(more or behind)

    async def _idle(self) -> None:
        if self._draining.is_set() or self._again:  # they came while something else was done
            return
        waits = (self._feed.wait_s(self._moment()), self._outlet.due_in_s())
        with anyio.move_on_after(min((each for each in waits if each is not None), default=None)) as self._idling:
            await self._ahead.gathered(self._feed.read_to)

    def _moment(self) -> Moment:
        return self._moment_of(self._feed.read_to < self._journal.head, self._draining.is_set())

    def _moment_of(self, more: bool, ending: bool) -> Moment:
        return Moment(anyio.current_time(), clock.wall_ms(), more, ending)

    async def _read_on(self) -> None:
        if self._shaping.sieve.wants_names:
            self._shaping.learn(self._journal.queues)
        head = self._journal.head
        records = await self._ahead.next(self._feed.read_to)
        self._feed.add(records, records[-1].seq if records else head, self._moment())

    async def _deliver_ready(self) -> bool:
        """Writes what is ready; whether there was anything."""
        ready = self._feed.ready(self._moment())
        if ready:
            await self._ahead.beside(self._feed.read_to, lambda: self._deliver_batches(ready))
        return bool(ready)

    async def _deliver_batches(self, ready: Sequence[Batch]) -> None:
        for batch in ready:
            records = await self._records(batch)
            self._in_hand = records[0] if records else None
            await self._deliver(batch, records)
            self._in_hand = None
            self.tally.passed(batch.filtered, batch.purged, batch.gathered)
            await self._advance(batch.upto)

    async def _deliver_again(self) -> bool:
        """Writes a slice of what is to be written once more; whether there may be more of it."""
        if not self._again or self._draining.is_set():
            return False
        work = self._work = self._again[0]
        try:
            if not work.begun:
                work.begin(self._shaping)
            ready = await work.slice(self._journal, self._moment_of)
            for batch in ready or []:
                if work.ended.is_set():
                    break
                records = await self._records(batch)
                await self._deliver_between(batch, records)
                await work.wrote(self.name, batch, self._journal)
        finally:
            self._work = None
        if ready is None:
            work.finished = True
            self.give_up(work)
        return True

    async def _deliver_between(self, batch: Batch, records: list[Record]) -> None:
        """Writes what leaves the cursor where it is, wherever that turns out to be."""
        while True:
            try:
                await self._deliver(replace(batch, upto=self.cursor, in_order=False), records)
            except Rewound as back:  # noqa: PERF203  # once in a restore
                await self._rewind(back.seq)
            else:
                return

    @property
    def _count(self) -> Tally:
        """Where what is written now is counted."""
        return self.tally if self._work is None else self._work.tally

    async def _records(self, batch: Batch) -> list[Record]:
        if batch.ended is None or (documents := self._shaping.documents) is None:
            return batch.records
        told = await self._journal.told(batch.ended, batch.known_to)
        if self._work is not None and not documents.over(told, clock.wall_ms()):
            self._count.gathered += 1  # it comes when it is over, and would be taken for old after this one
            return []
        document = documents.document(batch.ended, told)
        self._count.filtered += document is None
        return [document] if document is not None else []

    async def _deliver(self, batch: Batch, records: list[Record]) -> None:
        """Writes records in order, whatever it takes; the cursor follows every part that is written."""
        parts = [records] if records else []
        while parts:
            part = parts.pop()
            most = self._outlet.sizing.events
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
        self._telemetry.emit(EventsRefused(self.name, len(reasons), first, reasons[first]))
        rest = [record for record in part if record.seq not in reasons]
        return [rest] if rest else []

    async def _write(self, records: Sequence[Record], upto: int) -> bool:
        """Writes, trying until the sink takes them or refuses them; `False` when they are to come in smaller parts."""
        keeper = self._keeper
        if keeper is None:
            return await self._outlet.attempt(lambda: self._sink.write(records), len(records))
        position = await self._journal.position(upto)
        written = await self._outlet.attempt(lambda: keeper.write_at(records, position), len(records))
        if written:
            self._has = upto
        return written

    async def _advance(self, seq: int) -> None:
        self.cursor = seq
        self._behind_since_ms = None
        await self._save()

    async def _save(self) -> None:
        if self._durable:
            await self._journal.save_cursor(self.name, self.cursor, at_once=True)
