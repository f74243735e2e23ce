"""The tables of the PostgreSQL sink: their definition, and whether those that are there will do."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from genscribe.errors import ConfigError
from genscribe.sinks.base import SinkMisconfigured

NAME_BYTES = 63
"""PostgreSQL cuts longer names off, silently."""


class Column(NamedTuple):
    """A column of ours; `rest` is what its definition says beside the type."""

    name: str
    type: str
    rest: str = ""


@dataclass(frozen=True)
class Table:
    """A table of ours.

    Attributes:
        key: The columns of its primary key.
        indexes: The columns of each further index.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns' names, in order."""
        return tuple(column.name for column in self.columns)


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(Column(*line.strip().split(" ", 2)) for line in text.strip().splitlines())


UTTERANCES = Table(
    "utterances",
    _columns("""
        seq bigint not null
        key text not null
        revision integer not null
        conversation_id text
        communication_id text
        utterance_id text
        media_type text
        speaker text not null
        side text
        participant_id text
        user_id text
        queue_id text
        text text not null
        is_final boolean not null
        spoken_at timestamptz
        offset_ms float8
        duration_ms float8
        confidence float8
        language text
        words jsonb
        emitted_at timestamptz
        received_at timestamptz
        source text
    """),
    key=("key",),
    indexes=(("conversation_id", "spoken_at"), ("spoken_at",)),
)

PARTICIPANTS = Table(
    "participants",
    _columns("""
        seq bigint not null
        key text not null
        revision integer not null
        conversation_id text not null
        participant_id text
        communication_id text
        purpose text
        user_id text
        user_name text
        queue_id text
        queue_name text
        joined_at timestamptz
        left_at timestamptz
    """),
    key=("key",),
    indexes=(("conversation_id",),),
)

GAPS = Table(
    "gaps",
    _columns("""
        seq bigint not null
        key text not null
        revision integer not null
        started_at timestamptz not null
        ended_at timestamptz
        reason text not null
        source text
        conversation_ids jsonb
    """),
    key=("key",),
    indexes=(("started_at",),),
)

CONVERSATIONS = Table(
    "conversations",
    _columns("""
        conversation_id text not null
        media_type text
        queue_id text
        queue_name text
        direction text
        started_at timestamptz
        ended_at timestamptz
        subscribed_at timestamptz
        first_spoken_at timestamptz
        last_spoken_at timestamptz
        utterance_count bigint not null default 0
        started_revision integer not null default 0
        ended_revision integer not null default 0
    """),
    key=("conversation_id",),
)

CURSORS = Table(
    "genscribe_cursors",
    _columns("""
        sink text not null
        store_id text not null
        seq bigint not null
        crc text
        saved_at timestamptz not null default now()
    """),
    key=("sink", "store_id"),
)

TABLES = (UTTERANCES, PARTICIPANTS, GAPS, CONVERSATIONS, CURSORS)

STAGED = len(UTTERANCES.columns) - 1
"""How many values a staged row has beside `seq` and `kind`: as many as the widest table, of utterances."""

_STAGE = ", ".join(["seq bigint", "kind text", *(f"f{n} text" for n in range(1, STAGED + 1))])

# A pooler may hand us a connection that an older version left its table on: another shape is another name.
STAGE = f"pg_temp.genscribe_batch_{zlib.crc32(_STAGE.encode()):08x}"

CREATE_STAGE = f"create temporary table if not exists {STAGE[8:]} ({_STAGE})"
"""Values wait as text and are cast on their way into the tables: then a bad one costs one row, not the COPY."""


def quoted(name: str) -> str:
    """An identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant, whatever is in it and whatever `standard_conforming_strings` says."""
    escaped = text.replace("'", "''")
    return f" E'{escaped.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{escaped}'"


def checked_schema(name: str) -> str:
    """The schema's name.

    Raises:
        ConfigError: PostgreSQL could not have one of that name.
    """
    if not name or "\0" in name or len(name.encode()) > NAME_BYTES:
        raise ConfigError("the postgresql sink's schema= is no name.", advice="Write ?schema=NAME, at most 63 bytes.")
    return name


def ddl(schema: str = "public", *, missing: Iterable[str] | None = None) -> str:
    """What creates the tables, statement by statement; what is there already it leaves alone.

    Args:
        schema: Where they are to stand.
        missing: The tables to create; `None` = the schema, which `public` never needs, and all of them.
    """
    wanted = [table for table in TABLES if missing is None or table.name in set(missing)]
    statements = [f"create schema if not exists {quoted(schema)};"] if missing is None and schema != "public" else []
    for table in wanted:
        statements.append(_create(table, schema))
        statements += [_index(table, columns, schema) for columns in table.indexes]
    return "\n\n".join(statements) + "\n"


def _create(table: Table, schema: str) -> str:
    lines = [f"  {column.name} {column.type} {column.rest}".rstrip() for column in table.columns]
    lines.append(f"  primary key ({', '.join(table.key)})")
    # Its rows change with every batch: room on the page keeps the index out of it.
    room = " with (fillfactor = 70)" if table is CONVERSATIONS else ""
    return f"create table if not exists {quoted(schema)}.{table.name} (\n" + ",\n".join(lines) + f"\n){room};"


def _index(table: Table, columns: tuple[str, ...], schema: str) -> str:
    name = "_".join((table.name, *columns, "idx"))
    return f"create index if not exists {name} on {quoted(schema)}.{table.name} ({', '.join(columns)});"


def look(schema: str) -> str:
    """The query for `Found`: every column of every table of these names, whether or not we know it."""
    names = ", ".join(literal(table.name) for table in TABLES)
    return f"""
select c.relname, a.attname,
       a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = '',
       exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and i.indpred is null
               and i.indexprs is null and a.attnum = any (i.indkey))
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where n.nspname = {literal(schema)} and c.relname in ({names}) and c.relkind in ('r', 'p', 'v', 'f')
and a.attnum > 0 and not a.attisdropped"""  # noqa: S608  # our names, and a quoted one


class Found(NamedTuple):
    """A column that is there: whether a row must bring a value for it, and whether a unique index has it."""

    table: str
    column: str
    demanded: bool
    unique: bool


def missing_tables(found: Iterable[Found]) -> list[str]:
    """Which tables are not there at all."""
    there = {column.table for column in found}
    return [table.name for table in TABLES if table.name not in there]


def require(found: Iterable[Found], schema: str) -> None:
    """Sees to it that the tables that are there can take what we write.

    Raises:
        SinkMisconfigured: A column or key is missing, or one of the user's own would refuse every row.
    """
    tables: dict[str, dict[str, Found]] = {}
    for column in found:
        tables.setdefault(column.table, {})[column.column] = column
    complaints = [complaint for table in TABLES for complaint in _complaints(table, tables.get(table.name, {}))]
    if complaints:
        raise SinkMisconfigured(
            f"the tables in schema {schema} do not fit: {'; '.join(complaints)}.",
            advice="`genscribe schema postgresql` prints what they must have.",
        )


def _complaints(table: Table, there: Mapping[str, Found]) -> Iterable[str]:
    lacking = [f"{column.name} ({column.type})" for column in table.columns if column.name not in there]
    if lacking:
        yield f"{table.name} lacks {', '.join(lacking)}"
    elif not all(there[column].unique for column in table.key):
        yield f"{table.name} has no primary key or unique index on ({', '.join(table.key)})"
    own = [name for name, column in there.items() if column.demanded and name not in table.names]
    if own:
        yield f"{table.name}.{', '.join(sorted(own))} is not null and has no default, so it would refuse every row"
