"""Source to journal: judge duplicates, encode once, append; and remember until when we heard.

Accepted means committed, so nothing here waits for anything but room in the journal's buffer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import msgspec

from genscribe import clock
from genscribe.core.dedupe import CAPACITY, WINDOW_S, Window, content_of
from genscribe.events import Event, Gap, Unreadable, Utterance, encode
from genscribe.store.journal import Journal
from genscribe.store.life import OpenGap
from genscribe.store.rows import Row
from genscribe.telemetry import Telemetry
from genscribe.telemetry.ingest import GapRecorded, UnreadableKept

UNREADABLE_TOLD_S = 60.0


@dataclass
class Ingest:
    """The inlet of one source (see `sources.base.Inlet`).

    Args:
        source: The source's name.
        journal: Where accepted events go; it also keeps the gap that is open, and until when we heard.
        window: What was heard lately; this is the one place that asks it.
        telemetry: Counters and happenings.
    """

    source: str
    journal: Journal
    window: Window
    telemetry: Telemetry
    heard_until: int | None = field(default=None, init=False)
    """The last moment we were known to hear, epoch milliseconds; `None` when never."""
    connected: bool = field(default=False, init=False)
    turned: anyio.Event = field(default_factory=anyio.Event, init=False)
    """Set, and replaced, when we begin or cease to hear."""
    since: str = field(default_factory=clock.now, init=False)
    """When we were connected, or ceased to be."""
    _gap: OpenGap | None = field(default=None, init=False)
    _untold: int = field(default=0, init=False)
    _told_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        """What the last run left is a gap like any other: it began when that run last heard."""
        self.journal.on_healed = self._disk_healed
        previous = self.journal.previous
        if previous is None or previous.heard_until is None:
            return
        self.heard_until = previous.heard_until
        self._gap = next((gap for gap in previous.open_gaps if gap.conversation_ids is None), None)
        if self._gap is None:
            self.deaf(since=previous.heard_until, reason="stopped" if previous.clean else "crashed")

    @property
    def deaf_since(self) -> str | None:
        """Since when something may be missed; `None` while hearing, and before the first time."""
        return self._gap.started_at if self._gap else None

    @property
    def full(self) -> bool:
        """Whether the journal's buffer is full, or its disk."""
        return self.journal.full

    async def room(self) -> None:
        """Waits while `full`."""
        await self.journal.room()

    async def remember(self) -> None:
        """Rebuilds the window from the journal's tail. Call it before the source runs."""
        now = anyio.current_time()
        async for records in self.journal.recent(seconds=WINDOW_S, limit=CAPACITY):
            for record in records:
                with contextlib.suppress(msgspec.MsgspecError):  # a damaged row is listed by the journal
                    self.window.recall(record.body, now)

    def accept(self, events: Sequence[Event[str]]) -> None:
        """Judges, encodes and appends; the journal commits them in this order."""
        now = anyio.current_time()
        judge = self.window.judge
        rows: list[Row] = []
        for event in events:
            revision = judge(event.key, event.revision, content_of(event), now)
            if revision is None:
                self.telemetry.counters.duplicates += 1
                continue
            if revision != event.revision:
                event = msgspec.structs.replace(event, revision=revision)  # the same event, counted
            if isinstance(event, Utterance):
                rows.append(("utterance", encode(event), None))
            else:
                rows.append(self._row(event))
        if rows:
            self.journal.append(rows)
            self.telemetry.counters.utterances[self.source] += sum(row[0] == "utterance" for row in rows)

    def hearing(self, *, heard_at: int) -> None:
        """Notes until when we have heard, and ends the open gap."""
        if not self.connected:
            self._turn(connected=True)
        if self._gap is not None:
            gap, self._gap = self._gap, None
            self._record(gap, ended_at=max(gap.started_at, clock.iso(heard_at)))
            self.journal.close_gap(gap.key)
        self.heard_until = heard_at
        self.journal.note_life(heard_until=heard_at)

    def deaf(self, *, since: int, reason: str) -> None:
        """Opens a gap, unless one is open: that one goes on."""
        self._turn(connected=False)
        if self._gap is None:
            started_at = clock.iso(since)
            key = f"{self.journal.store_id}:{started_at}"
            self._gap = OpenGap(key, started_at, reason, self.source)
            self.journal.open_gap(self._gap)

    def _turn(self, *, connected: bool) -> None:
        self.connected, self.since = connected, clock.now()
        turned, self.turned = self.turned, anyio.Event()
        turned.set()

    def _disk_healed(self, since: int, until: int) -> None:
        """The platform does not wait for our disk, so a time in which it took nothing is a gap."""
        started_at = clock.iso(since)
        gap = OpenGap(f"{self.journal.store_id}:{started_at}", started_at, "store full", self.source)
        self._record(gap, ended_at=clock.iso(until))

    def _record(self, gap: OpenGap, *, ended_at: str) -> None:
        conversations = None if gap.conversation_ids is None else list(gap.conversation_ids)
        event = Gap[str](gap.key, 1, gap.started_at, ended_at, gap.reason, gap.source, conversations)
        self.journal.append([("gap", encode(event), None)])
        self.telemetry.emit(GapRecorded(gap.started_at, ended_at, gap.reason))

    def _row(self, event: Event[str]) -> Row:
        if not isinstance(event, Unreadable):
            return (event.kind, encode(event), None)
        raw = event.raw if isinstance(event.raw, bytes) else b""
        self._count_unreadable(event.reason)
        return ("unreadable", encode(msgspec.structs.replace(event, raw=msgspec.UNSET)), raw)

    def _count_unreadable(self, reason: str) -> None:
        self.telemetry.counters.unreadable += 1
        self._untold += 1
        now = anyio.current_time()
        if now - self._told_at >= UNREADABLE_TOLD_S:
            self.telemetry.emit(UnreadableKept(reason, self._untold))
            self._told_at, self._untold = now, 0
