from __future__ import annotations

from pathlib import Path

import pytest

from genscribe import clock
from genscribe.events import Position
from genscribe.store import cursors
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry


@pytest.fixture
def identity(store, said) -> str:  # type: ignore[no-untyped-def]
    store.add(said("k1"), said("k2"))
    return str(store.db.execute("select value from meta where name = 'store_id'").get)


def save(store, name: str, seq: int) -> None:  # type: ignore[no-untyped-def]
    store.db.execute(cursors.SAVE, (name, seq, "2026-01-01T00:00:00.000Z"))


def test_a_saved_cursor_carries_store_seq_and_the_rows_checksum(store, identity: str) -> None:  # type: ignore[no-untyped-def]
    save(store, "a", 1)
    save(store, "a", 2)
    save(store, "b", 0)
    crc = store.all("select lower(hex(crc)) from journal where seq = 2")[0][0]
    assert cursors.load(store.db) == {"a": Position(identity, 2, crc), "b": Position(identity, 0, None)}
    assert cursors.position(store.db, identity, 2) == Position(identity, 2, crc)


@pytest.mark.parametrize(
    ("seq", "crc", "stranger", "why"),
    [
        (2, "right", False, None),
        (2, None, False, None),
        (0, None, False, None),
        (2, "deadbeef", False, "event 2 is another one here"),
        (2, "right", True, "it belongs to another store"),
        (3, "deadbeef", False, "it stands at 3, the store ends at 2"),
    ],
)
def test_a_position_is_trusted_where_it_fits(  # type: ignore[no-untyped-def]
    store, identity: str, seq: int, crc: str | None, stranger: bool, why: str | None
) -> None:
    known = cursors.position(store.db, identity, 2).crc if crc == "right" else crc
    at = Position("another" if stranger else identity, seq, known)
    assert cursors.mistrust(store.db, identity, 2, at) == why


def test_where_retention_took_the_row_store_and_seq_are_trusted(store, identity: str) -> None:  # type: ignore[no-untyped-def]
    at = cursors.position(store.db, identity, 1)
    store.db.execute("delete from journal where seq = 1")
    assert cursors.mistrust(store.db, identity, 2, at) is None


@pytest.mark.anyio
async def test_cursors_of_earlier_runs_are_known_to_retention(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        await journal.save_cursor("sink", 0, at_once=True)
        await journal.flush()
    before_ms = clock.wall_ms()
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        ((name, (seq, at_ms)),) = journal.retention.unused.items()
        assert (name, seq) == ("sink", 0)
        assert abs(before_ms - at_ms) < 60_000
        assert journal.retention.needed == {}
