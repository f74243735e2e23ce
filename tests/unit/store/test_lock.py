from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from genscribe.errors import StoreBusy, StoreFailed
from genscribe.store.journal import Journal
from genscribe.store.lock import StoreLock, held
from genscribe.telemetry import Telemetry

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
        StoreLock.acquire(tmp_path / "genscribe.db")
    lock.release()
    lock.release()
    StoreLock.acquire(tmp_path / "genscribe.db").release()


def test_whether_it_is_held_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    store = tmp_path / "genscribe.db"
    assert not held(store)
    assert not list(tmp_path.iterdir()), "asking makes no file"
    lock = StoreLock.acquire(store)
    assert held(store)
    lock.release()
    assert not held(store)


@pytest.mark.anyio
async def test_waits_for_the_holder_to_let_go(tmp_path: Path) -> None:
    lock = StoreLock.acquire(tmp_path / "genscribe.db")
    async with anyio.create_task_group() as tasks:

        async def let_go() -> None:
            await anyio.sleep(0.5)
            lock.release()

        tasks.start_soon(let_go)
        journal = await Journal.open(tmp_path / "genscribe.db", telemetry=Telemetry(), wait_s=30)
        await journal.aclose()


@pytest.mark.anyio
async def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    lock = StoreLock.acquire(tmp_path / "genscribe.db")
    with anyio.move_on_after(0.3) as scope, anyio.fail_after(10):
        await Journal.open(tmp_path / "genscribe.db", telemetry=Telemetry(), wait_s=3600)
    assert scope.cancelled_caught
    lock.release()


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
