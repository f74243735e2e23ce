"""What is known of a conversation after one more look at it.

Looks come from three places. Events and `GET` are the platform's word as it happens; analytics lags seconds to minutes
behind, so it can add what was not known and never take back what was. A field that a look does not say erases none.

What identifies, once known, stays: when a party joined and left, when a leg ended, when the conversation began. Two
forms differ in these by milliseconds, and the keys of events are made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from genscribe.core.presence import ENDED, TALKING, WAITING, ended, last_end
from genscribe.core.snapshot import Leg, MessageRef, Party, Snapshot

_Value = TypeVar("_Value")


def merged(before: Snapshot | None, after: Snapshot, *, authoritative: bool = True) -> Snapshot:
    """What we know after one more look; `before` itself when that adds nothing.

    Args:
        before: What was known; `None` at the first look.
        after: What the look showed. Legs without an id are told by their place among those of their media type.
        authoritative: Whether it is the platform's word as it happens. Only that replaces what was known, and only
            that opens an end again, by showing the same leg live.
    """
    if before is None:
        before = Snapshot(after.conversation_id)
    if after.parties != before.parties:
        after = msgspec.structs.replace(after, parties=_each_once(after.parties))
    after = _without_revivals(before, after)
    parties = _parties(before.parties, after.parties, authoritative)
    ended_at = after.ended_at if before.ended_at is None else before.ended_at
    if authoritative and after.ended_at is None and any(_talks(leg) for party in after.parties for leg in party.legs):
        ended_at = None
    if ended_at is not None:
        parties = tuple(_gone(party, ended_at) for party in parties)
    known = Snapshot(
        conversation_id=before.conversation_id,
        parties=parties,
        started_at=after.started_at if before.started_at is None else before.started_at,
        ended_at=ended_at,
        direction=before.direction or after.direction,
    )
    return before if known == before else known


def is_told(party: Party) -> bool:
    """Whether it has joined or left: one that is only being rung is not told yet, as its key is not known.

    Once it is told, no look makes it untold.
    """
    if party.joined_at is not None or party.left_at is not None:
        return True
    return any(ended(leg) or leg.state in TALKING for leg in party.legs)


def _settled(party: Party) -> Party:
    """The party with its times taken from its legs where it does not say them."""
    joined_at, left_at = party.joined_at, party.left_at
    if joined_at is None:
        joined_at = min((leg.connected_at for leg in party.legs if leg.connected_at is not None), default=None)
    if left_at is None:
        left_at = last_end(party)
    return msgspec.structs.replace(party, joined_at=joined_at, left_at=left_at)


def _talks(leg: Leg) -> bool:
    """Whether it says that it goes on, which is more than not saying that it has ended."""
    return leg.ended_at is None and leg.state in TALKING


def _gone(party: Party, ended_at: int) -> Party:
    """Nobody outlives the conversation. Who left at a time that was not said has still left before."""
    if party.left_at is not None or (party.legs and all(ended(leg) for leg in party.legs)):
        return party
    return msgspec.structs.replace(party, left_at=ended_at)


def _without_revivals(before: Snapshot, after: Snapshot) -> Snapshot:
    """The look, with the ends that are known of legs that it shows as they were before: it has been overtaken.

    A call that was hung up does not go on; one that is taken up again says a later `connectedTime`.
    """
    ends: dict[tuple[str, str | None], int | None] = {
        (party.participant_id, leg.communication_id): leg.ended_at
        for party in before.parties
        for leg in party.legs
        if leg.ended_at and leg.communication_id is not None
    }
    if not ends:
        return after
    parties = tuple(_without_revived_legs(party, ends) for party in after.parties)
    return after if parties == after.parties else msgspec.structs.replace(after, parties=parties)


def _without_revived_legs(party: Party, ends: Mapping[tuple[str, str | None], int | None]) -> Party:
    def settled(leg: Leg) -> Leg:
        end = ends.get((party.participant_id, leg.communication_id))
        if end is None or not _talks(leg) or leg.connected_at is None or leg.connected_at > end:
            return leg
        return msgspec.structs.replace(leg, ended_at=end, state=None)

    legs = tuple(map(settled, party.legs))
    return party if legs == party.legs else msgspec.structs.replace(party, legs=legs)


def _parties(old: tuple[Party, ...], new: tuple[Party, ...], authoritative: bool) -> tuple[Party, ...]:
    if old == new:
        return old
    known = {party.participant_id: party for party in old}
    for party in new:
        last = known.get(party.participant_id)
        if last is None:
            last = _settled(party)
        elif last != party:
            last = _party(last, party, authoritative)
        known[party.participant_id] = last
    return tuple(known.values())


def _each_once(parties: tuple[Party, ...]) -> tuple[Party, ...]:
    """A participant that a look lists more than once is one, and so are his legs, before they meet what was known."""
    once: dict[str, Party] = {}
    for party in parties:
        legs = _each_leg_once(party.legs)
        each = party if legs == party.legs else msgspec.structs.replace(party, legs=legs)
        first = once.get(party.participant_id)
        once[party.participant_id] = each if first is None else _party(first, each, authoritative=True)
    return tuple(once.values())


def _party(old: Party, new: Party, authoritative: bool) -> Party:
    legs = _legs(old.legs, new.legs, authoritative)
    joined_at, left_at = old.joined_at, old.left_at
    if joined_at is None and not is_told(old):  # once told without, it has a key without
        joined_at = new.joined_at
        if joined_at is None:
            joined_at = min((leg.connected_at for leg in legs if leg.connected_at is not None), default=None)
    if left_at is None:
        left_at = new.left_at
    elif authoritative and new.left_at is None and _is_back(old, new, legs):
        left_at = None
    known = Party(
        participant_id=old.participant_id,
        purpose=_fresher(old.purpose, new.purpose, authoritative),
        user_id=_fresher(old.user_id, new.user_id, authoritative),
        user_name=_fresher(old.user_name, new.user_name, authoritative),
        queue_id=_fresher(old.queue_id, new.queue_id, authoritative),
        joined_at=joined_at,
        left_at=left_at,
        legs=legs,
    )
    if known.left_at is None and (left_at := last_end(known)) is not None:
        known = msgspec.structs.replace(known, left_at=left_at)
    return old if known == old else known


def _is_back(old: Party, new: Party, legs: tuple[Leg, ...]) -> bool:
    """Whether one who had left talks again, or has a leg more, as when a callback's call is dialled."""
    if any(map(_talks, new.legs)):
        return True
    if not old.legs or len(legs) == len(old.legs) or not all(map(ended, old.legs)):
        return False
    return any(leg.state in WAITING and not ended(leg) for leg in legs)


