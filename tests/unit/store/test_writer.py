from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import apsw
import pytest

from genscribe import clock
from genscribe.errors import StoreFailed
from genscribe.store import writer as module
from genscribe.store.database import open_for_writing
from genscribe.store.reports import Committed, Healed, Refused
from genscribe.store.rows import Row
from genscribe.store.writer import Writer
from genscribe.telemetry.store import StoreBroke, StoreContended, StoreFull, StoreHealed

ROW: Row = ("utterance", b'{"text":"one"}', None)
NOTE = "insert into dead_letters values (?, 1, 'no', 'then') on conflict do nothing"


class Desk:
    """A writer turned by hand, and what it reported."""

    def __init__(self, path: Path, *chores: Task) -> None:
        self.reports: list[object] = []
        self.writer = Writer(open_for_writing(path), 0, self.reports.append, chores)
        self.db = self.writer.opened.db
        self.now = 1000.0

    def turn(self, after: float = 0.0) -> float | None:
        self.now += after
        return self.writer.turn(self.now)

    def heads(self) -> list[int]:
        return [report.base + len(report.rows) for report in self.reports if isinstance(report, Committed)]

    def limit_pages(self, extra: int | None) -> None:
        """The database may grow by so many pages, as on a disk that is nearly full; `None` lifts it."""
        pages = self.db.execute("pragma page_count").get
        assert isinstance(pages, int)
        self.db.execute(f"pragma max_page_count = {1 << 30 if extra is None else pages + extra}").fetchall()


class Task:
    """A chore with so many slices to do."""

    in_transaction: ClassVar[bool] = True

    def __init__(self, slices: int = 1, *, together: int = 20) -> None:
        self.left = slices
        self.together = together
        self.done: list[int] = []
        self.rolled_back = 0
        self.error: Exception | None = None

    def wait(self, now: float, head: int, *, closing: bool) -> float | None:
        return 0 if self.left else None

    def step(self, db: apsw.Connection, now: float, head: int) -> None:
        db.execute("insert into dead_letters values ('task', ?, '', '')", (1000 + len(self.done),))
        if self.error is not None:
            raise self.error
        self.left -= 1
        self.done.append(head)

    def slices(self, head: int) -> int:
        return self.together

    def undone(self) -> None:
        self.rolled_back += 1


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "genscribe.db")
    yield made
    made.db.close(True)


def test_all_that_gathered_goes_into_one_commit(desk: Desk) -> None:
    for _ in range(3):
        desk.writer.append([ROW, ROW])
    assert desk.turn() == 0
    assert desk.heads() == [6]
    assert desk.turn() is None


def test_a_note_is_never_committed_before_the_rows_that_were_appended_before_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_A_COMMIT", 2)
    writer = desk.writer
    assert writer.note("early", NOTE, ("early",))[0] == 1
    writer.note("replaced", NOTE, ("old",))
    writer.append([ROW] * 5)
    writer.note("replaced", NOTE, ("new",))
    writer.append([ROW])
    writer.note("late", NOTE, ("late",))
    seen = []
    while desk.turn() == 0:
        rows = desk.db.execute("select sink from dead_letters order by sink").fetchall()
        last = [report for report in desk.reports if isinstance(report, Committed)][-1]
        seen.append((writer.head, last.noted, [name for (name,) in rows]))
    assert seen == [(2, 1, ["early"]), (4, 1, ["early"]), (6, 4, ["early", "late", "new"])]


def test_notes_that_follow_each_other_through_a_flood_are_committed_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_A_COMMIT", 2)
    writer, seen = desk.writer, []
    for number in range(40):
        writer.append([ROW] * 3)
        writer.note("beat", NOTE, (f"beat {number}",))
        writer.note("cursor", NOTE, (f"cursor {number}",), at_once=True)
        desk.turn()
        seen += [(writer.head, name) for (name,) in desk.db.execute("select sink from dead_letters").fetchall()]
        desk.db.execute("delete from dead_letters")
        last = [report for report in desk.reports if isinstance(report, Committed)][-1]
        assert last.noted <= 2 * number + 2
    beats = [(head, name) for head, name in seen if name.startswith("beat")]
    assert max(int(name[5:]) for _, name in beats) >= 10, "the flood does not put it off for ever"
    assert all(head >= 3 * (int(name[5:]) + 1) for head, name in beats), "and never before its rows"
    assert [name for _, name in seen if name.startswith("cursor")] == [f"cursor {number}" for number in range(40)]
    while desk.turn() == 0:
        pass
    assert [report for report in desk.reports if isinstance(report, Committed)][-1].noted == 80


