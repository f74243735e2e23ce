"""The one-row table that `genscribe status` reads: written by the pipeline with its sign of life."""

from __future__ import annotations

import msgspec

FRESH_S = 30.0
"""A sign of life older than this means that nothing runs."""


class SinkStatus(msgspec.Struct, frozen=True):
    """One sink. `state` is `running`, `retrying`, `paused` or `stopped`; `since` when it entered it."""

    name: str
    state: str
    since: str
    lag_events: int
    lag_seconds: float
    dead_letters: int = 0
    last_error: str | None = None


class Hearing(msgspec.Struct, frozen=True):
    """What a source says that listens to each conversation by itself.

    Attributes:
        conversations: Live ones.
        unheard: Conversations with a gap of their own that is open.
        waiting_s: How long the call waits that waits longest for its topic; 0 when none does.
        silent: Calls in progress of which no transcription message comes.
        channels, topics, topics_limit: In use, and how many topics there may be.
        subscribe_p95_s: Within this time 95 of 100 calls were subscribed since start; `None` before the first.
    """

    conversations: int
    unheard: int
    waiting_s: float
    silent: int
    channels: int
    topics: int
    topics_limit: int
    subscribe_p95_s: float | None = None


class Status(msgspec.Struct, frozen=True):
    """A running pipeline, as it saw itself at `at`.

    Attributes:
        connected: Whether we hear; `since` when that began or ended; `why` the last error while not.
        missing_since: From when on something may be missed; `None` while connected.
        store_full_since: When the disk filled and intake stopped; `None` when it has room.
        disk_free_bytes: Room on the store's file system.
        warnings: (time, line) of the last warnings, newest last.
        hearing: How the conversations are heard; `None` where the source has one connection for all.
    """

    at: str
    pid: int
    version: str
    started_at: str
    source: str
    connected: bool
    since: str
    why: str | None
    missing_since: str | None
    head: int
    utterances: int
    duplicates: int
    gaps: int
    unreadable: int
    store_full_since: str | None
    disk_free_bytes: int | None
    sinks: list[SinkStatus]
    warnings: list[tuple[str, str]]
    hearing: Hearing | None = None

    @property
    def healthy(self) -> bool:
        """Nothing needs a person: all is heard, the store has room, every sink runs."""
        all_heard = self.connected and (self.hearing is None or not self.hearing.unheard)
        return all_heard and self.store_full_since is None and all(sink.state == "running" for sink in self.sinks)


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Status).decode
