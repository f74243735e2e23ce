"""The platform's forms of a conversation, read into one `Snapshot`.

- the event of `v2.routing.queues.{id}.conversations` and `v2.users.{id}.conversations`, and the answer of
  `GET /api/v2/conversations/{id}`: participants with `calls`, `messages`, ..., each of them a leg;
- `GET /api/v2/conversations/messages/{id}`: one leg a participant, whose state stands at the participant;
- the answers of `POST /api/v2/analytics/conversations/details/query` and `GET /api/v2/analytics/conversations/details`:
  sessions made of segments; whether a leg is live is told by them alone.

Every field may be missing or null. Total: whatever the bytes are, nothing is raised; a field or an item of the wrong
type costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional, Union

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from genscribe.core.decode import pieces, times
from genscribe.core.decode import text as texts
from genscribe.core.decode.pieces import REFUSED
from genscribe.core.snapshot import Leg, MessageRef, Party, Snapshot

_MEDIA = (
    ("calls", "voice"),
    ("callbacks", "callback"),
    ("chats", "chat"),
    ("messages", "message"),
    ("emails", "email"),
    ("videos", "video"),
    ("cobrowsesessions", "cobrowse"),
    ("screenshares", "screenshare"),
    ("social_expressions", "social"),
    ("internal_messages", "internal"),
    ("screen_monitorings", "screenmonitoring"),
)
"""A participant's lists, and the media type of the legs in each."""
_ANALYTICS_MEDIA = {"": "unknown", "internalmessage": "internal"}
"""Where analytics has another word than `_MEDIA`."""
_OVER = frozenset({"disconnected", "terminated"})
_UNSAID = frozenset({None, "none"})
_STAFF = frozenset({"agent", "user"})
"""Whose name is a user's; a customer's is a name or a number of his own, and is not taken."""
_DIRECTIONS = frozenset({"inbound", "outbound"})
_Time = Union[str, int, float, None]


class Page(msgspec.Struct, frozen=True):
    """One answer of analytics.

    Attributes:
        total: How many conversations match on all pages (`totalHits`); `None` when that was not said.
        bad: How many fields and items could not be read.
    """

    snapshots: tuple[Snapshot, ...] = ()
    total: int | None = None
    bad: int = 0


class _Ref(msgspec.Struct):
    id: str | None = None


class _Detail(msgspec.Struct, rename="camel"):
    message_id: str | None = None
    message_time: _Time = None


class _Medium(msgspec.Struct, rename="camel"):
    """A call, a chat, ...; or, in the media form's `messages`, a message's detail, which has no `id`."""

    id: str | None = None
    state: str | None = None
    direction: str | None = None
    peer_id: str | None = None
    connected_time: _Time = None
    disconnected_time: _Time = None
    messages: list[_Detail] | None = None
    message_id: str | None = None
    message_time: _Time = None


class _Participant(msgspec.Struct, rename="camel"):
    id: str | None = None
    name: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    user: _Ref | None = None
    queue_id: str | None = None
    queue: _Ref | None = None
    connected_time: _Time = None
    end_time: _Time = None
    state: str | None = None
    direction: str | None = None
    peer: str | None = None
    calls: list[_Medium] | None = None
    callbacks: list[_Medium] | None = None
    chats: list[_Medium] | None = None
    messages: list[_Medium] | None = None
    emails: list[_Medium] | None = None
    videos: list[_Medium] | None = None
    cobrowsesessions: list[_Medium] | None = None
    screenshares: list[_Medium] | None = None
    social_expressions: list[_Medium] | None = None
    internal_messages: list[_Medium] | None = None
    screen_monitorings: list[_Medium] | None = None


class Wire(msgspec.Struct, rename="camel"):
    """A conversation as events and REST write it."""

    id: str | None = None
    start_time: _Time = None
    end_time: _Time = None
    participants: list[_Participant] | None = None


_WAITING = frozenset({"alert", "contacting", "delay", "dialing", "scheduled", "system"})
"""Segments in which one is not there yet; `connectedTime` of the same participant is the start of the next one."""


class _Segment(msgspec.Struct, rename="camel"):
    segment_type: str | None = None
    segment_start: _Time = None
    segment_end: _Time = None
    queue_id: str | None = None


class _AnalyticsSession(msgspec.Struct, rename="camel"):
    session_id: str | None = None
    media_type: str | None = None
    direction: str | None = None
    peer_id: str | None = None
    segments: list[_Segment] | None = None


class _AnalyticsParticipant(msgspec.Struct, rename="camel"):
    participant_id: str | None = None
    participant_name: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    sessions: list[_AnalyticsSession] | None = None


