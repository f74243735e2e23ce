from __future__ import annotations

import itertools
from collections.abc import Iterator

import apsw
import pytest

from genscribe.reading import Store
from genscribe.store import frames, reader, windows
from genscribe.store.frames import FRAMES
from genscribe.store.queries import EVERYTHING, Filters
from genscribe.store.reader import Reader
from genscribe.store.windows import Windows


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000Z"


@pytest.fixture
def opened(store) -> Iterator[Reader]:  # type: ignore[no-untyped-def]
    with Reader.open(store.path) as made:
        yield made


@pytest.fixture
def calls(store, said, other) -> None:  # type: ignore[no-untyped-def]
    store.add(
        said("k1", "hello", spoken_at=at(1), speaker="agent", media_type="voice", words=[]),
        said("k2", "hi", conversation_id="c2", spoken_at=at(2), speaker="customer", media_type="message"),
        said("k3", "soon", spoken_at=at(3), revision=0),
        said("k1", "hello there", spoken_at=at(1), speaker="agent", media_type="voice", revision=2, confidence=0.5),
        other("conversation", "c1:started", at=at(0), media_type="voice"),
        other("participant", "c1:p", joined_at=at(1), user_name="Ann"),
        other("participant", "c2:p", conversation_id="c2", joined_at=at(5)),
        other("gap", "g1", started_at=at(1), ended_at=at(4)),
        other("gap", "g2", started_at=at(5), ended_at=at(6), conversation_ids=["c2", "c3"]),
    )
    with store.db:
        store.db.execute("insert into open_gaps values ('g3', ?, 'silent', null, null)", (at(7),))


@pytest.mark.parametrize("name", list(FRAMES))
def test_a_frame_has_the_columns_of_its_view(name: str, opened: Reader) -> None:
    shape = FRAMES[name]
    view = {column for _, column, *_ in opened._rows(f"pragma table_info({name})")}
    assert set(shape.columns) == view - {"is_final"}  # interim ones are not in it
    assert shape.times | shape.numbers | shape.lists <= set(shape.columns)
    assert shape.times == {column for column in shape.columns if column.endswith("_at")}
    assert list(opened.frame(name)) == list(shape.columns)
    assert set(map(len, opened.frame(name).values())) <= {0}


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("name", "filters", "keys"),
    [
        ("utterances", EVERYTHING, ["k2", "k1"]),
        ("utterances", Filters(since=at(2)), ["k2"]),
        ("utterances", Filters(until=at(2)), ["k1"]),
        ("utterances", Filters(conversation_ids=frozenset({"c1", "c9"})), ["k1"]),
        ("utterances", Filters(media_types=frozenset({"chat"})), ["k2"]),
        ("utterances", Filters(speakers=frozenset({"agent"})), ["k1"]),
        ("conversations", EVERYTHING, ["c2", "c1"]),
        ("conversations", Filters(since=at(4)), []),
        ("conversations", Filters(since=at(2)), ["c2", "c1"]),
        ("conversations", Filters(until=at(2)), ["c1"]),
        ("conversations", Filters(conversation_ids=frozenset({"c2"})), ["c2"]),
        ("conversations", Filters(media_types=frozenset({"voice"})), ["c1"]),
        ("participants", EVERYTHING, ["c1:p", "c2:p"]),
        ("participants", Filters(since=at(2)), ["c2:p"]),
        ("participants", Filters(until=at(2)), ["c1:p"]),
        ("participants", Filters(conversation_ids=frozenset({"c1"})), ["c1:p"]),
        ("gaps", EVERYTHING, ["g1", "g2", "g3"]),
        ("gaps", Filters(since=at(4)), ["g2", "g3"]),
        ("gaps", Filters(until=at(5)), ["g1"]),
        ("gaps", Filters(conversation_ids=frozenset({"c1"})), ["g1", "g3"]),
        ("gaps", Filters(conversation_ids=frozenset({"c3"})), ["g1", "g2", "g3"]),
    ],
)
def test_what_a_frame_leaves_out(opened: Reader, name: str, filters: Filters, keys: list[str]) -> None:
    found = opened.frame(name, filters)
    assert found["conversation_id" if name == "conversations" else "key"] == keys


@pytest.mark.usefixtures("calls")
def test_columns_are_in_line_and_json_is_read(opened: Reader) -> None:
    said = opened.frame("utterances")
    assert said["text"] == ["hi", "hello there"]
    assert said["spoken_at"] == [at(2), at(1)]
    assert said["confidence"] == [None, 0.5]
    assert said["words"] == [None, None]
    gaps = opened.frame("gaps")
    assert gaps["seq"] == [8, 9, None]
    assert gaps["ended_at"] == [at(4), at(6), None]
    assert gaps["conversation_ids"] == [None, ["c2", "c3"], None]


