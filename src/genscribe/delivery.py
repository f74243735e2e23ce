"""Journal to one sink: read, write, advance the cursor, dead-letter; written once for all sinks.

Each sink has its own task, cursor and backlog, so a slow one delays no other. The cursor moves after the sink has
the batch, so an event may come twice, and never not at all. Whatever goes wrong the backlog stays in the journal:

- a sink that is unavailable, or fails in a way of its own, is tried again without end, with backoff;
- one that refuses us (`SinkMisconfigured`, any `Fatal`) is paused with an alarm and looked at again every minute;
- one that refuses events (`RowsRejected`) has these dead-lettered, found by halving the batch if it does not say which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import anyio
import anyio.lowlevel
import msgspec

from genscribe import clock
from genscribe.attempts import Pace
from genscribe.core.batches import MAX_EVENTS, Batch, Choice, batches
from genscribe.errors import Fatal, GenscribeError
from genscribe.events import Record
from genscribe.sinks.base import RowsRejected, Sink, SinkEnded
from genscribe.telemetry import Happening, Telemetry
from genscribe.telemetry.delivery import (
    EventsRefused,
    LeftBehind,
    ReaderGone,
    SinkFailing,
    SinkPaused,
    SinkRecovered,
)

LINGER_S = 0.05
"""How long a delivery at the journal's end lets events gather, so that a burst of commits wakes it once."""

PAUSE_S = 60.0
"""How often a paused sink is looked at again."""

CLOSE_S = 2.0
"""What a sink gets to close."""

Start = Literal["now", "beginning"]
Status = Literal["new", "running", "retrying", "paused", "ended", "stopped"]
"""`ended`: the reader has gone for good, as `| head` does. `stopped`: we stopped."""


class Backlog(Protocol):
    """What delivery needs of the journal."""

    @property
    def head(self) -> int:
        """The last committed `seq`; 0 when there is none."""

    async def wait_beyond(self, seq: int) -> int:
        """Returns the head once it is greater than `seq`."""

    async def read(self, after: int, limit: int) -> list[Record]:
        """The next committed records with a `seq` greater than `after`, in order; empty only when none is left."""

    def cursor(self, name: str) -> int | None:
        """The saved cursor: everything up to this `seq` is done. `None` when there is none.

        One that does not fit this journal, because the store was restored or replaced, counts as 0.
        """

    async def save_cursor(self, name: str, seq: int, *, at_once: bool = False) -> None:
        """Saves a cursor with the next commit; does not wait for it."""

    async def dead_letter(self, sink: str, seq: int, reason: str) -> None:
        """Lists an event as refused, at the latest with the cursor that passes it. Again is no error."""


@runtime_checkable
class Reopens(Protocol):
    """A sink that lets go of its file when asked to, for log rotation."""

    def reopen(self) -> None:
        """Opens it anew with the next batch."""


@dataclass
class Tally:
    """What became of the journal's events at one sink since the process began; they add up."""

    delivered: int = 0
    filtered: int = 0
    """Not asked for: another kind, or interim."""
    dead_lettered: int = 0
    purged: int = 0
    """Gone from the journal before the cursor came there."""

    @property
    def total(self) -> int:
        """All events that the cursor has passed."""
        return self.delivered + self.filtered + self.dead_lettered + self.purged


@dataclass(frozen=True)
class DeliveryState:
    """A sink's state for `status`, metrics and the page.

    Attributes:
        since_ms: Epoch milliseconds since which it has this status.
        lag_events: Events between its cursor and the journal's head.
        lag_seconds: How long ago the oldest of them was received; 0 when there is none.
        last_error: The last failure in a line; `None` while all is well.
    """

    name: str
    status: Status
    since_ms: int
    cursor: int
    lag_events: int
    lag_seconds: float
    last_error: str | None
    tally: Tally


class _Received(msgspec.Struct):
    """The times that tell how old a record is; which of them it has depends on its kind."""

    received_at: str | None = None
    ended_at: str | None = None
    at: str | None = None
    left_at: str | None = None
    joined_at: str | None = None

    def epoch_ms(self) -> int | None:
        text = self.received_at or self.ended_at or self.at or self.left_at or self.joined_at
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000) if text else None


_received = msgspec.json.Decoder(_Received).decode


