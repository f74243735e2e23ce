"""Who is in which conversation: the differences between two looks at it are what there is to tell.

`merging.merged` makes one picture of many looks; `differences` compares the picture that was told with the one that is
known now, and returns the events. There is no handler a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from genscribe.core.decode import times
from genscribe.core.merging import is_told
from genscribe.core.names import Names
from genscribe.core.presence import OUTSIDE, ended, ended_at, media_type, of_interest, over
from genscribe.core.queues import queue_at
from genscribe.core.snapshot import Leg, MessageRef, Party, Snapshot
from genscribe.core.speakers import common, word_for
from genscribe.events import Conversation, Event, Message, Participant


def differences(
    before: Snapshot | None,
    after: Snapshot,
    *,
    names: Names,
    subscribed_at: str | None,
    now: str,
    source: str | None = None,
) -> list[Event[str]]:
    """What happened between two looks: the start, who joined, changed or left, new messages, the end.

    Args:
        before: What was told, as `merged` had returned it; `None` when nothing was.
        after: What is known now, as `merged` returned it, also at the first look: it sees to it that keys stay.
        names: Of users and queues, as known now.
        subscribed_at: For the start and the end: since when the conversation is heard, `None` when that is not known.
        now: The time of a start or an end whose own time was not said, and of the messages' arrival.
        source: The source's name, which messages carry.
    """
    if before is after:
        return []
    events: list[Event[str]] = []
    if before is None:
        events.append(started(after, subscribed_at=subscribed_at, now=now))
    if before is None or before.parties != after.parties:
        events += _participants(before, after, names)
        events += _messages(before, after, now=now, source=source)
    if over(after) and not (before is not None and over(before)):
        events.append(_ended(after, subscribed_at=subscribed_at, now=now))
    return events


def named(snapshot: Snapshot, users: AbstractSet[str], names: Names) -> list[Event[str]]:
    """The participants of a conversation that are these users, told again now that their names are known."""
    events = (
        _participant(snapshot.conversation_id, party, names) for party in snapshot.parties if party.user_id in users
    )
    return [event for event in events if event is not None]


def started(snapshot: Snapshot, *, subscribed_at: str | None, now: str) -> Conversation[str]:
    """The start of a conversation, at the earliest time that is known of it; `now` when none is."""
    return Conversation(
        key=f"{snapshot.conversation_id}:started",
        revision=1,
        conversation_id=snapshot.conversation_id,
        state="started",
        at=_text(_first_time(snapshot)) or now,
        media_type=media_type(snapshot),
        queue_id=_first_queue(snapshot),
        direction=_direction(snapshot),
        subscribed_at=subscribed_at,
    )


def _ended(snapshot: Snapshot, *, subscribed_at: str | None, now: str) -> Conversation[str]:
    return Conversation(
        key=f"{snapshot.conversation_id}:ended",
        revision=1,
        conversation_id=snapshot.conversation_id,
        state="ended",
        at=_text(ended_at(snapshot)) or now,
        media_type=media_type(snapshot),
        queue_id=_queue(snapshot),
        direction=_direction(snapshot),
        subscribed_at=subscribed_at,
    )


def _participants(before: Snapshot | None, after: Snapshot, names: Names) -> Iterator[Participant[str]]:
    known = {} if before is None else {party.participant_id: party for party in before.parties}
    for party in after.parties:
        last = known.get(party.participant_id)
        if party is last:
            continue
        event = _participant(after.conversation_id, party, names)
        told = None if last is None else _participant(after.conversation_id, last, names)
        if event is not None and event != told:
            yield event


def _participant(conversation_id: str, party: Party, names: Names) -> Participant[str] | None:
    if not is_told(party):
        return None
    joined_at = _text(party.joined_at)
    leg = _leg_of(party)
    return Participant(
        key=f"{conversation_id}:{party.participant_id}:{joined_at or ''}",
        revision=1,
        conversation_id=conversation_id,
        participant_id=party.participant_id,
        communication_id=None if leg is None else leg.communication_id,
        purpose=party.purpose,
        user_id=party.user_id,
        user_name=names.user(party.user_id) or party.user_name,
        queue_id=party.queue_id,
        queue_name=names.queue(party.queue_id),
        joined_at=joined_at,
        left_at=_text(party.left_at),
    )


def _leg_of(party: Party) -> Leg | None:
    """The leg that it is on, or was on last; while it consults on a second one, that is still the first."""
    legs = [leg for leg in party.legs if of_interest(leg)] or party.legs
    live = next((leg for leg in legs if not ended(leg)), None)
    return live or max(legs, key=lambda leg: leg.ended_at or 0, default=None)


def brings_messages(before: Snapshot | None, after: Snapshot) -> bool:
    """Whether the second look shows text messages that the first did not."""
    told = set() if before is None else {ref.message_id for _, _, ref in _all_messages(before)}
    return any(ref.message_id not in told for _, _, ref in _all_messages(after))


_Listed = tuple[Party, Leg, MessageRef]


def _messages(before: Snapshot | None, after: Snapshot, *, now: str, source: str | None) -> Iterator[Message[str]]:
    listed = list(_all_messages(after))
    if not listed:
        return
    told = set() if before is None else {ref.message_id for _, _, ref in _all_messages(before)}
    fresh: dict[str, list[_Listed]] = {}
    for each in listed:
        if each[2].message_id not in told:
            fresh.setdefault(each[2].message_id, []).append(each)
    for where in fresh.values():
        yield _message(after, where, now=now, source=source)


def _all_messages(snapshot: Snapshot) -> Iterator[_Listed]:
    return ((party, leg, ref) for party in snapshot.parties for leg in party.legs for ref in leg.messages)


def _message(snapshot: Snapshot, where: list[_Listed], *, now: str, source: str | None) -> Message[str]:
    """A message listed with several parties is of none of them for certain: its text will say who wrote it."""
    message_id = where[0][2].message_id
    at = next((each.at for _, _, each in where if each.at is not None), None)
    parties = [party for party, _, _ in where]
    legs = [leg for _, leg, _ in where]
    return Message(
        key=f"{snapshot.conversation_id}:message:{message_id}",
        revision=1,
        conversation_id=snapshot.conversation_id,
        message_id=message_id,
        communication_id=common(leg.communication_id for leg in legs),
        media_type=legs[0].media_type,
        speaker=common(_writer(party) for party in parties),
        participant_id=common(party.participant_id for party in parties),
        user_id=common(party.user_id for party in parties),
        queue_id=common(_own_queue(party) for party in parties) or queue_at(snapshot, at),
        at=_text(at),
        received_at=now,
        source=source,
    )


def _writer(party: Party) -> str | None:
    return "customer" if party.purpose in OUTSIDE else word_for(party.purpose)


def _own_queue(party: Party) -> str | None:
    """An outsider's queue is that of another moment."""
    return None if party.purpose in OUTSIDE else party.queue_id


