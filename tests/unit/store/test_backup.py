"""One file, whole, private, never over another one by accident, whatever is written meanwhile."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import apsw
import pytest

from genscribe.errors import ConfigError, StoreFailed
from genscribe.store import backup as module
from genscribe.store.backup import back_up
from genscribe.store.journal import Journal
from genscribe.store.reader import Reader
from genscribe.telemetry import Telemetry
from tests.fakes import record

pytestmark = pytest.mark.anyio


def rows(first: int, count: int) -> list[Any]:
    return [("utterance", record(seq, text="x" * 200).body, None) for seq in range(first, first + count)]


async def test_it_ends_and_is_whole_while_every_slice_meets_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGES_A_SLICE", 10)
    store, copy, slices = tmp_path / "s.db", tmp_path / "copy.db", []
    async with await Journal.open(store, telemetry=Telemetry()) as journal:
        journal.append(rows(1, 3000))
        await journal.flush()

        def tell(done: int, total: int) -> None:
            slices.append((done, total))
            anyio.from_thread.run(commit)

        async def commit() -> None:
            journal.append(rows(journal.head + 1, 1))
            await journal.flush()

        size = await anyio.to_thread.run_sync(lambda: back_up(store, copy, tell=tell))
        assert journal.head == 3000 + len(slices)
    assert len(slices) > 20
    assert slices[-1][0] == slices[-1][1], "each page is copied once"
    assert (copy.stat().st_size, stat.S_IMODE(copy.stat().st_mode)) == (size, 0o600)
    with Reader.open(copy) as reader:
        assert reader.head == 3000
    db = apsw.Connection(str(copy))
    assert db.execute("pragma integrity_check").get == "ok"
    db.close()
    async with await Journal.open(copy, telemetry=Telemetry()) as journal:
        assert journal.head == 3000
    assert not [each for each in tmp_path.iterdir() if ".part" in each.name]


async def test_it_replaces_nothing_unasked_and_never_the_store(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    async with await Journal.open(store, telemetry=Telemetry()) as journal:
        journal.append(rows(1, 1))
        await journal.flush()
        taken = tmp_path / "taken"
        taken.write_text("mine")
        link = tmp_path / "link"
        link.symlink_to(taken)
        hard = tmp_path / "hard"
        hard.hardlink_to(store)
        for target in (taken, tmp_path, tmp_path / "none" / "copy"):
            with pytest.raises(ConfigError):
                back_up(store, target)
        for target in (store, hard, link, tmp_path / "s.db-wal", tmp_path / "s.db.lock", tmp_path):
            with pytest.raises(ConfigError):
                back_up(store, target, force=True)
        with pytest.raises(ConfigError, match="no store"):
            back_up(tmp_path / "other.db", tmp_path / "copy")
        assert taken.read_text() == "mine"
        back_up(store, taken, force=True)
        with Reader.open(taken) as reader:
            assert reader.head == 1


async def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, copy = tmp_path / "s.db", tmp_path / "copy.db"
    async with await Journal.open(store, telemetry=Telemetry()):
        pass

    def full(*given: Any) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(module, "_copy", full)
    with pytest.raises(StoreFailed, match="full"):
        back_up(store, copy)
    assert not [each for each in tmp_path.iterdir() if "copy" in each.name]