def test_a_note_that_waits_for_no_rows_replaces_one_that_does(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_A_COMMIT", 2)
    upsert = "insert into dead_letters values ('x', 1, ?, '') on conflict do update set reason = excluded.reason"
    for number in range(3):
        desk.writer.append([ROW] * 3)
        desk.writer.note("x", upsert, (f"{number}",))
    desk.writer.note("x", upsert, ("last",), at_once=True)
    desk.turn()
    while desk.turn() == 0:
        pass
    assert desk.db.execute("select reason from dead_letters").get == "last"
    assert desk.writer.note("y", NOTE, ("y",))[0] == 5


def test_a_commit_has_at_most_a_thousand_rows(desk: Desk) -> None:
    desk.writer.append([ROW] * 2500)
    while desk.turn() == 0:
        pass
    assert desk.heads() == [1000, 2000, 2500]


def test_notes_ride_in_the_next_commit(desk: Desk) -> None:
    assert desk.writer.note("a", NOTE, ("first",)) == (1, True)
    assert desk.writer.note("a", NOTE, ("second",)) == (2, False)
    desk.writer.append([ROW])
    desk.turn()
    assert [report.noted for report in desk.reports if isinstance(report, Committed)] == [2]
    assert desk.db.execute("select sink from dead_letters").fetchall() == [("second",)]


def test_notes_alone_wait_until_they_are_due(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: desk.now)
    desk.writer.note("a", NOTE, ("a",))
    assert desk.turn() == pytest.approx(0.2)
    assert desk.reports == []
    desk.writer.note("b", NOTE, ("b",))
    assert desk.turn(0.15) == pytest.approx(0.05)
    assert desk.turn(0.06) == 0
    assert desk.db.execute("select sink from dead_letters").fetchall() == [("a",), ("b",)]
    desk.writer.note("c", NOTE, ("c",))
    desk.writer.hurry()
    assert desk.turn() == 0


def test_appends_go_before_chores(tmp_path: Path) -> None:
    task = Task(slices=2)
    desk = Desk(tmp_path / "genscribe.db", task)
    desk.writer.append([ROW])
    assert desk.turn() == 0
    assert task.done == []
    assert desk.turn() == 0
    assert task.done == [1, 1]  # while no append waits, slices share a commit
    assert desk.turn() is None
    desk.db.close()


def test_an_append_that_came_in_ends_a_chores_run(tmp_path: Path) -> None:
    task = Task(slices=5)
    desk = Desk(tmp_path / "genscribe.db", task)
    plain = task.step

    def step(db: apsw.Connection, now: float, head: int) -> None:
        plain(db, now, head)
        desk.writer.append([ROW])

    task.step = step  # type: ignore[method-assign]
    assert desk.turn() == 0
    assert len(task.done) == 1
    desk.db.close()


def test_a_chore_says_how_many_slices_share_a_commit(tmp_path: Path) -> None:
    task = Task(slices=5, together=3)
    desk = Desk(tmp_path / "genscribe.db", task)
    assert desk.turn() == 0
    assert len(task.done) == 3
    desk.db.close()


def test_chores_are_not_starved_by_endless_appends(tmp_path: Path) -> None:
    task = Task(slices=100)
    desk = Desk(tmp_path / "genscribe.db", task)
    for _ in range(100):
        desk.writer.append([ROW])
        desk.turn(0.01)
    assert 2 <= len(task.done) <= 5
    assert desk.heads() == list(range(1, 101))
    desk.db.close()


def test_a_chore_that_fails_is_rolled_back_told_and_left_alone_for_a_while(tmp_path: Path) -> None:
    task = Task()
    desk = Desk(tmp_path / "genscribe.db", task)
    task.error = apsw.FullError("full")
    assert desk.turn() == 0
    assert task.rolled_back == 1
    assert desk.db.execute("select count(*) from dead_letters").get == 0
    assert desk.turn() == pytest.approx(module.RETRY_S)
    desk.writer.append([ROW])  # an append is not held up by it
    assert desk.turn() == 0
    assert desk.heads() == [1]
    assert desk.reports[0] == Committed(0, [ROW], 0)
    task.error = None
    assert desk.turn(1.1) == 0
    assert task.done == [1]
    desk.db.close()


def test_a_full_disk_holds_rows_back_and_heals_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "wall_ms", lambda: int(desk.now * 1000))
    desk.writer.append([ROW])
    desk.turn()
    desk.limit_pages(0)
    big = ("utterance", b'{"x":"' + b"x" * 9000 + b'"}', None)
    desk.writer.append([big])
    desk.turn(1)
    assert desk.reports[1:] == [Refused(1_001_000), StoreFull(str(desk.writer.opened.path), 1)]
    desk.writer.append([ROW])
    assert desk.turn(0.5) == pytest.approx(0.5)  # waits a second, whatever comes
    desk.turn(0.6)
    assert desk.heads() == [1]
    assert len(desk.reports) == 3  # said once
    desk.limit_pages(None)
    desk.turn(1)
    desk.turn()
    assert desk.heads() == [1, 2, 3]
    assert Healed(1_001_000, 1_003_100) in desk.reports or any(isinstance(report, Healed) for report in desk.reports)
    assert any(isinstance(report, StoreHealed) for report in desk.reports)
    assert desk.db.execute("select count(*), max(seq) from journal").get == (3, 3)


