"""A conversation as a file: also while it goes on, however long its lines are, with what was not recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio.from_thread
import apsw
import pytest

from genscribe.events import Event, Gap, encode
from genscribe.store.archive import Archive
from genscribe.store.journal import Journal
from genscribe.store.life import OpenGap
from genscribe.web import downloads, missing, pieces, unindexed
from genscribe.web.readers import Readers
from genscribe.web.unindexed import Fact
from tests.unit.web.serving import client, serving
from tests.unit.web.test_api import at, line, person, record, recording, stored, turn

pytestmark = pytest.mark.anyio


async def file(path: Path, format_: str, conversation: str = "c1") -> str:
    async with serving(path) as page, client(page) as ask:
        answer = await ask.get(f"/api/conversations/{conversation}?format={format_}")
        assert answer.status_code == 200, answer.text
        return answer.text


def spoken(text: str) -> list[str]:
    """The lines of a text file, without their times."""
    return [each[21:] for each in text.partition("\n\n")[2].splitlines()]


# --- pieces -----------------------------------------------------------------------------------------------------------


async def test_a_piece_is_bounded_in_bytes_and_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 10_000)
    monkeypatch.setattr(pieces, "ROWS_A_PIECE", 5)
    sizes = [100, 20_000, 100, 4_000, 4_000, 4_000, *[100] * 12, 30_000]
    events = [line(f"k{number}", "x" * size) for number, size in enumerate(sizes)]
    await stored(tmp_path / "s.db", events)
    with Readers(tmp_path / "s.db") as readers:
        wanted = [*range(len(sizes), 0, -1), 999]
        found = [records async for records in pieces.pieces(readers.slow, wanted)]
    assert [record.seq for records in found for record in records] == wanted[:-1], "in the order asked for"
    assert all(len(records) <= 5 for records in found)
    assert all(len(records) == 1 or sum(len(one.body) for one in records) <= 10_000 for records in found)
    assert len(found) == 7, "and no smaller than need be"


# --- what is not indexed yet ------------------------------------------------------------------------------------------

BEFORE: list[Event[str]] = [
    turn("c1", "started", at(0), media_type="voice"),
    person("c1", "p1", "agent", user_id="u1", user_name="Ann", joined_at=at(0)),
    line("k1", "first", spoken_at=at(1), user_id="u1"),
    line("k2", "seco", spoken_at=at(2), user_id="u1", revision=0, is_final=False),
    line("k3", "third", spoken_at=at(3), user_id="u1"),
]
AFTER: list[Event[str]] = [
    line("k2", "second", spoken_at=at(2), user_id="u1"),
    line("k3", "third, corrected", spoken_at=at(3), user_id="u1", revision=2),
    line("k1", "first", spoken_at=at(1), user_id="u1"),
    line("k3", "third", spoken_at=at(3), user_id="u1"),
    line("k5", "fif", spoken_at=at(5), revision=0, is_final=False),
    line("k4", "fourth", spoken_at=at(4), user_id="u2"),
    person("c1", "p2", "agent", user_id="u2", user_name="Bob", joined_at=at(4)),
    line("other", "not of this call", "c11", spoken_at=at(4)),
    line("c1", '"conversation_id":"c1"', "c2", spoken_at=at(4)),
    turn("c1", "ended", at(6)),
]
TEXT = ["Agent Ann: first", "Agent Ann: second", "Agent Ann: third, corrected", "Agent Bob: fourth"]
EVENTS = [1, 2, 3, 6, 7, 11, 12, 15]


@asynccontextmanager
async def lagging(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Journal]:
    """A store whose archive knows `BEFORE` and not `AFTER`, until it may."""
    async with recording(path, BEFORE) as journal:
        monkeypatch.setattr(Archive, "wait", lambda self, now, head, *, closing: None)
        journal.append([(event.kind, encode(event), None) for event in AFTER])
        await journal.flush()
        yield journal


async def test_the_lines_of_this_moment_are_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.db"
    async with lagging(path, monkeypatch):
        text = await file(path, "txt")
        assert spoken(text) == TEXT
        assert f"Ended: {at(6)}" in text
        assert [json.loads(each)["seq"] for each in (await file(path, "jsonl")).splitlines()] == EVENTS
        assert spoken(await file(path, "txt", "c11")) == ["Agent: not of this call"], "nothing of it is indexed"


@pytest.mark.parametrize("rows", [1, 4, 500])
async def test_what_is_indexed_meanwhile_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(unindexed, "ROWS_A_READ", rows)
    path = tmp_path / "s.db"
    before = downloads._seqs
    async with lagging(path, monkeypatch) as journal:

        def meanwhile(db: apsw.Connection, sql: str, conversation_id: str, later: list[Fact]) -> list[int]:
            monkeypatch.undo()
            anyio.from_thread.run(record, journal, [line("k9", "wakes the archive", None)])
            return before(db, sql, conversation_id, later)

        monkeypatch.setattr(downloads, "_seqs", meanwhile)
        assert [json.loads(each)["seq"] for each in (await file(path, "jsonl")).splitlines()] == EVENTS
        assert spoken(await file(path, "txt")) == TEXT


async def test_a_damaged_row_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.db"
    async with lagging(path, monkeypatch):
        with closing(apsw.Connection(str(path))) as db:
            db.execute("update journal set body = 'not json' where seq = 11")
        assert spoken(await file(path, "txt")) == TEXT[:3]


# --- what was not recorded --------------------------------------------------------------------------------------------


def gap(begin: str, end: str | None, reason: str = "disconnected", *ids: str) -> Gap[str]:
    return Gap(
        key=f"g{begin}", revision=1, started_at=begin, ended_at=end, reason=reason, conversation_ids=list(ids) or None
    )


def day(time: str, date: str = "2026-11-23") -> str:
    return f"{date}T{time}.000Z"


def test_a_gap_in_words() -> None:
    said = missing.in_words
    assert said(gap(day("14:03:10"), day("14:03:42"))) == "not recorded 14:03:10–14:03:42 (connection lost)"
    assert said(gap(day("14:03:10"), None, "limit")) == "not recorded since 14:03:10 (a limit of the platform)"
    over_night = gap(day("23:59:58"), day("00:00:03", "2026-11-24"), "odd\x1b")
    assert said(over_night) == "not recorded 2026-11-23 23:59:58 – 2026-11-24 00:00:03 (odd␛)"


async def test_a_text_says_in_its_place_what_was_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "ROWS_A_PIECE", 1)
    events: list[Event[str]] = [
        turn("c1", "started", day("08:00:00")),
        line("k0", "whenever", spoken_at=None),
        line("k1", "one", spoken_at=day("08:00:05")),
        line("k2", "two", spoken_at=day("08:00:30")),
        line("k3", "three", spoken_at=day("08:00:50")),
        gap(day("07:59:00"), day("08:00:02"), "stopped"),
        gap(day("08:00:10"), day("08:00:20")),
        gap(day("08:00:12"), day("08:00:22"), "late", "c1", "c2"),
        gap(day("08:00:12"), day("08:00:23"), "late", "c2"),
        gap(day("09:00:00"), day("09:00:01")),
        turn("c1", "ended", day("08:05:00")),
    ]
    async with recording(tmp_path / "s.db", events) as journal:
        journal.open_gap(OpenGap("open", day("08:01:00"), "silent"))
        await journal.flush()
        text = await file(tmp_path / "s.db", "txt")
    assert spoken(text) == [
        "Agent: whenever",
        "not recorded 07:59:00–08:00:02 (genscribe was not running)",
        "Agent: one",
        "not recorded 08:00:10–08:00:20 (connection lost)",
        "not recorded 08:00:12–08:00:22 (subscribed too late)",
        "Agent: two",
        "Agent: three",
        "not recorded since 08:01:00 (connection went silent)",
    ]
    assert "\n2026-11-23 08:00:10  not recorded 08:00:10–" in text
