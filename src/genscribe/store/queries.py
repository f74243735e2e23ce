"""The reader's questions in SQL: pure functions from filters to a statement and its bindings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from genscribe import clock
from genscribe.events import Gap
from genscribe.store.rows import CODES
from genscribe.store.search import Query

LINES = 100_000
"""No conversation is longer."""

QUIET_MS = 10 * 60 * 1000
"""A conversation of which nobody told us the start has ended when nothing was heard for so long."""
FORGOTTEN_MS = 24 * 3600 * 1000
"""One that started and whose end we never heard has ended by then."""


class Select(NamedTuple):
    """A statement and its bindings."""

    sql: str
    bindings: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Filters:
    """What to leave out; `None` leaves nothing out.

    Attributes:
        since: ISO 8601 text as the store has it; spoken (or happened) then or later.
        until: Spoken before then.
        conversation_ids: Only these conversations.
        media_types: Only these; `chat` stands for `message` too.
        speakers: Only these.
    """

    since: str | None = None
    until: str | None = None
    conversation_ids: frozenset[str] | None = None
    media_types: frozenset[str] | None = None
    speakers: frozenset[str] | None = None


EVERYTHING = Filters()

_SEALED = "j.seq as seq, j.kind as kind, j.crc as crc, j.body as body"

HEAD = "select max(coalesce((select max(seq) from journal), 0), value) from meta where name = 'trimmed_to'"

LIFE = "select started_at, at, heard_until, ended_at, status from life"

UNREADABLE = "select seq, received_at, reason, source, raw from unreadable order by seq desc limit ?"

DEAD_LETTERS = "select sink, seq, reason, at from dead_letters order by seq desc, sink limit ?"

STATS = f"""
select (select value from meta where name = 'store_id'), ({HEAD}), (select min(seq) from journal),
       (select value from meta where name = 'archived_to'),
       (select count(*) from utterance_rows where revision > 0), (select count(*) from conversation_rows),
       (select count(*) from other_rows where kind = 'g') + (select count(*) from open_gaps),
       (select count(*) from unreadable_raw), (select count(*) from dead_letters)"""  # noqa: S608  # constants of ours

_CONVERSATION = """
select c.conversation_id, c.media_type, c.queue_id, c.queue_name, c.direction, c.started_at, c.ended_at,
       c.first_spoken_at, c.last_spoken_at, c.utterance_count, c.subscribed_at
