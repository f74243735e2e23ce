"""What of a conversation may be missing: the times in which it was not heard, as far as they concern it."""

from __future__ import annotations

from collections.abc import Iterable
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


def gaps(db: apsw.Connection) -> list[Gap[str]]:
    """The last times in which something was not heard."""
    return [queries.gap(row) for row in db.execute(*queries.gaps(MOST_GAPS))]


def concerning(gaps: Iterable[Gap[str]], card: Card, now_ms: int) -> list[Gap[str]]:
    """The times in which something of that conversation may have been missed, in order."""
    begin = min(filter(None, (card.started_at, card.first_spoken_at)), default="")
    end = _end(card, now_ms)
    found = [
        gap
        for gap in gaps
        if (gap.conversation_ids is None or card.id in gap.conversation_ids)
        and gap.started_at <= end
        and (gap.ended_at is None or gap.ended_at >= begin)
    ]
    return sorted(found, key=lambda gap: gap.started_at)


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
