"""Hands what is committed to browsers: read and encoded once, for all of them.

Each browser has a place of its own in a ring of the last batches. One that is slow waits for nobody and nobody for it:
when the ring has passed it by, it is told to load its view anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import NamedTuple

import anyio
import anyio.to_thread
import msgspec

from genscribe.events import Record
from genscribe.web import wire
from genscribe.web.watched import Feed

BATCH_S = 0.05
"""For so long events gather, so that a burst of commits is one message."""
MOST_EVENTS = 1000
FEW_EVENTS = 100
"""So many are encoded within a millisecond; more, in a thread."""
RING_BYTES = 8 << 20
"""What is kept for browsers that lag or slept."""
EARLIER = 5000
"""Events from before our start that are in the ring: browsers that watched until then go on."""
PIECE_BYTES = 256 << 10
"""What a browser that catches up gets at once, and so the most that one holds which reads no more."""
RESET_S = 3.0
"""A reset goes on from so long ago: views that are loaded anew are not older, and none misses an event between."""
PULSE_S = 2.0
LOOK_S = 0.5
"""How often it is looked whether the connection came or went, which is told at once."""
PING_S = 15.0
PING = b": still here\n\n"
MOST_BROWSERS = 200
AGAIN_MS = 1500
"""A browser that lost the stream asks again after so long."""


class Chunk(NamedTuple):
    """The events after one seq, up to and with another, as a message; empty when there is nothing to tell.

    Attributes:
        at: When it came, by the loop's clock.
    """

    after: int
    upto: int
    message: bytes
    at: float


class _Connection(msgspec.Struct):
    """What of a pulse is told at once when it changes."""

    connected: bool = False
    missing_since: str | None = None
    running: bool = True


_connection = msgspec.json.Decoder(_Connection).decode


class Hub:
    """Follows a feed for all browsers.

    Args:
        feed: What is committed.
        store_id: Of which store: a seq means something within one only.
        pulse: How the run is doing now, as JSON.
    """

    def __init__(self, feed: Feed, store_id: str, pulse: Callable[[], bytes] = lambda: b"{}") -> None:
        self._feed = feed
        self._store_id = store_id
        self._pulse = pulse
        self._ring: deque[Chunk] = deque()
        self._bytes = 0
        self._read_to = feed.head
        self._ready = anyio.Event()
        self._moved = anyio.Event()
        self._status = b""
        self._statuses = 0
        self.browsers = 0
        """How many follow now."""

    @property
    def full(self) -> bool:
        """As many browsers follow as may."""
        return self.browsers >= MOST_BROWSERS

    async def run(self) -> None:
        """Follows until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell_status)
            await self._recall()
            while True:
                await self._feed.wait_beyond(self._read_to)
                records = await self._feed.read(self._read_to, MOST_EVENTS)
                if records:
                    await self._take(self._read_to, records)
                await anyio.sleep(BATCH_S)

    async def _recall(self) -> None:
        """Reads what was committed just before."""
        upto = self._read_to
        at = max(0, upto - EARLIER)
        self._read_to = at
        while at < upto and (records := await self._feed.read(at, MOST_EVENTS)):
            # Retention may have taken the first ones.
            await self._take(records[0].seq - 1, records)
            at = records[-1].seq
        self._read_to = max(self._read_to, upto)
        self._ready.set()

    async def _take(self, after: int, records: Sequence[Record]) -> None:
        if len(records) <= FEW_EVENTS:
            messages = _messages(records)
        else:
            messages = await anyio.to_thread.run_sync(_messages, records)
        for upto, message in messages:
            self._add(after, upto, message)
            after = upto

    def _add(self, after: int, upto: int, message: bytes) -> None:
        self._ring.append(Chunk(after, upto, message, anyio.current_time()))
        self._bytes += len(message)
        while self._bytes > RING_BYTES and len(self._ring) > 1:
            self._bytes -= len(self._ring.popleft().message)
        self._read_to = upto
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    async def _tell_status(self) -> None:
        told, told_at = _Connection(), float("-inf")
        while True:
            if self.browsers:
                status = self._pulse()
                connection = _connection(status)
                if connection != told or anyio.current_time() - told_at >= PULSE_S:
                    told, told_at = connection, anyio.current_time()
                    self._status, self._statuses = b"event: status\ndata: %b\n\n" % status, self._statuses + 1
                    self._wake()
            await anyio.sleep(LOOK_S)

    # --- one browser --------------------------------------------------------------------------------------------

    async def follow(self, after: int | None, store_id: str | None = None) -> AsyncGenerator[bytes, None]:
        """Messages for one browser. Without end; close it.

        Args:
            after: From after that seq on; `None` = from now on.
            store_id: The store that the browser knows; of another one its `after` means nothing. `None` = not told.
        """
        self.browsers += 1
        try:
            await self._ready.wait()
            if store_id is not None and store_id != self._store_id:
                after = -1
            async for message in self._sent(self._read_to if after is None else after):
                yield message
        finally:
            self.browsers -= 1

    async def _sent(self, at: int) -> AsyncIterator[bytes]:
        hello = wire.encode({"store": self._store_id, "head": self._read_to})
        yield b"retry: %d\nevent: hello\ndata: %b\n\n" % (AGAIN_MS, hello)
        statuses = 0
        while True:
            moved = self._moved
            if not self._has(at):
                at = self._restart()
                yield b"event: reset\ndata: %b\n\n" % wire.encode({"head": at})
                continue
            at, piece = self._next(at)
            if statuses != self._statuses:
                statuses = self._statuses
                piece += self._status
            if piece:
                yield piece
            elif at == self._read_to:
                with anyio.move_on_after(PING_S) as waiting:
                    await moved.wait()
                if waiting.cancelled_caught:
                    yield PING

    def _has(self, at: int) -> bool:
        """Everything after that seq is here."""
        if at == self._read_to:
            return True
        return bool(self._ring) and self._ring[0].after <= at < self._read_to

    def _restart(self) -> int:
        """Where a browser goes on that was passed by."""
        before = anyio.current_time() - RESET_S
        at = self._ring[0].after if self._ring else self._read_to
        for chunk in self._ring:
            if chunk.at > before:
                break
            at = chunk.upto
        return at

    def _next(self, at: int) -> tuple[int, bytes]:
        """The next events as messages, and up to where they go."""
        pieces: list[bytes] = []
        size = 0
        number = bisect_right(self._ring, at, key=lambda chunk: chunk.upto)
        while number < len(self._ring) and size < PIECE_BYTES:
            chunk = self._ring[number]
            message = chunk.message if chunk.after >= at else _rest(chunk.message, at)
            pieces.append(message)
            size += len(message)
            at, number = chunk.upto, number + 1
        return at, b"".join(pieces)


