"""Keeps SQLite's write-ahead log short: checkpoints between commits, and cuts the file when it has grown long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import apsw

from genscribe.store import files
from genscribe.telemetry.store import WalHeld

SOON_PAGES = 1000
"""About 4 MB, 2 to 5 milliseconds of work: then the log is written back into the store, however busy we are."""
CUT_BYTES = 64 << 20
AGAIN_S = 1.0
TELL_S = 60.0
"""How long a reader may keep an overlong log before we say so."""


class WalKeeper:
    """The chore that empties the log. It is the only one to do so: SQLite's own way would do it inside a commit."""

    in_transaction: ClassVar[bool] = False

    def __init__(self, db: apsw.Connection, path: Path, report: Callable[[object], None] = lambda report: None) -> None:
        self._path = path
        self._wal = files.companion(path, "-wal")
        self.report = report
        self._pages = 0
        self._done_pages = 0
        self._not_before = 0.0
        self._held_since: float | None = None
        self._told = False
        self._cut_bytes = CUT_BYTES
        db.set_wal_hook(self._grown)

    def wait(self, now: float, head: int, *, closing: bool) -> float | None:
        """Due when the log has grown by `SOON_PAGES`; closing the file empties it anyway."""
        if closing:
            return None
        if self._pages - self._done_pages < SOON_PAGES and self._held_since is None:
            return None
        return max(0.0, self._not_before - now)

    def step(self, db: apsw.Connection, now: float, head: int) -> None:
        """Writes the log back; a long one is cut to nothing unless a reader still needs it."""
        self._not_before = now + AGAIN_S
        long = self._size() > self._cut_bytes
        db.set_busy_timeout(0)
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE if long else apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            pass
        finally:
            db.set_busy_timeout(1000)
        self._done_pages = self._pages
        self._watch(now)

    def slices(self, head: int) -> int:
        """One."""
        return 1

    def undone(self) -> None:
        """Nothing to take back: what a checkpoint wrote is written."""

    def _grown(self, db: apsw.Connection, name: str, pages: int) -> int:
        if pages < self._pages:
            self._done_pages = 0
        self._pages = pages
        return apsw.SQLITE_OK

    def _watch(self, now: float) -> None:
        size = self._size()
        if size <= self._cut_bytes:
            self._held_since, self._told = None, False
            return
        self._held_since = now if self._held_since is None else self._held_since
        if now - self._held_since >= TELL_S and not self._told:
            self._told = True
            self.report(WalHeld(str(self._path), size))

    def _size(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0
