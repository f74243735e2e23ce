"""What goes on, as far as the archive knows: conversations that started and did not end, and what was told of them.

After a restart the source must end those that ended meanwhile, and ingest must know which revision of a participant
was the last, however long ago that was. The caller adds what the archive has not indexed yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import apsw
import msgspec

from genscribe.events import Conversation, Record
from genscribe.store.retention import marked_before

YOUNG_S = 7 * 24 * 3600.0
"""Conversations heard of earlier than this are taken for ended."""
MOST = 50_000
MOST_ROWS = 200_000

_IDS = """
select c.first_seq as first_seq, c.conversation_id as conversation_id, c.media_type as media_type,
       c.started_at as started_at
from conversation_rows c
where c.first_seq > ?1 and c.ended_at is null
and exists (select 1 from other_rows where kind = 'c')
and (c.started_at is not null
     or exists (select 1 from other_rows where kind = 'c' and key = c.conversation_id || ':started'))
and not exists (select 1 from other_rows where kind = 'c' and key = c.conversation_id || ':ended')
order by c.first_seq desc limit ?2"""

_UNENDED = f"select conversation_id, media_type, started_at from ({_IDS}) order by first_seq desc"  # noqa: S608

_SEQS = f"""
select group_concat(seq) from (
  select r.seq as seq from ({_IDS}) u cross join other_rows r on r.conversation_id = u.conversation_id
  where r.kind in ('c', 'p', 'm') order by r.seq desc limit ?3)"""  # noqa: S608

THESE = """
select seq, kind, crc, body from journal
where seq in (select value from json_each(?)) order by seq limit (select count(*) from json_each(?1))"""
"""The rows with these seqs, given as a JSON array."""

_told = msgspec.json.Decoder(Conversation[str]).decode


class Unended(NamedTuple):
    """A conversation with a start and no end."""

    conversation_id: str
    media_type: str | None
    started_at: str | None


class Indexed(NamedTuple):
    """What the archive knows, and up to which seq it does."""

    upto: int
    unended: list[Unended]


def unended(db: apsw.Connection, before_ms: int, limit: int) -> Indexed:
    """The conversations that go on, newest first; of those first heard of at `before_ms` or earlier, none."""
    upto = _archived_to(db)  # first, so that what is indexed meanwhile is seen twice and not never
    rows = db.execute(_UNENDED, (marked_before(db, before_ms), limit))
    return Indexed(upto, [Unended(*row) for row in rows])


def with_later(found: Iterable[Unended], later: Iterable[Record], limit: int) -> list[Unended]:
    """`unended`, with what came after it, newest first."""
    known = {one.conversation_id: one for one in reversed(list(found))}
    for record in later:
        if record.kind != "conversation":
            continue
        event = _told(record.body)
        if event.state == "ended":
            known.pop(event.conversation_id, None)
        else:
            known.setdefault(event.conversation_id, Unended(event.conversation_id, event.media_type, event.at))
    return list(reversed(known.values()))[:limit]


def told_of_unended(db: apsw.Connection, before_ms: int, limit: int, rows: int) -> tuple[int, list[int]]:
    """Up to which seq the archive knows, and the seqs of what was last told of conversations that go on, in order."""
    upto = _archived_to(db)
    found = db.execute(_SEQS, (marked_before(db, before_ms), limit, rows)).get
    return upto, sorted(map(int, str(found).split(","))) if found is not None else []


def _archived_to(db: apsw.Connection) -> int:
    upto = db.execute("select value from meta where name = 'archived_to'").get
    assert isinstance(upto, int)
    return upto
