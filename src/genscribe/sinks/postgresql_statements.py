"""The SQL that moves a staged batch into the tables. Text without values: those are in the staged rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from genscribe.sinks.postgresql_rows import FACTS, GAP, PARTICIPANT, POSITION, UTTERANCE
from genscribe.sinks.postgresql_schema import (
    CREATE_STAGE,
    CURSORS,
    GAPS,
    PARTICIPANTS,
    STAGE,
    STAGED,
    UTTERANCES,
    Table,
    quoted,
)

STATEMENT_TIMEOUT = "2min"
"""A statement that waits longer, for somebody's lock, is given up and tried again, and seen."""

IDLE_TIMEOUT = "1min"
"""Where our machine froze in mid-batch, the server lets go of the locks after this time."""

BEGIN = f"""begin;
set local client_min_messages = warning;
set local statement_timeout = '{STATEMENT_TIMEOUT}';
set local idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}';
select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
{CREATE_STAGE}"""
"""A commit that is not durable would be no delivery, so `synchronous_commit` may be stronger than `on`, not weaker."""

COPY = f"copy {STAGE} (seq, kind, {', '.join(f'f{n}' for n in range(1, STAGED + 1))}) from stdin"

COMMIT = f"delete from {STAGE};\ncommit"  # noqa: S608
COMMIT_AND_SHRINK = f"truncate {STAGE};\ncommit"
"""Nothing staged outlives its transaction. Truncating, as `on commit delete rows` would each time, touches files and
costs as much as the batch; deleted rows cost their room until then."""

ROWS_TO_SHRINK = 4000
"""So many staged rows make it worth while to truncate: under 8 MB, which the server keeps in memory."""

PROBE = f"savepoint probe; delete from {STAGE}"  # noqa: S608
PROBED = "set constraints all immediate; release savepoint probe"
UNDO_PROBE = "rollback to savepoint probe"
"""Around a part of a batch that may be refused. Constraints that wait for the commit are asked at once."""

_WRITING = 5_127_300_914_006_200_000
"""With a schema's checksum added, the advisory lock under which its tables are written: what a statement looks up is
from its begin, so a second writer would count what the first one is about to commit. It costs no waiting for us: the
upserts and the commit leave in one message."""

KINDS = (UTTERANCE, PARTICIPANT, GAP, FACTS, POSITION)


def upserts(schema: str, kinds: Iterable[str] = KINDS) -> str:
    """Moves staged rows of these kinds, in an order of tables that is always the same."""
    there = set(kinds)
    tables = quoted(schema)
    statements = [f"select pg_advisory_xact_lock({_WRITING + zlib.crc32(schema.encode())})"]
    if PARTICIPANT in there:
        statements.append(_upsert(PARTICIPANTS, PARTICIPANT, tables))
    if GAP in there:
        statements.append(_upsert(GAPS, GAP, tables))
    if there & {UTTERANCE, FACTS}:
        statements.append(_heard(tables))
    if PARTICIPANT in there:
        statements.append(_queue_names(tables))
    if POSITION in there:
        statements.append(_cursor(tables))
    return ";\n".join(statements)


def position(schema: str) -> str:
    """The query for where a sink (first parameter) stands in a store (second)."""
    return f"select store_id, seq, crc from {quoted(schema)}.{CURSORS.name} where sink = %s and store_id = %s"  # noqa: S608


def _upsert(table: Table, kind: str, schema: str) -> str:
    """New keys are inserted, known ones replaced by a higher revision only."""
    staged = ", ".join(
        ["seq", *(f"f{n}::{column.type}" for n, column in enumerate(table.columns[1:], start=1))],
    )
    replaced = ", ".join(f"{name} = excluded.{name}" for name in table.names if name not in table.key)
    return f"""insert into {schema}.{table.name} as known ({", ".join(table.names)})
select {staged} from {STAGE} where kind = '{kind}'
on conflict (key) do update set {replaced} where excluded.revision > known.revision"""  # noqa: S608


