"""The one thread that owns the writing connection.

It takes everything that gathered while the last commit ran (natural group commit: no timer, no polling), commits it
with `synchronous=FULL`, and reports once a commit. Between commits, and never in their way, it does its chores in
short slices: the archive, retention, emptying SQLite's log.

`Writer` decides and acts in `turn`, which needs no thread; `thread.WriterThread` turns it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import apsw

from genscribe import clock
from genscribe.errors import StoreFailed
from genscribe.store import files
from genscribe.store.database import Opened, Trouble, trouble
from genscribe.store.reports import Committed, Healed, Refused
from genscribe.store.rows import Row, insert
from genscribe.telemetry.store import StoreBroke, StoreContended, StoreDamaged, StoreFull, StoreHealed

ROWS_A_COMMIT = 1000
LINGER_S = 0.2
"""How long a note (a cursor, the sign of life) may wait for a commit to ride in."""
RETRY_S = 1.0
"""How long after a refused write the next is tried."""
CONTENDED_S = 5.0
"""How long another program may hold the write lock before we say so."""
STARVED_S = 0.25
"""Chores get a slice at least this often, however many appends wait."""
LOOK_S = 5.0
"""How often the file's place is looked at: one deleted under us would swallow everything."""
CLOSE_S = 3.0
"""How long chores may catch up at the end."""


class Chore(Protocol):
    """Work that stands back behind appends."""

    in_transaction: ClassVar[bool]

    def wait(self, now: float, head: int, *, closing: bool) -> float | None:
        """Seconds until there is something to do, 0 for now, `None` for nothing in sight."""

    def step(self, db: apsw.Connection, now: float, head: int) -> None:
        """One slice, a few milliseconds."""

    def slices(self, head: int) -> int:
        """How many slices may share a commit while no append waits: each commit writes its pages anew."""

    def undone(self) -> None:
        """What was done since the last commit was rolled back."""


class _Note(NamedTuple):
    sql: str
    bindings: Sequence[Any]
    after: int
    """So many rows were appended before it; it is not committed before them."""
    first: int
    """The number of the first note of its key that is not committed."""


@dataclass
class _Batch:
    rows: list[Row]
    notes: list[_Note]
    noted: int


