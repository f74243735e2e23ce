"""What is to become Parquet files, durable until it has: JSON Lines in a hidden folder, one file at a time.

A batch is appended with a commit line after it, which carries the place in the journal and a checksum, and synced.
After a crash whatever has no sound commit line is cut off, so a batch and its place are there together or not at all.
A file that is full or old is sealed: renamed, never written again, and removed once all of it is where it belongs.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from genscribe.events import Position
from genscribe.sinks.base import SinkUnavailable
from genscribe.sinks.rotation import sync_folder

COMMIT = "@"
"""The kind of a commit line; no event has it."""

_MARK = b'{"kind":"@"'
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_NAME = re.compile(r"([0-9]{10})-([0-9]{8}T[0-9]{2})\.(open|sealed)", re.ASCII)


class _Commit(msgspec.Struct):
    kind: str
    size: int
    crc32: int
    position: Position | None = None


_decode_commit = msgspec.json.Decoder(_Commit).decode


@dataclass
class Written:
    """The file that is being written.

    Attributes:
        hour: `20261122T14`, in UTC: where events belong that do not tell their own.
        began_s: When it was begun, in seconds since 1970.
        size: Bytes.
    """

    path: Path
    fd: int
    hour: str
    began_s: float
    size: int = 0


class Spool:
    """One sink's spool. Every call blocks and may raise `OSError`.

    Args:
        folder: Its folder, of nobody else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.position: Position | None = None
        self.written: Written | None = None
        self._lock: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether this process has it."""
        return self._lock is not None

    def open(self) -> None:
        """Makes the folder, locks it, and seals what a crash left, without what has no sound commit.

        Raises:
            SinkUnavailable: Another process has it.
        """
        if self._lock is not None:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            self.position = self._kept()
            for path in self._files("open"):
                recover(path)
                path.rename(path.with_suffix(".sealed"))
            for path in self.sealed():
                self.position = last_position(path) or self.position
            for path in self.folder.glob("*.part"):
                path.unlink()
        except BaseException:
            self.close()
            raise

    def append(self, lines: Sequence[bytes], position: Position | None, hour: str, now_s: float) -> None:
        """Appends lines and their commit, and syncs; takes back what it appended when that fails.

        Args:
            lines: Events, each with its line end.
            position: The place in the journal that is right with them; `None` leaves the place as it is.
            hour: `20261122T14`: of which a file that is begun now is called.
            now_s: Seconds since 1970.
        """
        data = b"".join(lines)
        commit = msgspec.json.encode(_Commit(COMMIT, len(data), zlib.crc32(data), position)) + b"\n"
        written = self.written or self._begin(hour, now_s)
        view = memoryview(data + commit)
        try:
            while view:
                view = view[os.write(written.fd, view) :]
            os.fsync(written.fd)
        except BaseException:
            self._take_back(written)
            raise
        written.size += len(data) + len(commit)
        self.position = position or self.position

    def seal(self) -> None:
        """Ends the file that is being written, if there is one."""
        if self.written is not None:
            written, self.written = self.written, None
            os.close(written.fd)
            written.path.rename(written.path.with_suffix(".sealed"))
            sync_folder(self.folder)

    def sealed(self) -> list[Path]:
        """What waits for its way to the destination, oldest first."""
        return self._files("sealed")

    def remove(self, path: Path) -> None:
        """Forgets a sealed file that the destination has; its place in the journal is remembered first."""
        position = last_position(path)
        if position is not None:
            part = self.folder / "position.part"
            part.unlink(missing_ok=True)
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with open(fd, "wb") as out:
                out.write(msgspec.json.encode(position))
                out.flush()
                os.fsync(out.fileno())
            part.replace(self.folder / "position")
            sync_folder(self.folder)
        path.unlink()

    def close(self) -> None:
        """Lets go of the folder; what is open stays so for the next `open`. Idempotent."""
        if self.written is not None:
            os.close(self.written.fd)
            self.written = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _begin(self, hour: str, now_s: float) -> Written:
        numbers = [int(path.name[:10]) for path in (*self._files("open"), *self._files("sealed"))]
        path = self.folder / f"{max(numbers, default=0) + 1:010d}-{hour}.open"
        self.written = Written(path, os.open(path, _FLAGS, 0o600), hour, now_s)
        sync_folder(self.folder)
        return self.written

    def _take_back(self, written: Written) -> None:
        """After a failed sync nothing is known of this file: it is looked at as after a crash."""
        with contextlib.suppress(OSError):
            os.ftruncate(written.fd, written.size)
        self.close()

    def _take_lock(self) -> None:
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise SinkUnavailable(
                f"Another process writes to {self.folder}.", advice="Let only one run with this store."
            ) from None
        except OSError:  # a file system without locks
            pass
        self._lock = fd

    def _kept(self) -> Position | None:
        try:
            return msgspec.json.decode((self.folder / "position").read_bytes(), type=Position)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def _files(self, state: str) -> list[Path]:
        found = [name for name in os.listdir(self.folder) if (match := _NAME.fullmatch(name)) and match[3] == state]
        return [self.folder / name for name in sorted(found)]


def recover(path: Path) -> None:
    """Cuts a file after its last sound commit."""
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        kept = 0
        if size:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                kept = _sound(data)
        if kept < size:
            file.truncate(kept)
        os.fsync(file.fileno())


def last_position(path: Path) -> Position | None:
    """The place in the journal of a sealed file's last commit that has one."""
    if not path.stat().st_size:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = len(data)
        while (start := _last_mark(data, end)) >= 0:
            commit = _commit(data[start : data.find(b"\n", start)])
            if commit is not None and commit.position is not None:
                return commit.position
            end = start
    return None


def _sound(data: mmap.mmap) -> int:
    end = len(data)
    while (start := _last_mark(data, end)) >= 0:
        line_end = data.find(b"\n", start)
        commit = _commit(data[start:line_end]) if line_end >= 0 else None
        if (
            commit is not None
            and commit.size <= start
            and zlib.crc32(data[start - commit.size : start]) == commit.crc32
        ):
            return line_end + 1
        end = start
    return 0


def _last_mark(data: mmap.mmap, end: int) -> int:
    """Where the last commit line before `end` starts; within a line of JSON there is no line end."""
    found = data.rfind(b"\n" + _MARK, 0, end)
    return found + 1 if found >= 0 else -1


def _commit(line: bytes) -> _Commit | None:
    try:
        return _decode_commit(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