from conversations c"""

_HEARD_AT = """
coalesce((select json_extract(j.body, '$.received_at') from journal j
          where j.seq = (select max(u.seq) from utterance_rows u where u.conversation_id = c.conversation_id)),
         c.started_at)"""

_AT = {
    "utterance": "r.spoken_at",
    "conversation": "json_extract(j.body, '$.at')",
    "participant": "json_extract(j.body, '$.joined_at')",
    "gap": "json_extract(j.body, '$.started_at')",
    "message": "json_extract(j.body, '$.at')",
    "unreadable": "json_extract(j.body, '$.received_at')",
}


def search(query: Query, filters: Filters, limit: int) -> Select:
    """Final utterances that match, newest first."""
    where, bindings = _conditions(filters, "utterance")
    if query.match is None:
        source, order = "utterance_rows r", "r.seq"
        if query.exclude is not None:
            where.append("r.seq not in (select rowid from utterance_words where utterance_words match ?)")
            bindings.append(query.exclude)
    else:
        source, order = (
            "utterance_words cross join utterance_rows r on r.seq = utterance_words.rowid",
            "utterance_words.rowid",
        )
        where.append("utterance_words match ?")
        bindings.append(query.match if query.exclude is None else f"({query.match}) NOT ({query.exclude})")
    sql = f"""
        select {_SEALED} from {source} cross join journal j on j.seq = r.seq
        where {" and ".join(where)} order by {order} desc limit ?"""  # noqa: S608
    return Select(sql, (*bindings, limit))


def lines(conversation_id: str) -> Select:
    """The final utterances of a conversation as they were spoken; those without a time come first, in journal order."""
    sql = f"""
        select {_SEALED} from utterance_rows r join journal j on j.seq = r.seq
        where r.conversation_id = ? and r.revision > 0 order by r.spoken_at, r.seq limit {LINES}"""  # noqa: S608
    return Select(sql, (conversation_id,))


def participants(conversation_id: str) -> Select:
    """The participants of a conversation."""
    sql = f"""
        select {_SEALED} from other_rows r join journal j on j.seq = r.seq
        where r.conversation_id = ? and r.kind = 'p' order by r.seq limit {LINES}"""  # noqa: S608
    return Select(sql, (conversation_id,))


def export(filters: Filters, kinds: Sequence[str], after: int, head: int, limit: int) -> Select:
    """The next records of these kinds after a seq."""
    parts, bindings = [], []
    for part in _parts(filters, kinds, after, head):
        parts.append(f"select * from (select {_SEALED} {part.sql} order by j.seq limit ?)")  # noqa: S608
        bindings += [*part.bindings, limit]
    return Select(f"{' union all '.join(parts)} order by seq limit ?", (*bindings, limit))


def export_count(filters: Filters, kinds: Sequence[str], head: int, after: int = 0) -> Select:
    """How many records an export has after a seq."""
    parts = list(_parts(filters, kinds, after, head))
    sql = " + ".join(f"(select count(*) {part.sql})" for part in parts)
    return Select(f"select {sql}", tuple(value for part in parts for value in part.bindings))


def _parts(filters: Filters, kinds: Sequence[str], after: int, head: int) -> list[Select]:
    found = []
    for kind in dict.fromkeys(kinds):
        where, bindings = _conditions(filters, kind)
        if kind == "utterance":
            source = "utterance_rows r join journal j on j.seq = r.seq"
        elif kind == "unreadable":
            source = "unreadable_raw r join journal j on j.seq = r.seq"
        else:
            source = "other_rows r join journal j on j.seq = r.seq"
            where.append("r.kind = ?")
            bindings.append(chr(CODES[kind]))
        sql = f"from {source} where r.seq > ? and r.seq <= ? and {' and '.join(where)}"
        found.append(Select(sql, (after, head, *bindings)))
    return found


def _conditions(filters: Filters, kind: str) -> tuple[list[str], list[Any]]:
    """What a row must be; for kinds that have no speaker or medium, those filters let nothing through."""
    where, bindings = ["r.revision > 0" if kind == "utterance" else "true"], []
    if filters.since is not None:
        where.append(f"{_AT[kind]} >= ?")
        bindings.append(filters.since)
    if filters.until is not None:
        where.append(f"{_AT[kind]} < ?")
        bindings.append(filters.until)
    conversation = "json_extract(j.body, '$.conversation_id')" if kind == "unreadable" else "r.conversation_id"
    choices = (
        (conversation, filters.conversation_ids),
        ("json_extract(j.body, '$.media_type')", media(filters.media_types)),
        ("json_extract(j.body, '$.speaker')", filters.speakers),
    )
    for column, choice in choices:
        if choice is not None:
            where.append(f"{column} in (select value from json_each(?))")  # noqa: S608
            bindings.append(json.dumps(sorted(choice)))
    return where, bindings


def media(types: frozenset[str] | None) -> frozenset[str] | None:
    """`chat` stands for every text conversation."""
    return types | {"message"} if types is not None and "chat" in types else types


def conversation(conversation_id: str) -> Select:
    """One conversation."""
    return Select(f"{_CONVERSATION} where c.conversation_id = ?", (conversation_id,))


def conversation_ids(beginning: str, limit: int) -> Select:
    """The conversation ids that begin so; the index finds them."""
    sql = """
        select conversation_id from conversation_rows where conversation_id >= ?1 and conversation_id < ?1 || ?2
        order by conversation_id limit ?3"""
    return Select(sql, (beginning, chr(0x10FFFF), limit))


def conversations(filters: Filters, *, live: bool, now_ms: int, limit: int) -> Select:
    """The conversations that began last, newest first; of speakers it is enough that one of them spoke."""
    where: list[str] = ["true"]
    bindings: list[Any] = []
    if filters.since is not None:
        where.append("coalesce(c.last_spoken_at, c.ended_at, c.started_at) >= ?")
        bindings.append(filters.since)
    if filters.until is not None:
        where.append("coalesce(c.first_spoken_at, c.started_at, c.ended_at) < ?")
        bindings.append(filters.until)
    choices = (("c.conversation_id", filters.conversation_ids), ("c.media_type", media(filters.media_types)))
    for column, choice in choices:
        if choice is not None:
            where.append(f"{column} in (select value from json_each(?))")  # noqa: S608
            bindings.append(json.dumps(sorted(choice)))
    if filters.speakers is not None:
        where.append("""exists (
            select 1 from utterance_rows u join journal j on j.seq = u.seq
            where u.conversation_id = c.conversation_id and u.revision > 0
            and json_extract(j.body, '$.speaker') in (select value from json_each(?)))""")
        bindings.append(json.dumps(sorted(filters.speakers)))
    if live:
        where.append("c.first_seq > (select coalesce(max(seq), 0) from marks where at < ?)")
        where.append(f"c.ended_at is null and {_HEARD_AT} >= case when c.started_at is null then ? else ? end")
        bindings += [now_ms - FORGOTTEN_MS, clock.iso(now_ms - QUIET_MS), clock.iso(now_ms - FORGOTTEN_MS)]
    chosen = f"select c.first_seq from conversations c where {' and '.join(where)} order by c.first_seq desc limit ?"  # noqa: S608
    return Select(f"{_CONVERSATION} where c.first_seq in ({chosen}) order by c.first_seq desc", (*bindings, limit))


def gaps(limit: int) -> Select:
    """The gaps, the last first."""
    sql = """
        select seq, key, started_at, ended_at, reason, source, conversation_ids from gaps
        order by started_at desc, seq desc limit ?"""
    return Select(sql, (limit,))


def gaps_of(conversation_id: str, since: str, until: str, limit: int) -> Select:
    """The gaps of a conversation in that time, in order."""
    sql = """
        select seq, key, started_at, ended_at, reason, source, conversation_ids from gaps
        where started_at <= ?3 and (ended_at is null or ended_at >= ?2)
          and (conversation_ids is null or exists (select 1 from json_each(conversation_ids) where value = ?1))
        order by started_at, seq limit ?4"""
    return Select(sql, (conversation_id, since, until, limit))


def gap(row: tuple[Any, ...]) -> Gap[str]:
    """A row of `gaps` as an event; an open gap has revision 0 and no seq yet."""
    seq, key, started_at, ended_at, reason, source, ids = row
    known: dict[str, Any] = {} if seq is None else {"seq": seq}
    return Gap(
        key=key,
        revision=0 if seq is None else 1,
        started_at=started_at,
        ended_at=ended_at,
        reason=reason,
        source=source,
        conversation_ids=None if ids is None else json.loads(ids),
        **known,
    )
