"""The live conversations: what we know of each, what of it was told, and since when we hear it.

Everything here is on the read loop's way, so nothing waits: looks at conversations and speech come in, events go out in
batches, topics are wanted and dropped in the plan, and calls that are not heard in time have gaps of their own.

```
 first look ──▶ topic wanted ──▶ confirmed ──▶ … ──▶ over ──▶ SESSION_ENDED and 10 s, or 3 min ──▶ topic dropped
                     └─ 6 s without ─▶ gap `late` ─┘
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio
import msgspec

from genscribe import clock
from genscribe.core import presence, roster
from genscribe.core.decode.notifications import Speech
from genscribe.core.merging import merged
from genscribe.core.names import Names
from genscribe.core.queues import QueueChoice, queue_at
from genscribe.core.snapshot import TEXT, VOICE, Snapshot
from genscribe.core.speakers import Who, speaker_at
from genscribe.core.subscriptions import Plan
from genscribe.core.watchdogs import Watch
from genscribe.events import Event, Utterance
from genscribe.sources.base import Inlet
from genscribe.telemetry import Telemetry
from genscribe.telemetry.notifications import ExcludedDropped

LATE_S = 6.0
"""A call whose topic is confirmed later than this after its queue event has a gap. [contract]"""
HOLD_S = 3.0
"""How long a change waits for names and for the topic, so that it is told once and whole."""
GRACE_S = 10.0
"""After SESSION_ENDED: the last utterances may still be on their way. [genesys-cloud.md 3]"""
LONG_AFTER_S = 180.0
"""Without SESSION_ENDED: text comes up to 35 s after speech where low latency is off."""

SETTLED_S = 120.0
"""Analytics may not know a younger conversation yet."""
GONE = 20_000
"""Conversations that are over and are remembered as such."""

_PREFIX, _SUFFIX = "v2.conversations.", ".transcription"


def topic_of(conversation_id: str) -> str:
    """The topic on which a conversation's transcription is heard."""
    return f"{_PREFIX}{conversation_id}{_SUFFIX}"


def conversation_of(topic: str) -> str | None:
    """The conversation of a transcription topic; `None` for any other topic."""
    if topic.startswith(_PREFIX) and topic.endswith(_SUFFIX):
        return topic[len(_PREFIX) : -len(_SUFFIX)]
    return None


@dataclass(eq=False)
class Call:
    """One conversation.

    Attributes:
        told: What of it was told; `None` before its start was.
        known_at: Epoch milliseconds of our first look at it, or of its start where we should have known it then.
        found_late: A sweep after the first found it in progress.
        initial: The first sweep found it in progress; the run's own beginning accounts for what was said before.
        tell_by: Loop time by which the change is told; `None` when there is none.
        subscribed_at: Epoch milliseconds of the first confirmation of its topic.
        gap: Key of its own gap, while that is open.
        sessions: Communications heard, and whether SESSION_ENDED came.
        denied: The platform forbids its topic.
        dropped: Lines of it were dropped, for they were said in a queue that is not heard.
        over_since: Loop time since which it is over; `None` while it goes on.
    """

    conversation_id: str
    snapshot: Snapshot
    known_at: int
    known_loop: float
    found_late: bool
    initial: bool = False
    told: Snapshot | None = None
    tell_by: float | None = None
    wanted: bool = False
    denied: bool = False
    dropped: bool = False
    subscribed_at: int | None = None
    gap: str | None = None
    sessions: dict[str, bool] = field(default_factory=dict)
    ended_session_at: float = 0.0
    over_since: float | None = None


