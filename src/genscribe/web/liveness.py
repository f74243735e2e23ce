"""Which conversations go on. One rule for all who ask, so that each either goes on or does not, and never both."""

from __future__ import annotations

from typing import NamedTuple

import apsw

from genscribe import clock
from genscribe.store import queries
from genscribe.store.queries import FORGOTTEN_MS
from genscribe.store.retention import marked_before
from genscribe.store.views import LifeSign
from genscribe.web import cards
from genscribe.web.cards import Draft


class Moment(NamedTuple):
    """What decides beside a conversation itself.

    Attributes:
        at_ms: Now, in epoch milliseconds.
        begun_after: What was first heard of up to this seq is taken for ended: that was a day ago.
        written: Somebody writes the store; without that nothing goes on in it.
    """

    at_ms: int
    begun_after: int
    written: bool


def moment(db: apsw.Connection, *, streaming: bool) -> Moment:
    """Now. `streaming`: this process writes the store, whatever its sign of life says; else that is asked."""
    now = clock.wall_ms()
    return Moment(now, marked_before(db, now - FORGOTTEN_MS), streaming or _written(db))


def _written(db: apsw.Connection) -> bool:
    row = db.execute(queries.LIFE).fetchone()
    return row is not None and LifeSign(*row).running


def goes_on(draft: Draft, now: Moment) -> bool:
    """Whether a conversation is in progress."""
    return now.written and might_go_on(draft, now)


def might_go_on(draft: Draft, now: Moment) -> bool:
    """Whether it is in progress if somebody writes the store."""
    return draft.card.first_seq > now.begun_after and cards.is_live(draft, now.at_ms)