def _first_time(snapshot: Snapshot) -> int | None:
    if snapshot.started_at is not None:
        return snapshot.started_at
    joined = (party.joined_at for party in snapshot.parties)
    connected = (leg.connected_at for party in snapshot.parties for leg in party.legs)
    sent = (ref.at for _, _, ref in _all_messages(snapshot))
    return min((at for at in (*joined, *connected, *sent) if at is not None), default=None)


def _queue(snapshot: Snapshot) -> str | None:
    """The queue in force, else the first one that anybody of ours belongs to."""
    current = queue_at(snapshot, None)
    return current or next(filter(None, map(_own_queue, snapshot.parties)), None)


def _first_queue(snapshot: Snapshot) -> str | None:
    """The queue in which it began, or to which it came first."""
    routed = [party for party in snapshot.parties if _own_queue(party) and party.joined_at is not None]
    first = min(routed, key=lambda party: party.joined_at or 0, default=None)
    return _queue(snapshot) if first is None else first.queue_id


def _direction(snapshot: Snapshot) -> str | None:
    """The conversation's, else that of the first leg, which began it."""
    legs = (leg for party in snapshot.parties for leg in party.legs)
    return snapshot.direction or next((leg.direction for leg in legs if leg.direction), None)


def _text(at: int | None) -> str | None:
    return None if at is None else times.from_ms(at)
