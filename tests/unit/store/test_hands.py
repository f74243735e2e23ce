"""What commands change in a store: spans of time, dead letters, pauses, cursors and what they hold of retention."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.store import hands
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from tests.fakes import record


@given(times=st.lists(st.none() | st.integers(0, 9), max_size=40), low=st.integers(0, 5), wanted=st.integers(0, 10))
def test_a_span_begins_after_the_last_row_that_came_before(times: list[int | None], low: int, wanted: int) -> None:
    clock, rows = 0, []
    for step in times:  # times never go back; `None` is a row without one
        clock += step or 0
        rows.append(None if step is None else clock)
    head = low + len(rows)
    asked = 0

    def ask(after: int, upto: int) -> tuple[int, str] | None:
        nonlocal asked
        asked += 1
        found = [(seq, at) for seq, at in enumerate(rows, low + 1) if at is not None and after < seq <= upto]
        return (found[0][0], f"{found[0][1]:05d}") if found else None

    time = wanted * 4
    early = [seq for seq, at in enumerate(rows, low + 1) if at is not None and at < time]
    assert hands.last_before(ask, low, head, f"{time:05d}") == max(early, default=low)
    assert asked <= len(rows).bit_length() + 1


async def filled(path: Path) -> Journal:
    journal = await Journal.open(path, telemetry=Telemetry())
    journal.append([("utterance", record(seq).body, None) for seq in range(1, 31)])  # a second apart
    journal.append([("gap", record(31, kind="gap").body, None)])
    await journal.flush()
    return journal


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("since", "until", "span"),
    [
        ("2026-03-21T01:09:10.000Z", None, (9, 31)),
        ("2026-03-21T01:09:10.000Z", "2026-03-21T01:09:20.000Z", (9, 19)),
        ("2026-03-21T01:09:10.000Z", "2027-01-01T00:00:00.000Z", (9, 31)),
        ("2020-01-01T00:00:00.000Z", None, (0, 31)),
        ("2027-01-01T00:00:00.000Z", None, (30, 31)),
    ],
)
async def test_a_span_of_time(tmp_path: Path, since: str, until: str | None, span: tuple[int, int]) -> None:
    async with await filled(tmp_path / "s.db") as journal:
        assert await journal.ask(lambda db: hands.span(db, journal.head, since, until)) == span


@pytest.mark.anyio
async def test_dead_letters_are_found_by_sink_and_seq_and_forgotten(tmp_path: Path) -> None:
    async with await filled(tmp_path / "s.db") as journal:
        for sink, seq in (("a", 1), ("a", 2), ("b", 2), ("b", 3)):
            await journal.dead_letter(sink, seq, "no")
        await journal.dead_letter("a", 1, "still not")
        await journal.flush()
        found = await journal.ask(lambda db: hands.letters(db, None))
        assert [row[:3] for row in found] == [
            ("a", 1, "still not"), ("a", 2, "no"), ("b", 2, "no"), ("b", 3, "no"),
        ]  # fmt: skip
        assert [row[:2] for row in await journal.ask(lambda db: hands.letters(db, "b", (1, 3)))] == [("b", 3)]
        await journal.forget_dead_letter("b", 3)
        await journal.flush()
        assert [row[:2] for row in await journal.ask(lambda db: hands.letters(db, "b"))] == [("b", 2)]


@pytest.mark.anyio
async def test_a_forgotten_cursor_holds_nothing_now_and_after_a_restart(tmp_path: Path) -> None:
    async with await filled(tmp_path / "s.db") as journal:
        for name, seq in (("gone", 3), ("kept", 20)):
            journal.cursor(name)
            await journal.save_cursor(name, seq, at_once=True)
        await journal.set_paused("gone", paused=True)
        await journal.flush()
    async with await filled(tmp_path / "s.db") as journal:
        assert await journal.ask(hands.paused) != {}
        assert journal.retention._spare(31) == 3, "also while this run does without it"
        assert journal.cursor("gone") == 3
        await journal.save_cursor("gone", 4)
        await journal.forget_cursor("gone")
        assert journal.retention._spare(31) == 20
        await journal.flush()
        journal.hold("replay 1", 5)
        assert journal.retention._spare(31) == 5
        journal.hold("replay 1", None)
        assert [each.name for each in await journal.ask(hands.holds)] == ["kept"]
    async with await filled(tmp_path / "s.db") as journal:
        assert journal.cursor("gone") is None
        assert await journal.ask(hands.paused) == {}


@pytest.mark.anyio
async def test_cursors_of_our_own_readers_are_no_sinks(tmp_path: Path) -> None:
    async with await filled(tmp_path / "s.db") as journal:
        for name in ("(texts)", "file"):
            journal.cursor(name)
            await journal.save_cursor(name, 3, at_once=True)
        await journal.flush()
        assert [one.name for one in await journal.ask(hands.holds)] == ["file"]
