"""Standard error as a place to write to that may be stuck: a recording must not stop because nobody reads its log.

A pipe whose reader sleeps, or a terminal held with Ctrl-S, blocks `write(2)` for as long as it likes, and with it the
event loop, signals included.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import TextIO

PATIENCE_S = 0.2
"""How long the first line waits that cannot be written; the next ones do not wait until one gets through."""
CHUNK = 4096
"""A pipe that `select` calls writable takes this much at once (Linux; POSIX says at least 512)."""


class Outlet:
    """Writes lines to a stream, and loses them rather than waiting for its reader.

    Args:
        stream: Where to. One without a descriptor is simply written to.

    Attributes:
        lost: Lines that were not written since the last one that was.
    """

    def __init__(self, stream: TextIO) -> None:
        self.lost = 0
        self._stream = stream
        self._torn = False
        self._fd: int | None = None
        with suppress(OSError, ValueError):
            self._fd = stream.fileno()

    def write(self, line: str, *, patience_s: float = PATIENCE_S) -> bool:
        """Writes a line; returns whether it got through. Raises `OSError` as `os.write` does."""
        text = f"{line}\n"
        if self._fd is None:
            self._stream.write(text)
            self._stream.flush()
            return True
        data = (b"\n" if self._torn else b"") + text.encode("utf-8", "backslashreplace")
        written = _put(self._fd, data, 0.0 if self.lost else patience_s)
        if written == len(data):
            self.lost, self._torn = 0, False
            return True
        self._torn = self._torn or written > 0
        self.lost += 1
        return False


def _put(fd: int, data: bytes, patience_s: float) -> int:
    written = 0
    while written < len(data) and select.select([], [fd], [], patience_s)[1]:
        written += os.write(fd, data[written : written + CHUNK])
    return written
