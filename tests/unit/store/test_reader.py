from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from genscribe import clock, events
from genscribe.errors import ConfigError
from genscribe.store import life
from genscribe.store.life import OpenGap
from genscribe.store.queries import Filters
from genscribe.store.reader import Reader


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000Z"


@pytest.fixture
def reader(store) -> Iterator[Reader]:  # type: ignore[no-untyped-def]
    with Reader.open(store.path) as opened:
        yield opened


def texts(records: list[events.Record]) -> list[str]:
    return [json.loads(record.body)["text"] for record in records]


@pytest.fixture
def calls(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(
        said("k1", "I want a refund", spoken_at=at(1), speaker="customer", media_type="voice"),
        said("k2", "refund my card", conversation_id="c2", spoken_at=at(2), speaker="customer", media_type="message"),
        said("k3", "the refund is on its way", spoken_at=at(3), speaker="agent", media_type="voice"),
        said("k4", "thinking about a ref", spoken_at=at(4), revision=0, speaker="agent", media_type="voice"),
    )


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("words", "filters", "seqs"),
    [
        ("refund", Filters(), [3, 2, 1]),
        ("ref", Filters(), [3, 2, 1]),
        ("refund -card", Filters(), [3, 1]),
        ("-card", Filters(), [3, 1]),
        ('"a refund"', Filters(), [1]),
        ("", Filters(), [3, 2, 1]),
        ("++", Filters(), []),
        ("nothing", Filters(), []),
        ("refund", Filters(speakers=frozenset({"customer"})), [2, 1]),
        ("refund", Filters(media_types=frozenset({"chat"})), [2]),
        ("refund", Filters(conversation_ids=frozenset({"c1"})), [3, 1]),
        ("refund", Filters(since=at(2)), [3, 2]),
        ("refund", Filters(until=at(2)), [1]),
        ("", Filters(since=at(2), until=at(3)), [2]),
    ],
)
def test_search_gives_the_newest_first(reader: Reader, words: str, filters: Filters, seqs: list[int]) -> None:
    assert [record.seq for record in reader.search(words, filters)] == seqs


@pytest.mark.usefixtures("calls")
def test_search_has_a_limit(reader: Reader) -> None:
    assert [record.seq for record in reader.search("refund", limit=2)] == [3, 2]