def _heard(schema: str) -> str:
    """Utterances, and in one pass over their conversations what was heard and what was told of them.

    A final utterance counts once: the lookup sees the table as it was before this statement, and whoever else writes
    here waits.
    """
    fresh = "(excluded.started_revision > known.started_revision or excluded.ended_revision > known.ended_revision)"
    return f"""with written as (
{_upsert(UTTERANCES, UTTERANCE, schema)}
returning key, revision, conversation_id, media_type, spoken_at),
heard as (
select conversation_id, min(media_type) as media_type, min(spoken_at) as first_spoken_at,
  max(spoken_at) as last_spoken_at,
  count(*) filter (where revision = 1 or revision > 1 and not exists (
    select from {schema}.utterances as before where before.key = written.key and before.revision > 0)) as utterances
from written where conversation_id is not null group by conversation_id),
told as (
select f1 as conversation_id, f2 as media_type, f3 as queue_id, f4 as direction, f5::timestamptz as started_at,
  f6::timestamptz as ended_at, f7::timestamptz as subscribed_at, f8::integer as started_revision,
  f9::integer as ended_revision
from {STAGE} where kind = '{FACTS}')
insert into {schema}.conversations as known (conversation_id, media_type, queue_id, direction, started_at, ended_at,
  subscribed_at, first_spoken_at, last_spoken_at, utterance_count, started_revision, ended_revision)
select conversation_id, coalesce(told.media_type, heard.media_type), queue_id, direction, started_at, ended_at,
  subscribed_at, first_spoken_at, last_spoken_at, coalesce(utterances, 0), coalesce(started_revision, 0),
  coalesce(ended_revision, 0)
from heard full join told using (conversation_id) order by conversation_id
on conflict (conversation_id) do update set
  media_type = case when {fresh} then coalesce(excluded.media_type, known.media_type)
    else coalesce(known.media_type, excluded.media_type) end,
  queue_id = coalesce(known.queue_id, excluded.queue_id),
  direction = case when {fresh} then coalesce(excluded.direction, known.direction)
    else coalesce(known.direction, excluded.direction) end,
  started_at = case when excluded.started_revision > known.started_revision
    then coalesce(excluded.started_at, known.started_at) else coalesce(known.started_at, excluded.started_at) end,
  ended_at = case when excluded.ended_revision > known.ended_revision
    then coalesce(excluded.ended_at, known.ended_at) else coalesce(known.ended_at, excluded.ended_at) end,
  subscribed_at = coalesce(known.subscribed_at, excluded.subscribed_at),
  first_spoken_at = least(known.first_spoken_at, excluded.first_spoken_at),
  last_spoken_at = greatest(known.last_spoken_at, excluded.last_spoken_at),
  utterance_count = known.utterance_count + excluded.utterance_count,
  started_revision = greatest(known.started_revision, excluded.started_revision),
  ended_revision = greatest(known.ended_revision, excluded.ended_revision)"""  # noqa: S608


def _queue_names(schema: str) -> str:
    """A queue's name is known from the participants who came through it."""
    key, conversation, queue, name = (f"f{PARTICIPANTS.names.index(column)}" for column in _NAMED_BY)
    return f"""update {schema}.conversations as known set queue_name = named.queue_name
from (select distinct on ({conversation}, {queue}) {conversation} as conversation_id, {queue} as queue_id,
  {name} as queue_name
  from {STAGE} where kind = '{PARTICIPANT}' and {name} is not null
  order by {conversation}, {queue}, seq, {key}) as named
where known.conversation_id = named.conversation_id and known.queue_id = named.queue_id
and known.queue_name is null"""  # noqa: S608


_NAMED_BY = ("key", "conversation_id", "queue_id", "queue_name")


def _cursor(schema: str) -> str:
    return f"""insert into {schema}.{CURSORS.name} (sink, store_id, seq, crc, saved_at)
select f1, f2, seq, f3, now() from {STAGE} where kind = '{POSITION}'
on conflict (sink, store_id) do update
set seq = excluded.seq, crc = excluded.crc, saved_at = excluded.saved_at"""  # noqa: S608