@dataclass
class Conversations:
    """All that are live.

    Args:
        inlet: Where events and gaps go.
        plan: Which topics are wanted, and on which channel.
        names: Names of users and queues.
        choice: Which queues are heard.
        media_types: As in the settings; `None` = all.
        only: Only these conversations; empty = all.
        watch: The watchdogs.
        telemetry: Where happenings go.
        planned: Told the numbers of shards whose topics have changed.
        has: Whether a shard hears a topic now.
    """

    inlet: Inlet
    plan: Plan
    names: Names
    choice: QueueChoice
    media_types: frozenset[str] | None
    only: frozenset[str]
    watch: Watch
    telemetry: Telemetry
    planned: Callable[[int], None]
    has: Callable[[int, str], bool]
    source: str = "notifications"
    calls: dict[str, Call] = field(default_factory=dict, init=False)
    _changed: dict[str, Call] = field(default_factory=dict, init=False)
    _unheard: dict[str, Call] = field(default_factory=dict, init=False)
    """Wanted and not confirmed, in the order in which they were wanted."""
    _over: dict[str, Call] = field(default_factory=dict, init=False)
    _gone: dict[str, None] = field(default_factory=dict, init=False)
    _out: list[Event[str]] = field(default_factory=list, init=False)
    _hearing: bool = field(default=False, init=False)

    @property
    def voice(self) -> bool:
        """Whether calls are to be heard."""
        return self.media_types is None or VOICE in self.media_types

    @property
    def text(self) -> bool:
        """Whether text conversations are to be heard; `chat` stands for them all."""
        return self.media_types is None or bool(self.media_types & {"chat", *TEXT})

    # What comes in.

    def seen(self, snapshot: Snapshot, *, event: bool, late: bool = False) -> None:
        """A look at a conversation.

        Args:
            snapshot: What it showed.
            event: The platform's word as it happens; otherwise an analytics query, which lags.
            late: A sweep after the first shows it: if it is new to us, what was said in it so far was not heard.
        """
        call = self.calls.get(snapshot.conversation_id)
        if call is None:
            call = self._begin(snapshot, event=event, late=late)
            if call is None:
                return
        else:
            known = merged(call.snapshot, snapshot, authoritative=event)
            if known is call.snapshot:
                return
            call.snapshot = known
        self._decide(call)
        self._change(call)

    def speech(self, speech: Speech, received_ms: int) -> int:
        """A transcription message. Returns how many utterances it held."""
        call = self.calls.get(speech.conversation_id or "")
        if speech.communication_id and call is not None:
            call.sessions[speech.communication_id] = speech.ended
            if speech.ended:
                call.ended_session_at = anyio.current_time()
        heard = [event for each in speech.utterances if (event := self._joined(call, speech, each)) is not None]
        if call is not None:
            lag_s, into_s = _lateness(speech, received_ms)
            self.watch.heard(call.conversation_id, lag_s, anyio.current_time(), into_s=into_s)
        self._out += heard
        return len(speech.utterances)

    def confirmed(self, topics: Iterable[str], at: int) -> None:
        """The platform has confirmed these topics."""
        for topic in topics:
            call = self._unheard.pop(conversation_of(topic) or "", None)
            if call is None:
                continue
            call.denied = False
            if call.subscribed_at is None:
                call.subscribed_at = at
                waited = max(0, at - call.known_at) / 1000
                self.telemetry.counters.subscribe_seconds.observe(waited)
            self.watch.subscribed(call.conversation_id, anyio.current_time())
            self._hear(call, at)

    def begin_hearing(self) -> None:
        """The first sweep is done and what it showed is heard, or has been waited for: from now on gaps are told."""
        self._hearing = True
        for call in self._unheard.values():
            if call.initial:
                call.known_at, call.known_loop = clock.wall_ms(), anyio.current_time() - LATE_S

    def queues_changed(self) -> None:
        """Names or choice of queues have changed: every call is judged anew."""
        for call in list(self.calls.values()):
            self._decide(call)

    def denied(self, topics: Iterable[str]) -> None:
        """The platform forbids these topics: nobody waits for them any longer, but what is said is a gap."""
        for topic in topics:
            call = self._unheard.get(conversation_of(topic) or "")
            if call is not None:
                call.denied = True
                self._deafen(call, call.known_at, "late")

    def ended_unseen(self, snapshot: Snapshot) -> None:
        """A conversation that a run before this one began has ended meanwhile."""
        if snapshot.conversation_id not in self.calls and presence.over(snapshot):
            self._out += roster.differences(
                None,
                merged(None, snapshot, authoritative=True),
                names=self.names,
                subscribed_at=None,
                now=clock.now(),
                source=self.source,
            )

    def deafened(self, topics: Iterable[str]) -> None:
        """The channel of these topics is lost: the watchdogs expect nothing."""
        for topic in topics:
            self.watch.unsubscribed(conversation_of(topic) or "")

    def heard_again(self, topics: Iterable[str]) -> None:
        """The channel of these topics is up, and has them."""
        now = anyio.current_time()
        for topic in topics:
            call = self.calls.get(conversation_of(topic) or "")
            if call is not None and call.subscribed_at is not None:
                self.watch.subscribed(call.conversation_id, now)

    def lost(self, topics: Iterable[str], *, since: int) -> None:
        """The platform has lost topics that it had confirmed; they are being asked for again."""
        for topic in topics:
            call = self.calls.get(conversation_of(topic) or "")
            if call is not None and call.wanted:
                self._unheard[call.conversation_id] = call
                self._deafen(call, since, "disconnected")

    def also(self, events: Iterable[Event[str]]) -> None:
        """Events that come with the others, in order."""
        self._out += events

    def settled(self) -> list[str]:
        """The ids of those that go on and are old enough for analytics to know them."""
        now = anyio.current_time()
        return [
            call.conversation_id
            for call in self.calls.values()
            if call.over_since is None and now - call.known_loop >= SETTLED_S
        ]

    # What becomes due.

    def tell_all(self) -> None:
        """Tells every change that waits; the end is near."""
        for call in list(self._changed.values()):
            self._tell(call)
        self.flush()

    def tick(self) -> None:
        """Tells what is due, opens gaps of calls that are not heard in time, lets go of ended ones."""
        now = anyio.current_time()
        for call in list(self._changed.values()):
            if (call.tell_by or 0) <= now or self._whole(call):
                self._tell(call)
        for call in list(self._unheard.values()):
            if now - call.known_loop >= LATE_S and (self._hearing or not call.initial):
                self._deafen(call, call.known_at, "late")
        for call in list(self._over.values()):
            if self._done(call, now):
                self._forget(call)
        self.flush()

    def flush(self) -> None:
        """Hands over what has gathered, in order."""
        if self._out:
            out, self._out = self._out, []
            self.inlet.accept(out)

    def readmit(self) -> None:
        """There is room on the channels again: calls that the limit kept out are wanted anew."""
        for topic, shard in self.plan.readmitted():
            call = self.calls.get(conversation_of(topic) or "")
            if call is not None:
                self._unheard.setdefault(call.conversation_id, call)
            self.planned(shard)

    # Gauges.

    @property
    def unheard_s(self) -> float:
        """How long the call waits that waits longest for its topic; 0 when none does."""
        now = anyio.current_time()
        waits = (call for call in self._unheard.values() if call.over_since is None and not call.denied)
        return max((now - call.known_loop for call in waits), default=0.0)

    @property
    def waiting(self) -> int:
        """How many wait for their topic."""
        return sum(call.over_since is None and not call.denied for call in self._unheard.values())

    @property
    def busy(self) -> bool:
        """Whether something will soon be due."""
        return bool(self._changed or self._unheard or self._over)

    @property
    def live(self) -> int:
        """How many go on."""
        return len(self.calls) - len(self._over)

    # Inside.

    def _begin(self, snapshot: Snapshot, *, event: bool, late: bool) -> Call | None:
        if self.only and snapshot.conversation_id not in self.only:
            return None
        if not event and snapshot.conversation_id in self._gone:  # analytics shows it a while longer
            return None
        media = presence.live_media(snapshot)
        if not (self.voice and VOICE in media) and not (self.text and media & TEXT):
            return None
        now, loop_now = clock.wall_ms(), anyio.current_time()
        age_s = max(0, now - (snapshot.started_at or now)) / 1000 if late else 0.0
        call = Call(
            snapshot.conversation_id,
            merged(None, snapshot, authoritative=event),
            now - round(age_s * 1000),
            loop_now - age_s,
            late and age_s > LATE_S,
            initial=not event and not late,
        )
        self.calls[call.conversation_id] = call
        return call

    def _decide(self, call: Call) -> None:
        """Wants or drops its topic, and notes that it is over."""
        if presence.over(call.snapshot):
            if call.over_since is None:
                call.over_since = anyio.current_time()
                self._over[call.conversation_id] = call
                self.watch.ended(call.conversation_id)
        elif call.over_since is not None:
            call.over_since = None
            self._over.pop(call.conversation_id, None)
        media = presence.live_media(call.snapshot)
        chosen = self.choice.concerns(call.snapshot, self.names)
        if self.voice and VOICE in media and chosen and not call.wanted:
            self._want(call)
        elif call.wanted and not chosen and call.over_since is None:
            self._unwant(call)
        if VOICE in media and chosen and presence.talking(call.snapshot):
            self.watch.connected(call.conversation_id, queue_at(call.snapshot, None), anyio.current_time())

    def _want(self, call: Call) -> None:
        call.wanted = True
        if call.subscribed_at is not None:  # it comes back, from an excluded queue
            call.known_at, call.known_loop = clock.wall_ms(), anyio.current_time()
        shard = self.plan.want(topic_of(call.conversation_id))
        if shard is None:
            self._deafen(call, call.known_at, "limit")
            return
        self._unheard[call.conversation_id] = call
        if call.found_late:
            self._deafen(call, call.known_at, "late")
        if self.has(shard, topic_of(call.conversation_id)):  # it was asked for before, or not given up yet
            self.confirmed([topic_of(call.conversation_id)], clock.wall_ms())
        self.planned(shard)

    def _unwant(self, call: Call) -> None:
        call.wanted = False
        self.watch.unsubscribed(call.conversation_id)
        self._hear(call, clock.wall_ms())
        self._unheard.pop(call.conversation_id, None)
        shard = self.plan.drop(topic_of(call.conversation_id))
        if shard is not None:
            self.planned(shard)

    def _deafen(self, call: Call, since: int, reason: str) -> None:
        if call.gap is None:
            call.gap = self.inlet.miss([call.conversation_id], since=since, reason=reason)

    def _hear(self, call: Call, at: int) -> None:
        if call.gap is not None:
            self.inlet.regain(call.gap, heard_at=at)
            call.gap = None

    def _joined(self, call: Call | None, speech: Speech, said: Utterance[str]) -> Utterance[str] | None:
        """The utterance with who said it; `None` when it is of an excluded queue."""
        if call is None:
            return said
        offset, began = said.offset_ms, speech.session_started_at
        at = None if offset is None or began is None else round(began + offset)
        if not self.choice.concerns(call.snapshot, self.names, at):
            self.telemetry.counters.dropped += 1
            if not call.dropped:
                call.dropped = True
                self.telemetry.emit(ExcludedDropped(call.conversation_id))
            return None
        who: Who = speaker_at(call.snapshot, speech.communication_id, said.side, at)
        return msgspec.structs.replace(
            said,
            speaker=who.speaker,
            participant_id=who.participant_id,
            user_id=who.user_id,
            queue_id=who.queue_id,
        )

    def _change(self, call: Call) -> None:
        if call.told is not call.snapshot and call.conversation_id not in self._changed:
            call.tell_by = anyio.current_time() + HOLD_S
            self._changed[call.conversation_id] = call

    def _whole(self, call: Call) -> bool:
        """Whether nothing is awaited that the telling would be better for."""
        if call.told is None and call.wanted and call.subscribed_at is None:
            return False
        users = {party.user_id for party in call.snapshot.parties if party.user_id}
        return self.names.known(users)

    def _tell(self, call: Call) -> None:
        self._changed.pop(call.conversation_id, None)
        call.tell_by = None
        before, call.told = call.told, call.snapshot
        subscribed_at = None if call.subscribed_at is None else clock.iso(call.subscribed_at)
        events = roster.differences(
            before, call.snapshot, names=self.names, subscribed_at=subscribed_at, now=clock.now(), source=self.source
        )
        self._out += events

    def _done(self, call: Call, now: float) -> bool:
        assert call.over_since is not None
        if not call.wanted or now - call.over_since >= LONG_AFTER_S:
            return now - call.over_since >= GRACE_S
        ended = call.sessions and all(call.sessions.values())
        return bool(ended) and now - max(call.over_since, call.ended_session_at) >= GRACE_S

    def _forget(self, call: Call) -> None:
        self._tell(call)
        if call.wanted:
            self._unwant(call)
        self._hear(call, clock.wall_ms())
        for waiting in (self.calls, self._over, self._unheard):
            waiting.pop(call.conversation_id, None)
        self._gone[call.conversation_id] = None
        if len(self._gone) > GONE:
            del self._gone[next(iter(self._gone))]


def _lateness(speech: Speech, received_ms: int) -> tuple[float | None, float | None]:
    """Seconds from the end of the first words to their arrival, and from the session's begin to the words."""
    first = speech.utterances[0] if speech.utterances else None
    if first is None or first.offset_ms is None or speech.session_started_at is None:
        return None, None
    spoken_ms = speech.session_started_at + first.offset_ms + (first.duration_ms or 0)
    return (received_ms - spoken_ms) / 1000, first.offset_ms / 1000


def texts_of(calls: Iterable[Call]) -> list[str]:
    """The text conversations among these."""
    return [call.conversation_id for call in calls if presence.live_media(call.snapshot) & TEXT]
