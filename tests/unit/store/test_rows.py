from __future__ import annotations

import apsw
import pytest

from genscribe.events import Record
from genscribe.store.rows import AFTER, CODES, fetch, insert, seal

BODIES = [
    ("utterance", b'{"text":"one"}', None),
    ("gap", '{"text":"zwölf, 日本語"}'.encode(), None),
    ("unreadable", b"{}", b"\x00\xffraw"),
]


def read(db: apsw.Connection, after: int = 0, limit: int = 100) -> list[Record]:
    return fetch(db, AFTER, (after, 1 << 60, limit)).records


def test_what_goes_in_comes_out_in_order_with_its_place(store) -> None:  # type: ignore[no-untyped-def]
    with store.db:
        insert(store.db, 41, BODIES)
    assert read(store.db) == [
        Record(42, "utterance", b'{"text":"one"}'),
        Record(43, "gap", '{"text":"zwölf, 日本語"}'.encode()),
        Record(44, "unreadable", b"{}"),
    ]
    assert store.all("select * from unreadable_raw") == [(44, b"\x00\xffraw")]
    assert [record.seq for record in read(store.db, after=42, limit=1)] == [43]
    assert read(store.db, after=44) == []


def test_a_seal_covers_body_place_and_kind() -> None:
    seals = {seal(seq, code, body) for seq in (1, 2) for code in CODES.values() for body in (b"a", b"b")}
    assert len(seals) == 4 * len(CODES)


@pytest.mark.parametrize(
    "damage",
    [
        'update journal set body = \'{"text":"onf"}\' where seq = 1',
        "update journal set kind = 'g' where seq = 1",
        "update journal set kind = 'uu' where seq = 1",
        "update journal set kind = '' where seq = 1",
        "update journal set kind = '?' where seq = 1",
        "update journal set crc = x'00000000' where seq = 1",
        "update journal set crc = x'00' where seq = 1",
        "update journal set body = cast(x'ff00' as text) where seq = 1",
        "update journal set body = '' where seq = 1",
        "update journal set body = (select body from journal where seq = 2) where seq = 1",
    ],
)
def test_a_damaged_row_is_told_and_costs_only_itself(store, damage: str) -> None:  # type: ignore[no-untyped-def]
    with store.db:
        insert(store.db, 0, BODIES)
        store.db.execute(damage)
    records, damaged = fetch(store.db, AFTER, (0, 10, 10))
    assert damaged == [1]
    assert [record.seq for record in records] == [1, 2, 3]
    assert records[0].kind == "unreadable"
    assert b'"reason":"damaged"' in records[0].body
    assert records[1:] == [Record(seq, row[0], row[1]) for seq, row in enumerate(BODIES[1:], 2)]


def test_a_kind_that_nobody_knows_is_damage_though_its_seal_is_right(store) -> None:  # type: ignore[no-untyped-def]
    with store.db:
        insert(store.db, 0, BODIES)
        crc = seal(1, ord("?"), BODIES[0][1]).to_bytes(4, "big")
        store.db.execute("update journal set kind = '?', crc = ? where seq = 1", (crc,))
    records, damaged = fetch(store.db, AFTER, (0, 10, 10))
    assert damaged == [1]
    assert [record.kind for record in records] == ["unreadable", "gap", "unreadable"]
