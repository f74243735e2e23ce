"""Where the cursor may stand, and in which order held events go."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core import feeds
from genscribe.core.batches import MAX_EVENTS, SLOW_S, Batch, Choice, Sizing
from genscribe.core.feeds import Holding, Moment, Straight
from genscribe.core.filters import Sieve
from genscribe.events import Record, Utterance, encode
from tests.fakes import record

BEGAN_MS = 1_774_055_340_000  # 2026-03-21T01:09:00.000Z
SIEVE = Sieve(Choice(frozenset({"utterance", "gap"})))


def line(seq: int, came_s: float, spoken_s: float | None, conversation: str = "c", *, final: bool = True) -> Record:
    def at(seconds: float) -> str:
        return f"2026-03-21T01:09:{seconds:06.3f}Z"

    event = Utterance[str](
        key=f"k{seq}",
        revision=int(final),
        conversation_id=conversation,
        is_final=final,
        spoken_at=None if spoken_s is None else at(spoken_s),
        received_at=at(came_s),
    )
    return Record(seq, "utterance", encode(event))


def moment(seconds: float, **rest: bool) -> Moment:
    return Moment(seconds, BEGAN_MS + round(seconds * 1000), **rest)


def seqs(batches: list[Batch]) -> list[int]:
    return [row.seq for batch in batches for row in batch.records]


def test_straight_counts_what_it_leaves_out_and_what_is_gone() -> None:
    feed = Straight(SIEVE, 2)
    feed.add([line(5, 0, 0), line(6, 0, 0, final=False), line(9, 0, 0)], 12, moment(0))
    made = feed.ready(moment(0))
    assert (seqs(made), feed.read_to) == ([5, 9], 12)
    assert [(each.upto, each.filtered, each.purged) for each in made] == [(9, 1, 4), (12, 0, 3)]
    assert feed.ready(moment(0)) == []
    assert feed.wait_s(moment(0)) is None


def test_held_lines_go_as_they_were_spoken() -> None:
    feed = Holding(SIEVE, 0, 3)
    feed.add([line(1, 10, 8), line(2, 10.5, 7), line(3, 11, 9), line(4, 11, 6, "other")], 4, moment(11))
    assert feed.ready(moment(12.9)) == []
    assert feed.wait_s(moment(12.5)) == pytest.approx(0.5)
    (first,) = feed.ready(moment(13))
    assert seqs([first]) == [2, 1]
    assert first.upto == 2, "2 and 1 are written, 3 is held"
    (second,) = feed.ready(moment(14))
    assert (seqs([second]), second.upto) == ([3, 4], 4)
    assert feed.wait_s(moment(14)) is None


def test_the_cursor_stays_before_what_is_held() -> None:
    feed = Holding(SIEVE, 0, 3)
    feed.add([line(1, 10, 8), line(2, 10, 9, "other"), line(3, 12, 7)], 3, moment(12))
    (first,) = feed.ready(moment(13))
    assert (seqs([first]), first.upto) == ([3, 1, 2], 3)
    feed.add([line(4, 20, 9), line(5, 20, 9, "other"), line(6, 21, 8, "other"), line(7, 21, 1)], 7, moment(21))
    made = feed.ready(moment(23))
    assert (seqs(made), made[-1].upto) == ([7, 4, 6, 5], 7)


def test_what_came_too_late_keeps_its_place() -> None:
    feed = Holding(SIEVE, 0, 3)
    feed.add([line(1, 10, 8), line(2, 13.5, 7)], 2, moment(13.5))
    assert seqs(feed.ready(moment(13.5))) == [1]
    assert seqs(feed.ready(moment(20))) == [2]


def test_what_has_no_time_keeps_its_place() -> None:
    feed = Holding(SIEVE, 0, 3)
    feed.add([line(1, 10, 8), line(2, 10, None), record(3, kind="gap"), line(4, 10.1, 7)], 4, moment(10.1))
    assert seqs(feed.ready(moment(99))) == [4, 1, 2, 3]


def test_a_backlog_is_held_by_its_own_time() -> None:
    """A day later nothing waits, but what was spoken earlier and stands in the next read still goes first."""
    feed = Holding(SIEVE, 0, 3)
    day = 86400.0
    feed.add([line(1, 10, 8)], 1, moment(day, more=True))
    assert feed.ready(moment(day, more=True)) == []
    feed.add([line(2, 11, 7), line(3, 13, 9)], 3, moment(day, more=True))
    assert seqs(feed.ready(moment(day, more=True))) == [2, 1]
    assert seqs(feed.ready(moment(day))) == [3]


def test_an_ending_holds_nothing_back() -> None:
    feed = Holding(SIEVE, 0, 3)
    feed.add([line(1, 10, 8), line(2, 10, 7)], 2, moment(10))
    assert seqs(feed.ready(moment(10, ending=True))) == [2, 1]


def test_no_wall_clock_holds_longer() -> None:
    feed = Holding(SIEVE, 0, 3)
    future = Moment(100.0, BEGAN_MS - 3_600_000)
    feed.add([line(1, 10, 8)], 1, future)
    wait_s = feed.wait_s(future)
    assert wait_s is not None
    assert wait_s <= 3
    assert seqs(feed.ready(Moment(103.0, BEGAN_MS - 7_200_000))) == [1]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_HELD", 3)
    feed = Holding(SIEVE, 0, 3)
    feed.add([line(n, 10, 10 - n) for n in range(1, 6)], 5, moment(10))
    assert seqs(feed.ready(moment(10)))[:2] == [5, 4]
    monkeypatch.setattr(feeds, "MOST_HELD", 99)
    monkeypatch.setattr(feeds, "MOST_HELD_BYTES", 10)
    feed.add([line(6, 10, 1), line(7, 10, 2)], 7, moment(10))
    assert seqs(feed.ready(moment(10))) == [6, 7]


def test_filtered_events_move_the_cursor_and_are_counted_once() -> None:
    feed = Holding(SIEVE, 0, 3)
    feed.add([line(2, 10, 8, final=False), line(3, 10, 8), line(5, 10, 8, final=False)], 5, moment(10))
    (first,) = feed.ready(moment(10))
    assert (first.records, first.upto, first.filtered, first.purged) == ([], 2, 2, 2)
    (second,) = feed.ready(moment(13))
    assert (seqs([second]), second.upto, second.filtered) == ([3], 5, 0)


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50), st.sampled_from("ab"), st.booleans()), max_size=40),
    st.sampled_from([0.1, 1, 3, 30]),
    st.integers(1, 7),
    st.integers(1, 9),
)
def test_whatever_comes_goes_once_and_the_cursor_never_passes_it(
    rows: list[tuple[float, float, str, bool]], hold_s: float, chunk: int, most: int
) -> None:
    came = sorted(row[0] for row in rows)
    records = [
        line(n, at, spoken, conversation, final=final)
        for n, (at, (_, spoken, conversation, final)) in enumerate(zip(came, rows, strict=True), start=1)
    ]
    wanted = {row.seq for row in records if SIEVE.take(row)}
    feed = Holding(SIEVE, 0, hold_s)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeds, "_parts", functools.partial(_parts_of, most=most))
        made: list[Batch] = []
        for begin in range(0, len(records), chunk):
            part = records[begin : begin + chunk]
            at = moment(max(came[begin : begin + chunk]), more=begin + chunk < len(records))
            feed.add(part, part[-1].seq, at)
            made += feed.ready(at)
            written = set(seqs(made))
            cursor = made[-1].upto if made else 0
            assert {seq for seq in wanted if seq <= cursor} <= written
        made += feed.ready(moment(200))
    assert sorted(seqs(made)) == sorted(wanted)
    assert [each.upto for each in made] == sorted(each.upto for each in made)
    assert not records or made[-1].upto == len(records)
    assert sum(each.filtered for each in made) == len(records) - len(wanted)


def _parts_of(records: list[Record], most: int) -> list[list[Record]]:
    return [records[n : n + most] for n in range(0, len(records), most)]


def test_a_slow_destination_gets_less_until_it_is_quick_again() -> None:
    sizing = Sizing()
    sizing.took(SLOW_S, MAX_EVENTS, failed=True)
    assert sizing.events == MAX_EVENTS // 2
    sizing.took(SLOW_S, 40, failed=False)
    assert sizing.events == 20
    sizing.took(0.01, 20, failed=True)
    assert sizing.events == 20, "nobody was there: that says nothing about size"
    sizing.took(SLOW_S / 2, 20, failed=False)
    assert sizing.events == 20
    for _ in range(9):
        sizing.took(0.01, 20, failed=False)
    assert sizing.events == MAX_EVENTS
    sizing.took(99, 1, failed=True)
    assert sizing.events == 1
