from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from genscribe.store import wal
from genscribe.store.database import open_for_writing
from genscribe.store.wal import WalKeeper
from genscribe.telemetry.store import WalHeld


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "SOON_PAGES", 10)
    monkeypatch.setattr(wal, "CUT_BYTES", 200_000)


def grow(db: apsw.Connection, count: int) -> None:
    for _ in range(count):
        db.execute("insert into unreadable_raw select coalesce(max(seq), 0) + 1, zeroblob(4000) from unreadable_raw")


@pytest.mark.usefixtures("small")
def test_the_log_is_written_back_and_used_again_and_a_long_one_is_cut(tmp_path: Path) -> None:
    db = open_for_writing(tmp_path / "genscribe.db").db
    log = tmp_path / "genscribe.db-wal"
    keeper = WalKeeper(db, tmp_path / "genscribe.db", print)
    assert keeper.wait(0, 0, closing=False) is None
    grow(db, 12)
    assert keeper.wait(1, 0, closing=False) == 0
    keeper.step(db, 1, 0)
    assert keeper.wait(1, 0, closing=False) is None
    size = log.stat().st_size
    grow(db, 5)
    assert log.stat().st_size == size  # begun again at its start
    grow(db, 60)
    assert log.stat().st_size > 200_000
    keeper.step(db, 5, 0)
    assert log.stat().st_size == 0
    assert keeper.wait(5, 0, closing=True) is None
    db.close()


@pytest.mark.usefixtures("small")
def test_a_reader_that_holds_the_log_is_told_and_not_waited_for(tmp_path: Path) -> None:
    reports: list[object] = []
    db = open_for_writing(tmp_path / "genscribe.db").db
    log = tmp_path / "genscribe.db-wal"
    keeper = WalKeeper(db, tmp_path / "genscribe.db", reports.append)
    reader = apsw.Connection(str(tmp_path / "genscribe.db"), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("begin")
    reader.execute("select * from meta").fetchall()
    grow(db, 80)
    for now in (1, 30, 62, 90):
        assert keeper.wait(now, 0, closing=False) == 0
        keeper.step(db, now, 0)
    assert [type(report) for report in reports] == [WalHeld]
    assert "genscribe.db-wal has grown to" in str(reports[0])
    assert keeper.wait(90, 0, closing=False) == wal.AGAIN_S
    reader.close()
    keeper.step(db, 92, 0)
    assert log.stat().st_size == 0
    assert keeper.wait(92, 0, closing=False) is None
    db.close()