@dataclass
class Writer:
    """What is to be written, and the writing of it.

    Args:
        opened: The store; the writer owns its connection from now on.
        head: The last seq in use.
        report: Is called by whoever turns, with a report of this module or a happening of `telemetry.store`.
        chores: In the order of their right of way.
    """

    opened: Opened
    head: int
    report: Callable[[object], None]
    chores: Sequence[Chore] = ()
    closing: bool = False
    refused_since: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rows: list[Row] = field(default_factory=list)
    _appended: int = 0
    _taken: int = 0
    _notes: dict[object, _Note] = field(default_factory=dict)
    _waiting: dict[object, _Note] = field(default_factory=dict)
    """Notes that were replaced before their rows were committed: or else a flood would put them off for ever."""
    _noted: int = 0
    _notes_due: float = 0.0
    _held: _Batch | None = None
    _retry_at: float = 0.0
    _chores_at: float = 0.0
    _contended_since: float | None = None
    _contention_told: bool = False
    _starved_since: float | None = None
    _looked_at: float = 0.0

    # --- any thread ---------------------------------------------------------------------------------------------

    def append(self, rows: Sequence[Row]) -> None:
        """Takes rows for the next commit."""
        with self._lock:
            self._extend(rows)

    def append_with_note(self, rows: Sequence[Row], key: object, sql: str, bindings: Sequence[Any]) -> int:
        """Takes rows, and a statement that is committed with the last of them; returns the number of this note."""
        with self._lock:
            self._extend(rows)
            self._put(key, sql, bindings, at_once=False)
            return self._noted

    def note(self, key: object, sql: str, bindings: Sequence[Any], *, at_once: bool = False) -> tuple[int, bool]:
        """Takes a statement for the next commit that has all rows appended before; a later one of its key replaces it.

        Args:
            key: What it is about.
            sql: The statement.
            bindings: Its values.
            at_once: It says nothing of rows that wait, and rides in the very next commit.

        Returns:
            The number of this note, which `Committed.noted` reaches, and whether it is the first that waits.
        """
        with self._lock:
            first = self._put(key, sql, bindings, at_once=at_once)
            return self._noted, first

    def _extend(self, rows: Sequence[Row]) -> None:
        self._rows.extend(rows)
        self._appended += len(rows)

    def _put(self, key: object, sql: str, bindings: Sequence[Any], *, at_once: bool) -> bool:
        first = not self._notes
        if first:
            self._notes_due = time.monotonic() + LINGER_S
        self._noted += 1
        number = self._replace(key, at_once=at_once)
        self._notes[key] = _Note(sql, bindings, 0 if at_once else self._appended, number)
        return first

    def _replace(self, key: object, *, at_once: bool) -> int:
        replaced = self._notes.pop(key, None)
        if at_once:
            replaced = self._waiting.pop(key, replaced)
        elif replaced is not None and replaced.after > self._taken and key not in self._waiting:
            self._waiting[key] = replaced
            return self._noted
        return self._noted if replaced is None else replaced.first

    def hurry(self) -> None:
        """Lets the notes linger no longer."""
        with self._lock:
            self._notes_due = 0.0

    # --- the writer's thread ------------------------------------------------------------------------------------

    def turn(self, now: float) -> float | None:
        """Does one thing. Returns how many seconds it may rest, 0 when there is more, `None` until it is woken.

        Raises:
            StoreFailed: The store cannot go on.
        """
        if now < self._retry_at and not self.closing:
            return self._retry_at - now
        self._look(now)
        batch = self._take(now)
        if batch is not None and not (batch.rows and self._chore_starves(now)):
            self._commit(batch, now)
            return 0
        rest = self._chore(now, alone=batch is None)
        if batch is not None:
            self._commit(batch, now)
            return 0
        with self._lock:
            if self._notes:
                until_due = max(0.0, self._notes_due - now)
                return until_due if rest is None else min(rest, until_due)
        return rest

    @property
    def drained(self) -> bool:
        """Nothing is left to commit."""
        with self._lock:
            return not (self._rows or self._notes or self._held)

    def _take(self, now: float) -> _Batch | None:
        if self._held is not None:
            return self._held
        with self._lock:
            if not self._rows and (not self._notes or (now < self._notes_due and not self.closing)):
                return None
            if len(self._rows) <= ROWS_A_COMMIT:
                rows, self._rows = self._rows, []
            else:
                rows = self._rows[:ROWS_A_COMMIT]
                del self._rows[:ROWS_A_COMMIT]
            self._taken += len(rows)
            ready = [note for notes in (self._waiting, self._notes) for note in self._ready(notes)]
            left = [*self._waiting.values(), *self._notes.values()]
            return _Batch(rows, ready, min([note.first - 1 for note in left], default=self._noted))

    def _ready(self, notes: dict[object, _Note]) -> list[_Note]:
        """Takes those out whose rows are committed by now, or with this commit."""
        return [notes.pop(key) for key, note in list(notes.items()) if note.after <= self._taken]

    def _commit(self, batch: _Batch, now: float) -> None:
        db = self.opened.db
        self._held = batch
        try:
            db.execute("begin immediate")
            if batch.rows:
                insert(db, self.head, batch.rows)
            for note in batch.notes:
                db.execute(note.sql, note.bindings)
            db.execute("commit")
        except apsw.Error as error:
            self._roll_back()
            self._meet(error, now)
            return
        self._held = None
        base = self.head
        self.head += len(batch.rows)
        self._passed()
        self.report(Committed(base, batch.rows, batch.noted))

    def _chore_starves(self, now: float) -> bool:
        idle = not any(chore.wait(now, self.head, closing=False) == 0 for chore in self.chores)
        if idle or self._starved_since is None:
            self._starved_since = now
        return now - self._starved_since > STARVED_S

    def _chore(self, now: float, *, alone: bool = True) -> float | None:
        """Some slices of the first chore that is due; one only when it is not `alone` because an append waits."""
        self._starved_since = now
        if now < self._chores_at:
            return None if self.closing else self._chores_at - now
        rests = []
        for chore in self.chores:
            rest = chore.wait(now, self.head, closing=self.closing)
            if rest == 0:
                self._step(chore, now, chore.slices(self.head) if alone else 1)
                return 0
            if rest is not None:
                rests.append(rest)
        return min(rests, default=None)

    def _step(self, chore: Chore, now: float, slices: int) -> None:
        db = self.opened.db
        try:
            if chore.in_transaction:
                # Synced like an append: left to the next append's commit, its pages would make that one late (measured
                # at 2,000 events a second: p99 10 times a bare append and sync instead of 4).
                db.execute("begin immediate")
                for _ in range(slices):
                    chore.step(db, now, self.head)
                    if self._rows or chore.wait(now, self.head, closing=self.closing) != 0:
                        break
                db.execute("commit")
            else:
                chore.step(db, now, self.head)
        except apsw.Error as error:
            self._roll_back()
            chore.undone()
            self._meet(error, now)
            self._chores_at = now + RETRY_S

    def _roll_back(self) -> None:
        db = self.opened.db
        if db.in_transaction:
            try:
                db.execute("rollback")
            except apsw.Error:
                return  # SQLite already did, or will when the connection closes

    def _meet(self, error: apsw.Error, now: float) -> None:
        """Answers a refused write: waits, or ends the store's run."""
        verdict = trouble(error)
        if verdict is Trouble.BROKEN:
            raise self._broken(f"The store {self.opened.path} failed: {error}.")
        if verdict is Trouble.DAMAGED:
            raise self._damaged(error)
        if verdict is Trouble.CONTENDED:  # SQLite itself has waited
            self._contended_since = now if self._contended_since is None else self._contended_since
            if now - self._contended_since >= CONTENDED_S and not self._contention_told:
                self._contention_told = True
                self.report(StoreContended(str(self.opened.path)))
            return
        if self._held is None:
            return  # a chore: an append may still find room
        self._retry_at = now + RETRY_S
        if self.refused_since is None:
            self.refused_since = clock.wall_ms()
            with self._lock:
                waiting = len(self._rows) + len(self._held.rows)
            self.report(Refused(self.refused_since))
            self.report(StoreFull(str(self.opened.path), waiting))

    def _passed(self) -> None:
        self._contended_since, self._contention_told = None, False
        if self.refused_since is not None:
            since, until = self.refused_since, clock.wall_ms()
            self.refused_since = None
            self.report(Healed(since, until))
            self.report(StoreHealed(str(self.opened.path), since, until))

    def _broken(self, message: str) -> StoreFailed:
        error = StoreFailed(
            message, advice="Everything accepted before is on disk. Check the disk, then start genscribe again."
        )
        self.report(StoreBroke(str(error)))
        return error

    def _damaged(self, error: apsw.Error) -> StoreFailed:
        """Sets the store aside at once, so that the next start begins a new one instead of failing the same way."""
        path = self.opened.path
        self.opened.db.close(True)
        aside = files.set_aside(path)
        self.report(StoreDamaged(str(path), str(aside), str(error)))
        return StoreFailed(
            f"The store {path} was found damaged and is now {aside}.",
            advice="Check the disk, then start genscribe again: it begins a new store.",
        )

    def _look(self, now: float) -> None:
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        try:
            inode = os.stat(self.opened.path).st_ino
        except OSError:
            inode = -1
        if inode != self.opened.inode:
            raise self._broken(f"The store {self.opened.path} was deleted or replaced while in use.")

    def finish(self) -> None:
        """Commits what is left, lets chores catch up for `CLOSE_S`, empties SQLite's log and closes.

        A disk that still refuses gets one more try; what it does not take was never accepted.
        """
        self.closing = True
        deadline = time.monotonic() + CLOSE_S
        while not self.drained:
            self.turn(time.monotonic())
            if self._held is not None and (self.refused_since is not None or time.monotonic() > deadline):
                break
        while self._held is None and time.monotonic() < deadline and self._chore(time.monotonic()) == 0:
            pass
        self.opened.db.close(True)
