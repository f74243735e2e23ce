from __future__ import annotations

import pytest

from genscribe import clock
from genscribe.store.retention import REMOVED_S, Keep, Retention, marked_before, used_bytes
from genscribe.telemetry.store import Retained

DAY_MS = 24 * 3600 * 1000


class Machine:
    """A wall clock and the count of elapsed seconds, moved apart at will."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 1_800_000_000_000
        self.elapsed = 100.0
        monkeypatch.setattr(clock, "wall_ms", lambda: self.wall)

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds
        self.wall += int(seconds * 1000)

    def retention(self, store, keep: Keep) -> Retention:  # type: ignore[no-untyped-def]
        return Retention(store.db, keep, store.reports.append, elapsed=lambda: self.elapsed)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def run(store, retention: Retention, now: float = 0) -> None:  # type: ignore[no-untyped-def]
    """Looks, and removes what the look found."""
    for _ in range(1000):
        with store.db:
            retention.step(store.db, now, store.head)
        if retention.wait(now, store.head, closing=False) != 0:
            return
    raise AssertionError("it never ends")


def seqs(store) -> list[object]:  # type: ignore[no-untyped-def]
    return [row[0] for row in store.all("select seq from journal order by seq")]


def test_what_is_older_than_keep_goes_with_all_that_stands_for_it(store, said, other, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep(max_age_s=3600))
    store.add(said("k1", "old words"), other("unreadable", "x1"), other("gap", "g1"), said("k2", conversation_id="c2"))
    store.db.execute("insert into dead_letters values ('a', 1, 'no', 'then')")
    run(store, retention)
    machine.sleep(3000)
    store.add(said("k3", "new words", conversation_id="c2"))
    run(store, retention)
    assert seqs(store) == [1, 2, 3, 4, 5]
    machine.sleep(700)
    run(store, retention)
    assert seqs(store) == [5]
    assert store.found("words") == [5]
    assert store.all("select key from utterances") == [("k3",)]
    assert store.all("select conversation_id, utterance_count from conversations") == [("c2", 1)]
    for table in ("unreadable", "unreadable_raw", "gaps", "other_rows", "dead_letters"):
        assert store.all(f"select * from {table}") == [], table
    assert Retained(4) in store.reports
    assert store.all("pragma integrity_check") == [("ok",)]


def test_seq_goes_on_after_everything_is_gone(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    from genscribe.store.ground import head_of

    retention = machine.retention(store, Keep(max_age_s=10))
    store.add(said("k1"), said("k2"))
    run(store, retention)
    machine.sleep(11)
    run(store, retention)
    assert seqs(store) == []
    assert head_of(store.db) == 2


def test_what_a_cursor_needs_stays_however_old(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep(max_age_s=10))
    store.add(*[said(f"k{number}") for number in range(5)])
    retention.needed.update(fast=5, slow=2)
    run(store, retention)
    machine.sleep(11)
    run(store, retention)
    assert seqs(store) == [3, 4, 5]
    retention.needed["slow"] = 4
    run(store, retention)
    assert seqs(store) == [5]


def test_a_clock_that_jumps_while_we_run_removes_nothing(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep(max_age_s=3600))
    store.add(said("k1"))
    run(store, retention)
    machine.wall += 73 * 365 * DAY_MS
    store.add(said("k2"))
    run(store, retention)
    assert seqs(store) == [1, 2]
    machine.sleep(3601)  # real time still counts
    run(store, retention)
    assert seqs(store) == []


def test_a_clock_that_is_implausible_at_start_removes_nothing(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"))
    run(store, machine.retention(store, Keep(max_age_s=3600)))
    machine.wall += 73 * 365 * DAY_MS
    retention = machine.retention(store, Keep(max_age_s=3600))
    assert retention.disbelieved_days == 73 * 365
    run(store, retention)
    assert seqs(store) == [1]


def test_a_clock_that_went_back_removes_nothing_new(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"))
    run(store, machine.retention(store, Keep(max_age_s=3600)))
    machine.wall = 0
    retention = machine.retention(store, Keep(max_age_s=3600))
    assert retention.disbelieved_days == 0
    store.add(said("k2"))
    run(store, retention)
    machine.wall = 1_800_000_000_000
    retention = machine.retention(store, Keep(max_age_s=3600))
    run(store, retention)
    assert seqs(store) == [1, 2]


def test_time_without_us_counts(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"))
    run(store, machine.retention(store, Keep(max_age_s=3600)))
    machine.wall += 40 * DAY_MS
    run(store, machine.retention(store, Keep(max_age_s=3600)))
    assert seqs(store) == []


def test_a_limit_in_bytes_removes_the_oldest_and_gives_space_back(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    for begin in range(0, 2000, 500):
        store.add(*[said(f"k{number}", "x" * 500) for number in range(begin, begin + 500)])
    before, pages = used_bytes(store.db), store.all("pragma page_count")[0][0]
    retention = machine.retention(store, Keep(max_bytes=before // 2))
    for _ in range(20):
        run(store, retention)
    assert used_bytes(store.db) <= before // 2
    left = seqs(store)
    assert left == list(range(2001 - len(left), 2001))
    assert len(left) > 500
    assert store.all("pragma page_count")[0][0] < pages * 0.8


def test_forever_removes_nothing_but_keeps_time(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep())
    store.add(said("k1"))
    run(store, retention)
    begin = retention.time_ms()
    machine.sleep(600)
    store.add(said("k2"))
    run(store, retention)
    assert seqs(store) == [1, 2]
    assert marked_before(store.db, begin - 1) == 0
    assert marked_before(store.db, begin) == 1
    assert marked_before(store.db, begin + 600_000) == 2


def test_looks_now_and_then_and_goes_on_while_there_is_something(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep(max_age_s=1000))
    assert retention.wait(5.0, 0, closing=False) == 0
    assert retention.wait(5.0, 0, closing=True) is None
    with store.db:
        retention.step(store.db, 5.0, 0)
    assert retention.wait(5.0, 0, closing=False) == 10  # a hundredth of the age
    store.add(*[said(f"k{number}") for number in range(150)])
    run(store, retention)
    machine.sleep(2000)
    with store.db:
        retention.step(store.db, 6.0, store.head)
    assert retention.wait(6.0, store.head, closing=False) == 0


def test_a_slice_that_was_rolled_back_is_done_again(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep(max_age_s=10))
    store.add(said("k1"))
    run(store, retention)
    machine.sleep(20)
    with store.db:
        retention.step(store.db, 0, store.head)
    store.db.execute("begin")
    retention.step(store.db, 0, store.head)
    store.db.execute("rollback")
    retention.undone()
    assert seqs(store) == [1]
    run(store, retention)
    run(store, retention)
    assert seqs(store) == []


def test_a_run_without_a_sink_leaves_what_it_needs_until_it_counts_as_removed(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep(max_age_s=3600))
    store.add(said("k1"), said("k2"), said("k3"))
    retention.unused = {"gone": (1, machine.wall), "stays": (2, machine.wall)}
    retention.needed["stays"] = 3
    run(store, retention)
    machine.sleep(3500)
    store.add(said("k4"))
    run(store, retention)
    assert seqs(store) == [1, 2, 3, 4]
    retention.unused["gone"] = (1, machine.wall - 1000)
    machine.sleep(200)
    run(store, retention)
    assert seqs(store) == [2, 3, 4], "what `gone` has not had is kept for it"
    machine.sleep(3600)
    run(store, retention)
    assert seqs(store) == [4], "nobody used `gone` for longer than --keep; what this run needs is kept"


def test_with_a_limit_in_bytes_a_removed_sink_is_forgotten_too(store, said, machine) -> None:  # type: ignore[no-untyped-def]
    retention = machine.retention(store, Keep(max_bytes=1))
    store.add(said("k1"), said("k2"))
    retention.unused = {"gone": (0, machine.wall)}
    run(store, retention)
    assert seqs(store) == [1, 2]
    machine.sleep(REMOVED_S + 1)
    run(store, retention)
    assert seqs(store) == []
