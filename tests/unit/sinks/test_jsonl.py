"""A JSON Lines file survives crashes, full disks and log rotation, and nobody else's file is harmed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.sinks import jsonl
from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable
from genscribe.sinks.jsonl import JsonLinesFile, sound
from tests.fakes import record

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


def seqs(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text().splitlines()]


async def write(path: Path, *numbers: int) -> None:
    """Opens, writes one batch, closes."""
    sink = JsonLinesFile(path)
    await sink.open()
    await sink.write([record(n) for n in numbers])
    await sink.aclose()


async def test_a_line_is_the_contracts_json(path: Path) -> None:
    await write(path, 1)
    line = record(1).json()
    assert path.read_bytes() == line + b"\n"
    assert json.loads(line)["seq"] == 1


async def test_it_appends(path: Path) -> None:
    await write(path, 1, 2)
    await write(path, 3)
    assert seqs(path) == [1, 2, 3]


@pytest.mark.parametrize("umask", [0o000, 0o022])
async def test_it_is_created_for_the_owner_only(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        await write(path, 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_exists_keeps_its_mode(path: Path) -> None:
    path.touch(0o640)
    path.chmod(0o640)
    await write(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_everything_is_synced_before_write_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def note(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(jsonl, "_sync", note)
    sink = JsonLinesFile(path)
    await sink.open()
    for n in (1, 2):
        await sink.write([record(n)])
        assert synced[-1] == path.stat().st_size
    assert len(synced) == 2, "once a batch"
    await sink.aclose()


async def test_a_new_files_name_is_synced_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(jsonl, "sync_folder", folders.append)
    await write(path, 1)
    await write(path, 2)
    assert folders == [path.parent]


async def test_a_torn_line_is_cut_off(path: Path) -> None:
    await write(path, 1, 2)
    whole = path.read_bytes()
    for torn in (b'{"seq":3,"kind":"utt', b"{", b'{"seq":3,"text":"\xe3\x81'):
        path.write_bytes(whole + torn)
        await write(path, 3)
        assert seqs(path) == [1, 2, 3]
        path.write_bytes(whole)


async def test_a_file_with_nothing_but_a_torn_line(path: Path) -> None:
    path.write_bytes(b'{"seq":1,"ki')
    await write(path, 1)
    assert seqs(path) == [1]


async def test_a_whole_line_without_its_end_is_kept(path: Path) -> None:
    """An editor may have taken the line end, and the cursor has passed that line."""
    path.write_bytes(record(1).json())
    await write(path, 2)
    assert seqs(path) == [1, 2]


async def test_what_a_power_cut_left_as_nuls_is_cut_off(path: Path) -> None:
    await write(path, 1, 2)
    path.write_bytes(path.read_bytes() + b"\0" * 4096 + b'{"seq":9}\n')
    await write(path, 3)
    assert seqs(path) == [1, 2, 3]


async def test_a_file_of_nothing_but_nuls(path: Path) -> None:
    path.write_bytes(b"\0" * 100)
    await write(path, 1)
    assert seqs(path) == [1]


async def test_a_long_document_that_was_torn_is_cut_off(path: Path) -> None:
    await write(path, 1)
    with path.open("ab") as file:
        file.write(b'{"lines":["' + b"x" * (jsonl.TAIL + 10))
    await write(path, 2)
    assert seqs(path) == [1, 2]


FOREIGN = {
    "text": b"Dear diary,\nno line end",
    "binary": b"SQLite format 3\0\x10\0\x01\x01",
    "pretty json": b'{\n  "a": 1\n}',
    "a list": b"[1,2,3",
    "one endless line": b"{" * (jsonl.TAIL + 10),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
async def test_another_programs_file_is_refused_and_not_touched(
    path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "LONGEST", jsonl.TAIL)
    path.write_bytes(content)
    with pytest.raises(SinkMisconfigured, match=r"JSON Lines|longer"):
        await JsonLinesFile(path).open()
    assert path.read_bytes() == content


@given(st.integers(0, 5), st.data())
async def test_cut_anywhere_no_whole_line_is_lost(lines: int, data: st.DataObject) -> None:
    whole = b"".join(record(n).json() + b"\n" for n in range(1, lines + 2))
    cut = data.draw(st.integers(1, len(whole)))
    kept = sound(whole[:cut], begins=b"{")
    assert whole[:kept].count(b"\n") == whole[:cut].count(b"\n")
    assert kept == cut or whole[:kept].endswith(b"\n") or kept == 0


async def test_log_rotation_by_rename_needs_no_signal(path: Path) -> None:
    sink = JsonLinesFile(path)
    await sink.open()
    await sink.write([record(1)])
    path.rename(path.with_suffix(".1"))
    await sink.write([record(2)])
    path.unlink()
    await sink.write([record(3)])
    await sink.aclose()
    assert seqs(path.with_suffix(".1")) == [1]
    assert seqs(path) == [3]


async def test_log_rotation_with_a_file_made_beforehand(path: Path) -> None:
    sink = JsonLinesFile(path)
    await sink.open()
    await sink.write([record(1)])
    path.rename(path.with_suffix(".1"))
    path.touch()
    await sink.write([record(2)])
    await sink.aclose()
    assert (seqs(path.with_suffix(".1")), seqs(path)) == ([1], [2])


async def test_log_rotation_by_truncation(path: Path) -> None:
    sink = JsonLinesFile(path)
    await sink.open()
    await sink.write([record(1), record(2)])
    os.truncate(path, 0)
    await sink.write([record(3)])
    await sink.aclose()
    assert seqs(path) == [3]


async def test_reopen_opens_the_path_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = JsonLinesFile(path)
    await sink.open()
    before = sink._file
    sink.reopen()
    await sink.write([record(1)])
    assert sink._file is not before
    before = sink._file
    await sink.write([record(2)])
    assert sink._file is before, "once"
    await sink.aclose()
    assert seqs(path) == [1, 2]


@pytest.mark.parametrize(
    ("prepare", "advice"),
    [
        (lambda path: path.parent.rmdir(), "Create the folder"),
        (lambda path: path.mkdir(), "not a folder"),
        (lambda path: path.symlink_to(path.parent / "elsewhere"), "jsonl:-"),
        (lambda path: os.mkfifo(path), "regular file"),
    ],
    ids=["no folder", "a folder", "a link", "a pipe"],
)
async def test_what_waiting_does_not_heal(tmp_path: Path, prepare: Callable[[Path], object], advice: str) -> None:
    path = tmp_path / "folder" / "calls.jsonl"
    path.parent.mkdir()
    prepare(path)
    with pytest.raises(SinkMisconfigured) as caught:
        await JsonLinesFile(path).open()
    assert advice in caught.value.advice
    assert str(path) in str(caught.value)


async def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkMisconfigured, match="not a folder"):
        await JsonLinesFile(tmp_path / "file" / "calls.jsonl").open()


async def test_two_cannot_write_to_one_file(path: Path) -> None:
    """Each would take the other's half-written line for torn."""
    first, second = JsonLinesFile(path), JsonLinesFile(path)
    await first.open()
    with pytest.raises(SinkUnavailable, match="Another process"):
        await second.open()
    await first.aclose()
    await second.open()
    await second.aclose()