def _legs(old: tuple[Leg, ...], new: tuple[Leg, ...], authoritative: bool) -> tuple[Leg, ...]:
    """Legs with an id are matched by it, first; then the rest by place, as one of the two looks lacks the id."""
    if old == new or not new:
        return old
    legs = list(old)
    places: dict[str | None, int] = {
        leg.communication_id: place for place, leg in enumerate(old) if leg.communication_id is not None
    }
    taken = {places[leg.communication_id] for leg in new if leg.communication_id in places}
    for leg in new:
        place = places.get(leg.communication_id)
        if place is None:
            place = _place(legs, leg, taken)
        if place is None:
            place = len(legs)
            legs.append(leg)
        else:
            legs[place] = _leg(legs[place], leg, authoritative)
        taken.add(place)
        if leg.communication_id is not None:
            places[leg.communication_id] = place
    return tuple(legs)


def _each_leg_once(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    once: list[Leg] = []
    places: dict[str, int] = {}
    for leg in map(_settled_leg, legs):
        name = leg.communication_id
        if name is not None and name in places:
            once[places[name]] = _leg(once[places[name]], leg, authoritative=True)
            continue
        if name is not None:
            places[name] = len(once)
        once.append(leg)
    return tuple(once)


def _place(legs: list[Leg], new: Leg, taken: set[int]) -> int | None:
    for place, leg in enumerate(legs):
        nameless = leg.communication_id is None or new.communication_id is None
        if nameless and place not in taken and leg.media_type == new.media_type:
            return place
    return None


def _settled_leg(leg: Leg) -> Leg:
    """The leg with an end where only its state tells of one, and each message once."""
    ended_at = 0 if leg.ended_at is None and leg.state in ENDED else leg.ended_at
    messages = _messages((), leg.messages)
    if ended_at == leg.ended_at and messages == leg.messages:
        return leg
    return msgspec.structs.replace(leg, ended_at=ended_at, messages=messages)


def _leg(old: Leg, new: Leg, authoritative: bool) -> Leg:
    if old == new:
        return old
    end = old.ended_at
    if authoritative and _talks(new):
        end = None
    elif not end:  # 0 is an end at a time that was not said
        end = end if new.ended_at is None else new.ended_at
    return Leg(
        communication_id=old.communication_id or new.communication_id,
        media_type=new.media_type if authoritative else old.media_type,
        state=_state(old, new, authoritative),
        direction=old.direction or new.direction,
        peer_id=_fresher(old.peer_id, new.peer_id, authoritative),
        connected_at=_fresher(old.connected_at, new.connected_at, authoritative),
        ended_at=end,
        messages=_messages(old.messages, new.messages),
    )


def _state(old: Leg, new: Leg, authoritative: bool) -> str | None:
    """Who was answered is not rung again: such an event is late."""
    answered = ended(old) or old.state in TALKING
    if answered and new.state not in TALKING | ENDED:
        return old.state
    return _fresher(old.state, new.state, authoritative)


def _messages(old: tuple[MessageRef, ...], new: tuple[MessageRef, ...]) -> tuple[MessageRef, ...]:
    if not new or new == old:
        return old
    if new[: len(old)] == old and len({ref.message_id for ref in new}) == len(new):
        return new
    known = {ref.message_id: ref for ref in old}
    for ref in new:
        last = known.get(ref.message_id)
        if last is None or last.at is None:
            known[ref.message_id] = ref
    return tuple(known.values())


def _fresher(old: _Value | None, new: _Value | None, authoritative: bool) -> _Value | None:
    if new is None or (old is not None and not authoritative):
        return old
    return new
