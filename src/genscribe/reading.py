"""`open_store`: a store for programs, read-only, also while it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import cast

import anyio.to_thread

from genscribe.events import DELIVERED_KINDS, Event, Gap, Record, Utterance, decode
from genscribe.store.queries import Filters
from genscribe.store.reader import Reader
from genscribe.store.views import Conversation

__all__ = ["Conversation", "Filters", "Store", "open_store"]


class Store:
    """A store open for reading; `close` it, or use `with`. Times of events are aware datetimes.

    Every call is a transaction of milliseconds, so that a notebook left open holds nothing up. From an event loop,
    call the methods that are not `async` in a thread.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._reader.path

    def search(self, words: str, filters: Filters | None = None, *, limit: int = 50) -> list[Utterance[datetime]]:
        """The utterances that hold all the words, newest first.

        Args:
            words: As people type them: `"…"` is a phrase, `-word` excludes, the last word may be a beginning. No input
                is an error.
            filters: Since, until, conversation, media types, speakers; `None` means everything.
            limit: How many at most.
        """
        return [
            cast("Utterance[datetime]", _event(one))
            for one in self._reader.search(words, filters or Filters(), limit=limit)
        ]

    def utterances(self, filters: Filters | None = None) -> Iterator[Utterance[datetime]]:
        """All utterances, oldest first, read in slices as they are asked for."""
        for record in self._reader.export(filters or Filters(), ("utterance",)).records:
            yield cast("Utterance[datetime]", _event(record))

    def events(
        self, filters: Filters | None = None, *, kinds: Sequence[str] = DELIVERED_KINDS
    ) -> Iterator[Event[datetime]]:
        """All events of these kinds, oldest first, read in slices as they are asked for."""
        for record in self._reader.export(filters or Filters(), kinds).records:
            yield _event(record)

    def conversations(self, *, live: bool = False, limit: int = 1000) -> list[Conversation]:
        """Conversations, the one that began last first. `live`: only those that have not ended."""
        return self._reader.conversations(live=live, limit=limit)

    def conversation(self, conversation_id: str) -> list[Utterance[datetime]]:
        """A conversation's utterances in the order in which they were spoken; empty when there is none."""
        return [cast("Utterance[datetime]", _event(one)) for one in self._reader.lines(conversation_id)]

    def gaps(self) -> list[Gap[str]]:
        """The times in which something may have been said that was not heard; an open one has no `ended_at`."""
        return self._reader.gaps()

    async def follow(self, after: int = 0, *, kinds: Sequence[str] = DELIVERED_KINDS) -> AsyncIterator[Event[datetime]]:
        """Events after a `seq`, first those that are there, then new ones as they are committed; without end."""
        wanted = frozenset(kinds)
        async for record in self._reader.follow(after):
            if record.kind in wanted:
                yield _event(record)

    def close(self) -> None:
        """Closes the file; idempotent."""
        self._reader.close()

    async def aclose(self) -> None:
        """`close` for those on an event loop."""
        await anyio.to_thread.run_sync(self.close)

    def __enter__(self) -> Store:  # noqa: PYI034  # Self is in typing from 3.11 on
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(path: str | Path) -> Store:
    """Opens the store at `path` for reading.

    Raises:
        ConfigError: There is none, it is no genscribe store, or it is of another format.
    """
    return Store(Reader.open(Path(path)))


def _event(record: Record) -> Event[datetime]:
    return decode(record.json())
