"""Rotation of a JSON Lines file: when it is due, what the old file is called, and its compression.

A rotated file is renamed at once and compressed afterwards, beside delivery: into a hidden file of its folder that
takes the final name when it is whole and synced, before the plain one goes. So at every moment each line is in a file
whose name is final; what a crash left undone is done after the next start.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import stat
import threading
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from genscribe.settings import SinkSetting
from genscribe.settings.values import BadValue, duration_s, keep
from genscribe.sinks.base import SinkMisconfigured, missing_extra

ENDINGS = {"gzip": ".gz", "zstd": ".zst"}
"""What a compressed file's name ends in."""

DAY_S = 86400
_CHUNK = 1024 * 1024
_GZIP_LEVEL = 6
_GZIP = 31
"""zlib's word for: a window of 32 kB, in gzip's form."""


class Press(Protocol):
    """A compressor of one file."""

    def compress(self, data: bytes, /) -> bytes:
        """Takes bytes in, and gives out what is ready."""

    def flush(self) -> bytes:
        """Gives out the rest; nothing may follow."""


@dataclass(frozen=True)
class Rotation:
    """When a file is put away, and in which form.

    Attributes:
        size: Bytes above which the file does not grow, unless a single batch is larger; `None` = any size.
        every_s: Seconds of a period, counted from midnight UTC: a file holds lines of one; `None` = of any time.
        compress: `gzip`, `zstd`, or `None` to leave rotated files plain.
    """

    size: int | None = None
    every_s: int | None = None
    compress: str | None = None

    def due(self, size: int, more: int, last_s: float, now_s: float) -> bool:
        """Whether to rotate before writing.

        Args:
            size: Bytes that the file has.
            more: Bytes to come.
            last_s: When it was last written, in seconds since 1970.
            now_s: The same, of now.
        """
        if not size:
            return False
        if self.size is not None and size + more > self.size:
            return True
        return self.every_s is not None and now_s // self.every_s > last_s // self.every_s

    def due_in_s(self, size: int, last_s: float, now_s: float) -> float | None:
        """Seconds until time alone makes it due; `None` when it never does."""
        if self.every_s is None or not size:
            return None
        return max((last_s // self.every_s + 1) * self.every_s - now_s, 0.0)

    def stamp(self, last_s: float, now_s: float) -> str:
        """What a rotated file is called after: the begin of its period, or, without periods, now."""
        named_s = last_s // self.every_s * self.every_s if self.every_s is not None else now_s
        return datetime.fromtimestamp(int(named_s), timezone.utc).strftime("%Y%m%dT%H%M%SZ")


NEVER = Rotation()
"""The file grows until somebody else rotates it."""


def read_rotation(setting: SinkSetting) -> Rotation:
    """What a sink's parameters say about rotation.

    Raises:
        SinkMisconfigured: A value that it cannot mean, rotation of standard output, or no library for zstd.
    """
    told = {
        name: setting.params[name] for name in ("rotate_size", "rotate_every", "compress") if name in setting.params
    }
    if told and setting.target == "-":
        raise SinkMisconfigured("standard output cannot be rotated.", advice="Write jsonl:PATH, or leave it out.")
    rotation = Rotation(_size(told.get("rotate_size")), _every(told.get("rotate_every")), told.get("compress"))
    if rotation.compress is not None:
        if rotation.compress not in ENDINGS:
            raise SinkMisconfigured("the jsonl sink's compress= is neither gzip nor zstd.", advice="Write one of them.")
        if rotation.size is None and rotation.every_s is None:
            raise SinkMisconfigured(
                "the jsonl sink's compress= is for rotated files.", advice="Add rotate-size=100MB or rotate-every=1d."
            )
        press(rotation.compress)
    return rotation


def press(kind: str) -> Press:
    """A new compressor: `gzip` or `zstd`.

    Raises:
        SinkMisconfigured: This Python has no zstd, and no package with it is installed.
    """
    if kind == "gzip":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    made: Press = _zstd()()
    return made


def _zstd() -> Callable[[], Any]:
    for module in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(module).ZstdCompressor  # type: ignore[no-any-return]
    with contextlib.suppress(ImportError):
        library = importlib.import_module("zstandard")
        return lambda: library.ZstdCompressor().compressobj()
    raise missing_extra("jsonl", "zstd")


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        kept = keep(text)
        size = kept.max_bytes if kept.max_age_s is None else None
    except BadValue:
        size = None
    if size is None:
        raise SinkMisconfigured("the jsonl sink's rotate-size= is no size.", advice="Write rotate-size=100MB.")
    return size


def _every(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        seconds = duration_s(text)
    except BadValue:
        seconds = 0.0
    if seconds < 60 or DAY_S % seconds or seconds % 1:
        raise SinkMisconfigured(
            "the jsonl sink's rotate-every= is no part of a day of a minute or more.",
            advice="Write rotate-every=1h or rotate-every=1d.",
        )
    return int(seconds)


def rotated_name(path: Path, stamp: str, taken: Iterable[str]) -> str:
    """The name for a file to be put away: `calls-20261122T140000Z.jsonl`, or the next with a number.

    Args:
        path: The live file.
        stamp: What `Rotation.stamp` says.
        taken: Names that there are in its folder, compressed ones too, or were.
    """
    numbers = [int(match[2] or 0) for name in taken if (match := _pattern(path).fullmatch(name)) and match[1] == stamp]
    number = f".{max(numbers) + 1}" if numbers else ""
    return f"{path.stem}-{stamp}{number}{path.suffix}"


def plain_ones(path: Path, names: Iterable[str]) -> list[str]:
    """Which of these names are rotated files of that path, not yet compressed."""
    return sorted(name for name in names if (match := _pattern(path).fullmatch(name)) and not match[3])


def _pattern(path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    return re.compile(rf"{stem}-([0-9]{{8}}T[0-9]{{6}}Z)(?:\.([0-9]{{1,9}}))?{suffix}(\.gz|\.zst)?", re.ASCII)


class Compressor:
    """Compresses rotated files in a thread of its own, oldest first, while delivery goes on.

    What fails is left plain, and tried again with the next rotation or start.

    Args:
        path: The live file.
        kind: `gzip` or `zstd`.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind
        self._wake = threading.Condition()
        self._asked = self._stopping = False
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Lets it look for files to compress; returns at once."""
        with self._wake:
            self._asked, self._stopping = True, False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="genscribe-compress", daemon=True)
                self._thread.start()

    def close(self, *, finish: bool = False) -> None:
        """Stops, within a megabyte's work; idempotent. With `finish` once everything asked for is done."""
        with self._wake:
            self._stopping = not finish
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._asked or self._stopping:
                    self._thread = None
                    return
                self._asked = False
            with contextlib.suppress(OSError):
                for name in plain_ones(self._path, os.listdir(self._path.parent)):
                    if self._stopping:
                        break
                    with contextlib.suppress(OSError):
                        compress(self._path.parent / name, self._kind, lambda: self._stopping)


def compress(path: Path, kind: str, stopped: Callable[[], bool] = lambda: False) -> None:
    """Puts `PATH.gz` or `PATH.zst`, mode 0600, in the place of a file; leaves all as it was when stopped or failing.

    Raises:
        OSError: It cannot; also of a symbolic link, which is not followed.
    """
    whole = path.with_name(path.name + ENDINGS[kind])
    half = path.with_name(f".{whole.name}.part")
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            return
        half.unlink(missing_ok=True)
        try:
            if not _pressed(source, half, press(kind), stopped):
                half.unlink(missing_ok=True)
                return
        except BaseException:
            half.unlink(missing_ok=True)
            raise
    finally:
        os.close(source)
    half.replace(whole)
    sync_folder(path.parent)
    path.unlink()
    sync_folder(path.parent)


def _pressed(source: int, to: Path, machine: Press, stopped: Callable[[], bool]) -> bool:
    """Whether all of it is there, synced."""
    fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as out:
        while chunk := os.read(source, _CHUNK):
            if stopped():
                return False
            out.write(machine.compress(chunk))
        out.write(machine.flush())
        out.flush()
        os.fsync(out.fileno())
    return True


def sync_folder(path: Path) -> None:
    """Makes names in a folder as durable as the data; some file systems cannot, and need not."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
