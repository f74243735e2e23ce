"""What of a conversation may be missing: the times in which it was not heard, as far as they concern it."""

from __future__ import annotations

from datetime import timedelta

import apsw

from genscribe import clock
from genscribe.events import Gap
from genscribe.sinks.console import GAP_REASONS
from genscribe.store import queries
from genscribe.store.queries import QUIET_MS
from genscribe.terminal import safe
from genscribe.web import bounds, cards
from genscribe.web.cards import Card, Draft

MOST_GAPS = 1000


def concerning(db: apsw.Connection, card: Card, now_ms: int) -> list[Gap[str]]:
    """The times in which something of that conversation may have been missed, in order; at most `MOST_GAPS`."""
    begin = min(filter(None, (card.started_at, card.first_spoken_at)), default="")
    asked = queries.gaps_of(card.id, begin, _end(card, now_ms), MOST_GAPS)
    return [queries.gap(row) for row in db.execute(*asked)]


def _end(card: Card, now_ms: int) -> str:
    """When it ended; if nobody told, now, or a while after its last line: that may have been missed, too."""
    if card.ended_at is not None:
        return card.ended_at
    last = card.last_spoken_at or card.started_at
    if last is None or cards.is_live(Draft(card, heard_at=card.last_spoken_at), now_ms):
        return clock.iso(now_ms)
    return bounds.moved(last, timedelta(milliseconds=QUIET_MS))


def in_words(gap: Gap[str]) -> str:
    """`not recorded 14:03:10–14:03:42 (connection lost)`, in UTC; with dates where it went on after midnight."""
    begin = _moment(gap.started_at)
    if gap.ended_at is None:
        when = f"since {begin[11:]}"
    elif (end := _moment(gap.ended_at))[:10] == begin[:10]:
        when = f"{begin[11:]}–{end[11:]}"
    else:
        when = f"{begin} – {end}"
    return f"not recorded {when} ({safe(GAP_REASONS.get(gap.reason, gap.reason))})"


def _moment(at: str) -> str:
    return at.replace("T", " ")[:19]
