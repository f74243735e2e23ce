"""Ingest over a real journal: duplicates, revisions, gaps of every origin, and the sign of life."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from genscribe import clock
from genscribe.core.dedupe import LEFT, Window
from genscribe.events import Conversation, Message, Participant, Unreadable, Utterance, decode
from genscribe.ingest import Ingest
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry

pytestmark = pytest.mark.anyio

AT = 1_774_000_000_000
T1, T2 = clock.iso(AT), clock.iso(AT + 1000)


def asked(path: Path, sql: str) -> list[Any]:
    # With the SQLite of the store, which may be open: a second SQLite in one process (the standard library's) takes its
    # locks away when it closes the file, and then its log from under its feet.
    with closing(apsw.Connection(str(path))) as db:
        return db.execute(sql).fetchall()


@asynccontextmanager
async def ingest(path: Path) -> AsyncIterator[Ingest]:
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        made = Ingest("transcripts", journal, Window(), Telemetry())
        await made.remember()
        yield made


def line(key: str, text: str = "hello", **fields: Any) -> Utterance[str]:
    return Utterance(key=key, revision=1, conversation_id="c", text=text, **fields)


def start(call: str = "c", **fields: Any) -> Conversation[str]:
    return Conversation(f"{call}:started", 1, call, "started", **fields)


def end(call: str = "c", **fields: Any) -> Conversation[str]:
    return Conversation(f"{call}:ended", 1, call, "ended", **fields)


def part(call: str = "c", **fields: Any) -> Participant[str]:
    return Participant(f"{call}:p:t", 1, call, "p", **fields)


def message(number: int, call: str = "c", **fields: Any) -> Message[str]:
    return Message(f"{call}::{number}", 1, call, f"{number}", **fields)


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
    assert asked(path, "select reason, raw from unreadable") == [("not JSON", b"\x00\xff{")]


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


async def test_from_the_first_line_that_was_kept_on_something_can_be_missed(tmp_path: Path) -> None:
    """A call can be heard before the source says that it hears everything."""
    async with ingest(tmp_path / "s.db") as made:
        made.accept([line("a", received_at=T1)])
        made.accept([line("b", received_at=T2)])
    async with ingest(tmp_path / "s.db") as made:
        made.accept([line("c", received_at=T2)])
        made.hearing(heard_at=AT + 9000)
    assert gaps(tmp_path / "s.db") == [(T1, clock.iso(AT + 9000), "stopped", None)]


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
    assert asked(path, "select started_at, ended_at from gaps") == [(clock.iso(AT + 1000), None)]
    async with ingest(path) as made:
        made.hearing(heard_at=AT + 60_000)
        (gap,) = await stored(made)
        assert (gap.reason, gap.started_at.timestamp() * 1000) == ("disconnected", AT + 1000)
    assert asked(path, "select started_at, ended_at from gaps") == [(clock.iso(AT + 1000), clock.iso(AT + 60_000))]


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


# --- what is told of conversations ------------------------------------------------------------------------------------


async def test_a_start_and_a_message_are_taken_once_however_they_differ(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.accept([start(at=T1), start(at=T2, subscribed_at=T2), message(1), message(1, at=T1), end(), end()])
        assert [event.key for event in await stored(made)] == ["c:started", "c::1", "c:ended"]
        assert made.telemetry.counters.duplicates == 3
    async with ingest(path) as made:
        made.accept([start(at=T2), message(1, speaker="agent"), message(2)])
        assert [event.key for event in await stored(made)][3:] == ["c::2"]


async def test_a_participant_that_changed_is_the_next_revision(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.accept([part(), part(), part(user_name="Ines"), part(user_name="Ines", left_at=clock.iso(AT))])
        assert [event.revision for event in await stored(made)] == [1, 2, LEFT]


def long_ago(path: Path) -> None:
    """What is in the store was committed two hours ago."""
    asked(path, "delete from marks")
    asked(path, f"insert into marks select max(seq), {clock.wall_ms() - 2 * 3600 * 1000} from journal")


async def test_a_change_after_a_restart_in_a_long_call_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.accept([start(), part(), part(queue_id="q"), part(queue_id="q", user_id="u"), message(1)])
    long_ago(path)
    async with ingest(path) as made:
        told_again = [start(at=clock.iso(AT)), part(queue_id="q", user_id="u"), message(1)]
        made.accept(told_again)
        assert len(await stored(made)) == 5
        made.accept([part(queue_id="q", user_id="u", left_at=clock.iso(AT))])
    assert asked(path, "select revision, left_at from participants") == [(LEFT, clock.iso(AT))]


async def test_a_change_in_a_long_call_is_counted_on_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("genscribe.ingest.anyio.current_time", lambda: now)
    async with ingest(tmp_path / "s.db") as made:
        made.accept([start(), part(), part(user_id="u")])
        for _ in range(10):
            now += 700.0
            made.accept([line(f"k{now}")])
        made.accept([part(user_id="u"), part(user_id="u", left_at=clock.iso(AT))])
        assert [event.revision for event in await stored(made) if event.kind == "participant"] == [1, 2, LEFT]


async def test_what_ended_long_ago_is_not_recalled(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.accept([start(), part(), end(), start("d")])
    long_ago(path)
    async with ingest(path) as made:
        assert len(made.ongoing) == 1


# --- gaps of some conversations ---------------------------------------------------------------------------------------


def gaps(path: Path) -> list[tuple[Any, ...]]:
    rows = asked(path, "select started_at, ended_at, reason, conversation_ids from gaps order by started_at, key")
    return [
        (began, ended, reason, None if ids is None else tuple(json.loads(ids))) for began, ended, reason, ids in rows
    ]


async def test_several_gaps_are_open_at_once_beside_that_of_everything(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.hearing(heard_at=AT)
        first = made.miss(["a", "b", "a"], since=AT + 1000, reason="late")
        second = made.miss(["b", "c"], since=AT + 2000, reason="limit")
        made.deaf(since=AT + 3000, reason="disconnected")
        assert made.unheard == 3
        await made.journal.flush()
        assert gaps(path) == [
            (clock.iso(AT + 1000), None, "late", ("a", "b")),
            (clock.iso(AT + 2000), None, "limit", ("b", "c")),
            (clock.iso(AT + 3000), None, "disconnected", None),
        ]
        made.hearing(heard_at=AT + 4000)
        assert made.unheard == 3, "those of some conversations go on"
        made.regain(second, heard_at=AT + 5000)
        made.regain(second, heard_at=AT + 6000)
        made.regain("unknown", heard_at=AT + 6000)
        made.regain(first, heard_at=AT + 7000)
        assert made.unheard == 0
        assert [(event.key, event.conversation_ids) for event in await stored(made)] == [
            (f"{made.journal.store_id}:{clock.iso(AT + 3000)}", None),
            (second, ["b", "c"]),
            (first, ["a", "b"]),
        ]
        assert made.telemetry.counters.gaps == 3
        assert "what was said then in 2 conversations was not heard" in made.telemetry.recent[-1][1]
        assert "what was said then was not heard" in made.telemetry.recent[-2][1]
    assert gaps(path) == [
        (clock.iso(AT + 1000), clock.iso(AT + 7000), "late", ("a", "b")),
        (clock.iso(AT + 2000), clock.iso(AT + 5000), "limit", ("b", "c")),
        (clock.iso(AT + 3000), clock.iso(AT + 4000), "disconnected", None),
    ]


async def test_no_two_gaps_share_a_key(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    for _ in range(2):  # the second run knows what the first recorded, however long ago
        async with ingest(path) as made:
            made.hearing(heard_at=AT)
            keys = [made.miss([f"c{number}"], since=AT + 500, reason="late") for number in range(5)]
            for key in keys:
                made.regain(key, heard_at=AT + 1000)
            made.deaf(since=AT + 500, reason="disconnected")
            made.hearing(heard_at=AT + 1000)
            made.deaf(since=AT + 500, reason="silent")
            keys.append(made.miss(["c9"], since=AT + 500, reason="late"))
            made.regain(keys[-1], heard_at=AT + 1000)
            made.hearing(heard_at=AT + 1000)
            assert made.journal.on_healed is not None
            made.journal.on_healed(AT + 500, AT + 1000)
            assert len(set(keys)) == 6
        long_ago(path)
    found = gaps(path)
    assert len(found) == 2 * 9 + 1, "none has taken another's place; one is of the stop"
    begins = {began for began, _, reason, _ in found if reason != "stopped"}
    assert begins == {clock.iso(AT + 500 - back) for back in range(18)}


async def test_a_gap_that_began_at_the_very_moment_of_its_end_ends_then(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.regain(made.miss(["a"], since=AT, reason="late"), heard_at=AT - 60_000)
        (gap,) = await stored(made)
        assert gap.started_at == gap.ended_at


async def test_gaps_that_a_crash_left_open_end_when_the_next_run_hears(tmp_path: Path) -> None:
    path, copy = tmp_path / "s.db", tmp_path / "copy.db"
    async with ingest(path) as made:
        made.hearing(heard_at=AT)
        old = made.miss(["a", "b"], since=AT + 1000, reason="evicted")
        made.miss(["c"], since=AT + 2000, reason="late")
        made.hearing(heard_at=AT + 3000)
        await made.journal.flush()
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    async with ingest(copy) as made:
        assert made.unheard == 3
        assert await stored(made) == []
        made.hearing(heard_at=AT + 9000)
        assert made.unheard == 0
        young = made.miss(["a"], since=AT + 9500, reason="late")
        made.hearing(heard_at=AT + 10_000)
        assert made.unheard == 1, "that is of this run"
        made.regain(old, heard_at=AT + 11_000)
        made.regain(young, heard_at=AT + 11_000)
    assert gaps(copy) == [
        (clock.iso(AT + 1000), clock.iso(AT + 9000), "evicted", ("a", "b")),
        (clock.iso(AT + 2000), clock.iso(AT + 9000), "late", ("c",)),
        (clock.iso(AT + 3000), clock.iso(AT + 9000), "crashed", None),
        (clock.iso(AT + 9500), clock.iso(AT + 11_000), "late", ("a",)),
    ]


async def test_a_gap_names_all_its_conversations(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    ids = [f"{number:036d}" for number in range(1000)]
    async with ingest(path) as made:
        key = made.miss(ids, since=AT, reason="limit")
        await made.journal.flush()
        assert gaps(path)[0][3] == tuple(ids)
        made.regain(key, heard_at=AT + 1000)
        (gap,) = await stored(made)
        assert gap.conversation_ids == ids
    assert gaps(path)[0][3] == tuple(ids)


async def test_a_gap_of_no_conversation_is_a_mistake(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        with pytest.raises(ValueError, match="no conversation"):
            made.miss([], since=AT, reason="late")


async def test_an_open_gap_can_be_explained_later(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.hearing(heard_at=AT)
        key = made.miss(["a"], since=AT + 1000, reason="disconnected")
        made.deaf(since=AT + 2000, reason="disconnected")
        made.explain(key, "evicted")
        made.explain(None, "silent")
        made.explain("unknown", "late")
        await made.journal.flush()
        assert [reason for _, ended, reason, _ in gaps(path) if ended is None] == ["evicted", "silent"]
        made.regain(key, heard_at=AT + 3000)
        made.hearing(heard_at=AT + 3000)
        made.explain(None, "late")
    assert [reason for _, _, reason, _ in gaps(path)] == ["evicted", "silent"]


async def test_a_gap_from_before_the_source_was_chosen_is_of_the_one_that_was(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with ingest(path) as made:
        made.hearing(heard_at=AT)
    async with ingest(path) as made:
        made.source = "notifications"
        made.hearing(heard_at=AT + 1000)
        assert [event.source for event in await stored(made)] == ["notifications"]


async def test_many_gaps_of_single_calls_are_one_line_and_all_are_counted(tmp_path: Path) -> None:
    async with ingest(tmp_path / "s.db") as made:
        made.hearing(heard_at=1_000)
        for call in range(30):
            made.regain(made.miss([f"c{call}"], since=2_000 + call, reason="late"), heard_at=9_000)
        made.telemetry.recent.clear()
        made._gap_told_at -= 11
        made.regain(made.miss(["last"], since=3_000, reason="late"), heard_at=9_000)
        ((_, told),) = made.telemetry.recent
        assert "So were 29 more" in told
        assert made.telemetry.counters.gaps == 31
