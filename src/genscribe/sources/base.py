"""The contracts of a source and of a link.

A **link** is one attempt at one connection: it is dialled, hands over frames, ends. It never retries, counts or logs.
A **source** lives as long as the pipeline: it owns its links, keeps one alive (`supervisor.py`), tells its own gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from genscribe.events import Event


class Binary(bytes):
    """A WebSocket message that came as binary."""


Frame = bytes
"""A WebSocket message. Text is its UTF-8, unchecked; a binary one is `Binary`."""


class Inlet(Protocol):
    """Where a source puts what it hears. Ingest is the real one, a list the one of tests."""

    def accept(self, events: Sequence[Event[str]]) -> None:
        """Takes events for the journal. Never blocks; order is kept."""

    @property
    def full(self) -> bool:
        """Whether the journal's buffer is full, or its disk."""

    async def room(self) -> None:
        """Waits while `full`: reading waits, so the socket's own flow control slows the platform down."""

    def hearing(self, *, heard_at: int) -> None:
        """We are connected; `heard_at` (epoch milliseconds) is the last moment we were known to hear.

        Closes the gap that is open, if one is. Called on connecting and every few seconds after.
        """

    def deaf(self, *, since: int, reason: str) -> None:
        """We are not connected: something said after `since` (epoch milliseconds) may be missed. Opens a gap.

        Args:
            since: The last moment we were known to hear.
            reason: A gap's reason, such as `disconnected` or `silent`.
        """

    def miss(self, conversation_ids: Sequence[str], *, since: int, reason: str) -> str:
        """We do not hear these conversations: what was said in them after `since` may be missed. Opens a gap of theirs.

        Args:
            conversation_ids: At least one.
            since: Epoch milliseconds.
            reason: A gap's reason, such as `late`, `limit` or `evicted`.

        Returns:
            The gap's key, for `regain`.
        """

    def explain(self, key: str | None, reason: str) -> None:
        """Why the open gap of this key began, as it has turned out since; `None` is the gap of all conversations."""

    def regain(self, key: str, *, heard_at: int) -> None:
        """We hear that gap's conversations again, since `heard_at` (epoch milliseconds). Unknown keys are ignored."""


class Link(Protocol):
    """One open connection. Whoever dialled it closes it."""

    @property
    def heard_at(self) -> int:
        """Epoch ms of the last sign of life (a frame, a pong, the Close frame) before which all was received."""

    async def receive(self) -> list[Frame]:
        """The frames that have arrived, at least one. Raises `GenscribeError` when the connection ended."""

    async def keepalive(self) -> None:
        """Watches for silence until cancelled; a dead connection makes `receive` raise."""

    async def handover_due(self) -> str:
        """Waits until this link should be replaced while it still works; returns why, for the log."""

    async def ping(self) -> None:
        """Returns when the peer has answered a ping. Raises `GenscribeError` when the connection ended first."""

    async def aclose(self) -> None:
        """Closes with 1000, within 2 s; idempotent."""


class Source(Protocol):
    """Endless events of one platform."""

    @property
    def name(self) -> str:
        """What events of it carry as `source`."""

    async def run(self, inlet: Inlet) -> None:
        """Feeds the inlet until `stop()`. Raises `Fatal` when going on is pointless. Cancellation is the hard stop."""

    def stop(self) -> None:
        """Soft stop: close the connection, hand over what was read, and let `run` return."""
