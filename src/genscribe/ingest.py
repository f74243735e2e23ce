"""Source to journal: judge duplicates, encode once, append; and remember until when we heard.

Two kinds of gap: one of everything, while we are not connected, and any number of gaps of some conversations beside it.

Accepted means committed, so nothing here waits for anything but room in the journal's buffer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio
import msgspec

from genscribe import clock
from genscribe.core.dedupe import CAPACITY, WINDOW_S, Ongoing, Window, content_of, heard
from genscribe.core.gaps import Starts
from genscribe.core.times import epoch_ms
from genscribe.events import Conversation, Event, Gap, Message, Participant, Unreadable, Utterance, encode
from genscribe.store.journal import Journal
from genscribe.store.life import OpenGap
from genscribe.store.rows import Row
from genscribe.telemetry import Telemetry
from genscribe.telemetry.ingest import GapRecorded, UnreadableKept

UNREADABLE_TOLD_S = 60.0
PARTIAL_TOLD_S = 10.0

_TOLD = (Conversation, Participant, Message)


@dataclass
class Ingest:
    """The inlet of one source (see `sources.base.Inlet`).

    Args:
        source: The source's name.
        journal: Where accepted events go; it also keeps the gap that is open, and until when we heard.
        window: What was heard lately; this is the one place that asks it.
        ongoing: What was told of conversations that go on; the same.
        telemetry: Counters and happenings.
    """

    source: str
    journal: Journal
    window: Window
    telemetry: Telemetry
    ongoing: Ongoing = field(default_factory=Ongoing)
    heard_until: int | None = field(default=None, init=False)
    """The last moment we were known to hear, epoch milliseconds; `None` when never."""
    connected: bool = field(default=False, init=False)
    turned: anyio.Event = field(default_factory=anyio.Event, init=False)
    """Set, and replaced, when we begin or cease to hear."""
    since: str = field(default_factory=clock.now, init=False)
    """When we were connected, or ceased to be."""
    _gap: OpenGap | None = field(default=None, init=False)
    """The one of everything."""
    _full: OpenGap | None = field(default=None, init=False)
    """That of a disk that takes no more."""
    _partial: dict[str, OpenGap] = field(default_factory=dict, init=False)
    """Those of some conversations, by key; and what the last run left beside the one of everything."""
    _left: list[str] = field(default_factory=list, init=False)
    """Keys of those that the last run left."""
    _starts: Starts = field(init=False)
    _gaps_untold: int = field(default=0, init=False)
    _gap_told_at: float = field(default=float("-inf"), init=False)
    _untold: int = field(default=0, init=False)
    _told_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        """What the last run left is a gap like any other: it began when that run last heard."""
        self.journal.on_full, self.journal.on_healed = self._disk_full, self._disk_healed
        store = self.journal.store_id
        self._starts = Starts(lambda at: f"{store}:{clock.iso(at)}", self.journal.gap_keys, self._partial)
        previous = self.journal.previous
        if previous is None:
            return
        self.heard_until = previous.heard_until
        self._gap = next((gap for gap in previous.open_gaps if gap.conversation_ids is None), None)
        self._partial.update((gap.key, gap) for gap in previous.open_gaps if gap is not self._gap)
        self._left = list(self._partial)
        if self._gap is None and previous.heard_until is not None:
            self.deaf(since=previous.heard_until, reason="stopped" if previous.clean else "crashed")

    @property
    def deaf_since(self) -> str | None:
        """Since when something may be missed; `None` while hearing, and before the first time."""
        return self._gap.started_at if self._gap else None

    @property
    def unheard(self) -> int:
        """How many conversations have a gap of their own that is open."""
        return len({one for gap in self._partial.values() for one in gap.conversation_ids or ()})

    @property
    def full(self) -> bool:
        """Whether the journal's buffer is full, or its disk."""
        return self.journal.full

    async def room(self) -> None:
        """Waits while `full`."""
        await self.journal.room()

    async def remember(self) -> None:
        """Rebuilds from the journal what was heard lately, and what was told of what goes on.

        Call it before the source runs.
        """
        now = anyio.current_time()
        async for records in self.journal.told_of_unended():
            for record in records:
                if record.kind in ("conversation", "participant", "message"):
                    self._recall(record.body, now)
        async for records in self.journal.recent(seconds=WINDOW_S, limit=CAPACITY):
            for record in records:
                self._recall(record.body, now)

    def accept(self, events: Sequence[Event[str]]) -> None:
        """Judges, encodes and appends; the journal commits them in this order."""
        now = anyio.current_time()
        judge = self.window.judge
        rows: list[Row] = []
        last: Utterance[str] | None = None
        for event in events:
            if isinstance(event, _TOLD):
                revision = self.ongoing.judge(event, now)
            else:
                revision = judge(event.key, event.revision, content_of(event), now)
            if revision is None:
                self.telemetry.counters.duplicates += 1
                continue
            if revision != event.revision:
                event = msgspec.structs.replace(event, revision=revision)  # the same event, counted
            if isinstance(event, Utterance):
                last = event
                rows.append(("utterance", encode(event), None))
            else:
                rows.append(self._row(event))
        if rows:
            self.journal.append(rows)
            self.telemetry.counters.utterances[self.source] += sum(row[0] == "utterance" for row in rows)
        if last is not None and self.heard_until is None and self._gap is None:
            # The source does not hear everything yet; but what comes after a line that was kept can be missed.
            self.heard_until = epoch_ms(last.received_at or clock.now())
            self.journal.note_life(heard_until=self.heard_until)
        if last is not None and last.spoken_at is not None and last.received_at is not None:
            late_ms = epoch_ms(last.received_at) - epoch_ms(last.spoken_at) - (last.duration_ms or 0)
            self.telemetry.counters.speech_seconds.observe(max(0, late_ms) / 1000)

    def hearing(self, *, heard_at: int) -> None:
        """Notes until when we have heard, and ends the open gap of everything, and those that the last run left.

        Noted first: a crash after a gap's end is committed must not find the begin of it as the last moment heard.
        """
        if not self.connected:
            self._turn(connected=True)
        self.heard_until = heard_at
        self.journal.note_life(heard_until=heard_at)
        if self._gap is not None:
            gap, self._gap = self._gap, None
            self._end(replace(gap, source=self.source), heard_at)  # at its begin the source may not be chosen yet
        while self._left:
            self.regain(self._left.pop(0), heard_at=heard_at)

    def deaf(self, *, since: int, reason: str) -> None:
        """Opens a gap, unless one is open: that one goes on."""
        self._turn(connected=False)
        if self._gap is None:
            self._gap = self._begun(since, reason)
            self.journal.open_gap(self._gap)

    def miss(self, conversation_ids: Sequence[str], *, since: int, reason: str) -> str:
        """Opens a gap of these conversations; any number of them may be open, beside the one of everything."""
        if not conversation_ids:
            raise ValueError("a gap of no conversation")
        gap = self._begun(since, reason, tuple(dict.fromkeys(conversation_ids)))
        self._partial[gap.key] = gap
        self.journal.open_gap(gap)
        return gap.key

    def explain(self, key: str | None, reason: str) -> None:
        """Gives an open gap another reason; `None` is the one of everything. One that is not open is ignored."""
        gap = self._gap if key is None else self._partial.get(key)
        if gap is None:
            return
        gap = replace(gap, reason=reason)
        if key is None:
            self._gap = gap
        else:
            self._partial[key] = gap
        self.journal.open_gap(gap)

    def regain(self, key: str, *, heard_at: int) -> None:
        """Ends that gap; one that is not open is ignored."""
        gap = self._partial.pop(key, None)
        if gap is not None:
            self._end(gap, heard_at)

    def _turn(self, *, connected: bool) -> None:
        self.connected, self.since = connected, clock.now()
        turned, self.turned = self.turned, anyio.Event()
        turned.set()

    def _disk_full(self, since: int) -> None:
        """The platform does not wait for our disk, so a time in which it takes nothing is a gap.

        It is noted now: once the disk takes more, so does it until when we heard, and there is time to crash.
        """
        self._full = self._begun(since, "store full")
        self.journal.open_gap(self._full)

    def _disk_healed(self, since: int, until: int) -> None:
        gap, self._full = self._full or self._begun(since, "store full"), None
        self.journal.end_gap(gap.key, self._ended(gap, clock.iso(until)))

    def _begun(self, since: int, reason: str, conversation_ids: tuple[str, ...] | None = None) -> OpenGap:
        at, key = self._starts.take(since)
        return OpenGap(key, clock.iso(at), reason, self.source, conversation_ids)

    def _end(self, gap: OpenGap, heard_at: int) -> None:
        self.journal.end_gap(gap.key, self._ended(gap, max(gap.started_at, clock.iso(heard_at))))

    def _ended(self, gap: OpenGap, ended_at: str) -> Row:
        """The event of a gap, which is told."""
        conversations = None if gap.conversation_ids is None else list(gap.conversation_ids)
        event = Gap[str](gap.key, 1, gap.started_at, ended_at, gap.reason, gap.source, conversations)
        self._tell_gap(
            GapRecorded(gap.started_at, ended_at, gap.reason, None if conversations is None else len(conversations))
        )
        return ("gap", encode(event), None)

    def _tell_gap(self, recorded: GapRecorded) -> None:
        """Tells a gap; of those of some conversations, which may come by the hundred, one in ten seconds."""
        now = anyio.current_time()
        if recorded.conversations is not None:
            if now - self._gap_told_at < PARTIAL_TOLD_S:
                recorded.count(self.telemetry.counters)
                self._gaps_untold += 1
                return
            recorded = replace(recorded, more=self._gaps_untold)
            self._gap_told_at, self._gaps_untold = now, 0
        self.telemetry.emit(recorded)

    def _row(self, event: Event[str]) -> Row:
        if not isinstance(event, Unreadable):
            return (event.kind, encode(event), None)
        raw = event.raw if isinstance(event.raw, bytes) else b""
        self._count_unreadable(event.reason)
        return ("unreadable", encode(msgspec.structs.replace(event, raw=msgspec.UNSET)), raw)

    def _recall(self, body: bytes, now: float) -> None:
        with contextlib.suppress(msgspec.MsgspecError):  # a damaged row is listed by the journal
            event = heard(body)
            if isinstance(event, _TOLD):
                self.ongoing.recall(event, now)
            else:
                self.window.recall(event, now)

    def _count_unreadable(self, reason: str) -> None:
        self.telemetry.counters.unreadable += 1
        self._untold += 1
        now = anyio.current_time()
        if now - self._told_at >= UNREADABLE_TOLD_S:
            self.telemetry.emit(UnreadableKept(reason, self._untold))
            self._told_at, self._untold = now, 0
