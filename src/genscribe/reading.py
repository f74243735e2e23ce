"""`open_store`: a store for programs, read-only, also while it is written."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, cast

import anyio.to_thread
import msgspec

from genscribe import clock
from genscribe.errors import ConfigError, UsageError
from genscribe.events import DELIVERED_KINDS, Event, Gap, Record, Utterance, decode
from genscribe.store.frames import FRAMES, missing_filters
from genscribe.store.moments import moment
from genscribe.store.queries import Filters
from genscribe.store.reader import Reader
from genscribe.store.views import Conversation

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-not-found, import-untyped, unused-ignore]  # may be missing

__all__ = ["Conversation", "Filters", "Store", "open_store"]

FrameName = Literal["utterances", "conversations", "participants", "gaps"]


class Store:
    """A store open for reading; `close` it, or use `with`. All times are aware datetimes.

    What is long is read in transactions of less than a second, however slowly it is asked for, so that a notebook left
    open holds nothing up. From an event loop,
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
        for record in self._reader.records(filters or Filters()):
            yield cast("Utterance[datetime]", _event(record))

    def events(
        self, filters: Filters | None = None, *, kinds: Sequence[str] = DELIVERED_KINDS
    ) -> Iterator[Event[datetime]]:
        """All events of these kinds, oldest first, read in slices as they are asked for."""
        for record in self._reader.records(filters or Filters(), kinds):
            yield _event(record)

    def conversations(self, *, live: bool = False, limit: int = 1000) -> list[Conversation[datetime]]:
        """Conversations, the one that began last first. `live`: only those that go on; where nobody writes, none."""
        found = self._reader.conversations(live=live, limit=limit)
        return [msgspec.convert(asdict(one), Conversation[datetime]) for one in found]

    def conversation(self, conversation_id: str) -> list[Utterance[datetime]]:
        """A conversation's utterances in the order in which they were spoken; empty when there is none."""
        return [cast("Utterance[datetime]", _event(one)) for one in self._reader.lines(conversation_id)]

    def gaps(self) -> list[Gap[datetime]]:
        """The times in which something may have been said that was not heard; an open one has no `ended_at`."""
        return [msgspec.convert(msgspec.to_builtins(one), Gap[datetime]) for one in self._reader.gaps()]

    def frame(
        self,
        name: FrameName,
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        conversation_ids: Iterable[str] | None = None,
        media_types: Iterable[str] | None = None,
        speakers: Iterable[str] | None = None,
    ) -> DataFrame:
        """A view of the store as a pandas `DataFrame`, in the order of the journal; needs pandas.

        Times are `datetime64` in UTC, numbers that may be missing `float64` with NaN, `words` and the
        `conversation_ids` of gaps are lists.

        Args:
            name: `utterances` (final ones), `conversations`, `participants` or `gaps`.
            since: What was spoken (joined, ended, or went on) then or later: `"7d"` is so long ago; also `"today"`,
                `"14:30"`, `"2026-03-21"`, an ISO time, or a `datetime`. A time without a zone is in the machine's.
                `None` = from the beginning.
            until: What was spoken (joined, or began) before then. `None` = up to now.
            conversation_ids: Only these; a gap that concerns all concerns these too.
            media_types: Only these, of utterances and conversations; `chat` stands for `message` too.
            speakers: Only these, of utterances.

        Raises:
            ConfigError: pandas is not installed, or the store cannot be read.
            UsageError: No such frame, it has no such filter, or a time that is none.
        """
        if name not in FRAMES:
            raise UsageError(f"There is no frame {name!r}.", advice=f"Name one of {', '.join(FRAMES)}.")
        chosen = [_words(words) for words in (conversation_ids, media_types, speakers)]
        filters = Filters(_moment(since), _moment(until), *chosen)
        lacking = missing_filters(name, filters)
        if lacking:
            raise UsageError(f"A frame of {name} cannot be filtered by {', '.join(lacking)}.", advice="Leave it out.")
        pandas = _pandas()
        return _framed(pandas, name, self._reader.frame(name, filters))

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


def _words(words: Iterable[str] | None) -> frozenset[str] | None:
    # A single string would be taken for its letters.
    return None if words is None else frozenset([words] if isinstance(words, str) else words)


def _moment(at: str | datetime | None) -> str | None:
    """A time as text that sorts like the store's."""
    if at is None:
        return None
    try:
        seconds = at.timestamp() if isinstance(at, datetime) else moment(at.strip(), clock.wall_ms())
        return clock.iso(round(seconds * 1000))
    except (ValueError, OverflowError):
        advice = "Write 7d, today, 14:30, 2026-03-21 or 2026-03-21T14:30."
        raise UsageError(f"{str(at)!r} is no time.", advice=advice) from None


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise ConfigError("A frame needs pandas, which is not installed.", advice="pip install pandas") from None


def _framed(pandas: Any, name: str, columns: dict[str, list[Any]]) -> Any:
    shape = FRAMES[name]
    made = {}
    for column, values in columns.items():
        if column in shape.times:
            made[column] = pandas.to_datetime(pandas.Series(values, dtype="object"), utc=True, format="ISO8601")
        elif column in shape.numbers:
            made[column] = pandas.Series(values, dtype="float64")
        else:
            made[column] = pandas.Series(values, dtype=None if values else "object")
    return pandas.DataFrame(made)


def _event(record: Record) -> Event[datetime]:
    return decode(record.json())
