"""Who is there: what a snapshot says of its legs, its parties and itself at a moment. Times are epoch milliseconds."""

from __future__ import annotations

from genscribe.core.snapshot import TEXT, VOICE, Leg, Party, Snapshot

WAITING = frozenset({"alerting", "dialing", "contacting", "offering", "scheduled"})
"""The platform's states of a leg on which nobody speaks yet."""
TALKING = frozenset({"connected", "parked"})
"""Those of one that was answered and goes on. Others, such as `none` and `uploading`, say neither."""
ENDED = frozenset({"disconnected", "terminated"})
AGENTS = frozenset({"agent", "user"})
"""Purposes of people of the organisation."""
OUTSIDE = frozenset({"customer", "external"})
"""Purposes of people who are none of it."""

_CALLBACK = "callback"
_INTEREST = frozenset({VOICE}) | TEXT


def of_interest(leg: Leg) -> bool:
    """Whether there is something to be heard on it: voice or text."""
    return leg.media_type in _INTEREST


def ended(leg: Leg) -> bool:
    """Whether this leg has ended, as far as it says."""
    return leg.ended_at is not None or leg.state in ENDED


def last_end(party: Party) -> int | None:
    """When the last of its legs ended; `None` while one goes on, when there is none, and when no time was said."""
    latest = 0
    for leg in party.legs:
        if not ended(leg):
            return None
        latest = max(latest, leg.ended_at or 0)
    return latest or None


def began_at(party: Party, leg: Leg) -> int | None:
    """Since when it talks, or talked, on that leg: 0 when that was not said, `None` when it never did."""
    if leg.state in WAITING:
        return None
    if leg.connected_at is not None:
        return leg.connected_at
    if party.joined_at is not None:
        return party.joined_at
    return 0 if leg.state in TALKING else None


def talks(party: Party, leg: Leg, at: int | None, *, slack_ms: int = 0) -> bool:
    """Whether it is connected on that leg at a moment.

    Args:
        party: Whose leg it is.
        leg: One of the party's.
        at: The moment; `None` is now, after all that the snapshot says.
        slack_ms: How much earlier and later counts as well.
    """
    start = began_at(party, leg)
    if start is None:
        return False
    if at is None:
        return party.left_at is None and not ended(leg)
    # An end at a time that was not said bounds nothing.
    end = leg.ended_at or party.left_at or None
    return start <= at + slack_ms and (end is None or at < end + slack_ms)


def present(party: Party, at: int | None) -> bool:
    """Whether it takes part at a moment; `None` is now. One that is rung and has not answered does not."""
    if party.legs:
        return any(talks(party, leg, at) for leg in party.legs)
    if party.joined_at is None or (at is not None and at < party.joined_at):
        return False
    return party.left_at is None or (at is not None and at < party.left_at)


def live_media(snapshot: Snapshot) -> frozenset[str]:
    """The media types of the legs that go on, also of those that still ring."""
    if snapshot.ended_at is not None:
        return frozenset()
    return frozenset(
        leg.media_type for party in snapshot.parties if party.left_at is None for leg in party.legs if not ended(leg)
    )


def over(snapshot: Snapshot) -> bool:
    """Whether it has ended: by its own word, or because every leg of voice or text has, and there was one.

    A callback that is waiting keeps it alive: the call back has the same conversation.
    """
    if snapshot.ended_at is not None:
        return True
    heard = False
    for party in snapshot.parties:
        for leg in party.legs:
            interest = leg.media_type in _INTEREST
            heard |= interest
            if (interest or leg.media_type == _CALLBACK) and party.left_at is None and not ended(leg):
                return False
    return heard


def ended_at(snapshot: Snapshot) -> int | None:
    """When it ended; `None` while it goes on, and when nobody said when."""
    if snapshot.ended_at is not None or not over(snapshot):
        return snapshot.ended_at
    ends = (leg.ended_at or party.left_at or 0 for party in snapshot.parties for leg in party.legs if of_interest(leg))
    return max(ends, default=0) or None


def media_type(snapshot: Snapshot) -> str | None:
    """The conversation's media type: voice before text before the rest; `None` when no leg says one."""
    types = [leg.media_type for party in snapshot.parties for leg in party.legs]
    if VOICE in types:
        return VOICE
    text = next((each for each in types if each in TEXT), None)
    return text or (types[0] if types else None)


def talking(snapshot: Snapshot) -> bool:
    """Whether somebody of the organisation is connected by voice now, so that there should be something to hear."""
    return any(
        leg.media_type == VOICE and talks(party, leg, None)
        for party in snapshot.parties
        if party.purpose in AGENTS
        for leg in party.legs
    )


def talked_since(snapshot: Snapshot) -> int | None:
    """Since when somebody of the organisation has talked by voice, in epoch milliseconds; `None` when nobody has."""
    moments = (
        began
        for party in snapshot.parties
        if party.purpose in AGENTS
        for leg in party.legs
        if leg.media_type == VOICE and (began := began_at(party, leg))
    )
    return min(moments, default=None)
