"""What the page watches: a run in this process, or a store that another one may write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import anyio
import anyio.to_thread
import msgspec

from genscribe.events import Record
from genscribe.pipeline import Pipeline
from genscribe.store.reader import Reader
from genscribe.telemetry import Telemetry
from genscribe.telemetry import status as statuses
from genscribe.telemetry.status import Status

POLL_S = 0.1
"""How often a store is looked at that another process writes."""


class Feed(Protocol):
    """What is committed, in order."""

    @property
    def head(self) -> int:
        """The last committed seq."""

    async def wait_beyond(self, seq: int) -> int:
        """Returns the head once it is greater than `seq`."""

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        """The next records after a seq, in order, at most `limit`; empty only when none is left."""


class Watched(Protocol):
    """What the page shows.

    Attributes:
        path: The store's file.
        store_id: Its id: a `seq` means something within one store only.
        feed: What is committed.
        telemetry: The run's counters; `None` where no run is in this process.
        pipeline: The run; `None` where none is in this process.
    """

    path: Path
    store_id: str
    feed: Feed
    telemetry: Telemetry | None
    pipeline: Pipeline | None

    def status(self) -> Status | None:
        """How the run is doing, now; `None` when none ever said."""


class Running:
    """A run in this process."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.path = pipeline.journal.path
        self.store_id = pipeline.journal.store_id
        self.feed: Feed = pipeline.journal
        self.telemetry: Telemetry | None = pipeline.telemetry
        self.pipeline: Pipeline | None = pipeline

    def status(self) -> Status | None:
        """How it is doing, now."""
        return self.pipeline.status() if self.pipeline else None


class Stored:
    """A store that is only read; `run` keeps an eye on it."""

    telemetry: Telemetry | None = None
    pipeline: Pipeline | None = None

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.path = reader.path
        self.store_id = reader.stats().store_id
        self.feed: Feed = Followed(reader)

    def status(self) -> Status | None:
        """What the process that writes it said last; `None` when none runs."""
        life = self._reader.life()
        if life is None or not life.running or life.status is None:
            return None
        try:
            return statuses.decode(life.status.encode())
        except msgspec.MsgspecError:
            return None


class Followed:
    """The feed of a store that another process may write."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.head = reader.head

    async def wait_beyond(self, seq: int) -> int:
        """Returns the head once it is greater than `seq`."""
        while self.head <= seq:
            await anyio.sleep(POLL_S)
            self.head = await anyio.to_thread.run_sync(lambda: self._reader.head)
        return self.head

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        """The next records after a seq."""
        return await anyio.to_thread.run_sync(self._reader.read, after, limit)
