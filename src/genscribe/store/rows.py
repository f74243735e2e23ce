"""Journal rows in SQL: sealed, written and read in one statement each.

A statement a row would hand the interpreter's lock over a row at a time, which beside a busy event loop takes
hundreds of times longer than the work; so a commit binds all its rows at once and a read brings them back in one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate, pairwise
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
_KNOWN = frozenset(KINDS)
_UNREADABLE = CODES["unreadable"]
_record: Callable[[tuple[int, str, bytes]], Record] = partial(tuple.__new__, Record)

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
    numbers = list(map(int, seqs.split(",")))
    ends = list(accumulate(map(int, lengths.split(",")), initial=0))
    texts = [bodies[begin:end] for begin, end in pairwise(ends)]
    expected = struct.unpack(f">{len(numbers)}I", bytes.fromhex(seals))
    # In columns, and records without a call each: 0.76 ms for 500 rows, where a loop over them took 1.10.
    begun = [(seq << 8 | code) & 0xFFFFFFFF for seq, code in zip(numbers, kinds, strict=True)]
    if tuple(map(crc32, texts, begun)) == expected and _KNOWN.issuperset(kinds):
        return Fetched(list(map(_record, zip(numbers, map(KINDS.__getitem__, kinds), texts, strict=True))), [])
    return _judged(zip(numbers, kinds, expected, texts, strict=True))


def _judged(rows: Iterable[tuple[int, int, int, bytes]]) -> Fetched:
    """Rows of seq, kind, checksum and body, some of which are damaged."""
    records, damaged = [], []
    for seq, code, crc, body in rows:
        if code in KINDS and crc == seal(seq, code, body):
            records.append(Record(seq, KINDS[code], body))
        else:
            damaged.append(seq)
            records.append(_stand_in(seq))
    return Fetched(records, damaged)


def _row_by_row(db: apsw.Connection, select: str, bindings: Sequence[Any]) -> Fetched:
    """The slow way, for rows so damaged that their columns cannot be told apart in one piece."""
    one_by_one = f"select seq, cast(kind as blob), crc, cast(body as blob) from ({select})"  # noqa: S608
    return _judged(
        (seq, kind[0] if len(kind) == 1 else 0, int.from_bytes(crc, "big") if len(crc) == 4 else -1, body)
        for seq, kind, crc, body in db.execute(one_by_one, bindings)
    )


def _stand_in(seq: int) -> Record:
    body = b'{"kind":"unreadable","key":"damaged:%d","revision":1,"received_at":null,"reason":"damaged","source":null}'
    return Record(seq, "unreadable", body % seq)
