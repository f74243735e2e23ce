"""Journal rows in SQL: sealed, written and read in one statement each.

A statement a row would hand the interpreter's lock over a row at a time, which beside a busy event loop takes
hundreds of times longer than the work; so a commit binds all its rows at once and a read brings them back in one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

import apsw

from genscribe.events import Record

Row = tuple[str, bytes, "bytes | None"]
"""What is appended: kind, body, and for an unreadable one the raw frame."""

CODES = {
    "utterance": ord("u"),
    "conversation": ord("c"),
    "participant": ord("p"),
    "gap": ord("g"),
    "message": ord("m"),
    "unreadable": ord("x"),
}
"""The letter by which the journal knows a kind."""

KINDS = {code: kind for kind, code in CODES.items()}
_UNREADABLE = CODES["unreadable"]

_INSERT = """
insert into journal
select ?1 + rowid, cast(substr(?4, rowid, 1) as text), substr(?3, 4 * rowid - 3, 4), cast(value as text)
from carray(?2)"""

_FETCH = """
select group_concat(seq), cast(group_concat(kind, '') as blob), group_concat(octet_length(body)),
       group_concat(hex(crc), ''), cast(group_concat(body, '') as blob), sum(octet_length(crc) <> 4)
from ({select})"""

AFTER = "select seq, kind, crc, body from journal where seq > ? and seq <= ? order by seq limit ?"
"""Rows after one, up to and with another, at most so many."""


def seal(seq: int, code: int, body: bytes) -> int:
    """The checksum of a row: it covers place and kind too, so rows that changed places are noticed."""
    return crc32(body, (seq << 8 | code) & 0xFFFFFFFF)


def insert(db: apsw.Connection, head: int, rows: Sequence[Row]) -> None:
    """Appends rows after `head`, the last seq in use, within the caller's transaction."""
    kinds, bodies, raws = zip(*rows, strict=True)
    codes = bytes([CODES[kind] for kind in kinds])
    first = head + 1
    seals = [
        crc32(body, (seq << 8 | code) & 0xFFFFFFFF)
        for seq, (code, body) in enumerate(zip(codes, bodies, strict=True), first)
    ]
    db.execute(_INSERT, (head, apsw.carray(bodies), struct.pack(f">{len(rows)}I", *seals), codes))
    if _UNREADABLE in codes:
        raw_rows = [(seq, raw) for seq, raw in enumerate(raws, first) if raw is not None]
        db.executemany("insert into unreadable_raw values (?, ?)", raw_rows)


class Fetched(NamedTuple):
    """What a read brought: the records, and the seqs among them that failed their checksum."""

    records: list[Record]
    damaged: list[int]


def fetch(db: apsw.Connection, select: str, bindings: Sequence[Any]) -> Fetched:
    """Runs a `select seq, kind, crc, body …` that has a limit, and checks every row.

    A damaged row comes back as an `unreadable` record with the reason `damaged`: seq stays dense, its text is not
    passed on, and cursors move past it.
    """
    found: Any = db.execute(_FETCH.format(select=select), bindings).get
    seqs, kinds, lengths, seals, bodies, misfits = found
    if seqs is None:
        return Fetched([], [])
    if misfits or len(kinds) != seqs.count(",") + 1:
        return _row_by_row(db, select, bindings)
    numbers = [int(seq) for seq in seqs.split(",")]
    expected = struct.unpack(f">{len(numbers)}I", bytes.fromhex(seals))
    records, damaged, begin = [], [], 0
    for seq, code, length, crc in zip(numbers, kinds, lengths.split(","), expected, strict=True):
        end = begin + int(length)
        body = bodies[begin:end]
        begin = end
        if seal(seq, code, body) == crc and code in KINDS:
            records.append(Record(seq, KINDS[code], body))
        else:
            damaged.append(seq)
            records.append(_stand_in(seq))
    return Fetched(records, damaged)


def _row_by_row(db: apsw.Connection, select: str, bindings: Sequence[Any]) -> Fetched:
    """The slow way, for rows so damaged that their columns cannot be told apart in one piece."""
    records, damaged = [], []
    one_by_one = f"select seq, cast(kind as blob), crc, cast(body as blob) from ({select})"  # noqa: S608
    for seq, kind, crc, body in db.execute(one_by_one, bindings):
        code = kind[0] if len(kind) == 1 else 0
        if code in KINDS and crc == seal(seq, code, body).to_bytes(4, "big"):
            records.append(Record(seq, KINDS[code], body))
        else:
            damaged.append(seq)
            records.append(_stand_in(seq))
    return Fetched(records, damaged)


def _stand_in(seq: int) -> Record:
    body = b'{"kind":"unreadable","key":"damaged:%d","revision":1,"received_at":null,"reason":"damaged","source":null}'
    return Record(seq, "unreadable", body % seq)