class Delivery:
    """Delivers a journal to one sink.

    Args:
        name: What the sink, and its cursor, are called.
        sink: The sink; opened and closed here.
        journal: Where events come from.
        telemetry: Where trouble is told.
        choice: Which events it gets; `None` = its own kinds, final ones.
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
        start: Start = "beginning",
        durable: bool = True,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.cursor = 0
        self._sink = sink
        self._journal = journal
        self._telemetry = telemetry
        self._choice = choice or Choice(sink.kinds)
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

    async def run(self) -> None:
        """Delivers until `drain` or cancellation, or until the reader has gone (status `ended`); once only."""
        self.cursor = self._beginning()
        self._become("running")
        try:
            with self._scope:
                await self._deliver_all()
        except SinkEnded:
            self._become("ended")
            self._tell(ReaderGone(self.name))
        finally:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await self._sink.aclose()
            if self._status != "ended":
                self._become("stopped")
            self._done.set()

    async def drain(self, seconds: float) -> bool:
        """Ends `run` once it has delivered what is in the journal, or after `seconds`. Nothing may be appended now.

        Returns:
            Whether the sink has everything. The rest stays in the journal and is delivered after the next start.
        """
        self._draining.set()
        self._idling.cancel()
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
        oldest = self._behind_since_ms if self._in_hand is None else _received(self._in_hand.body).epoch_ms()
        seconds = max(now - oldest, 0) / 1000 if lag and oldest is not None else 0.0
        return DeliveryState(
            self.name, self._status, self._since_ms, self.cursor, lag, seconds, self._error, replace(self.tally)
        )

    def _beginning(self) -> int:
        saved = self._journal.cursor(self.name) if self._durable else None
        if saved is not None:
            return saved
        return self._journal.head if self._start == "now" else 0

    async def _deliver_all(self) -> None:
        if self.cursor >= self._journal.head:
            await self._attempt([])  # what is wrong with a sink shows at start, not with the first call
        if self._durable:
            await self._journal.save_cursor(self.name, self.cursor, at_once=True)
        while True:
            if self.cursor < self._journal.head:
                await self._deliver_next()
            elif self._draining.is_set():
                return
            else:
                await self._idle()

    async def _idle(self) -> None:
        with anyio.CancelScope() as self._idling:
            head = await self._journal.wait_beyond(self.cursor)
            if head - self.cursor < MAX_EVENTS:
                await anyio.sleep(LINGER_S)

    async def _deliver_next(self) -> None:
        head = self._journal.head
        records = await self._journal.read(self.cursor, MAX_EVENTS)
        for batch in batches(records, self._choice) or [Batch([], head, 0)]:
            done = self.tally.delivered + self.tally.dead_lettered
            before = self.cursor
            self._in_hand = batch.records[0] if batch.records else None
            await self._deliver(batch.records)
            self._in_hand = None
            done = self.tally.delivered + self.tally.dead_lettered - done
            self.tally.filtered += batch.filtered
            self.tally.purged += batch.upto - before - done - batch.filtered
            await self._advance(batch.upto)

    async def _deliver(self, records: list[Record]) -> None:
        """Writes records in order, whatever it takes; the cursor follows every part that is written."""
        parts = [records] if records else []
        while parts:
            part = parts.pop()
            try:
                await self._attempt(part)
            except RowsRejected as refusal:
                parts.extend(reversed(await self._without_refused(part, refusal)))
            else:
                self.tally.delivered += len(part)
                if parts:
                    await self._advance(part[-1].seq)

    async def _without_refused(self, part: list[Record], refusal: RowsRejected) -> list[list[Record]]:
        """Dead-letters what is known to be bad; what is left to write, in parts."""
        reasons = {record.seq: refusal.reasons[record.seq] for record in part if record.seq in refusal.reasons}
        if not reasons and len(part) > 1:
            half = len(part) // 2
            return [part[:half], part[half:]]
        reasons = reasons or {part[0].seq: refusal.message}
        for seq, reason in reasons.items():
            await self._journal.dead_letter(self.name, seq, reason)
        self.tally.dead_lettered += len(reasons)
        first = next(iter(reasons))
        self._tell(EventsRefused(self.name, len(reasons), first, reasons[first]))
        rest = [record for record in part if record.seq not in reasons]
        return [rest] if rest else []

    async def _attempt(self, records: Sequence[Record]) -> None:
        """Opens the sink if need be and writes, trying until it takes them or refuses them."""
        while (error := await self._failure(records)) is not None:
            self._open = False
            await self._fail(error)

    async def _failure(self, records: Sequence[Record]) -> Exception | None:
        """One try: `None` when the sink has them, else why they are to come again."""
        try:
            if not self._open:
                await self._sink.open()
                self._open = True
            if records:
                await self._sink.write(records)
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
            with anyio.move_on_after(seconds):
                await self._draining.wait()
        elif self._status == "paused":
            self._scope.cancel()
            await anyio.lowlevel.checkpoint()
        else:
            await anyio.sleep(seconds)
        self._pace.budget.take(anyio.current_time())

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
        if self._durable:
            await self._journal.save_cursor(self.name, seq, at_once=True)

    def _become(self, status: Status) -> None:
        if status != self._status:
            self._status, self._since_ms = status, clock.wall_ms()

    def _tell(self, happening: Happening) -> None:
        self._telemetry.emit(happening)
