"""Events as rows: CSV that a spreadsheet cannot be attacked with, and Parquet."""

from __future__ import annotations

import csv
import importlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from genscribe.events import Event, Record
from genscribe.store.rows import CODES

_STRUCTS = {kind.kind: kind for each in get_args(Event) for kind in [getattr(each, "__origin__", each)]}
assert _STRUCTS.keys() == CODES.keys()

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, full-width forms included (OWASP, CSV injection)."""


def columns(kinds: Sequence[str]) -> list[str]:
    """`seq`, `kind`, then the fields of these kinds, each once."""
    fields = [field for kind in kinds for field in _STRUCTS[kind].__struct_fields__]
    return list(dict.fromkeys(["seq", "kind", *(field for field in fields if field != "raw")]))


def csv_lines(records: Iterable[Record], kinds: Sequence[str]) -> Iterator[bytes]:
    """RFC 4180 with a title line; everything quoted; lists as JSON; nothing where nothing was sent."""
    names = columns(kinds)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    for record in records:
        event: dict[str, Any] = msgspec.json.decode(record.body)
        event["seq"] = record.seq
        writer.writerow([cell(event.get(name)) for name in names])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def cell(value: Any) -> str:
    """One value as text; text that would be a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return json.dumps(value, ensure_ascii=False)


def write_parquet(records: Iterable[Record], kinds: Sequence[str], path: Path) -> None:
    """One table; lists as JSON text. Needs `duckdb`."""
    duckdb = importlib.import_module("duckdb")
    with tempfile.NamedTemporaryFile(suffix=".jsonl", dir=path.parent) as rows:
        for record in records:
            event: dict[str, Any] = msgspec.json.decode(record.body)
            event["seq"] = record.seq
            rows.write(msgspec.json.encode({name: _flat(event.get(name)) for name in columns(kinds)}) + b"\n")
        rows.flush()
        types = ", ".join(f"{name}: '{_TYPES.get(name, 'VARCHAR')}'" for name in columns(kinds))
        source = f"read_json(?, format = 'newline_delimited', columns = {{{types}}})"
        with duckdb.connect() as db:
            table = f"select * from {source}"  # noqa: S608  # names of ours, values bound
            db.sql(table, params=[rows.name]).write_parquet(str(path), compression="zstd")


_TYPES = {
    "seq": "BIGINT", "revision": "BIGINT", "is_final": "BOOLEAN", "offset_ms": "DOUBLE", "duration_ms": "DOUBLE",
    "confidence": "DOUBLE", "spoken_at": "TIMESTAMPTZ", "emitted_at": "TIMESTAMPTZ", "received_at": "TIMESTAMPTZ",
    "at": "TIMESTAMPTZ", "joined_at": "TIMESTAMPTZ", "left_at": "TIMESTAMPTZ", "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ", "subscribed_at": "TIMESTAMPTZ",
}  # fmt: skip


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
