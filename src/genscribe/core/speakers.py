"""Who says it: a transcription names a communication and a side of it; the participants say who was there.

The platform says `internal` for the organisation's side of the media and `external` for the other, no more. Whether
a communication is the agent's own leg or the customer's is not documented, so both are understood.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from genscribe.core.presence import AGENTS, OUTSIDE, began_at, talks
from genscribe.core.queues import queue_at
from genscribe.core.snapshot import Leg, Party, Snapshot

SLACK_MS = 1_000
"""How far the media's clock and the participants' may be apart before somebody counts as not there."""

_AGENT, _CUSTOMER, _UNKNOWN = "agent", "customer", "unknown"

_Value = TypeVar("_Value")


class Who(NamedTuple):
    """Who speaks, as far as it can be said: an id that is not certain is `None`. `speaker` is the contract's word."""

    speaker: str
    participant_id: str | None = None
    user_id: str | None = None
    queue_id: str | None = None


class _Seat(NamedTuple):
    party: Party
    leg: Leg


def speaker_at(snapshot: Snapshot, communication_id: str | None, side: str | None, at_ms: int | None) -> Who:
    """Who speaks on a side of a communication at a moment.

    External is the customer. Internal is whoever of the organisation is connected there: whose own leg the
    communication is, else whose leg is bridged with it, else anybody who is connected; an agent before a machine,
    of machines the last that joined. Several agents at once on one communication are `agent` without an id. While
    nobody is known there, it is `agent`.

    Args:
        snapshot: What is known of the conversation.
        communication_id: As the transcription has it.
        side: The platform's word, in any case; other than internal or external: `unknown`.
        at_ms: When it was said, epoch milliseconds; `None` is now.
    """
    side = (side or "").lower()
    if side == "internal":
        found = _internal(snapshot, communication_id, at_ms)
        speaker = word_for(found[0].party.purpose) or _AGENT if found else _AGENT
        queue_id = common(seat.party.queue_id for seat in found) or queue_at(snapshot, at_ms)
    elif side == "external":
        found = _external(snapshot, communication_id, at_ms)
        speaker = _CUSTOMER
        queue_id = queue_at(snapshot, at_ms)
    else:
        return Who(_UNKNOWN, queue_id=queue_at(snapshot, at_ms))
    parties = [seat.party for seat in found]
    return Who(
        speaker,
        common(party.participant_id for party in parties),
        common(party.user_id for party in parties),
        queue_id,
    )


def word_for(purpose: str | None) -> str | None:
    """The contract's word for a purpose: `agent` for our people, else the platform's; `None` when there is none."""
    if not purpose:
        return None
    word = purpose.lower()
    return _AGENT if word in AGENTS else word


def common(values: Iterable[_Value]) -> _Value | None:
    """The value that all of them are; `None` when they differ, or there is none."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _internal(snapshot: Snapshot, communication_id: str | None, at: int | None) -> list[_Seat]:
    own, peers, others = _seats(snapshot, communication_id)
    staff = [seat for seat in own if seat.party.purpose not in OUTSIDE]
    if staff:
        return staff
    # A call that was passed on to somebody outside has an outsider on the organisation's side.
    facing = [seat for seat in peers if seat.party.purpose != _CUSTOMER]
    inside = [seat for seat in (*peers, *others) if seat.party.purpose not in OUTSIDE]
    return _first_speaking((facing, inside), at)


def _external(snapshot: Snapshot, communication_id: str | None, at: int | None) -> list[_Seat]:
    own, peers, others = _seats(snapshot, communication_id)
    outside = [seat for seat in own if seat.party.purpose in OUTSIDE]
    if outside:
        return outside
    known = [seat for seat in (*peers, *others) if seat.party.purpose in OUTSIDE]
    facing = [seat for seat in peers if seat.party.purpose in OUTSIDE]
    # Between two users the other one is outside.
    return _connected((facing, known, () if known else peers), at)


def _seats(snapshot: Snapshot, communication_id: str | None) -> tuple[list[_Seat], list[_Seat], list[_Seat]]:
    """Whose leg the communication is, whose leg is bridged with it, and everybody else's."""
    own: list[_Seat] = []
    peers: list[_Seat] = []
    others: list[_Seat] = []
    seats = [_Seat(party, leg) for party in snapshot.parties for leg in party.legs]
    if communication_id is None:
        return own, peers, seats
    bridged = {leg.peer_id for _, leg in seats if leg.communication_id == communication_id and leg.peer_id}
    for seat in seats:
        if seat.leg.communication_id == communication_id:
            own.append(seat)
        elif seat.leg.peer_id == communication_id or seat.leg.communication_id in bridged:
            peers.append(seat)
        else:
            others.append(seat)
    return own, peers, others


def _connected(groups: Iterable[Iterable[_Seat]], at: int | None) -> list[_Seat]:
    """The first group's seats that are connected at that moment; if there are none, those that nearly are."""
    groups = [list(group) for group in groups]
    for slack_ms in (0, SLACK_MS):
        for group in groups:
            found = [seat for seat in group if talks(seat.party, seat.leg, at, slack_ms=slack_ms)]
            if found:
                return found
    return []


def _first_speaking(groups: Iterable[Iterable[_Seat]], at: int | None) -> list[_Seat]:
    found = _connected(groups, at)
    agents = [seat for seat in found if (word_for(seat.party.purpose) or _AGENT) == _AGENT]
    if agents or not found:
        return agents
    return [max(found, key=lambda seat: began_at(seat.party, seat.leg) or 0)]
