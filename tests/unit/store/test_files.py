from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from genscribe import clock
from genscribe.errors import ConfigError, StoreFailed
from genscribe.store import files
from genscribe.store.files import Found

OURS = files.MAGIC + b"\x10\0\2\2" + bytes(48) + files.APPLICATION_ID.to_bytes(4, "big") + bytes(28)
FOREIGN = files.MAGIC + bytes(84)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, Found.NOTHING),
        (b"", Found.NOTHING),
        (OURS, Found.OURS),
        (FOREIGN, Found.FOREIGN),
        (b"a text file", Found.FOREIGN),
        (b"\xff" + OURS[1:], Found.DAMAGED),
        (OURS[:18] + b"\3\2" + OURS[20:], Found.DAMAGED),
        (OURS[:18] + b"\2\6" + OURS[20:], Found.DAMAGED),
    ],
)
def test_tells_by_the_first_bytes_what_lies_there(tmp_path: Path, content: bytes | None, expected: Found) -> None:
    path = tmp_path / "genscribe.db"
    if content is not None:
        path.write_bytes(content)
    assert files.look(path) is expected


def test_an_emptied_store_beside_its_log_is_damage_not_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "genscribe.db").touch()
    (tmp_path / "genscribe.db-wal").write_bytes(b"frames")
    assert files.look(tmp_path / "genscribe.db") is Found.DAMAGED


def test_what_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder\. Name a file in it"):
        files.look(tmp_path)
    with pytest.raises(StoreFailed, match="cannot be read"):
        files.look(tmp_path / ("name" * 100))


def test_missing_folders_are_made_private(tmp_path: Path) -> None:
    files.prepare(tmp_path / "a" / "b" / "genscribe.db", mountinfo="")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="cannot be made") as refused:
        files.prepare(tmp_path / "file" / "genscribe.db", mountinfo="")
    assert refused.value.exit_code == 74


def test_a_link_a_folder_and_a_folder_open_to_all_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(ConfigError, match="symbolic link"):
        files.prepare(tmp_path / "link.db", mountinfo="")
    with pytest.raises(ConfigError, match="is a folder"):
        files.prepare(tmp_path, mountinfo="")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ConfigError, match="Everybody may replace files"):
        files.prepare(tmp_path / "open" / "genscribe.db", mountinfo="")
    (tmp_path / "open").chmod(0o1777)  # as /tmp: there nobody may replace another's files
    files.prepare(tmp_path / "open" / "genscribe.db", mountinfo="")


def mounts(folder: Path, kind: str) -> str:
    place = str(folder).replace(" ", "\\040")
    return f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n29 22 0:42 / {place} rw shared:1 - {kind} server:/export rw\n"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_network_file_systems_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "a share"
    folder.mkdir()
    with pytest.raises(StoreFailed, match=rf"network file system \({kind}\)"):
        files.prepare(folder / "genscribe.db", mountinfo=mounts(folder, kind))
    files.prepare(tmp_path / "genscribe.db", mountinfo=mounts(folder, kind))  # only the share is refused


def test_of_two_mounts_at_one_place_the_later_counts(tmp_path: Path) -> None:
    text = mounts(tmp_path, "nfs") + "junk\n" + mounts(tmp_path, "tmpfs").splitlines()[1]
    assert files.file_system(tmp_path / "deep", text) == "tmpfs"
    assert files.file_system(tmp_path, "") is None


def test_a_store_and_its_companions_are_private(tmp_path: Path) -> None:
    path = tmp_path / "genscribe.db"
    old = os.umask(0)
    try:
        files.begin(path)
        files.finish(path)
        (tmp_path / "genscribe.db-wal").touch(mode=0o666)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    files.make_private(path)
    assert stat.S_IMODE((tmp_path / "genscribe.db-wal").stat().st_mode) == 0o600


def test_setting_aside_takes_the_companions_along_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "wall_ms", lambda: 0)
    path = tmp_path / "genscribe.db"
    for turn in (b"first", b"second"):
        path.write_bytes(turn)
        files.companion(path, "-wal").write_bytes(turn + b" log")
        files.set_aside(path)
    left = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert left == {
        "genscribe.db.damaged-19700101T000000000Z": b"first",
        "genscribe.db.damaged-19700101T000000000Z-wal": b"first log",
        "genscribe.db.damaged-19700101T000000000Z-2": b"second",
        "genscribe.db.damaged-19700101T000000000Z-2-wal": b"second log",
    }


def test_setting_aside_goes_on_where_a_crash_interrupted_it(tmp_path: Path) -> None:
    path = tmp_path / "genscribe.db"
    (tmp_path / "genscribe.db.damaged-1").write_bytes(b"older")
    (tmp_path / "genscribe.db.damaged-1-wal").write_bytes(b"older log")
    (tmp_path / "genscribe.db.damaged-2").write_bytes(b"store")
    files.companion(path, "-wal").write_bytes(b"log")
    assert files.look(path) is Found.DAMAGED, "SQLite would delete the log"
    assert files.set_aside(path) == tmp_path / "genscribe.db.damaged-2"
    assert (tmp_path / "genscribe.db.damaged-2-wal").read_bytes() == b"log"
    files.companion(path, "-wal").write_bytes(b"of a store that somebody took away")
    alone = files.set_aside(path)
    assert alone.read_bytes() == b""
    assert files.companion(alone, "-wal").exists()


def test_what_opening_does_to_a_damaged_store_does_not_change_when_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "genscribe.db"
    assert files.last_written(path) is None
    path.touch()
    files.companion(path, "-wal").touch()
    files.set_aside(path, written_ms=200_000)
    assert files.damaged_before(path) == 200_000


def test_when_a_store_that_was_set_aside_was_last_written(tmp_path: Path) -> None:
    path = tmp_path / "genscribe.db"
    assert files.damaged_before(path) is None
    for name, seconds in (
        ("genscribe.db.damaged-1", 100),
        ("genscribe.db.damaged-1-wal", 300),
        ("genscribe.db.damaged-0", 200),
    ):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (seconds, seconds))
    assert files.damaged_before(path) == 300_000
