"""Sinks share the event loop with what listens to the platform: work on a batch lets the others have their turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from anyio.lowlevel import checkpoint

T = TypeVar("T")

EVENTS_A_TURN = 16
"""About half a millisecond of work. Without turns, 100 events a batch held up one line in ten for milliseconds."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """The items; after every few of them everybody else has a turn."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % EVENTS_A_TURN:
            await checkpoint()
