from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from genscribe.errors import StoreBusy, StoreFailed
from genscribe.store.lock import StoreLock

HOLDER = """
import sys, pathlib
from genscribe.store.lock import StoreLock
lock = StoreLock.acquire(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_which_process_holds_the_store(tmp_path: Path) -> None:
    store = tmp_path / "genscribe.db"
    child = subprocess.Popen([sys.executable, "-c", HOLDER, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StoreBusy, match=rf"process {child.pid}\) holds the store {store}") as refused:
            StoreLock.acquire(store)
        assert refused.value.exit_code == 75
        child.kill()
    StoreLock.acquire(store).release()  # died with the process: nothing stale is left


def test_within_one_process_too_there_is_one_holder(tmp_path: Path) -> None:
    lock = StoreLock.acquire(tmp_path / "genscribe.db")
    with pytest.raises(StoreBusy):
        StoreLock.acquire(tmp_path / "genscribe.db", wait_s=0.01)
    lock.release()
    lock.release()
    StoreLock.acquire(tmp_path / "genscribe.db").release()


def test_waits_for_the_holder_to_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = StoreLock.acquire(tmp_path / "genscribe.db")
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        lock.release()

    monkeypatch.setattr("genscribe.store.lock.time.sleep", nap)
    StoreLock.acquire(tmp_path / "genscribe.db", wait_s=60).release()
    assert naps == [0.1]


def test_the_lock_file_is_private_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "genscribe.db.lock"
    path.touch(mode=0o666)
    path.chmod(0o666)
    lock = StoreLock.acquire(tmp_path / "genscribe.db")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lock.release()
    assert path.exists()


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "genscribe.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFailed, match=r"genscribe\.db\.lock cannot be opened"):
        StoreLock.acquire(tmp_path / "genscribe.db")
    assert not (tmp_path / "elsewhere").exists()
