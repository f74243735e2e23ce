"""Reads a store, also while it is written: short read-only transactions for search, page, export and `open_store`.

The methods block for milliseconds; call them from a thread when there is a loop to care for. One reader may be used by
several threads, one at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import apsw

from genscribe import clock
from genscribe.errors import ConfigError
from genscribe.events import Gap, Record
from genscribe.store import files, frames, queries
from genscribe.store.database import BUSY_MS, FORMAT, user_version
from genscribe.store.files import Found
from genscribe.store.queries import Filters, Select
from genscribe.store.rows import AFTER, fetch
from genscribe.store.search import parse
from genscribe.store.views import Conversation, DeadLetter, Export, LifeSign, Stats, UnreadableFrame
from genscribe.store.windows import Windows

SLICE = 500
POLL_S = 0.2

Answer = TypeVar("Answer")


class Reader:
    """A store open for reading. Make it with `open`; `close` it, or use `with`."""

    def __init__(self, db: apsw.Connection, path: Path) -> None:
        self.path = path
        self._db = db
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Reader:
        """Opens the store at `path`.

        Raises:
            ConfigError: There is none, it cannot be read, is no genscribe store, or is of another format.
        """
        path = Path(path).absolute()
        found = files.look(path)
        if found is Found.NOTHING:
            raise ConfigError(f"There is no store at {path}.", advice="Name one with --store.")
        if found is not Found.OURS:
            raise ConfigError(f"{path} is not a genscribe store.", advice="Name another file with --store.")
        db: apsw.Connection | None = None
        try:
            db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            db.set_busy_timeout(BUSY_MS)
            version = user_version(db)
        except apsw.Error as error:
            if db is not None:
                db.close(True)
            raise ConfigError(f"The store {path} cannot be read: {error}.") from None
        if version != FORMAT:
            db.close(True)
            advice = "Upgrade genscribe." if version > FORMAT else "Start `genscribe stream` on it once."
            raise ConfigError(f"The store {path} has format {version}, not {FORMAT}.", advice=advice)
        return cls(db, path)

    def close(self) -> None:
        """Closes the file; idempotent."""
        with self._lock:
            self._db.close(True)

    def __enter__(self) -> Reader:  # noqa: PYI034  # Self is in typing from 3.11 on
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- utterances ---------------------------------------------------------------------------------------------

    def search(self, words: str, filters: Filters = queries.EVERYTHING, *, limit: int = 50) -> list[Record]:
        """Final utterances with these words, newest first; without words, the newest. Nothing typed is an error.

        What is asked for in signs alone (`😀`, `!?`) is found nowhere: the index has words.
        """
        query = parse(words)
        if query.empty and words.strip():
            return []
        return self._records(queries.search(query, filters, limit))

    def lines(self, conversation_id: str) -> list[Record]:
        """What was said in a conversation, in the order in which it was spoken."""
        return self._records(queries.lines(conversation_id))

    # --- everything ---------------------------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """The last committed seq."""
        return int(self._one(queries.HEAD))

    def read(self, after: int, limit: int = SLICE) -> list[Record]:
        """The next records of all kinds after a seq, in order."""
        return self._records(Select(AFTER, (after, 1 << 62, limit)))

    async def follow(self, after: int) -> AsyncIterator[Record]:
        """All records after a seq, then those that come, without end."""
        while True:
            records = await anyio.to_thread.run_sync(self.read, after)
            for record in records:
                yield record
                after = record.seq
            if not records:
                await anyio.sleep(POLL_S)

    def export(self, filters: Filters = queries.EVERYTHING, kinds: Sequence[str] = ("utterance",)) -> Export:
        """Everything of these kinds that is in the store now, in journal order, once a key, finals only."""
        head, after = self.head, self._before_oldest()
        windows = Windows().over(after, head)
        total = sum(int(self._one(*queries.export_count(filters, kinds, upto, low))) for low, upto in windows)
        return Export(total, self._exported(filters, kinds, after, head))

    def records(self, filters: Filters = queries.EVERYTHING, kinds: Sequence[str] = ("utterance",)) -> Iterator[Record]:
        """The records of `export`, uncounted."""
        return self._exported(filters, kinds, self._before_oldest(), self.head)

    def _exported(self, filters: Filters, kinds: Sequence[str], after: int, head: int) -> Iterator[Record]:
        windows = Windows()
        while after < head:
            upto = min(after + windows.size, head)
            began = time.monotonic()
            records = self._records(queries.export(filters, kinds, after, upto, SLICE))
            windows.took(time.monotonic() - began)
            after = records[-1].seq if len(records) == SLICE else upto
            yield from records

    def frame(self, name: str, filters: Filters = queries.EVERYTHING) -> dict[str, list[Any]]:
        """All rows of one of `frames.FRAMES` as columns, in the order of the journal; times are text."""
        return frames.columns(name, self._frame_rows(name, filters))

    def _frame_rows(self, name: str, filters: Filters) -> Iterator[tuple[Any, ...]]:
        windows, after = Windows(), self._before_oldest(conversations=name == "conversations")
        # What is revised meanwhile moves to the end: so the end is looked for until it is reached.
        while after < (head := self.head):
            for low, upto in windows.over(after, head):
                found = self._rows(*frames.rows(name, filters, low, upto))
                yield from found
            after = head
        if frames.FRAMES[name].unnumbered:
            yield from self._rows(*frames.unnumbered_rows(name, filters))

    def _before_oldest(self, *, conversations: bool = False) -> int:
        """The seq before the first that the journal has; a conversation may have begun before that."""
        table = "conversation_rows" if conversations else "journal"
        column = "first_seq" if conversations else "seq"
        return int(self._one(f"select coalesce(min({column}), 1) - 1 from {table}"))  # noqa: S608  # constants of ours

    # --- what stands around -------------------------------------------------------------------------------------

    def conversations(
        self, filters: Filters = queries.EVERYTHING, *, live: bool = False, limit: int = 50
    ) -> list[Conversation[str]]:
        """The conversations that began last, newest first.

        Args:
            filters: Which.
            live: Only those that seem to go on; in a store that nobody writes none does.
            limit: At most so many.
        """
        if live and not ((life := self.life()) and life.running):
            return []
        select = queries.conversations(filters, live=live, now_ms=clock.wall_ms(), limit=limit)
        return [Conversation(*row) for row in self._rows(*select)]

    def conversation(self, conversation_id: str) -> Conversation[str] | None:
        """One conversation; `None` when nothing was heard of it."""
        rows = self._rows(*queries.conversation(conversation_id))
        return Conversation(*rows[0]) if rows else None

    def conversation_ids(self, beginning: str, *, limit: int = 10) -> list[str]:
        """The ids that begin so, in order; only that one when an id is exactly it."""
        ids = [row[0] for row in self._rows(*queries.conversation_ids(beginning, limit))]
        return [beginning] if beginning in ids else ids

    def participants(self, conversation_id: str) -> list[Record]:
        """Who took part in a conversation, as last known."""
        return self._records(queries.participants(conversation_id))

    def gaps(self, *, limit: int = 1000) -> list[Gap[str]]:
        """The times in which something may have been missed, the last first; an open one has no `ended_at`."""
        return [queries.gap(row) for row in self._rows(*queries.gaps(limit))]

    def unreadable(self, *, limit: int = 100) -> list[UnreadableFrame]:
        """What could not be read, the last first."""
        return [UnreadableFrame(*row) for row in self._rows(queries.UNREADABLE, (limit,))]

    def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """What sinks refused, the last first."""
        return [DeadLetter(*row) for row in self._rows(queries.DEAD_LETTERS, (limit,))]

    def cursors(self) -> dict[str, int]:
        """Where the sinks stand, by name."""
        return dict(self._rows("select name, seq from cursors order by name"))

    def life(self) -> LifeSign | None:
        """The last sign of life; `None` when nothing ever ran on this store."""
        rows = self._rows(queries.LIFE)
        return LifeSign(*rows[0]) if rows else None

    def stats(self) -> Stats:
        """What the store holds, in numbers."""
        size = sum(each.stat().st_size for each in self._files() if each.exists())
        return Stats(*(*self._rows(queries.STATS)[0], size))

    def _files(self) -> list[Path]:
        return [self.path, files.companion(self.path, "-wal")]

    def ask(self, query: Callable[[apsw.Connection], Answer]) -> Answer:
        """What a function reads from the store, in one read of milliseconds."""
        try:
            with self._lock:
                return query(self._db)
        except apsw.Error as error:
            raise self._unreadable(error) from None

    # --- inside -------------------------------------------------------------------------------------------------

    def _records(self, select: Select) -> list[Record]:
        try:
            with self._lock:
                return fetch(self._db, *select).records
        except apsw.Error as error:
            raise self._unreadable(error) from None

    def _rows(self, sql: str, bindings: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise self._unreadable(error) from None

    def _one(self, sql: str, bindings: Sequence[Any] = ()) -> Any:
        return self._rows(sql, bindings)[0][0]

    def _unreadable(self, error: apsw.Error) -> ConfigError:
        return ConfigError(f"The store {self.path} cannot be read: {error}.")
