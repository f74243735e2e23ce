"""Where a reader of the journal stands, and whether that place is of this journal."""

from __future__ import annotations

import apsw

from genscribe.events import Position

SAVE = """
insert into cursors (name, store_id, seq, crc, saved_at)
select ?1, (select value from meta where name = 'store_id'), ?2, (select crc from journal where seq = ?2), ?3
where true
on conflict (name) do update
set store_id = excluded.store_id, seq = excluded.seq, crc = excluded.crc, saved_at = excluded.saved_at"""


def load(db: apsw.Connection) -> dict[str, Position]:
    """All cursors that the store keeps, by name."""
    rows = db.execute("select name, store_id, seq, hex(crc) from cursors")
    return {name: Position(store_id, seq, crc.lower() or None) for name, store_id, seq, crc in rows}


def saved_ms(db: apsw.Connection) -> dict[str, int]:
    """When each cursor was saved last, in epoch milliseconds; 0 where that cannot be read."""
    rows = db.execute(
        "select name, coalesce(cast(round(unixepoch(saved_at, 'subsec') * 1000) as integer), 0) from cursors"
    )
    return dict(rows)


def position(db: apsw.Connection, store_id: str, seq: int) -> Position:
    """A place in this journal, with the checksum of its row."""
    crc = db.execute("select hex(crc) from journal where seq = ?", (seq,)).get
    assert crc is None or isinstance(crc, str)
    return Position(store_id, seq, crc.lower() if crc else None)


def mistrust(db: apsw.Connection, store_id: str, head: int, at: Position) -> str | None:
    """Why a position does not fit this journal; `None` when it does.

    Where retention took the row, store id and seq are trusted.
    """
    if at.store_id != store_id:
        return "it belongs to another store"
    if at.seq > head:
        return f"it stands at {at.seq}, the store ends at {head}"
    here = position(db, store_id, at.seq).crc
    if here is not None and at.crc is not None and here != at.crc:
        return f"event {at.seq} is another one here"
    return None
