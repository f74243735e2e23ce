"""The sinks `jsonl:PATH` and `jsonl:-`: one event a line, the contract's JSON.

A file is appended to and synced before `write` returns, so what the cursor has passed survives a power cut. What
was not synced may be torn afterwards; `open` cuts the torn tail off, and the cursor brings those events again.
Only what is synced is ever rotated: a rotation moves the name, never a line.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import anyio.to_thread
import msgspec

from genscribe import clock
from genscribe.events import DELIVERED_KINDS, Record, json_lines
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, Sink, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.rotation import NEVER, Compressor, Rotation, read_rotation, rotated_name, sync_folder
from genscribe.sinks.stdout import StandardOutput

TAIL = 4 * 1024 * 1024
"""Bytes at the end of a file that a crash can have left unsynced: more than a batch of events ever has."""
LONGEST = 64 * 1024 * 1024
"""The same of documents: that of a conversation which took a day is one line of many megabytes."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync

_ADVICE = {
    errno.ENOENT: "Create the folder it is to stand in.",
    errno.ENOTDIR: "A part of the path is a file, not a folder.",
    errno.EISDIR: "Name a file, not a folder.",
    errno.ELOOP: "It is a symbolic link: name the file that it leads to, or jsonl:- for standard output.",
    errno.EACCES: "Let this user write there.",
    errno.EPERM: "Let this user write there.",
    errno.EROFS: "The file system is read-only: name another path.",
    errno.ENXIO: "Name a regular file.",
}
"""What does not heal by waiting, and what to do about it."""


class JsonLinesFile:
    """Appends to a file that nobody else appends to.

    It is created with mode 0600; one that exists keeps its mode. It may be renamed or removed at any time, as
    logrotate does: the next batch goes into a new file of the old name.

    Args:
        path: The file; its folder must exist.
        rotation: When it is rotated here, and whether it is compressed then.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, path: Path, rotation: Rotation = NEVER) -> None:
        self._path = path
        self._rotation = rotation
        self._compressor = Compressor(path, rotation.compress) if rotation.compress else None
        self._file: _LineFile | None = None
        self._stale = False
        self._last_s = 0.0
        self._used: set[str] = set()

    async def open(self) -> None:
        """Opens the file, creates it if missing, and repairs its tail.

        Raises:
            SinkMisconfigured: No such folder, no permission, a link or device, or no JSON Lines in it.
            SinkUnavailable: The disk is full or failing, or another process holds the file.
        """
        await anyio.to_thread.run_sync(self._translated, self._reopened)
        if self._compressor is not None:
            self._compressor.ask()  # for what a crash or a stop left plain

    async def write(self, batch: Sequence[Record]) -> None:
        """Appends a batch and syncs it. Raises as `open` does; then nothing of the batch stays in the file."""
        await anyio.to_thread.run_sync(self._translated, lambda: self._append(json_lines(batch)))

    def due_in_s(self) -> float | None:
        """Seconds until `tidy` has something to do; `None` when time alone gives it nothing."""
        if self._file is None:
            return None
        return self._rotation.due_in_s(self._file.size(), self._last_s, clock.wall_ms() / 1000)

    async def tidy(self) -> None:
        """Rotates a file whose period is over, though nothing more is to be written. Raises as `open` does."""
        await anyio.to_thread.run_sync(self._translated, lambda: self._roomy(0))

    def reopen(self) -> None:
        """Lets the next batch open the path anew: SIGHUP, after a log rotation."""
        self._stale = True

    async def aclose(self) -> None:
        """Closes the file; idempotent. What is not yet compressed is, after the next start."""
        await anyio.to_thread.run_sync(self._close)
        if self._compressor is not None:
            await anyio.to_thread.run_sync(self._compressor.close)

    def _append(self, data: bytes) -> None:
        self._roomy(len(data)).append(data)
        self._last_s = clock.wall_ms() / 1000

    def _roomy(self, more: int) -> _LineFile:
        """The file, rotated before if it must not take so many bytes more now."""
        file = self._current()
        if not self._rotation.due(file.size(), more, self._last_s, clock.wall_ms() / 1000):
            return file
        stamp = self._rotation.stamp(self._last_s, clock.wall_ms() / 1000)
        # Names are not used again, even if somebody has taken the file of that name away meanwhile.
        name = rotated_name(self._path, stamp, self._used.union(os.listdir(self._path.parent)))
        self._path.rename(self._path.with_name(name))
        self._used = {each for each in self._used if stamp in each} | {name}
        file = self._reopened()
        if self._compressor is not None:
            self._compressor.ask()
        return file

    def _current(self) -> _LineFile:
        if self._file is None or self._stale or not self._file.still_at(self._path):
            return self._reopened()
        return self._file

    def _reopened(self) -> _LineFile:
        self._close()
        self._stale = False
        self._file = _LineFile(self._path)
        self._last_s = self._file.written_s()
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _translated(self, act: Callable[[], object]) -> None:
        """Acts, in a worker thread; after any error the file is closed, because a failed sync says nothing about it."""
        try:
            act()
        except OSError as error:
            self._close()
            what = f"{self._path} cannot be written: {error.strerror or error}."
            if error.errno in _ADVICE:
                raise SinkMisconfigured(what, advice=_ADVICE[error.errno]) from error
            raise SinkUnavailable(what) from error
        except BaseException:
            self._close()
            raise


class JsonLinesOutput:
    """Standard output for programs: `jsonl:-`. Nothing is synced; the system takes it or the batch comes again.

    Args:
        fd: Where to write; 1 is standard output.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, fd: int = 1) -> None:
        self._out = StandardOutput(fd)

    async def open(self) -> None:
        """Nothing can be wrong before the first line."""

    async def write(self, batch: Sequence[Record]) -> None:
        """Writes a batch. Raises `SinkEnded` once nobody reads any more."""
        await self._out.write(json_lines(batch))

    async def aclose(self) -> None:
        """Lets the writing thread end."""
        self._out.close()


