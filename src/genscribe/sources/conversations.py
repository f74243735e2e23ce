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
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import anyio
import msgspec

from genscribe import clock
from genscribe.core import presence, roster
from genscribe.core.decode import times
from genscribe.core.decode.notifications import Speech
from genscribe.core.merging import merged
from genscribe.core.names import Names
from genscribe.core.queues import QueueChoice, queue_at
from genscribe.core.snapshot import TEXT, VOICE, Snapshot
from genscribe.core.speakers import Who, speaker_at
from genscribe.core.subscriptions import Plan
from genscribe.core.watchdogs import Watch
from genscribe.events import Event, Message, Utterance
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

TALK_S = 3.0
"""An event that first tells of a call in which an agent has talked for longer than this comes late: two clocks may
differ by a second or two.
"""
ENDED_S = 2.0
"""So long after SESSION_ENDED of all its sessions a call's details are asked for, if no event says that it is over."""
DOUBT_S = 20.0
DOUBTS = 50
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
        chosen: It was in a queue that is heard, at least once; others are not told of.
        told: What of it was told; `None` before its start was.
        known_at: Epoch milliseconds of our first look at it, or of its start where we should have known it then.
        known_loop: The same in loop time.
        unheard_since: Loop time since which it waits for its topic, if it does.
        found_late: A sweep after the first found it in progress.
        initial: The first sweep found it in progress; the run's own beginning accounts for what was said before.
        tell_by: Loop time by which the change is told; `None` when there is none.
        outside: No queue is in force now, so no queue's topic speaks of it.
        asked_at: Loop time at which its details were asked for.
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
    unheard_since: float = 0.0
    initial: bool = False
    chosen: bool = False
    told: Snapshot | None = None
    tell_by: float | None = None
    wanted: bool = False
    denied: bool = False
    dropped: bool = False
    outside: bool = False
    asked_at: float = float("-inf")
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
        planned: Told the numbers of shards whose topics have changed, and whether what they gave up must not be heard
            a moment longer.
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
    planned: Callable[[int, bool], None]
    has: Callable[[int, str], bool]
    source: str = "notifications"
    calls: dict[str, Call] = field(default_factory=dict, init=False)
    _changed: dict[str, Call] = field(default_factory=dict, init=False)
    _unheard: dict[str, Call] = field(default_factory=dict, init=False)
    """Wanted and not confirmed, in the order in which they were wanted."""
    _over: dict[str, Call] = field(default_factory=dict, init=False)
    _gone: dict[str, None] = field(default_factory=dict, init=False)
    _out: list[Event[str]] = field(default_factory=list, init=False)
    _hearing_since: int | None = field(default=None, init=False)
    """Epoch milliseconds of the end of the first sweep; `None` until then."""
    _nameless: dict[str, set[str]] = field(default_factory=dict, init=False)
    """Users whose names were not known when they were told, and in which conversations."""

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
                self._begun_and_ended(snapshot, event=event)
                return
        else:
            known = merged(call.snapshot, snapshot, authoritative=event)
            if known is call.snapshot:
                return
            call.snapshot = known
        call.outside = queue_at(call.snapshot, None) is None
        self._decide(call)
        self._change(call)
        if call.chosen and roster.brings_messages(call.told, call.snapshot):
            self._tell(call)  # an id is journaled when it arrives: the platform does not tell it again

    def speech(self, speech: Speech, received_ms: int) -> int:
        """A transcription message. Returns how many utterances it held."""
        call = self.calls.get(speech.conversation_id or "")
        if speech.communication_id and call is not None:
            call.sessions[speech.communication_id] = speech.ended
            if speech.ended:
                call.ended_session_at = anyio.current_time()
        heard = [event for each in speech.utterances if (event := self._joined(call, speech, each)) is not None]
        if heard and call is not None and call.chosen and call.told is None:
            self._tell(call)  # no line without its conversation: the next run ends what this one began
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
        self._hearing_since = clock.wall_ms()
        for call in self._unheard.values():
            if call.initial:
                call.known_at, call.known_loop = clock.wall_ms(), anyio.current_time() - LATE_S

    def learned(self, users: AbstractSet[str]) -> None:
        """Names have become known: participants that were told without are told again."""
        for user in users & self._nameless.keys():
            for conversation_id in self._nameless.pop(user):
                call = self.calls.get(conversation_id)
                if call is not None and call.told is not None:
                    self._out += roster.named(call.told, {user}, self.names)

    def doubtful(self) -> list[str]:
        """Conversations whose details should be asked for: their sessions have ended and nobody said that they have,
        or no queue's topic speaks of them. At most `DOUBTS`, those first that were not asked for longest.
        """
        now = anyio.current_time()
        doubted = []
        for call in self.calls.values():
            if call.over_since is not None or now - call.known_loop < DOUBT_S:
                continue
            silent = bool(call.sessions) and all(call.sessions.values()) and now - call.ended_session_at >= ENDED_S
            again_s = ENDED_S if silent and call.asked_at < call.ended_session_at else DOUBT_S
            if (silent or call.outside) and now - call.asked_at >= again_s:
                doubted.append(call)
        doubted = sorted(doubted, key=lambda call: call.asked_at)[:DOUBTS]
        for call in doubted:
            call.asked_at = now
        return [call.conversation_id for call in doubted]

    def queues_changed(self) -> None:
        """Names or choice of queues have changed: every call is judged anew."""
        for call in list(self.calls.values()):
            self._decide(call)

    def denied(self, topics: Iterable[str]) -> None:
        """The platform forbids these topics: nobody waits for them any longer, but what is said is a gap."""
        for topic in topics:
            call = self.calls.get(conversation_of(topic) or "")
            if call is not None and call.wanted:
                since = call.known_at if call.conversation_id in self._unheard else clock.wall_ms()
                self._await(call)
                call.denied = True
                self._deafen(call, since, "late")

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
                self._await(call)
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
            if now - call.known_loop >= LATE_S and (self._hearing_since is not None or not call.initial):
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
                self._await(call)
            self.planned(shard, False)

    # Gauges.

    @property
    def unheard_s(self) -> float:
        """How long the call waits that waits longest for its topic; 0 when none does."""
        now = anyio.current_time()
        waits = (call for call in self._unheard.values() if call.over_since is None and not call.denied)
        return max((now - call.unheard_since for call in waits), default=0.0)

    @property
    def unheard_from(self) -> int | None:
        """Epoch milliseconds since which a call waits for its topic that has no gap yet; `None` when none does.

        Were we to end now, what was said in it since then would be missed.
        """
        return min((call.known_at for call in self._unheard.values() if call.gap is None), default=None)

    @property
    def waiting(self) -> int:
        """How many that the first sweep found wait for their topic."""
        return sum(call.initial and call.over_since is None and not call.denied for call in self._unheard.values())

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
        age_s = self._unknown_s(snapshot, now, event=event, late=late)
        call = Call(
            snapshot.conversation_id,
            merged(None, snapshot, authoritative=event),
            now - round(age_s * 1000),
            loop_now - age_s,
            age_s > (TALK_S if event else 0.0),
            initial=not event and not late,
        )
        self.calls[call.conversation_id] = call
        return call

    def _unknown_s(self, snapshot: Snapshot, now: int, *, event: bool, late: bool) -> float:
        """For how long it has gone on without us though we should have known it."""
        if event:  # an IVR before the first queue is nobody's loss; an agent who talks already is
            talk = presence.talked_since(snapshot)
            if talk is None or self._hearing_since is None:
                return 0.0
            return max(0, now - max(talk, self._hearing_since)) / 1000
        return max(0, now - (snapshot.started_at or now)) / 1000 if late else 0.0

    def _begun_and_ended(self, snapshot: Snapshot, *, event: bool) -> None:
        """A conversation of which we first hear that it is over: it is told, and what was said in it is a gap."""
        ended, talk = presence.ended_at(snapshot), presence.talked_since(snapshot)
        known = snapshot.conversation_id in self._gone or snapshot.conversation_id in self.calls
        if known or self._hearing_since is None or ended is None or ended <= self._hearing_since:
            return
        if not self._concerns_us(snapshot):
            return
        if self.voice and talk is not None and ended > talk:
            since = max(talk, self._hearing_since)
            self.inlet.regain(
                self.inlet.miss([snapshot.conversation_id], since=since, reason="late"), heard_at=max(since, ended)
            )
        self.ended_unseen(merged(None, snapshot, authoritative=event))
        self._remember_gone(snapshot.conversation_id)

    def _concerns_us(self, snapshot: Snapshot) -> bool:
        media = presence.media_type(snapshot)
        wanted = self.voice if media == VOICE else self.text and media in TEXT
        of_us = not self.only or snapshot.conversation_id in self.only
        return wanted and of_us and self.choice.concerns(snapshot, self.names)

    def _remember_gone(self, conversation_id: str) -> None:
        self._gone[conversation_id] = None
        if len(self._gone) > GONE:
            del self._gone[next(iter(self._gone))]

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
        call.chosen = call.chosen or chosen
        if self.voice and VOICE in media and chosen and not call.wanted:
            self._want(call)
        elif call.wanted and not chosen and call.over_since is None:
            self._unwant(call, purge=True)
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
        self._await(call)
        if call.found_late:
            self._deafen(call, call.known_at, "late")
        if self.has(shard, topic_of(call.conversation_id)):  # it was asked for before, or not given up yet
            self.confirmed([topic_of(call.conversation_id)], clock.wall_ms())
        self.planned(shard, False)

    def _unwant(self, call: Call, *, purge: bool = False) -> None:
        call.wanted = False
        self.watch.unsubscribed(call.conversation_id)
        self._hear(call, clock.wall_ms())
        self._unheard.pop(call.conversation_id, None)
        shard = self.plan.drop(topic_of(call.conversation_id))
        if shard is not None:
            self.planned(shard, purge)

    def _await(self, call: Call) -> None:
        if call.conversation_id not in self._unheard:
            self._unheard[call.conversation_id] = call
            call.unheard_since = anyio.current_time()

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
        if not self._may_be_heard(call, speech.communication_id, at):
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

    def _may_be_heard(self, call: Call, communication_id: str | None, at: int | None) -> bool:
        """Whether the queues of the moment, and of the leg, are among those that are heard."""
        if not self.choice.concerns(call.snapshot, self.names, at):
            return False
        if not self.choice.exclude:
            return True
        inside = speaker_at(call.snapshot, communication_id, "internal", at)
        return self.choice.hears(inside.queue_id, self.names)

    def _change(self, call: Call) -> None:
        if not call.chosen:
            return
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
        self._out += [event for event in events if not isinstance(event, Message) or self._may_be_read(call, event)]
        nameless = {
            party.user_id for party in call.snapshot.parties if party.user_id and not self.names.user(party.user_id)
        }
        self.names.known(nameless)  # asks for those it does not know
        for user in nameless:
            self._nameless.setdefault(user, set()).add(call.conversation_id)

    def _may_be_read(self, call: Call, message: Message[str]) -> bool:
        """Whether a text message was sent in a queue that is heard; its text is never asked for otherwise."""
        at = None if message.at is None else times.to_ms(message.at)
        if self.choice.concerns(call.snapshot, self.names, at):
            return True
        self.telemetry.counters.dropped += 1
        return False

    def _done(self, call: Call, now: float) -> bool:
        assert call.over_since is not None
        if not call.wanted or now - call.over_since >= LONG_AFTER_S:
            return now - call.over_since >= GRACE_S
        ended = call.sessions and all(call.sessions.values())
        return bool(ended) and now - max(call.over_since, call.ended_session_at) >= GRACE_S

    def _forget(self, call: Call) -> None:
        if call.chosen:
            self._tell(call)
        if call.wanted:
            self._unwant(call)
        self._hear(call, clock.wall_ms())
        for waiting in (self.calls, self._over, self._unheard):
            waiting.pop(call.conversation_id, None)
        self._remember_gone(call.conversation_id)


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
