"""Disks that refuse, lie or lose power under the store. Fault matrix, rows J1, J2 and J6.

A file system of ours stands between SQLite and the real one. It can fail the Nth write or sync, and it knows what was
synced, so that a power cut can keep any part of what was not.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from genscribe.errors import ConfigError, StoreFailed
from genscribe.events import Utterance, encode
from genscribe.store.ground import Ground, lay_ground
from genscribe.store.reports import Committed
from genscribe.store.retention import Keep
from genscribe.store.rows import AFTER, fetch
from genscribe.store.writer import Writer


class Disk:
    """What all files share: a plan of failures, and an image of what is durable."""

    def __init__(self) -> None:
        self.operations = 0
        self.fail_at: int | None = None
        self.fail_with: tuple[type[apsw.Error], int] = (apsw.FullError, apsw.SQLITE_FULL)
        self.failing = False
        self.lying = False
        self.before_each: Callable[[], None] | None = None
        self.durable: dict[str, bytearray] = {}
        self.unsynced: dict[str, list[tuple[int, bytes | None]]] = {}

    def step(self, kind: str) -> None:
        self.operations += 1
        if self.before_each is not None:
            self.before_each()
        if self.operations == self.fail_at or self.failing:
            error, code = self.fail_with
            if (code == apsw.SQLITE_IOERR_FSYNC) == (kind == "sync"):
                made = error("the disk says no")
                made.extendedresult = code
                raise made
            if self.operations == self.fail_at:
                self.fail_at += 1  # the next one then

    def wrote(self, name: str, at: int, data: bytes | None) -> None:
        """`data` written there, or for `None` the file cut to that size."""
        self.unsynced.setdefault(name, []).append((at, data))

    def forget(self) -> None:
        """Another store, another disk."""
        self.durable.clear()
        self.unsynced.clear()

    def synced(self, name: str) -> None:
        if not self.lying:
            apply(self.durable.setdefault(name, bytearray()), self.unsynced.pop(name, []))

    def cut_power(self, folder: Path, chance: random.Random) -> None:
        """Leaves in `folder` what may be on the disk: what was synced, and any part of the rest, torn, in any order."""
        for name in {*self.durable, *self.unsynced}:
            image = bytearray(self.durable.get(name, b""))
            lost = list(self.unsynced.get(name, []))
            chance.shuffle(lost)
            kept = [torn(write, chance) for write in lost if chance.random() < 0.5]
            apply(image, kept)
            (folder / Path(name).name).write_bytes(image)


def torn(write: tuple[int, bytes | None], chance: random.Random) -> tuple[int, bytes | None]:
    at, data = write
    if data is None or len(data) <= 512 or chance.random() < 0.7:
        return write
    return at, data[: 512 * chance.randrange(1, len(data) // 512 + 1)]


def apply(image: bytearray, writes: list[tuple[int, bytes | None]]) -> None:
    for at, data in writes:
        if data is None:
            del image[at:]
            continue
        if len(image) < at:
            image.extend(bytes(at - len(image)))
        image[at : at + len(data)] = data


class ShimFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)  # type: ignore[arg-type]
        self.disk = disk
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.disk.step("write")
        super().xWrite(data, offset)
        self.disk.wrote(self.name, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.disk.step("write")
        super().xTruncate(newsize)
        self.disk.wrote(self.name, newsize, None)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.disk.step("sync")
        super().xSync(flags)
        self.disk.synced(self.name)


class Shim(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__("shim", "unix", makedefault=True)
        self.disk = disk

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.disk.durable.setdefault(path, self.disk.durable.pop(f"{path}.new", bytearray()))  # renamed, and synced
        return ShimFile(self.disk, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(name, syncdir)
        self.disk.durable.pop(name, None)
        self.disk.unsynced.pop(name, None)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    shim = Shim(made)
    yield made
    apsw.set_default_vfs("unix")
    shim.unregister()


class Run:
    """One run on a store: rows are appended one by one, and what was accepted is remembered."""

    def __init__(self, path: Path) -> None:
        self.ground: Ground = lay_ground(path, Keep())
        self.accepted: list[bytes] = []
        self.writer = Writer(self.ground.opened, self.ground.head, self.report, (self.ground.wal, self.ground.archive))
        self.now = 0.0

    def report(self, what: object) -> None:
        if isinstance(what, Committed):
            self.accepted += [row[1] for row in what.rows]

    def work(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            event = Utterance[str](f"k{number}", 1, conversation_id="c1", text=f"word{number}" * 40)
            self.writer.append([("utterance", encode(event), None)])
            self.rest(0.1)

    def rest(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(4):
            if self.writer.turn(self.now) != 0:
                return

    def shut(self) -> None:
        self.ground.reading.close(True)
        self.ground.opened.db.close(True)
        self.ground.lock.release()


def stored(path: Path) -> list[bytes]:
    ground = lay_ground(path, Keep())
    assert ground.opened.aside is None
    records, damaged = fetch(ground.reading, AFTER, (0, 1 << 60, 10_000))
    assert damaged == []
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    ground.reading.close()
    ground.opened.db.close(True)
    ground.lock.release()
    return [record.body for record in records]


def indexed(path: Path) -> int:
    """Lets the archive catch up; how many utterances are found by their words."""
    run = Run(path)
    while run.ground.archive.behind(run.writer.head):
        run.rest(1.0)
    db = run.ground.opened.db
    assert db.execute("pragma integrity_check").get == "ok"
    rows = db.execute("select count(*) from utterance_rows").get
    assert db.execute("select count(*) from utterance_words where utterance_words match 'word*'").get == rows
    run.shut()
    assert isinstance(rows, int)
    return rows


REFUSALS = [
    (apsw.FullError, apsw.SQLITE_FULL),
    (apsw.IOError, apsw.SQLITE_IOERR_WRITE),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["full", "write error"])
def test_every_write_refused_once_costs_nothing(
    tmp_path: Path, disk: Disk, refusal: tuple[type[apsw.Error], int]
) -> None:
    """The Nth write fails, for every N until none is left to fail."""
    disk.fail_with = refusal
    failures = 0
    for nth in range(1, 10_000, 5):
        path = tmp_path / f"{nth}" / "genscribe.db"
        disk.fail_at = None
        run = Run(path)
        disk.operations, disk.fail_at = 0, nth
        run.work(12)
        met = disk.operations >= disk.fail_at
        failures += met
        for _ in range(5):
            run.rest(1.1)
        assert len(run.accepted) == 12
        run.shut()
        disk.fail_at = None
        assert stored(path) == run.accepted
        if not met:
            break
    assert failures > 10


def test_a_full_disk_holds_everything_until_it_heals(tmp_path: Path, disk: Disk) -> None:
    run = Run(tmp_path / "genscribe.db")
    run.work(3)
    assert len(run.accepted) == 3
    disk.failing = True
    run.work(5, first=3)
    for _ in range(3):
        run.rest(1.1)
    assert len(run.accepted) == 3
    assert run.writer.refused_since is not None
    disk.failing = False
    for _ in range(3):
        run.rest(1.1)
    assert len(run.accepted) == 8
    assert run.writer.refused_since is None
    run.shut()
    assert stored(tmp_path / "genscribe.db") == run.accepted


def test_every_failed_sync_ends_the_run_and_keeps_what_was_accepted(tmp_path: Path, disk: Disk) -> None:
    disk.fail_with = (apsw.IOError, apsw.SQLITE_IOERR_FSYNC)
    ended = 0
    for nth in range(1, 400, 7):
        path = tmp_path / f"{nth}" / "genscribe.db"
        disk.fail_at = None
        run = Run(path)
        disk.operations, disk.fail_at = 0, nth
        try:
            run.work(12)
        except StoreFailed as error:
            ended += 1
            assert error.exit_code == 74  # noqa: PT017
        disk.fail_at = None
        run.shut()
        assert stored(path)[: len(run.accepted)] == run.accepted
    assert ended > 5


def cut(tmp_path: Path, disk: Disk, seed: int) -> tuple[list[bytes], list[bytes]]:
    """What was accepted before a power cut, and what is there after it."""
    chance = random.Random(seed)
    path = tmp_path / f"{seed}" / "genscribe.db"
    disk.forget()
    run = Run(path)
    run.ground.wal.wait = lambda now, head, *, closing: 0 if chance.random() < 0.2 else None  # type: ignore[method-assign]
    run.work(chance.randrange(1, 40))
    if chance.random() < 0.5:
        disk.fail_at, disk.fail_with = disk.operations + chance.randrange(1, 30), (apsw.FullError, apsw.SQLITE_FULL)
        run.work(8, first=100)
        disk.fail_at = None
    after = tmp_path / f"{seed}-after"
    after.mkdir()
    disk.cut_power(after, chance)
    run.shut()
    found = stored(after / "genscribe.db")
    assert indexed(after / "genscribe.db") == len(found)
    return run.accepted, found


def test_a_power_cut_takes_nothing_that_was_accepted(tmp_path: Path, disk: Disk) -> None:
    for seed in range(60):
        accepted, found = cut(tmp_path, disk, seed)
        assert found[: len(accepted)] == accepted, seed


def test_the_power_cut_bites_when_syncs_are_lies(tmp_path: Path, disk: Disk) -> None:
    """The test above can fail: with a disk that only says it has synced, accepted rows are lost."""
    bitten = 0
    for seed in range(20):
        disk.lying = False
        disk.forget()
        path = tmp_path / f"{seed}" / "genscribe.db"
        run = Run(path)
        disk.lying = True
        run.work(10)
        after = tmp_path / f"{seed}-after"
        after.mkdir()
        disk.cut_power(after, random.Random(seed))
        run.shut()
        try:
            bitten += stored(after / "genscribe.db")[:10] != run.accepted
        except (AssertionError, ConfigError):
            bitten += 1
    assert bitten >= 10


def test_a_store_is_made_whole_or_not_at_all(tmp_path: Path, disk: Disk) -> None:
    """kill -9 between any two writes of the first start: the next start finds a store, or makes one."""
    folder = tmp_path / "store"
    disk.before_each = lambda: shutil.copytree(folder, tmp_path / f"killed-{disk.operations:03}") and None
    Run(folder / "genscribe.db").shut()
    disk.before_each = None
    killed = sorted(tmp_path.glob("killed-*"))
    assert len(killed) > 20
    for left in killed:
        assert stored(left / "genscribe.db") == []
        assert not list(left.glob("*.new*")), "what was half made is tidied up"


def test_a_folder_without_room_for_the_log_is_no_store(tmp_path: Path, disk: Disk) -> None:
    disk.failing = True
    with pytest.raises(StoreFailed, match="cannot be opened for writing") as refused:
        lay_ground(tmp_path / "genscribe.db", Keep())
    assert refused.value.exit_code == 74
    disk.failing = False
    assert stored(tmp_path / "genscribe.db") == []
    assert os.listdir(tmp_path)