def test_a_row_that_came_again_is_there_once_in_its_last_revision() -> None:
    shape = FRAMES["participants"].columns
    old, new = (
        [1 if column == "seq" else "k" for column in shape],
        [9 if column == "seq" else "k" for column in shape],
    )
    assert frames.columns("participants", [old, new])["seq"] == [9]


def test_no_value_of_a_person_stands_in_the_sql_of_a_frame() -> None:
    evil = "'; drop table journal; --"
    for name, shape in FRAMES.items():
        choices = {choice: frozenset({evil}) for choice in shape.choices}
        filters = Filters(evil, evil, **choices)
        assert frames.missing_filters(name, filters) == []
        for sql, bindings in (frames.rows(name, filters, 0, 9), frames.unnumbered_rows(name, filters)):
            assert "drop" not in sql
            assert sql.count("?") == len(bindings)
    assert frames.missing_filters("gaps", Filters(speakers=frozenset({"agent"}))) == ["speakers"]


# --- short transactions -----------------------------------------------------------------------------------------------


def test_windows_shrink_where_reading_is_slow_and_grow_where_it_is_not() -> None:
    sizing = Windows()
    for _ in range(10):
        sizing.took(0.0)
    assert sizing.size == windows.MOST
    sizing.took(0.5)
    assert sizing.size == windows.MOST // 4
    sizing.took(0.1)
    assert sizing.size == windows.MOST // 4
    for _ in range(10):
        sizing.took(5)
    assert sizing.size == 1


def test_windows_go_over_all_and_overlap_nowhere() -> None:
    sizing = Windows()
    found = list(sizing.over(7, 25_000))
    assert (found[0][0], found[-1][1]) == (7, 25_000)
    assert all(upto == following for (_, upto), (following, _) in itertools.pairwise(found))
    assert list(sizing.over(5, 5)) == []


@pytest.mark.parametrize("size", [1, 2, 7])
def test_small_windows_find_the_same(store, said, other, opened: Reader, monkeypatch, size: int) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(windows, "FIRST", size)
    monkeypatch.setattr(windows, "MOST", size)
    monkeypatch.setattr(reader, "SLICE", 3)
    store.add(*[said(f"k{number}", conversation_id=f"c{number % 4}") for number in range(20)])
    store.add(other("gap", "g1"), said("k3", "changed", conversation_id="c3", revision=2))
    export = opened.export(kinds=("utterance", "gap"))
    expected = [1, 2, 3, *range(5, 23)]
    assert [record.seq for record in export.records] == expected
    assert export.total == len(expected)
    assert [record.seq for record in opened.records(Filters(conversation_ids=frozenset({"c3"})))] == [8, 12, 16, 20, 22]
    assert opened.frame("utterances")["seq"] == [seq for seq in expected if seq != 21]
    assert opened.frame("conversations")["first_seq"] == [1, 2, 3, 4]


def test_what_is_said_and_revised_while_a_frame_is_read_is_in_it_once(store, said, opened, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(windows, "FIRST", 1)
    monkeypatch.setattr(windows, "MOST", 1)
    store.add(said("k1", "a"), said("k2", "b"), said("k3", "c"))
    asked = frames.rows
    later = [said("k1", "a, again", revision=2), said("k3", "c, again", revision=2), said("k4", "d")]

    def rows(*args: object) -> object:
        if later and args[-1] == 2:
            store.add(*later)
            later.clear()
        return asked(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(frames, "rows", rows)
    assert sorted(opened.frame("utterances")["text"]) == ["a, again", "b", "c, again", "d"]


def cut(db: apsw.Connection) -> bool:
    """Whether the log can be emptied now, without waiting for anybody."""
    db.set_busy_timeout(0)
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    return True


@pytest.mark.slow
def test_a_notebook_that_reads_slowly_does_not_keep_the_log_from_being_emptied(store, said) -> None:  # type: ignore[no-untyped-def]
    for start in range(0, 100_000, 5000):
        store.add(*[said(f"k{number}", conversation_id=f"c{number % 97}") for number in range(start, start + 5000)])
    log = store.path.with_name(store.path.name + "-wal")
    with Store(Reader.open(store.path)) as notebook:
        count = 0
        for utterance in notebook.utterances():
            count += 1
            if count % 9_973 == 1:  # he looks at this one for a while
                store.add(said(f"meanwhile {count}"))
                assert log.stat().st_size > 0
                assert cut(store.db), f"event {utterance.seq} holds the log"
                assert log.stat().st_size == 0
        assert count == 100_000

    pinning = apsw.Connection(str(store.path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = pinning.execute("select key from utterances")
    next(rows)
    store.add(said("last"))
    assert not cut(store.db), "what this test looks for is noticed"
    rows.close()
    pinning.close()
