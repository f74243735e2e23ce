"""From a sealed spool file to Parquet files: which files, which columns, by duckdb.

The files that come of one spool file, and their names, are a function of its bytes: made again after a crash, they take
the places of those that are there already.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable

if TYPE_CHECKING:
    import duckdb

COMPRESSIONS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "none": "uncompressed"}
"""By what is asked for: what duckdb calls it."""

LARGEST = 16 * 1024 * 1024
"""Bytes of an event's JSON; a larger one is refused, for memory is bounded."""

MEMORY = "512MB"
_ROW_GROUP = 20_000
_TEXT, _NUMBER, _TIME, _COUNT = "VARCHAR", "DOUBLE", "TIMESTAMPTZ", "BIGINT"
_WORDS = "STRUCT(word VARCHAR, offset_ms DOUBLE, duration_ms DOUBLE, confidence DOUBLE)[]"


def _columns(names: str, **others: str) -> dict[str, str]:
    known = {"seq": _COUNT, "revision": _COUNT, "offset_ms": _NUMBER, "duration_ms": _NUMBER, "confidence": _NUMBER}
    return {
        name: others.get(name) or known.get(name) or (_TIME if name == "at" or name.endswith("_at") else _TEXT)
        for name in names.split()
    }


COLUMNS: dict[str, dict[str, str]] = {
    "utterance": _columns(
        "seq key revision conversation_id communication_id utterance_id media_type speaker side participant_id user_id"
        " queue_id text is_final spoken_at offset_ms duration_ms confidence language words emitted_at received_at"
        " source",
        is_final="BOOLEAN",
        words=_WORDS,
    ),
    "conversation": _columns("seq key revision conversation_id state at media_type queue_id direction subscribed_at"),
    "participant": _columns(
        "seq key revision conversation_id participant_id communication_id purpose user_id user_name queue_id queue_name"
        " joined_at left_at"
    ),
    "gap": _columns(
        "seq key revision started_at ended_at reason source conversation_ids", conversation_ids="VARCHAR[]"
    ),
    "message": _columns(
        "seq key revision conversation_id message_id communication_id media_type speaker participant_id user_id"
        " queue_id at received_at source"
    ),
}
"""Columns and their types, by kind. The kind itself and the date stand in the folders' names."""


@dataclass(frozen=True)
class Part:
    """One file to make.

    Attributes:
        name: Where it belongs: `kind=utterance/date=2026-11-22/hour=14-….parquet`.
        kind: Of which events.
        hour: `20261122T14`, in UTC.
    """

    name: str
    kind: str
    hour: str


def part_name(kind: str, hour: str, store_id: str, seqs: tuple[int, int], crc32: int) -> str:
    """Where a file belongs: the store, its first and last `seq`, and a checksum of what it was made of name it."""
    date = f"{hour[:4]}-{hour[4:6]}-{hour[6:8]}"
    return f"kind={kind}/date={date}/hour={hour[9:]}-{store_id[:8]}-{seqs[0]}-{seqs[1]}-{crc32:08x}.parquet"


def hour_of(at: datetime) -> str:
    """`20261122T14`, in UTC."""
    return at.astimezone(timezone.utc).strftime("%Y%m%dT%H")


def make_parts(
    spooled: Path, store_id: str, compression: str, place: Callable[[Part], Path]
) -> Generator[tuple[Part, Path], None, None]:
    """Makes the files of a sealed spool file, one after the other, synced, mode 0600.

    Args:
        spooled: The spool file.
        store_id: Whose events they are.
        compression: One of `COMPRESSIONS`.
        place: Says where to write a file, before it gets its name.

    Raises:
        SinkUnavailable: No space or memory, or the disk fails.
        SinkMisconfigured: duckdb cannot read what is spooled.
    """
    import duckdb

    hour = spooled.stem.partition("-")[2]
    try:
        with _connected(spooled.parent) as connection:
            for part in _parts(connection, spooled, store_id, hour):
                target = place(part)
                _write(connection, _select(spooled, part, hour), target, compression)
                yield part, target
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise SinkUnavailable(f"A Parquet file cannot be made: {type(error).__name__}.") from None
    except duckdb.Error as error:  # its text may hold what was said
        raise SinkMisconfigured(
            f"{spooled} cannot be made into Parquet files: {type(error).__name__}.",
            advice="Nothing is lost: report it, and keep that file.",
        ) from None


def _connected(folder: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": MEMORY,
            "temp_directory": str(folder / "duckdb"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def _parts(connection: duckdb.DuckDBPyConnection, spooled: Path, store_id: str, hour: str) -> list[Part]:
    with spooled.open("rb") as file:
        crc32 = 0
        while chunk := file.read(1024 * 1024):
            crc32 = zlib.crc32(chunk, crc32)
    if not os.stat(spooled).st_size:
        return []
    source = _source(spooled, {"kind": _TEXT, "seq": _COUNT, "received_at": _TEXT})
    kinds = ", ".join(map(_quoted, COLUMNS))
    select = f"SELECT kind, {_hour(hour)} AS hour, min(seq), max(seq) FROM {source}"  # noqa: S608  # all is quoted
    found = connection.execute(f"{select} WHERE kind IN ({kinds}) GROUP BY ALL ORDER BY ALL").fetchall()
    return [Part(part_name(kind, its, store_id, (first, last), crc32), kind, its) for kind, its, first, last in found]


def _write(connection: duckdb.DuckDBPyConnection, select: str, target: Path, compression: str) -> None:
    target.unlink(missing_ok=True)
    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        connection.execute(
            f"COPY ({select}) TO {_quoted(str(target))} (FORMAT parquet, COMPRESSION {COMPRESSIONS[compression]},"
            f" ROW_GROUP_SIZE {_ROW_GROUP}, USE_TMP_FILE false)"
        )
        os.fsync(fd)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _select(spooled: Path, part: Part, hour: str) -> str:
    columns = COLUMNS[part.kind]
    read = {name: _TEXT if kind == _TIME else kind for name, kind in columns.items()}
    wanted = ", ".join(
        f'CAST("{name}" AS TIMESTAMPTZ) AS "{name}"' if kind == _TIME else f'"{name}"' for name, kind in columns.items()
    )
    source = _source(spooled, {"kind": _TEXT, "received_at": _TEXT, **read})
    which = f"kind = {_quoted(part.kind)} AND {_hour(hour)} = {_quoted(part.hour)}"
    return f"SELECT {wanted} FROM {source} WHERE {which}"  # noqa: S608  # all is quoted


def _source(spooled: Path, columns: dict[str, str]) -> str:
    typed = ", ".join(f'"{name}": {_quoted(kind)}' for name, kind in columns.items())
    return (
        f"read_json({_quoted(str(spooled))}, format='newline_delimited', columns={{{typed}}},"
        f" maximum_object_size={2 * LARGEST})"
    )


def _hour(otherwise: str) -> str:
    """The hour of an event by its `received_at`, which we write and which is UTC; else the spool file's."""
    return f"coalesce(strftime(CAST(received_at AS TIMESTAMPTZ) AT TIME ZONE 'UTC', '%Y%m%dT%H'), {_quoted(otherwise)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
