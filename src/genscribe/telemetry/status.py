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


class Status(msgspec.Struct, frozen=True):
    """A running pipeline, as it saw itself at `at`.

    Attributes:
        connected: Whether we hear; `since` when that began or ended; `why` the last error while not.
        missing_since: From when on something may be missed; `None` while connected.
        store_full_since: When the disk filled and intake stopped; `None` when it has room.
        disk_free_bytes: Room on the store's file system.
        warnings: (time, line) of the last warnings, newest last.
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

    @property
    def healthy(self) -> bool:
        """Nothing needs a person: connected, room in the store, every sink running."""
        return self.connected and self.store_full_since is None and all(sink.state == "running" for sink in self.sinks)


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Status).decode
