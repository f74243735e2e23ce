"""Where in the journal a time is: lines come nearly in the order in which they were spoken, so it is bisected."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import apsw

from genscribe.web.asking import MOST_SEQ, Filters

MARGIN = timedelta(hours=2)
"""A line may come so much later or earlier than its neighbours and is found by its time."""

WITHIN_A_CALL = timedelta(minutes=10)
"""The lines of one call are in order but for so much."""

_AT = "select spoken_at from utterance_rows where seq >= ? and spoken_at is not null order by seq limit 1"
_ENDS = "select (select min(seq) from utterance_rows), (select max(seq) from utterance_rows)"


def seqs(db: apsw.Connection, since: str | None, until: str | None) -> tuple[int, int]:
    """The seqs between which lines of that time stand: after the first, before the second."""
    low, high = 0, MOST_SEQ
    if since is not None:
        low = _first(db, moved(since, -MARGIN)) - 1
    if until is not None:
        high = _first(db, moved(until, MARGIN))
    return low, high


def within(spoken_at: str | None, filters: Filters) -> bool:
    """Whether a line was spoken in the time that a filter has."""
    if filters.since is not None and (spoken_at is None or spoken_at < filters.since):
        return False
    return filters.until is None or (spoken_at is not None and spoken_at < filters.until)


def loosened(filters: Filters) -> Filters:
    """A filter whose time is `WITHIN_A_CALL` longer on either side."""
    return filters._replace(
        since=None if filters.since is None else moved(filters.since, -WITHIN_A_CALL),
        until=None if filters.until is None else moved(filters.until, WITHIN_A_CALL),
    )


def moved(at: str, by: timedelta) -> str:
    """A time as the store has it, later by so much; what would leave the calendar stays."""
    try:
        return f"{(datetime.fromisoformat(at[:-1]) + by).isoformat(timespec='milliseconds')}Z"
    except OverflowError:
        return at


def _first(db: apsw.Connection, at: str) -> int:
    """The seq from which on lines were spoken at that time or later."""
    ends: tuple[Any, ...] = db.execute(_ENDS).fetchall()[0]
    if ends[0] is None:
        return 0
    low, high = int(ends[0]), int(ends[1]) + 1
    while low < high:
        middle = (low + high) // 2
        spoken_at = db.execute(_AT, (middle,)).get
        if spoken_at is None or str(spoken_at) >= at:
            high = middle
        else:
            low = middle + 1
    return low
