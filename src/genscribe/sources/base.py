"""The contracts of a source and of a link.

A **link** is one attempt at one connection: it dials, yields frames, ends. It never retries, counts or logs. A
**source** lives as long as the pipeline: it owns its links, keeps one alive (`supervisor.py`), and tells its own gaps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Protocol

from genscribe.events import Event


class Inlet(Protocol):
    """Where a source puts what it hears. Ingest is the real one, a list the one of tests."""

    def accept(self, events: Sequence[Event[str]]) -> None:
        """Takes events for the journal. Never blocks; order is kept."""

    async def room(self) -> None:
        """Waits while the journal's buffer is full or its disk is; returns at once otherwise. Call it between
        frames: reading waits, so the socket's own flow control slows the platform down.
        """

    def hearing(self, *, heard_at: int) -> None:
        """We are connected, and `heard_at` (epoch milliseconds) is the last moment we were known to hear."""

    def deaf(self, *, since: int, reason: str) -> None:
        """We are no longer connected; something said after `since` (epoch milliseconds) may be missed. Opens a gap
        that `hearing` closes.
        """


class Link(Protocol):
    """One attempt at one connection, an async context manager in practice: whoever opens closes."""

    async def open(self) -> None:
        """Dials. Raises `Passing` or `Fatal`, never a foreign exception."""

    def frames(self) -> AsyncIterator[str | bytes]:
        """Frames until the connection ends, which raises `Disconnected`, a clean close too."""

    @property
    def heard_at(self) -> int:
        """Epoch milliseconds of the last sign of life: a frame, a pong, the Close frame."""

    async def aclose(self) -> None:
        """Closes with 1000, within 2 s; idempotent."""


class Source(Protocol):
    """Endless events of one platform."""

    name: ClassVar[str]

    async def run(self, inlet: Inlet) -> None:
        """Feeds the inlet until `stop()`; raises `Fatal` when going on is pointless. Cancellation is the hard stop."""

    def stop(self) -> None:
        """Soft stop: close the connection and let `run` return when what was read is handed over."""
