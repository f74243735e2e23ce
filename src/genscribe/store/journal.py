"""The journal: accepted means committed here.

Everything is called on the event loop's thread. Appending never blocks; the writer's thread commits and wakes the loop
once a commit. The last commits are kept in memory, so whoever stands at the head reads without SQL.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import apsw

from genscribe import clock
from genscribe.errors import StoreBusy, StoreFailed
from genscribe.events import Position, Record
from genscribe.store import channels, cursors, hands, life, ongoing, told
from genscribe.store.ground import Ground, lay_ground
from genscribe.store.life import OpenGap
from genscribe.store.ongoing import Unended
from genscribe.store.reports import Broke, Committed, Healed, Indexed, Refused
from genscribe.store.retention import Keep, marked_before
from genscribe.store.rows import AFTER, Fetched, Row, fetch
from genscribe.store.tail import Tail, weight
from genscribe.store.thread import WriterThread
from genscribe.store.writer import Writer
from genscribe.telemetry import Telemetry
from genscribe.telemetry.store import CursorMistrusted, RowDamaged, StoreHappening

BUFFER_BYTES = 32 << 20
TAIL_BYTES = 8 << 20
RECENT_SLICE = 2000
PATIENCE_S = 0.3
"""How long a held store is tried at least: `genscribe status` looks at the lock for a moment."""
POLL_S = 0.1

_NO_KEEP = Keep()

Answer = TypeVar("Answer")


class Journal:
    """One store open for writing. Make it with `open`, end it with `aclose` or `async with`.

    Attributes:
        path: The store's file.
        store_id: This store's random id; part of every gap's key and of every cursor.
        head: The last committed seq, 0 in an empty store.
        previous: What the last run left; `None` at the very first start.
        gap_keys: Keys of gaps that the store has already, the last ones; two gaps never share a key.
        remembered_channels: Digest and end (epoch milliseconds) of the channels that earlier runs left.
        full_since: Epoch milliseconds since which the disk takes no more; `None` while all is well.
        failed: Why the store cannot go on; `None` while it does. Every method that waits raises it.
        queues: What queues are called, by their ids, as far as the source has told in this run; it grows.
        on_full: Is called with the moment (epoch milliseconds) from which on the disk takes no more.
        on_healed: Is called with that moment, and with the one at which it took what had waited.
    """

    def __init__(self, ground: Ground, telemetry: Telemetry, *, buffer_bytes: int, tail_bytes: int) -> None:
        self.path = ground.opened.path
        self.store_id = ground.store_id
        self.head = ground.head
        self.previous = ground.previous
        self.gap_keys = ground.gap_keys
        self.remembered_channels = ground.channels
        self.queues: dict[str, str] = {}
        self.full_since: int | None = None
        self.failed: StoreFailed | None = None
        self.on_full: Callable[[int], None] | None = None
        self.on_healed: Callable[[int, int], None] | None = None
        self._telemetry = telemetry
        self._loop = asyncio.get_running_loop()
        self._limit = buffer_bytes
        self._lock = ground.lock
        self._reading = ground.reading
        self._one_reader = anyio.CapacityLimiter(1)
        self._positions = ground.positions
        self._tail = Tail(self.head, tail_bytes)
        self._pending: deque[tuple[int, int, float]] = deque()
        self._buffered = 0
        self._appended = self.head
        self._noted = self._noted_done = 0
        self._moved: anyio.Event | None = None
        self._reports: deque[object] = deque()
        self._woken = False
        self._told_damaged: set[int] = set()
        self._closed = False
        self.retention = ground.retention
        self.archive = ground.archive
        chores = (ground.wal, self.archive, ground.merging, self.retention)
        for chore in chores:
            chore.report = self._report
        self._writer = Writer(ground.opened, self.head, self._report, chores)
        self._thread = WriterThread(self._writer)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        telemetry: Telemetry,
        keep: Keep = _NO_KEEP,
        readers: Collection[str] = (),
        wait_s: float = 0,
        buffer_bytes: int = BUFFER_BYTES,
        tail_bytes: int = TAIL_BYTES,
    ) -> Journal:
        """Opens the store at `path` for writing, beginning it if need be.

        Args:
            path: The SQLite file; its folder is made if missing.
            telemetry: Where happenings go.
            keep: How long or how much to keep; by default everything.
            readers: The cursors that this run will ask for: retention waits for them before they do, however long ago
                they moved.
            wait_s: Seconds to wait for another process to let go of the store.
            buffer_bytes: What may wait for its commit before `full` asks for patience.
            tail_bytes: What is kept in memory of the last commits.

        Raises:
            StoreBusy: Another process holds the store.
            ConfigError: Not a genscribe store, one of a newer format, or no fit place for one.
            StoreFailed: The store cannot be opened for writing.
        """
        ground = await _patiently(path, keep, readers, max(wait_s, PATIENCE_S))
        journal = cls(ground, telemetry, buffer_bytes=buffer_bytes, tail_bytes=tail_bytes)
        for happening in ground.happenings:
            telemetry.emit(happening)
        journal._thread.start()
        return journal

    async def __aenter__(self) -> Journal:  # noqa: PYI034  # Self is in typing from 3.11 on
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- writing ------------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """The buffer, or the disk, takes no more for now: wait for `room` before reading on."""
        return self._buffered >= self._limit or self.full_since is not None

    def append(self, rows: Sequence[Row]) -> None:
        """Takes (kind, body, raw) rows for the next commit, in order. Never blocks, never refuses for lack of room.

        Raises:
            StoreFailed: The store cannot go on.
        """
        self._raise_if_done()
        if not rows:
            return
        self._count(rows)
        self._writer.append(rows)
        self._thread.wake()

    async def room(self) -> None:
        """Waits while `full`; returns at once otherwise. Raises `StoreFailed` when the store cannot go on."""
        self._raise_if_done()
        while self.full:
            await self._next_report()

    async def flush(self) -> int:
        """Waits until everything appended, saved or noted so far is committed; returns the head."""
        appended, noted = self._appended, self._noted
        self._raise_if_done()
        if self._noted_done < noted:
            self._writer.hurry()
            self._thread.wake()
        while self.head < appended or self._noted_done < noted:
            await self._next_report()
        return self.head

    async def failure(self) -> None:
        """Waits until the store cannot go on, and raises that `StoreFailed`; returns when the journal is closed."""
        while not self._closed:
            if self.failed is not None:
                raise self.failed
            await self._wait_moved()

    # --- reading ------------------------------------------------------------------------------------------------

    async def wait_beyond(self, seq: int) -> int:
        """Returns the head once it is greater than `seq`."""
        self._raise_if_done()
        while self.head <= seq:
            await self._next_report()
        return self.head

    async def read(self, after: int, limit: int) -> list[Record]:
        """The next committed records after a seq, in order, at most `limit`; empty only when none is left.

        A row that fails its checksum comes as an `unreadable` record, so that cursors move past it.
        """
        found = self._tail.read(after, limit)
        if found is None:
            found = await self._fetch(AFTER, (after, self.head, limit))
        return found

    async def recent(self, *, seconds: float = 600, limit: int = 500_000) -> AsyncIterator[list[Record]]:
        """What was committed in the last `seconds` or longer ago, the last `limit`, in slices, oldest first."""
        head, before = self.head, self._before(seconds)
        after = max(await self._read_only(lambda db: marked_before(db, before)), head - limit)
        async for records in self._slices(after, head):
            yield records

    async def unended(self, limit: int = ongoing.MOST) -> list[Unended]:
        """Conversations that started and did not end as far as was told, at most `limit`, newest first.

        Those first heard of more than 7 days ago are taken for ended.
        """
        head, before = self.head, self._before(ongoing.YOUNG_S)
        indexed = await self._read_only(lambda db: ongoing.unended(db, before, limit))
        later = [record async for records in self._slices(indexed.upto, head) for record in records]
        return ongoing.with_later(indexed.unended, later, limit)

    async def told_of_unended(self, limit: int = ongoing.MOST_ROWS) -> AsyncIterator[list[Record]]:
        """What was last told of `unended` conversations and their participants and messages, in slices, oldest first.

        Whatever its age, the last `limit`; then all that the archive has not indexed yet, of every kind.
        """
        head, before = self.head, self._before(ongoing.YOUNG_S)
        upto, seqs = await self._read_only(lambda db: ongoing.told_of_unended(db, before, ongoing.MOST, limit))
        for begin in range(0, len(seqs), RECENT_SLICE):
            yield await self._fetch(ongoing.THESE, (json.dumps(seqs[begin : begin + RECENT_SLICE]),))
        async for records in self._slices(upto, head):
            yield records

    async def told(self, conversation_id: str, known_to: int) -> list[Record]:
        """All that is known of a conversation, with the gaps, in order; waits until `known_to` is indexed."""
        while True:
            found: Fetched | None = await self._read_only(lambda db: told.told(db, conversation_id, known_to))
            if found is not None:
                self._tell_damaged(found)
                return found.records
            await anyio.sleep(POLL_S)

    async def queue_names(self) -> dict[str, str]:
        """What queues are called, by their ids, as far as the archive and the source know."""
        names: dict[str, str] = await self._read_only(told.queue_names)
        return {**names, **self.queues}

    # --- cursors ------------------------------------------------------------------------------------------------

    def cursor(self, name: str) -> int | None:
        """The saved cursor: everything up to this seq is delivered. `None` when there is none.

        One that does not fit this journal (it was restored or replaced) counts as 0, and a happening says so. What
        comes after a cursor that was asked for here, retention keeps.
        """
        at = self._positions.get(name)
        self.retention.needed[name] = 0 if at is None else at.seq
        return None if at is None else at.seq

    async def save_cursor(self, name: str, seq: int, *, at_once: bool = False) -> None:
        """Saves a cursor with the commit that has all rows appended so far; does not wait for it.

        Args:
            name: Whose.
            seq: Everything up to this one is done.
            at_once: With the next commit, at latest after 200 ms, for those whose work leaves no rows behind.
        """
        at = self._positions.get(name)
        if at is not None and at.seq == seq:
            return
        self._positions[name] = Position(self.store_id, seq, None)
        self.retention.needed[name] = seq
        self._note(f"cursor {name}", cursors.SAVE, (name, seq, clock.now()), at_once=at_once)

    async def position(self, seq: int) -> Position:
        """A place in this journal, for a sink that keeps it beside its own data."""
        at: Position = await self._read_only(lambda db: cursors.position(db, self.store_id, seq))
        return at

    async def trusted(self, name: str, at: Position) -> int:
        """The seq of a position that a sink kept, or 0 with a happening when it does not fit this journal."""
        head = self.head
        why = await self._read_only(lambda db: cursors.mistrust(db, self.store_id, head, at))
        if why is not None:
            self._telemetry.emit(CursorMistrusted(name, why))
        seq = at.seq if why is None else 0
        self.retention.needed[name] = seq
        return seq

    async def dead_letter(self, sink: str, seq: int, reason: str) -> None:
        """Lists an event as refused by a sink, at the latest with the cursor that passes it. Again is no error."""
        self._note(f"dead {sink} {seq}", hands.REFUSED, (sink, seq, reason, clock.now()), at_once=True)

    async def forget_dead_letter(self, sink: str, seq: int) -> None:
        """An event that a sink refused is there after all, or is given up."""
        self._note(f"dead {sink} {seq}", hands.FORGIVE, (seq, sink), at_once=True)

    # --- what somebody asks of a running process, see `control.py` ----------------------------------------------

    async def ask(self, query: Callable[[apsw.Connection], Answer]) -> Answer:
        """What a function reads from the store, in one read of milliseconds."""
        answer: Answer = await self._read_only(query)
        return answer

    async def set_paused(self, name: str, *, paused: bool) -> None:
        """Remembers over restarts whether somebody paused a sink; with the next commit."""
        sql, values = (hands.PAUSE, (name, clock.now())) if paused else (hands.RESUME, (name,))
        self._note(f"paused {name}", sql, values, at_once=True)

    async def forget_cursor(self, name: str) -> None:
        """Removes a cursor, which then holds no retention; with the next commit."""
        self._positions.pop(name, None)
        self.retention.forget(name)
        self._note(f"cursor {name}", hands.FORGET_CURSOR, (name,), at_once=True)
        await self.set_paused(name, paused=False)

    def hold(self, what: str, seq: int | None) -> None:
        """Keeps retention from what comes after a seq; `None` lets go again."""
        if seq is None:
            self.retention.forget(what)
        else:
            self.retention.needed[what] = seq

    # --- channels -----------------------------------------------------------------------------------------------

    def remember_channel(self, digest: str, ends_at_ms: int) -> None:
        """Keeps a channel's digest until it is forgotten, or has ended long ago; again changes its end.

        Args:
            digest: Of the channel's id, which is a secret.
            ends_at_ms: Epoch milliseconds at which the platform ends it by itself.
        """
        self._note(f"channel {digest}", channels.REMEMBER, (digest, ends_at_ms))
        self._writer.hurry()  # after a crash nobody else knows of it
        self._thread.wake()

    def forget_channel(self, digest: str) -> None:
        """The channel is gone."""
        self._note(f"channel {digest}", channels.FORGET, (digest,))

    # --- the sign of life ---------------------------------------------------------------------------------------

    def note_life(self, *, heard_until: int | None = None, status: bytes | None = None) -> None:
        """Writes the sign of life with the next commit; call it at least every 10 s.

        Args:
            heard_until: Epoch milliseconds of the last moment at which we were known to hear; `None` leaves it.
            status: What `genscribe status` shows, as JSON; `None` leaves it.
        """
        text = None if status is None else status.decode()
        key = ("life", heard_until is None, text is None)  # one that leaves a value must not replace one that sets it
        self._note(key, life.BEAT, (clock.wall_ms(), heard_until, text))

    def open_gap(self, gap: OpenGap) -> None:
        """Shows a gap that has not ended; the same key again replaces it."""
        self._note(f"gap {gap.key}", life.OPEN_GAP, gap.row())
        self._writer.hurry()
        self._thread.wake()

    def end_gap(self, key: str, row: Row) -> None:
        """Appends the event of a gap that has ended; the very commit that has it no longer shows it as open.

        Were they two, a crash between them would leave a gap both told and open: the next run would go on with it, and
        its end would be taken for something already told.
        """
        self._raise_if_done()
        self._count([row])
        self._noted = self._writer.append_with_note([row], f"gap {key}", life.CLOSE_GAP, (key,))
        self._thread.wake()

    @property
    def stalled_s(self) -> float:
        """Seconds since the writer last moved while it had something to do; 0 while it rests."""
        return 0.0 if self._thread.resting else max(0.0, time.monotonic() - self._thread.turned_at)

    async def aclose(self) -> None:
        """Commits what is left, marks the run as ended, closes the file and lets go of the lock. Idempotent."""
        if self._closed:
            return
        if self.failed is None:
            self._note("end", life.END, (clock.wall_ms(),))
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with self._one_reader:
                self._reading.close(True)  # before the writer's: the last one to close empties SQLite's log
            self._thread.stop()
            await anyio.to_thread.run_sync(self._thread.join)
        self._drain()
        self._lock.release()

    # --- inside -------------------------------------------------------------------------------------------------

    def _count(self, rows: Sequence[Row]) -> None:
        size = weight(rows)
        self._buffered += size
        self._appended += len(rows)
        self._pending.append((self._appended, size, time.monotonic()))

    def _note(self, key: object, sql: str, bindings: Sequence[Any], *, at_once: bool = False) -> None:
        self._raise_if_done()
        self._noted, first = self._writer.note(key, sql, bindings, at_once=at_once)
        if first:
            self._thread.wake()  # so that it knows when the notes are due

    def _raise_if_done(self) -> None:
        if self.failed is not None:
            raise self.failed
        if self._closed:
            raise anyio.ClosedResourceError

    async def _next_report(self) -> None:
        await self._wait_moved()
        self._raise_if_done()

    async def _wait_moved(self) -> None:
        if self._moved is None:
            self._moved = anyio.Event()
        await self._moved.wait()

    def _report(self, report: object) -> None:
        """Is called by the writer's thread. Several commits may pass while the loop is busy; it is woken once."""
        self._reports.append(report)
        if not self._woken:  # read after the append, reset before the drain: no report is left lying
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                return  # the loop has ended; so has everybody who would want to know

    def _drain(self) -> None:
        self._woken = False
        while self._reports:
            self._take(self._reports.popleft())
        if self._moved is not None:
            self._moved.set()
            self._moved = None

    def _take(self, report: object) -> None:
        if isinstance(report, Committed):
            self._committed(report)
        elif isinstance(report, Refused):
            self.full_since = report.since
            if self.on_full is not None and not self._closed:
                self.on_full(report.since)
        elif isinstance(report, Healed):
            self.full_since = None
            if self.on_healed is not None and not self._closed:
                self.on_healed(report.since, report.until)
        elif isinstance(report, Broke):
            self.failed = report.error
        elif isinstance(report, Indexed):
            self._telemetry.counters.duplicates += report.duplicates
        elif isinstance(report, StoreHappening):
            self._telemetry.emit(report)

    def _committed(self, commit: Committed) -> None:
        self._noted_done = max(self._noted_done, commit.noted)
        if not commit.rows:
            return
        self.head = commit.base + len(commit.rows)
        now = time.monotonic()
        while self._pending and self._pending[0][0] <= self.head:
            _, size, appended_at = self._pending.popleft()
            self._buffered -= size
            self._telemetry.counters.commit_seconds.observe(now - appended_at)
        self._tail.add(commit.base, commit.rows, weight(commit.rows))

    def _before(self, seconds: float) -> int:
        return self.retention.time_ms() - int(seconds * 1000)

    async def _slices(self, after: int, head: int) -> AsyncIterator[list[Record]]:
        while after < head:
            records = await self._fetch(AFTER, (after, head, RECENT_SLICE))
            if not records:
                return
            after = records[-1].seq
            yield records

    async def _fetch(self, select: str, bindings: Sequence[Any]) -> list[Record]:
        found: Fetched = await self._read_only(lambda db: fetch(db, select, bindings))
        self._tell_damaged(found)
        return found.records

    def _tell_damaged(self, found: Fetched) -> None:
        for seq in found.damaged:
            if seq not in self._told_damaged:
                self._told_damaged.add(seq)
                self._telemetry.emit(RowDamaged(seq))

    async def _read_only(self, query: Callable[[apsw.Connection], Any]) -> Any:
        """Runs a query of the reading connection in a worker thread."""
        self._raise_if_done()
        try:
            return await anyio.to_thread.run_sync(query, self._reading, limiter=self._one_reader)
        except apsw.Error as error:
            raise StoreFailed(f"The store {self.path} cannot be read: {error}.") from None


async def _patiently(path: Path, keep: Keep, readers: Collection[str], wait_s: float) -> Ground:
    """Opens the store once nobody else holds it; between two looks a stop can end the wait."""
    deadline = anyio.current_time() + wait_s
    while True:
        try:
            with anyio.CancelScope(shield=True):  # a thread that was left alone would keep what it opened
                return await anyio.to_thread.run_sync(lay_ground, path, keep, readers)
        except StoreBusy:
            if anyio.current_time() >= deadline:
                raise
        await anyio.sleep(POLL_S)
