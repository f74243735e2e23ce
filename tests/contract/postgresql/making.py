"""What the tests of the PostgreSQL sink share: making one, and a server's patience cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genscribe.events import Position, Record, encode
from genscribe.secrets import Secret
from genscribe.sinks.postgresql_address import address
from genscribe.sinks.postgresql_sink import PostgreSQL

STORE = "store-1"


def sink(
    url: str, *, schema: str = "public", store: str = STORE, ca_file: Path | None = None, name: str = "pg"
) -> PostgreSQL:
    """A sink that reads none of this machine's own settings."""
    variables: Mapping[str, str] = {}
    reached = address(Secret(url), {}, variables, Path("/nowhere"))
    return PostgreSQL(reached, schema=schema, name=name, store_id=store, ca_file=ca_file)


def at(seq: int, store: str = STORE) -> Position:
    return Position(store, seq, f"{seq:08x}")


def recorded(*events: Any, after: int = 0) -> list[Record]:
    """Events as records with the next `seq`s."""
    return [Record(seq, event.kind, encode(event)) for seq, event in enumerate(events, start=after + 1)]


def seqs(batch: Sequence[Record]) -> list[int]:
    return [record.seq for record in batch]
