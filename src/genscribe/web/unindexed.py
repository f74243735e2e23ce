"""What was committed and is not indexed yet: usually the events of less than half a second."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw
import msgspec

from genscribe.events import Conversation, Record
from genscribe.web import cards
from genscribe.web.cards import Card
from genscribe.web.readers import Lane

ROWS_A_READ = 500

_HEAD = "select coalesce(max(seq), 0) from journal"

# A damaged row may be no JSON, at which SQLite's operators fail.
_OF_CONVERSATION = """
select seq, kind, body ->> '$.key', body ->> '$.revision', body ->> '$.spoken_at' from journal
where seq > ?1 and seq <= ?2 and kind in ('u', 'c', 'p')
and case when json_valid(body) then body ->> '$.conversation_id' end = ?3 order by seq"""


class Fact(NamedTuple):
    """A row, without what was said. `kind` is the journal's letter."""

    seq: int
    kind: str
    key: str
    revision: int
    spoken_at: str | None


async def facts(lane: Lane, conversation_id: str) -> list[Fact]:
    """The rows of a conversation that are not indexed yet: of each key the one with the highest revision, in order."""
    at, head = await lane.ask(_ends)
    best: dict[tuple[str, str], Fact] = {}
    while at < head:
        upto = min(at + ROWS_A_READ, head)
        for fact in await lane.ask(_facts, at, upto, conversation_id):
            before = best.get((fact.kind, fact.key))
            if before is None or fact.revision > before.revision:
                best[fact.kind, fact.key] = fact
        at = upto
    return sorted(best.values())


def _ends(db: apsw.Connection) -> tuple[int, int]:
    # The archive's end first: what is indexed meanwhile is seen twice and not never.
    return cards.known_to(db), int(db.execute(_HEAD).get or 0)


def _facts(db: apsw.Connection, after: int, upto: int, conversation_id: str) -> list[Fact]:
    rows: list[Any] = db.execute(_OF_CONVERSATION, (after, upto, conversation_id)).fetchall()
    return [Fact(*row) for row in rows]


class _Told(msgspec.Struct):
    conversation_id: str | None = None


_told = msgspec.json.Decoder(_Told).decode
_conversation = msgspec.json.Decoder(Conversation[str]).decode


def of_conversation(records: Iterable[Record], conversation_id: str) -> list[Record]:
    """Those of the records that are of a conversation."""
    needle = msgspec.json.encode(conversation_id)
    return [r for r in records if needle in r.body and _told(r.body).conversation_id == conversation_id]


def new_card(conversation_id: str, first_seq: int) -> Card:
    """The card of a conversation of which the archive knows nothing."""
    return Card(conversation_id, first_seq, None, None, None, None, None, None)


def tell(card: Card, record: Record) -> None:
    """Puts a conversation's begin or end onto its card."""
    event = _conversation(record.body)
    card.media_type = event.media_type or card.media_type
    card.direction = event.direction or card.direction
    card.queue_id = card.queue_id or event.queue_id
    if event.state == "started":
        card.started_at = event.at or card.started_at
    else:
        card.ended_at = event.at or card.ended_at
