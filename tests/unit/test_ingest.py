"""Ingest over a real journal: duplicates, revisions, gaps of every origin, and the sign of life."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from genscribe import clock
from genscribe.core.dedupe import Window
from genscribe.events import Unreadable, Utterance, decode
from genscribe.ingest import Ingest
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry

pytestmark = pytest.mark.anyio

AT = 1_774_000_000_000


@asynccontextmanager
async def ingest(path: Path) -> AsyncIterator[Ingest]:
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        made = Ingest("transcripts", journal, Window(), Telemetry())
        await made.remember()
        yield made


def line(key: str, text: str = "hello", **fields: Any) -> Utterance[str]:
    return Utterance(key=key, revision=1, conversation_id="c", text=text, **fields)


async def stored(made: Ingest) -> list[Any]:
    await made.journal.flush()
    return [decode(record.json()) for record in await made.journal.read(0, 10_000)]


async def test_what_is_heard_twice_is_taken_once_and_counted(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.accept([line("a"), line("a"), line("b")])
        made.accept([line("a")])
        assert [event.key for event in await stored(made)] == ["a", "b"]
        assert made.telemetry.counters.duplicates == 2
        assert made.telemetry.counters.utterances == {"transcripts": 2}


async def test_a_final_that_says_something_else_is_the_next_revision(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.accept([line("a", "one"), line("a", "two"), line("a", "two"), line("a", "three")])
        assert [(e.text, e.revision) for e in await stored(made)] == [("one", 1), ("two", 2), ("three", 3)]


async def test_duplicates_are_known_across_a_restart(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.accept([line("a"), line("b", "one"), line("b", "two")])
    async with ingest(tmp_path / "s.db") as made:
        made.accept([line("a"), line("b", "two"), line("b", "three"), line("c")])
        assert [(e.key, e.revision) for e in await stored(made)] == [("a", 1), ("b", 1), ("b", 2), ("b", 3), ("c", 1)]


async def test_seq_is_dense_over_all_kinds(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.hearing(heard_at=AT)
        made.accept(
            [line("a"), line("a"), Unreadable(key="x", revision=1, received_at=None, reason="r", raw=b"\x00\xff")]
        )
        made.deaf(since=AT + 1000, reason="disconnected")
        made.hearing(heard_at=AT + 2500)
        made.accept([line("b")])
        events = await stored(made)
        assert [(event.seq, event.kind) for event in events] == [
            (1, "utterance"),
            (2, "unreadable"),
            (3, "gap"),
            (4, "utterance"),
        ]


async def test_what_cannot_be_read_is_kept_verbatim_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.accept([Unreadable(key="x", revision=1, received_at=None, reason="not JSON", raw=b"\x00\xff{")])
        assert made.telemetry.counters.unreadable == 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select reason, raw from unreadable").fetchall() == [("not JSON", b"\x00\xff{")]


async def test_a_gap_lasts_from_the_last_moment_heard_until_hearing_again(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.hearing(heard_at=AT)
        made.deaf(since=AT + 1000, reason="disconnected")
        made.deaf(since=AT + 2000, reason="silent")
        assert made.deaf_since == clock.iso(AT + 1000)
        made.hearing(heard_at=AT + 2500)
        made.hearing(heard_at=AT + 3000)
        (gap,) = await stored(made)
        assert gap.key == f"{made.journal.store_id}:{clock.iso(AT + 1000)}"
        assert (gap.reason, gap.source, gap.conversation_ids) == ("disconnected", "transcripts", None)
        assert (gap.ended_at - gap.started_at).total_seconds() == 1.5
        assert made.deaf_since is None


async def test_the_very_first_start_has_no_gap(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        assert made.deaf_since is None
        made.hearing(heard_at=AT)
        assert await stored(made) == []


async def test_a_start_that_never_heard_leaves_no_gap_to_the_next(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db"):
        pass
    async with ingest(tmp_path / "s.db") as made:
        made.hearing(heard_at=AT)
        assert await stored(made) == []


async def test_stop_and_next_start_bound_a_gap(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.hearing(heard_at=AT)
        made.hearing(heard_at=AT + 5000)
    async with ingest(tmp_path / "s.db") as made:
        assert made.deaf_since == clock.iso(AT + 5000)
        made.hearing(heard_at=AT + 60_000)
        (gap,) = await stored(made)
        assert gap.reason == "stopped"


async def test_a_gap_open_at_a_stop_goes_on_and_is_one(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.hearing(heard_at=AT)
        made.deaf(since=AT + 1000, reason="disconnected")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select started_at, ended_at from gaps").fetchall() == [(clock.iso(AT + 1000), None)]
    async with ingest(path) as made:
        made.hearing(heard_at=AT + 60_000)
        (gap,) = await stored(made)
        assert (gap.reason, gap.started_at.timestamp() * 1000) == ("disconnected", AT + 1000)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select started_at, ended_at from gaps").fetchall() == [
            (clock.iso(AT + 1000), clock.iso(AT + 60_000))
        ]


async def test_a_clock_that_steps_back_makes_no_gap_that_ends_before_it_begins(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.hearing(heard_at=AT)
        made.deaf(since=AT + 5000, reason="disconnected")
        made.hearing(heard_at=AT - 60_000)
        (gap,) = await stored(made)
        assert gap.ended_at == gap.started_at


async def test_a_disk_that_took_nothing_for_a_time_is_a_gap(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        assert made.journal.on_healed is not None
        made.journal.on_healed(AT, AT + 7000)
        (gap,) = await stored(made)
        assert (gap.reason, (gap.ended_at - gap.started_at).total_seconds()) == ("store full", 7.0)