class _AnalyticsConversation(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    conversation_start: _Time = None
    conversation_end: _Time = None
    originating_direction: str | None = None
    participants: list[_AnalyticsParticipant] | None = None


class _AnalyticsAnswer(msgspec.Struct, rename="camel"):
    conversations: list[_AnalyticsConversation] | None = None
    total_hits: int | None = None


_WIRE = Decoder(Wire)
_MAYBE_WIRE = Decoder(Optional[Wire])
_ANSWER = Decoder(_AnalyticsAnswer)
_MAYBE_ANSWER = Decoder(Optional[_AnalyticsAnswer])


def read_conversation(body: bytes) -> Snapshot | None:
    """The conversation in the body of a REST answer; `None` when it is none, or has no id. Never raises."""
    if not texts.needs_mending(body):
        try:
            return snapshot(_WIRE.decode(body))[0]
        except REFUSED:
            pass
    json, _ = pieces.repaired(body)
    return read_piecewise(json)[0]


def read_piecewise(json: bytes | Raw) -> tuple[Snapshot | None, tuple[str, ...]]:
    """A conversation of which something cannot be read, and the dotted names of what that is."""
    wire, lost = pieces.salvage(json, _MAYBE_WIRE)
    if wire is None:
        return None, lost or ("all of it",)
    read, nameless = snapshot(wire)
    return read, (*lost, *nameless)


def snapshot(wire: Wire) -> tuple[Snapshot | None, tuple[str, ...]]:
    """What `wire` shows, and the names of what it lacks: without an id there is no conversation and no participant."""
    if not wire.id:
        return None, ("id",)
    parties = [_party(participant) for participant in wire.participants or ()]
    known = tuple(party for party in parties if party is not None)
    seen = Snapshot(
        conversation_id=wire.id,
        parties=known,
        started_at=times.to_ms(wire.start_time),
        ended_at=times.to_ms(wire.end_time),
        direction=_first_direction(known),
    )
    return seen, ("participants.id",) * (len(parties) - len(known))


def read_analytics(body: bytes) -> Page:
    """The conversations in an answer of analytics; an empty page when it is none. Never raises."""
    if not texts.needs_mending(body):
        try:
            return _page(_ANSWER.decode(body), 0)
        except REFUSED:
            pass
    json, _ = pieces.repaired(body)
    answer, lost = pieces.salvage(json, _MAYBE_ANSWER)
    return Page(bad=1) if answer is None else _page(answer, len(lost))


def _party(participant: _Participant) -> Party | None:
    if not participant.id:
        return None
    purpose = _word(participant.purpose)
    left_at = times.to_ms(participant.end_time)
    legs = _legs(participant, left_at, gone=participant.end_time is not None)
    joined_at = times.to_ms(participant.connected_time)
    return Party(
        participant_id=participant.id,
        purpose=purpose,
        user_id=participant.user_id or _id(participant.user),
        user_name=(participant.name or None) if purpose in _STAFF else None,
        queue_id=participant.queue_id or _id(participant.queue),
        joined_at=_earliest(leg.connected_at for leg in legs) if joined_at is None else joined_at,
        left_at=_left_at(legs) if left_at is None else left_at,
        legs=legs,
    )


def _legs(participant: _Participant, left_at: int | None, *, gone: bool) -> tuple[Leg, ...]:
    legs: list[Leg] = []
    refs: list[MessageRef] = []
    for name, media_type in _MEDIA:
        media: list[_Medium] | None = getattr(participant, name)
        for medium in media or ():
            if medium.message_id and not medium.id:
                refs.append(MessageRef(medium.message_id, times.to_ms(medium.message_time)))
            else:
                legs.append(_leg(medium, media_type, left_at, gone=gone))
    if not legs and (refs or participant.state):
        legs.append(_own_leg(participant, refs, left_at, gone=gone))
    return tuple(legs)


def _leg(medium: _Medium, media_type: str, left_at: int | None, *, gone: bool) -> Leg:
    state = _word(medium.state)
    ended_at = times.to_ms(medium.disconnected_time)
    over = medium.disconnected_time is not None or state in _OVER or (gone and state in _UNSAID)
    return Leg(
        communication_id=medium.id or None,
        media_type=media_type,
        state=state,
        direction=_word(medium.direction),
        peer_id=medium.peer_id or None,
        connected_at=times.to_ms(medium.connected_time),
        ended_at=(ended_at or left_at or 0) if over else None,
        messages=_refs(medium.messages),
    )


def _own_leg(participant: _Participant, refs: list[MessageRef], left_at: int | None, *, gone: bool) -> Leg:
    """The leg of the media form, which is the participant's own and has no id there."""
    state = _word(participant.state)
    return Leg(
        media_type="message",
        state=state,
        direction=_word(participant.direction),
        peer_id=participant.peer or None,
        connected_at=times.to_ms(participant.connected_time),
        ended_at=(left_at or 0) if gone or state in _OVER else None,
        messages=tuple(refs),
    )


def _refs(details: list[_Detail] | None) -> tuple[MessageRef, ...]:
    if not details:
        return ()
    return tuple(
        MessageRef(detail.message_id, times.to_ms(detail.message_time)) for detail in details if detail.message_id
    )


def _first_direction(parties: tuple[Party, ...]) -> str | None:
    """Participants stand in the order in which they came: the first leg's direction is the conversation's."""
    for party in parties:
        for leg in party.legs:
            if leg.direction in _DIRECTIONS:
                return leg.direction
    return None


def _page(answer: _AnalyticsAnswer, bad: int) -> Page:
    snapshots: list[Snapshot] = []
    for conversation in answer.conversations or ():
        if not conversation.conversation_id:
            bad += 1
            continue
        ended_at = times.to_ms(conversation.conversation_end)
        participants = conversation.participants or ()
        parties = [
            _analytics_party(participant, ended_at) for participant in participants if participant.participant_id
        ]
        bad += len(participants) - len(parties)
        snapshots.append(
            Snapshot(
                conversation_id=conversation.conversation_id,
                parties=tuple(parties),
                started_at=times.to_ms(conversation.conversation_start),
                ended_at=ended_at,
                direction=_word(conversation.originating_direction),
            )
        )
    return Page(tuple(snapshots), answer.total_hits, bad)


def _analytics_party(participant: _AnalyticsParticipant, conversation_ended_at: int | None) -> Party:
    purpose = _word(participant.purpose)
    sessions = [(session, _spans(session)) for session in participant.sessions or ()]
    legs = tuple(_analytics_leg(session, spans, conversation_ended_at) for session, spans in sessions)
    segments = sorted((span for _, spans in sessions for span in spans), key=_Span.order)
    return Party(
        participant_id=participant.participant_id or "",
        purpose=purpose,
        user_id=participant.user_id or None,
        user_name=(participant.participant_name or None) if purpose in _STAFF else None,
        queue_id=next((span.queue_id for span in reversed(segments) if span.queue_id), None),
        joined_at=_earliest(span.start for span in segments if span.kind not in _WAITING),
        left_at=_left_at(legs),
        legs=legs,
    )


def _analytics_leg(session: _AnalyticsSession, spans: list[_Span], conversation_ended_at: int | None) -> Leg:
    # Wrap-up is work after the talk: while it lasts, nobody is on the line.
    talk = [span for span in spans if span.kind != "wrapup"]
    interact = _earliest(span.start for span in talk if span.kind == "interact")
    media_type = _word(session.media_type) or ""
    return Leg(
        communication_id=session.session_id or None,
        media_type=_ANALYTICS_MEDIA.get(media_type, media_type),
        direction=_word(session.direction),
        peer_id=session.peer_id or None,
        connected_at=_earliest(s.start for s in talk if s.kind not in _WAITING) if interact is None else interact,
        ended_at=_analytics_end(talk, spans, conversation_ended_at),
    )


def _analytics_end(talk: list[_Span], spans: list[_Span], conversation_ended_at: int | None) -> int | None:
    """A leg is live while a segment has no end, and before its first segment; nothing outlives its conversation."""
    over = bool(spans) and all(span.ended for span in talk)
    if not over:
        return conversation_ended_at
    return max((span.end or 0 for span in talk), default=0) or conversation_ended_at or 0


def _spans(session: _AnalyticsSession) -> list[_Span]:
    return [_Span.of(segment) for segment in session.segments or ()]


class _Span(msgspec.Struct, frozen=True, gc=False):
    """A segment with its times read. `ended` is true also when it ended at a time that cannot be read."""

    kind: str | None
    start: int | None
    end: int | None
    ended: bool
    queue_id: str | None

    @classmethod
    def of(cls, segment: _Segment) -> _Span:
        return cls(
            _word(segment.segment_type),
            times.to_ms(segment.segment_start),
            times.to_ms(segment.segment_end),
            segment.segment_end is not None,
            segment.queue_id or None,
        )

    def order(self) -> int:
        return self.start or 0


def _left_at(legs: tuple[Leg, ...]) -> int | None:
    """When the last leg ended; `None` while one is live, and when the time was not said."""
    if any(leg.ended_at is None for leg in legs):
        return None
    return max((leg.ended_at or 0 for leg in legs), default=0) or None


def _earliest(moments: Iterable[int | None]) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _word(word: str | None) -> str | None:
    return (word or "").strip().lower() or None


def _id(reference: _Ref | None) -> str | None:
    return (reference.id or None) if reference else None