def test_another_writer_is_waited_for_and_told_after_a_while(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "genscribe.db")
    desk.db.set_busy_timeout(0)
    foreign = apsw.Connection(str(tmp_path / "genscribe.db"))
    foreign.execute("begin immediate")
    desk.writer.append([ROW])
    for seconds in (1, 1, 1, 3, 3):
        assert desk.turn(seconds) == 0
    assert desk.reports == [StoreContended(str(tmp_path / "genscribe.db"))]
    foreign.execute("rollback")
    foreign.close()
    desk.turn()
    assert desk.heads() == [1]
    desk.db.close()


def test_a_failed_fsync_is_the_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    error = apsw.IOError("disk I/O error")
    error.extendedresult = apsw.SQLITE_IOERR_FSYNC

    def insert(*anything: object) -> None:
        raise error

    monkeypatch.setattr(module, "insert", insert)
    desk.writer.append([ROW])
    with pytest.raises(StoreFailed, match="failed: disk I/O error") as failed:
        desk.turn()
    assert failed.value.exit_code == 74
    assert isinstance(desk.reports[0], StoreBroke)


def test_damage_met_while_running_sets_the_store_aside(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def insert(*anything: object) -> None:
        raise apsw.CorruptError("database disk image is malformed")

    monkeypatch.setattr(module, "insert", insert)
    desk.writer.append([ROW])
    with pytest.raises(StoreFailed, match=r"was found damaged and is now .*genscribe\.db\.damaged-\d{8}T\d{9}Z"):
        desk.turn()
    assert not desk.writer.opened.path.exists()
    assert len(list(desk.writer.opened.path.parent.glob("genscribe.db.damaged-*Z"))) == 1


def test_a_store_deleted_under_us_is_noticed(desk: Desk) -> None:
    desk.turn()
    desk.writer.opened.path.unlink()
    desk.writer.append([ROW])
    with pytest.raises(StoreFailed, match="was deleted or replaced while in use"):
        desk.turn(6)


def test_a_chore_is_synced_like_an_append(tmp_path: Path) -> None:
    """Left unsynced, its pages would be the next append's to wait for."""
    task = Task()
    desk = Desk(tmp_path / "genscribe.db", task)
    seen: list[object] = []
    plain = task.step

    def step(db: apsw.Connection, now: float, head: int) -> None:
        seen.append(db.execute("pragma synchronous").get)
        plain(db, now, head)

    task.step = step  # type: ignore[method-assign]
    desk.turn()
    assert seen == [2]
    desk.db.close()


def test_damage_met_by_a_chore_sets_the_store_aside_too(tmp_path: Path) -> None:
    task = Task()
    desk = Desk(tmp_path / "genscribe.db", task)
    task.error = apsw.CorruptError("malformed")
    with pytest.raises(StoreFailed, match="was found damaged"):
        desk.turn()


def test_finishing_commits_what_is_left_and_lets_chores_end(tmp_path: Path) -> None:
    task = Task(slices=50)
    desk = Desk(tmp_path / "genscribe.db", task)
    desk.writer.append([ROW] * 1500)
    desk.writer.note("a", NOTE, ("a",))
    desk.writer.finish()
    assert desk.heads() == [1000, 1500]
    assert task.left == 0
    assert not (tmp_path / "genscribe.db-wal").exists()


def test_finishing_on_a_full_disk_gives_up_after_one_try(desk: Desk) -> None:
    desk.limit_pages(0)
    desk.writer.append([("utterance", b'{"x":"' + b"x" * 9000 + b'"}', None)])
    desk.writer.finish()
    assert desk.heads() == []
    assert sum(isinstance(report, StoreFull) for report in desk.reports) == 1
