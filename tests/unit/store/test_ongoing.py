"""What goes on after a restart: from the archive, and from what it has not indexed yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from genscribe import clock
from genscribe.events import Conversation, Event, Message, Participant, Utterance, encode
from genscribe.store import journal as module
from genscribe.store import ongoing
from genscribe.store.journal import Journal
from genscribe.store.ongoing import Unended
from genscribe.telemetry import Telemetry

pytestmark = pytest.mark.anyio

AT = "2026-01-01T00:00:00.000Z"
DAY_MS = 24 * 3600 * 1000


def start(call: str, at: str | None = AT) -> Conversation[str]:
    return Conversation[str](f"{call}:started", 1, call, "started", at=at, media_type="voice")


def end(call: str, at: str | None = AT) -> Conversation[str]:
    return Conversation[str](f"{call}:ended", 1, call, "ended", at=at)


def part(call: str, revision: int = 1, **fields: str) -> Participant[str]:
    return Participant[str](f"{call}:p:t", revision, call, "p", **fields)


def said(call: str, key: str = "k") -> Utterance[str]:
    return Utterance[str](key, 1, conversation_id=call, text="hi")


@asynccontextmanager
async def journal_of(path: Path, *events: Event[str]) -> AsyncIterator[Journal]:
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        journal.append([(event.kind, encode(event), None) for event in events])
        await journal.flush()
        yield journal


async def filled(path: Path, *events: Event[str], indexed: int | None = None) -> Path:
    """A store with these events; the archive has only the first so many, as after a crash."""
    async with journal_of(path, *events):
        pass  # closing indexes all
    if indexed is not None:
        db = apsw.Connection(str(path))
        db.execute("update meta set value = ? where name = 'archived_to'", (indexed,))
        for table in ("other_rows", "utterance_rows", "utterance_words"):
            name = "rowid" if table == "utterance_words" else "seq"
            db.execute(f"delete from {table} where {name} > ?", (indexed,))
        db.execute("delete from conversation_rows where first_seq > ?", (indexed,))
        db.execute("update conversation_rows set ended_at = null")
        db.close()
    return path


@asynccontextmanager
async def idle(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Journal]:
    """The store open, and its archive does nothing."""
    monkeypatch.setattr("genscribe.store.archive.Archive.wait", lambda *given, **also: None)
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        yield journal


async def test_conversations_that_did_not_end_newest_first(tmp_path: Path) -> None:
    events = (start("a"), start("b"), said("only-heard"), end("b"), start("c", at=None), part("only-joined"))
    path = await filled(tmp_path / "s.db", *events)
    async with journal_of(path) as journal:
        assert await journal.unended() == [Unended("c", "voice", None), Unended("a", "voice", AT)]
        assert await journal.unended(limit=1) == [Unended("c", "voice", None)]


async def test_one_that_ended_at_an_unknown_time_has_ended(tmp_path: Path) -> None:
    path = await filled(tmp_path / "s.db", start("a"), end("a", at=None))
    async with journal_of(path) as journal:
        assert await journal.unended() == []


async def test_what_began_long_ago_is_taken_for_ended(tmp_path: Path) -> None:
    path = await filled(tmp_path / "s.db", start("old"), start("young"))
    db = apsw.Connection(str(path))
    db.execute("insert into marks values (1, ?)", (clock.wall_ms() - 8 * DAY_MS,))
    db.close()
    async with journal_of(path) as journal:
        assert [one.conversation_id for one in await journal.unended()] == ["young"]
        assert [record.seq async for records in journal.told_of_unended() for record in records] == [2]


@pytest.mark.parametrize("indexed", range(6))
async def test_what_the_archive_does_not_know_yet_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indexed: int
) -> None:
    path = await filled(tmp_path / "s.db", start("a"), said("c"), start("b"), end("a"), start("c"), indexed=indexed)
    async with idle(path, monkeypatch) as journal:
        found = await journal.unended()
        assert sorted(found) == [Unended("b", "voice", AT), Unended("c", "voice", AT)]
        told = {record.seq async for records in journal.told_of_unended() for record in records}
        assert {3, 5} <= told


async def test_a_store_without_conversation_events_has_none(tmp_path: Path) -> None:
    path = await filled(tmp_path / "s.db", said("a"), said("b"))
    async with journal_of(path) as journal:
        assert await journal.unended() == []
        assert [records async for records in journal.told_of_unended()] == []


async def test_what_was_last_told_of_them_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT_SLICE", 2)
    message = Message[str]("a::n", 1, "a", "n")
    events = (start("a"), part("a"), said("a"), part("b"), start("b"), message, part("a", 2), end("b"), start("c"))
    path = await filled(tmp_path / "s.db", *events)
    async with journal_of(path) as journal:
        slices = [[record.seq for record in records] async for records in journal.told_of_unended()]
        assert slices == [[1, 6], [7, 9]]
        assert [[one.seq for one in some] async for some in journal.told_of_unended(limit=2)] == [[7, 9]]


async def test_a_damaged_row_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await filled(tmp_path / "s.db", start("a"), start("b"), indexed=0)
    db = apsw.Connection(str(path))
    db.execute("update journal set body = substr(body, 3) where seq = 1")
    db.close()
    async with idle(path, monkeypatch) as journal:
        assert await journal.unended() == [Unended("b", "voice", AT)]


async def test_the_indexes_find_them(tmp_path: Path) -> None:
    path = await filled(tmp_path / "s.db", start("a"), part("a"))
    db = apsw.Connection(str(path))
    for sql, bindings in ((ongoing._UNENDED, (0, 10)), (ongoing._SEQS, (0, 10, 10))):
        plan = [row[3] for row in db.execute(f"explain query plan {sql}", bindings)]
        reads = [line for line in plan if line.startswith(("SCAN", "SEARCH")) and "other_rows" in line]
        assert all("USING" in line and line.startswith("SEARCH") for line in reads), plan
        assert any("conversation_rows" in line or " c " in line for line in plan if "PRIMARY KEY" in line), plan
    db.close()