async def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, how: int) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    await write(path, 1)
    assert seqs(path) == [1]


class Disk:
    """`os.write` and the sync, failing when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.sync_fails = False
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(jsonl, "_sync", self.sync)

    def write(self, fd: int, data: Any) -> int:
        if self.room is None:
            return self._write(fd, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written

    def sync(self, fd: int) -> None:
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("room", [0, 1, 100, 300, 500])
async def test_a_full_disk_leaves_nothing_of_the_batch(path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    disk = Disk(monkeypatch)
    sink = JsonLinesFile(path)
    await sink.open()
    await sink.write([record(1)])
    before = path.read_bytes()
    disk.room = room
    with pytest.raises(SinkUnavailable, match="No space left"):
        await sink.write([record(2), record(3)])
    assert path.read_bytes() == before
    disk.room = None
    await sink.open()
    await sink.write([record(2), record(3)])
    await sink.aclose()
    assert seqs(path) == [1, 2, 3]


async def test_a_short_write_is_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    await write(path, 1, 2)
    assert seqs(path) == [1, 2]


async def test_after_a_failed_sync_the_batch_is_written_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may have dropped what it could not sync, and would call the next sync a success."""
    disk = Disk(monkeypatch)
    sink = JsonLinesFile(path)
    await sink.open()
    disk.sync_fails = True
    with pytest.raises(SinkUnavailable):
        await sink.write([record(1)])
    assert path.read_bytes() == b""
    assert sink._file is None
    disk.sync_fails = False
    await sink.open()
    await sink.write([record(1)])
    await sink.aclose()
    assert seqs(path) == [1]


async def test_no_descriptor_is_left_open(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    path.write_bytes(b"not ours")
    for _ in range(5):
        with pytest.raises(SinkMisconfigured):
            await JsonLinesFile(path).open()
    path.unlink()
    for n in range(5):
        sink = JsonLinesFile(path)
        await sink.open()
        await sink.open()
        sink.reopen()
        await sink.write([record(n)])
        await sink.aclose()
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before + 1  # a worker thread may hold one of its own
