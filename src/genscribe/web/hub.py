"""Hands what is committed to browsers: read and encoded once, for all of them.

Each browser has a place of its own in a ring of the last batches. One that is slow waits for nobody and nobody for it:
when the ring has passed it by, it is told to load its view anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

import anyio

from genscribe.web import wire
from genscribe.web.watched import Feed

BATCH_S = 0.05
"""For so long events gather, so that a burst of commits is one message."""
MOST_EVENTS = 1000
RING_BYTES = 8 << 20
"""What is kept for browsers that lag or slept."""
PING_S = 15.0
PING = b": still here\n\n"


class Chunk(NamedTuple):
    """The events after one seq, up to and with another, as a message."""

    after: int
    upto: int
    message: bytes


class Hub:
    """Follows a feed for all browsers."""

    def __init__(self, feed: Feed, store_id: str) -> None:
        self._feed = feed
        self._store_id = store_id
        self._ring: deque[Chunk] = deque()
        self._bytes = 0
        self._read_to = feed.head
        self._moved = anyio.Event()
        self.browsers = 0
        """How many follow now."""

    async def run(self) -> None:
        """Follows until cancelled."""
        while True:
            await self._feed.wait_beyond(self._read_to)
            records = await self._feed.read(self._read_to, MOST_EVENTS)
            if records:
                self._add(Chunk(self._read_to, records[-1].seq, _message(records[-1].seq, wire.events(records))))
            await anyio.sleep(BATCH_S)

    def _add(self, chunk: Chunk) -> None:
        self._ring.append(chunk)
        self._bytes += len(chunk.message)
        while self._bytes > RING_BYTES and len(self._ring) > 1:
            self._bytes -= len(self._ring.popleft().message)
        self._read_to = chunk.upto
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    async def follow(self, after: int | None) -> AsyncIterator[bytes]:
        """Messages for one browser, from after a seq on; `None` = from now on. Without end."""
        self.browsers += 1
        try:
            async for message in self._messages(self._read_to if after is None else after):
                yield message
        finally:
            self.browsers -= 1

    async def _messages(self, at: int) -> AsyncIterator[bytes]:
        hello = wire.encode({"store": self._store_id, "head": self._read_to})
        yield b"event: hello\ndata: %b\n\n" % hello
        while True:
            moved = self._moved
            behind = [chunk for chunk in self._ring if chunk.upto > at]
            if at > self._read_to or (at < self._read_to and (not behind or behind[0].after > at)):
                at = self._read_to
                yield b"event: reset\ndata: %b\n\n" % wire.encode({"head": at})
                continue
            if behind:
                at = behind[-1].upto
                yield b"".join(chunk.message for chunk in behind)
                continue
            with anyio.move_on_after(PING_S) as waiting:
                await moved.wait()
            if waiting.cancelled_caught:
                yield PING


def _message(upto: int, data: bytes) -> bytes:
    return b"id: %d\nevent: events\ndata: %b\n\n" % (upto, data)
