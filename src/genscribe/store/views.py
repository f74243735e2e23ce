"""What a reader gives beside events: plain values. Times are ISO 8601 text unless a name says `_ms`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic

from genscribe import clock
from genscribe.events import Record, Time

NOT_RUNNING_MS = 30_000
"""A sign of life older than this means that nothing runs."""


@dataclass(frozen=True)
class Conversation(Generic[Time]):
    """A row of the store's `conversations`; `None` = not known. Generic in how it carries time, as events are."""

    conversation_id: str
    media_type: str | None
    queue_id: str | None
    queue_name: str | None
    direction: str | None
    started_at: Time | None
    ended_at: Time | None
    first_spoken_at: Time | None
    last_spoken_at: Time | None
    utterance_count: int
    subscribed_at: Time | None = None


@dataclass(frozen=True)
class UnreadableFrame:
    """A row of `unreadable`: a frame that could not be read, verbatim."""

    seq: int
    received_at: str | None
    reason: str
    source: str | None
    raw: bytes


@dataclass(frozen=True)
class DeadLetter:
    """A row of `dead_letters`: an event that a sink refused."""

    sink: str
    seq: int
    reason: str
    at: str


@dataclass(frozen=True)
class Export:
    """An export: how many records it has, for a progress bar, and the records, read as they are asked for."""

    total: int
    records: Iterator[Record]


@dataclass(frozen=True)
class LifeSign:
    """The last sign of life of whoever writes the store.

    Attributes:
        heard_until_ms: The last moment at which it was known to hear; `None` when it never did.
        ended_at_ms: When it ended; `None` while it runs and after a crash.
        status: What it said of itself, as JSON; `None` when it said nothing.
    """

    started_at_ms: int
    at_ms: int
    heard_until_ms: int | None
    ended_at_ms: int | None
    status: str | None

    @property
    def running(self) -> bool:
        """It has not ended and gave a sign in the last 30 s."""
        return self.ended_at_ms is None and clock.wall_ms() - self.at_ms <= NOT_RUNNING_MS


@dataclass(frozen=True)
class Stats:
    """What a store holds.

    Attributes:
        archived_to: Everything up to this seq can be searched.
        bytes: The size of the store and its log on disk.
    """

    store_id: str
    head: int
    oldest: int | None
    archived_to: int
    utterances: int
    conversations: int
    gaps: int
    unreadable: int
    dead_letters: int
    bytes: int