def _messages(records: Sequence[Record]) -> list[tuple[int, bytes]]:
    """The messages for records, none much larger than `PIECE_BYTES`, each with the seq up to which it goes."""
    made: list[tuple[int, bytes]] = []
    parts: list[bytes] = []
    size = 0
    for record in records:
        part = wire.event(record)
        if part is not None:
            parts.append(part)
            size += len(part)
        if size >= PIECE_BYTES:
            made.append((record.seq, _message(record.seq, parts)))
            parts, size = [], 0
    if not made or made[-1][0] != records[-1].seq:
        made.append((records[-1].seq, _message(records[-1].seq, parts)))
    return made


def _message(upto: int, events: Sequence[bytes]) -> bytes:
    return b"id: %d\nevent: events\ndata: [%b]\n\n" % (upto, b",".join(events)) if events else b""


class _Numbered(msgspec.Struct):
    seq: int


_listed = msgspec.json.Decoder(list[msgspec.Raw]).decode
_numbered = msgspec.json.Decoder(_Numbered).decode


def _rest(message: bytes, after: int) -> bytes:
    """A message without the events up to a seq: a browser may begin within a batch."""
    if not message:
        return message
    head, _, data = message.partition(b"\ndata: ")
    kept = [bytes(event) for event in _listed(data) if _numbered(event).seq > after]
    return _message(int(head[len("id: ") : head.index(b"\n")]), kept)