def test_lines_are_in_the_order_of_speech(store, said, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(
        said("k1", "second", spoken_at=at(2)),
        said("k2", "first", spoken_at=at(1)),
        said("k3", "other", conversation_id="c2"),
        said("k4", "third", spoken_at=at(2)),
        said("k5", "interim", spoken_at=at(3), revision=0),
    )
    assert texts(reader.lines("c1")) == ["first", "second", "third"]
    assert reader.lines("nobody") == []


def test_records_are_typed_events_with_their_seq(store, said, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1", "hi", spoken_at=at(1)))
    event = events.decode(reader.search("hi")[0].json())
    assert isinstance(event, events.Utterance)
    assert (event.seq, event.text) == (1, "hi")
    assert event.spoken_at is not None
    assert event.spoken_at.tzinfo is not None


def test_reads_while_it_is_written(store, said, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"))
    assert reader.head == 1
    store.db.execute("begin immediate")
    assert [record.seq for record in reader.read(0)] == [1]
    store.db.execute("rollback")
    store.add(said("k2"))
    assert [record.seq for record in reader.read(1)] == [2]


@pytest.mark.anyio
async def test_follow_goes_on_with_what_comes(store, said, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"), said("k2"))
    seen = []
    async for record in reader.follow(after=1):
        seen.append(record.seq)
        if len(seen) == 3:
            break
        store.add(said(f"later {record.seq}"))
    assert seen == [2, 3, 4]


def test_export_knows_its_total_and_goes_through_all(store, said, other, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(*[said(f"k{number}") for number in range(1100)])
    store.add(said("k5", "changed", revision=2), said("soon", revision=0), other("gap", "g1"), other("unreadable", "x"))
    export = reader.export()
    seqs = [record.seq for record in export.records]
    assert export.total == len(seqs) == 1100
    assert seqs == [*range(1, 6), *range(7, 1101), 1101]
    export = reader.export(kinds=("utterance", "gap", "unreadable"), filters=Filters(conversation_ids=None))
    assert export.total == 1102
    assert [record.kind for record in export.records][-2:] == ["gap", "unreadable"]


def test_export_of_other_kinds_has_filters_too(store, said, other, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(
        said("k1"),
        other("conversation", "c1:started", at=at(1)),
        other("participant", "p1", joined_at=at(2), conversation_id="c2"),
        other("gap", "g1"),
    )
    kinds = ("conversation", "participant", "gap")
    assert [record.seq for record in reader.export(kinds=kinds).records] == [2, 3, 4]
    assert [record.seq for record in reader.export(Filters(since=at(2)), kinds).records] == [3]
    assert [record.seq for record in reader.export(Filters(conversation_ids=frozenset({"c1"})), kinds).records] == [2]


def test_messages_are_exported_when_asked_for(store, other, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(other("message", "c1::n1", at=at(1)), other("message", "c2::n2", conversation_id="c2"))
    store.add(other("message", "c1::n1", at=at(1)))
    assert list(reader.export().records) == []
    assert [record.seq for record in reader.export(kinds=("message",)).records] == [1, 2]
    assert [record.kind for record in reader.read(0)] == ["message"] * 3
    only = Filters(conversation_ids=frozenset({"c1"}), since=at(1))
    assert [record.seq for record in reader.export(only, ("message",)).records] == [1]


def test_an_export_ends_where_the_store_ended_when_it_began(store, said, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"))
    export = reader.export()
    store.add(said("k2"))
    assert len(list(export.records)) == export.total == 1


def test_conversations(store, said, other, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(clock, "now", lambda: at(0))
    store.add(
        said("k1", media_type="voice", received_at="2026-01-01T00:00:00.000Z"),
        said("k2", conversation_id="c2", media_type="chat", received_at="2026-01-01T01:00:00.000Z"),
        other("conversation", "c3:started", conversation_id="c3", at="2026-01-01T00:30:00.000Z"),
        other("conversation", "c4:ended", conversation_id="c4", state="ended", at="2026-01-01T01:00:00.000Z"),
    )
    assert [row.conversation_id for row in reader.conversations()] == ["c4", "c3", "c2", "c1"]
    assert [row.conversation_id for row in reader.conversations(limit=1)] == ["c4"]
    assert [row.conversation_id for row in reader.conversations(Filters(media_types=frozenset({"chat"})))] == ["c2"]
    since = Filters(since="2026-01-01T00:45:00.000Z")
    assert [row.conversation_id for row in reader.conversations(since)] == ["c4"]
    # 01:09:59: c2 was heard less than 10 minutes ago; c3 started and has not ended; c1 is silent too long
    monkeypatch.setattr(clock, "wall_ms", lambda: 1767229799000)
    assert reader.conversations(live=True) == [], "nobody writes"
    store.db.execute(life.BEGIN, (1767229790000, None))
    assert [row.conversation_id for row in reader.conversations(live=True)] == ["c3", "c2"]
    one = reader.conversation("c2")
    assert one is not None
    assert (one.media_type, one.utterance_count, one.started_at) == ("chat", 1, None)
    assert reader.conversation("nobody") is None


def test_what_stands_around(store, said, other, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"), other("gap", "g1"), other("unreadable", "x1"), other("participant", "p1", user_name="Ann"))
    store.db.execute(life.BEGIN, (1000, 900))
    store.db.execute(life.OPEN_GAP, OpenGap("g2", "2026-01-02T00:00:00.000Z", "late").row())
    store.db.execute("insert into dead_letters values ('hook', 1, '422', 'then')")
    store.db.execute("insert into cursors values ('hook', 'id', 1, null, 'then')")
    assert [(gap.key, gap.ended_at) for gap in reader.gaps()] == [("g2", None), ("g1", "2026-01-01T00:00:01.000Z")]
    assert [(frame.seq, frame.raw) for frame in reader.unreadable()] == [(3, b"raw")]
    assert [(letter.sink, letter.seq, letter.reason) for letter in reader.dead_letters()] == [("hook", 1, "422")]
    assert [json.loads(record.body)["user_name"] for record in reader.participants("c1")] == ["Ann"]
    assert reader.cursors() == {"hook": 1}
    stats = reader.stats()
    assert (stats.head, stats.oldest, stats.archived_to, stats.utterances) == (4, 1, 4, 1)
    assert (stats.conversations, stats.gaps, stats.unreadable, stats.dead_letters) == (1, 2, 1, 1)
    assert stats.bytes > 100_000
    assert len(stats.store_id) == 32


def test_the_sign_of_life(store, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    assert reader.life() is None
    store.db.execute(life.BEGIN, (1000, None))
    store.db.execute(life.BEAT, (2000, 1500, "{}"))
    monkeypatch.setattr(clock, "wall_ms", lambda: 31_999)
    sign = reader.life()
    assert sign is not None
    assert (sign.started_at_ms, sign.at_ms, sign.heard_until_ms, sign.status) == (1000, 2000, 1500, "{}")
    assert sign.running
    monkeypatch.setattr(clock, "wall_ms", lambda: 32_001)
    assert not sign.running
    store.db.execute(life.END, (3000,))
    monkeypatch.setattr(clock, "wall_ms", lambda: 3000)
    ended = reader.life()
    assert ended is not None
    assert not ended.running


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no store at"):
        Reader.open(tmp_path / "missing.db")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ConfigError, match="is not a genscribe store"):
        Reader.open(tmp_path / "notes.txt")


@pytest.mark.parametrize(("version", "advice"), [(0, "genscribe stream"), (1, "genscribe stream"), (3, "Upgrade")])
def test_another_format_is_refused(store, version: int, advice: str) -> None:  # type: ignore[no-untyped-def]
    store.db.execute(f"pragma user_version = {version}")
    with pytest.raises(ConfigError, match=f"has format {version}") as refused:
        Reader.open(store.path)
    assert advice in refused.value.advice


def test_a_store_broken_under_the_reader_is_said_in_a_line(store, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    store.db.execute("drop table cursors")
    with pytest.raises(ConfigError, match=r"cannot be read: .*no such table"):
        reader.cursors()


def test_a_reader_cannot_write(store, reader: Reader) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(apsw.ReadOnlyError):
        reader._db.execute("delete from journal")
