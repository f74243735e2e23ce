"""Many rows of the journal, read a bounded piece at a time: one may have a megabyte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import apsw

from genscribe.events import Record
from genscribe.web import cards
from genscribe.web.readers import Lane

ROWS_A_PIECE = 250
PIECE_BYTES = 1 << 20
"""Of a piece of more than one row."""

# The length stands in a row's head: what is long is not read for it.
_SIZES = """
select w.value, octet_length(j.body) from json_each(?) w cross join journal j on j.seq = w.value"""


async def pieces(lane: Lane, seqs: Sequence[int]) -> AsyncIterator[list[Record]]:
    """The rows with these seqs, in this order, as far as they are still there; damaged ones as `unreadable`."""
    begin = 0
    while begin < len(seqs):
        records, taken = await lane.ask(_piece, seqs[begin : begin + ROWS_A_PIECE])
        begin += taken
        yield records


def _piece(db: apsw.Connection, seqs: Sequence[int]) -> tuple[list[Record], int]:
    """The first rows of these, and how many of the seqs they are for."""
    rows: list[Any] = db.execute(_SIZES, (json.dumps(list(seqs)),)).fetchall()
    sizes: dict[int, int] = dict(rows)
    taken, size = 0, 0
    for seq in seqs:
        size += sizes.get(seq, 0)
        if taken and size > PIECE_BYTES:
            break
        taken += 1
    by_seq = {record.seq: record for record in cards.rows(db, list(seqs[:taken]))}
    return [by_seq[seq] for seq in seqs[:taken] if seq in by_seq], taken
