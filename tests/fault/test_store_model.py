"""The journal against a list: append, commit, read, acknowledge, purge, crash, open again, in any order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from genscribe.events import Record, Utterance, encode
from genscribe.store import cursors
from genscribe.store.ground import Ground, lay_ground
from genscribe.store.reports import Committed
from genscribe.store.retention import Keep
from genscribe.store.rows import AFTER, Row, fetch
from genscribe.store.tail import Tail, weight
from genscribe.store.writer import Writer

AGE_S = 60.0


class JournalAgainstAList(RuleBasedStateMachine):
    """`accepted` is what was reported as committed; whatever happens, the store gives it back, in order."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.runs = 0
        self.count = 0
        self.accepted: list[Record] = []
        self.pending: list[Row] = []
        self.purged = 0
        self.cursor = 0
        self.slept = 0.0
        self.now = 0.0
        self.open(self.folder / "0.db")

    def open(self, path: Path) -> None:
        self.ground: Ground = lay_ground(path, Keep(max_age_s=AGE_S))
        assert self.ground.opened.aside is None
        retention = self.ground.retention
        retention._elapsed = lambda: retention._began + self.slept
        self.slept = 0.0
        retention.needed["sink"] = self.cursor
        self.tail = Tail(self.ground.head, 2000)
        chores = (self.ground.wal, self.ground.archive, retention)
        self.writer = Writer(self.ground.opened, self.ground.head, self.report, chores)

    def report(self, what: object) -> None:
        if isinstance(what, Committed):
            assert what.base == len(self.accepted)
            self.accepted += [Record(what.base + at, row[0], row[1]) for at, row in enumerate(what.rows, 1)]
            del self.pending[: len(what.rows)]
            if what.rows:
                self.tail.add(what.base, what.rows, weight(what.rows))

    @rule(size=st.integers(1, 12), again=st.booleans())
    def append(self, size: int, again: bool) -> None:
        rows: list[Row] = []
        for _ in range(size):
            self.count += 1
            number = self.count - 1 if again and self.count > 1 else self.count
            event = Utterance[str](f"k{number}", 1, conversation_id=f"c{number % 3}", text=f"word{self.count}")
            rows.append(("utterance", encode(event), None))
        self.pending += rows
        self.writer.append(rows)

    @rule(seconds=st.sampled_from([0.0, 0.3, 5.0]), times=st.integers(1, 6))
    def turn(self, seconds: float, times: int) -> None:
        self.now += seconds
        for _ in range(times):
            if self.writer.turn(self.now) != 0:
                break

    @rule(share=st.floats(0, 1))
    def acknowledge(self, share: float) -> None:
        self.cursor += int((len(self.accepted) - self.cursor) * share)
        self.ground.retention.needed["sink"] = self.cursor
        self.writer.note("cursor", cursors.SAVE, ("sink", self.cursor, "then"))

    @rule()
    def time_passes(self) -> None:
        self.slept += AGE_S + 1

    @rule()
    def foreign_writer(self) -> None:
        self.ground.opened.db.set_busy_timeout(0)
        self.ground.reading.execute("pragma query_only = off")
        other = type(self.ground.reading)(str(self.ground.opened.path))
        other.execute("begin immediate")
        before = len(self.accepted)
        self.turn(0.0, 2)
        assert len(self.accepted) == before
        other.execute("rollback")
        other.close()

    @rule()
    def close_and_open(self) -> None:
        self.ground.reading.close()
        self.writer.finish()
        assert self.pending == []
        self.ground.lock.release()
        self.open(self.ground.opened.path)
        assert self.ground.previous is not None
        self.check_all()

    @rule()
    def crash(self) -> None:
        """What was not reported is gone or not; what was reported is there. The files are copied as they lie."""
        self.runs += 1
        old, new = self.ground.opened.path, self.folder / f"{self.runs}.db"
        for suffix in ("", "-wal"):
            if old.with_name(old.name + suffix).exists():
                shutil.copy(old.with_name(old.name + suffix), new.with_name(new.name + suffix))
        self.shut()
        self.pending.clear()
        self.open(new)
        self.check_all()

    def shut(self) -> None:
        self.ground.reading.close()
        self.ground.opened.db.close(True)
        self.ground.lock.release()

    @invariant()
    def reads_what_was_accepted(self) -> None:
        after = self.tail.start
        assert self.tail.read(after, 10_000) == self.accepted[after:]

    @invariant()
    def nothing_is_purged_that_a_cursor_needs(self) -> None:
        found = self.ground.opened.db.execute("select value from meta where name = 'trimmed_to'").get
        assert isinstance(found, int)
        assert self.purged <= found <= self.cursor
        self.purged = found

    @rule()
    def check_all(self) -> None:
        db = self.ground.opened.db
        records, damaged = fetch(db, AFTER, (0, 1 << 60, 100_000))
        assert damaged == []
        assert records == self.accepted[self.purged :]
        assert self.writer.head == len(self.accepted)

    @precondition(lambda self: not self.pending)
    @rule()
    def the_archive_has_one_row_a_key(self) -> None:
        while self.ground.archive.behind(self.writer.head):
            self.turn(1.0, 1)
        db = self.ground.opened.db
        rows = db.execute("select key, seq from utterance_rows").fetchall()
        assert len({key for key, _ in rows}) == len(rows)
        words = db.execute("select rowid from utterance_words where utterance_words match 'word*'").fetchall()
        assert sorted(seq for (seq,) in words) == sorted(seq for _, seq in rows)
        for key, seq in rows:
            assert f'"key":"{key}"'.encode() in self.accepted[seq - 1].body

    def teardown(self) -> None:
        if hasattr(self, "ground"):
            self.shut()
            shutil.rmtree(self.folder)


JournalAgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestJournalAgainstAList = JournalAgainstAList.TestCase
