"""A crash at any commit: what was not heard lies within a gap, and no two gaps tell of the same time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import anyio
import anyio.lowlevel
import apsw
import pytest

from genscribe import clock
from genscribe.core.dedupe import Window
from genscribe.core.times import epoch_ms
from genscribe.events import Utterance
from genscribe.ingest import Ingest
from genscribe.store import journal as module
from genscribe.store import writer as writer_module
from genscribe.store.journal import Journal
from genscribe.store.reports import Committed
from genscribe.store.rows import Row, insert
from genscribe.store.thread import WriterThread
from genscribe.store.writer import Writer
from genscribe.telemetry import Telemetry

pytestmark = pytest.mark.anyio

AT = 1_774_000_000_000


class Hasty(WriterThread):
    """A writer as quick as can be: it commits at every word to it, before whoever spoke says the next.

    After each commit the files are copied, as a crash would leave them.
    """

    ahead_s = 0.0
    """0 lets notes linger as they do; 10 lets none."""
    copies: ClassVar[list[Path]] = []

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        self.writer = writer
        self.told, writer.report = writer.report, self.report

    def start(self) -> None:
        self.wake()

    def wake(self) -> None:
        while self.writer.turn(time.monotonic() + self.ahead_s) == 0:
            pass

    def report(self, what: object) -> None:
        self.told(what)
        if isinstance(what, Committed):
            path = self.writer.opened.path
            copy = path.with_name(f"copy-{len(self.copies)}.db")
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
            self.copies.append(copy)

    def stop(self) -> None:
        self.writer.closing = True

    def join(self) -> None:
        self.writer.finish()


def missing_now_and_then(made: Ingest) -> None:
    """Nothing is heard from 1 s to 2.5 s and from 4 s to 5 s, nothing of one call from 3 s to 3.5 s."""
    made.deaf(since=AT + 1000, reason="disconnected")
    made.hearing(heard_at=AT + 2500)
    one = made.miss(["c"], since=AT + 3000, reason="late")
    made.hearing(heard_at=AT + 3200)
    made.regain(one, heard_at=AT + 3500)
    made.deaf(since=AT + 4000, reason="silent")
    made.hearing(heard_at=AT + 5000)


async def crashes(path: Path) -> list[Path]:
    """The store of such a run, as a crash at each of its commits would have left it."""
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        made = Ingest("transcripts", journal, Window(), Telemetry())
        made.hearing(heard_at=AT)
        await journal.flush()
        Hasty.copies.clear()  # before that, the store has never heard, and nothing was missed
        missing_now_and_then(made)
        await journal.flush()
        return Hasty.copies.copy()


async def gaps_after(path: Path) -> list[tuple[int, int, str | None]]:
    """From, to (milliseconds after `AT`) and of which calls, once the next run has heard after 9 s."""
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        made = Ingest("transcripts", journal, Window(), Telemetry())
        made.hearing(heard_at=AT + 9000)
        await journal.flush()
    with closing(apsw.Connection(str(path))) as db:
        rows = db.execute("select started_at, ended_at, conversation_ids from gaps order by 1").fetchall()
    assert all(ended for _, ended, _ in rows), "no gap is left open"
    return [(epoch_ms(began) - AT, epoch_ms(ended) - AT, ids) for began, ended, ids in rows]


@pytest.mark.parametrize("ahead_s", [0.0, 10.0])
async def test_wherever_it_crashes_what_was_missed_lies_in_a_gap(
    tmp_path: Path, ahead_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hasty, "ahead_s", ahead_s)
    monkeypatch.setattr(Hasty, "copies", [])
    with monkeypatch.context() as patched:
        patched.setattr(module, "WriterThread", Hasty)
        copies = await crashes(tmp_path / "s.db")
    assert len(copies) >= 6
    for copy in copies:
        gaps = await gaps_after(copy)
        whole = [(began, ended) for began, ended, ids in gaps if ids is None]
        for moment in (1500, 4500, 8999):
            assert any(began <= moment <= ended for began, ended in whole), (copy.name, moment, gaps)
        assert any(began <= 3200 <= ended for began, ended, _ in gaps), (copy.name, gaps)
        assert all(one[1] <= other[0] for one, other in pairwise(whole)), ("two tell of the same time", gaps)


class Disk:
    """Stands before the journal's table."""

    full = False

    def insert(self, db: apsw.Connection, head: int, rows: Sequence[Row]) -> None:
        if self.full:
            raise apsw.FullError("the disk is full")
        insert(db, head, rows)


@pytest.mark.parametrize("ending", ["heals", "stops"])
async def test_a_time_in_which_the_disk_took_nothing_is_a_gap_also_after_a_crash(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 1 s to 4 s; the connection is alive all the time, and says so."""
    path, disk, now = tmp_path / "s.db", Disk(), [AT]
    monkeypatch.setattr(Hasty, "ahead_s", 10.0)
    monkeypatch.setattr(Hasty, "copies", [])
    monkeypatch.setattr(clock, "wall_ms", lambda: now[0])
    monkeypatch.setattr(writer_module, "RETRY_S", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(module, "WriterThread", Hasty)
        patched.setattr(writer_module, "insert", disk.insert)
        async with await Journal.open(path, telemetry=Telemetry()) as journal:
            made = Ingest("transcripts", journal, Window(), Telemetry())
            made.hearing(heard_at=AT)
            await journal.flush()
            now[0], disk.full = AT + 1000, True
            made.accept([Utterance("k", 1, conversation_id="c", text="hello")])
            await anyio.lowlevel.checkpoint()
            made.hearing(heard_at=AT + 3000)
            now[0], disk.full = AT + 4000, False
            await anyio.sleep(0.02)
            Hasty.copies.clear()
            if ending == "heals":
                made.hearing(heard_at=AT + 4000)
                await anyio.lowlevel.checkpoint()
                await journal.flush()
    left = [*Hasty.copies, path] if ending == "heals" else [path]
    assert len(left) >= (4 if ending == "heals" else 1)
    for one in left:
        gaps = await gaps_after(one)
        for moment in (1500, 3500, 8999):
            assert any(began <= moment <= ended for began, ended, _ in gaps), (one.name, moment, gaps)
