"""Conversations as they look, for the tests of what is made of them. Times are seconds, for reading."""

from __future__ import annotations

from collections.abc import Iterable

from genscribe.core.snapshot import Leg, MessageRef, Party, Snapshot

T = 1_774_000_000_000


def ms(second: float | None) -> int | None:
    return None if second is None else T + round(second * 1000)


def leg(
    name: str | None,
    since: float | None = 0,
    until: float | None = None,
    *,
    peer: str | None = None,
    state: str | None = None,
    media_type: str = "voice",
    messages: Iterable[MessageRef] = (),
) -> Leg:
    state = state or ("connected" if until is None else "disconnected")
    return Leg(name, media_type, state, "inbound", peer, ms(since), ms(until), tuple(messages))


def party(name: str, purpose: str | None, *legs: Leg, queue: str | None = None, user: str | None = None) -> Party:
    """It joined with its first leg and left with its last."""
    joined = min((each.connected_at for each in legs if each.connected_at is not None), default=None)
    ends = [each.ended_at for each in legs]
    left = None if None in ends else max((end for end in ends if end), default=None)
    return Party(name, purpose, user, None, queue, joined, left, legs)


def snapshot(*parties: Party, ended: float | None = None, started: float | None = None) -> Snapshot:
    return Snapshot("conv", parties, ms(started), ms(ended))


class Book:
    """Names that are known: everything is called after its id."""

    def user(self, user_id: str | None) -> str | None:
        return user_id and user_id.title()

    def queue(self, queue_id: str | None) -> str | None:
        return queue_id and f"The {queue_id}"

    def known(self, users: Iterable[str]) -> bool:
        return True