def make(setting: SinkSetting, means: Means) -> Sink:
    """The sink of a setting.

    Raises:
        SinkMisconfigured: A parameter that it cannot mean, or a library that compression needs is missing.
    """
    rotation = read_rotation(setting)
    return JsonLinesOutput() if setting.target == "-" else JsonLinesFile(Path(setting.target), rotation)


class _LineFile:
    """An open, locked, sound JSON Lines file. Every call blocks and may raise `OSError`."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, _FLAGS, 0o600)
        try:
            self._take(path)
        except BaseException:
            os.close(self._fd)
            raise

    def _take(self, path: Path) -> None:
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENXIO, "not a regular file")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SinkUnavailable(f"Another process writes to {path}.", advice="Give each its own file.") from None
        except OSError:  # a file system without locks
            pass
        if status.st_size:
            self._repair(path, os.fstat(self._fd).st_size)
        else:
            sync_folder(path.parent)

    def _repair(self, path: Path, size: int) -> None:
        begins, why = os.pread(self._fd, 1, 0), ""
        for most in (TAIL, LONGEST):
            start = max(size - most, 0)
            tail = os.pread(self._fd, size - start, start)
            try:
                kept = sound(tail, begins=begins, whole=start == 0)
                break
            except ValueError as error:
                why = str(error)
        else:
            raise SinkMisconfigured(f"{path} {why}.", advice="Name another file, or move this one away.")
        if kept < len(tail):
            os.ftruncate(self._fd, start + kept)
        elif not tail.endswith(b"\n"):
            self.append(b"\n")

    def append(self, data: bytes) -> None:
        """Appends and syncs; takes back what it appended when that fails."""
        size = os.fstat(self._fd).st_size
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
            _sync(self._fd)
        except BaseException:
            with contextlib.suppress(OSError):
                if os.fstat(self._fd).st_size > size:
                    os.ftruncate(self._fd, size)
            raise

    def still_at(self, path: Path) -> bool:
        """Whether the path leads to this very file."""
        try:
            return os.path.samestat(os.lstat(path), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def size(self) -> int:
        """How many bytes it has."""
        return os.fstat(self._fd).st_size

    def written_s(self) -> float:
        """When it was last written, in seconds since 1970."""
        return os.fstat(self._fd).st_mtime

    def close(self) -> None:
        """Closes, which unlocks."""
        os.close(self._fd)


def sound(tail: bytes, *, begins: bytes, whole: bool = True) -> int:
    """How many bytes of a file's tail may stay after a crash.

    A torn line has no line end, or holds the NULs that a power cut leaves where data never reached the disk. Only
    a file that begins like ours is ever cut.

    Args:
        tail: The last bytes of the file.
        begins: The first byte of the file.
        whole: The tail is all of it.

    Raises:
        ValueError: This is no file of ours, or the tail does not reach back to its last whole line.
    """
    torn = tail.find(b"\0")
    if torn < 0 and tail.endswith(b"\n"):
        return len(tail)
    if begins == b"\0" and not tail.strip(b"\0"):
        return 0
    if begins != b"{":
        raise ValueError("is not JSON Lines")
    kept = tail.rfind(b"\n", 0, torn if torn >= 0 else len(tail)) + 1
    if not kept and not whole:
        raise ValueError("ends in a line longer than any of ours")
    if torn >= 0:
        return kept
    if _is_json(tail[kept:]):
        return len(tail)
    if not tail.startswith(b"{", kept):
        raise ValueError("does not end like JSON Lines")
    return kept


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
