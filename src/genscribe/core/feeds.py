"""In which portions and in which order a journal's records go to a sink, and where the cursor stands meanwhile.

A feed is told what was read and what time it is, and says what is to be written now. It never lets the cursor pass an
event that is not written yet: after a crash such events come again, with everything that was written ahead of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from genscribe.core.batches import MAX_BYTES, MAX_EVENTS, Batch, Takes, batches
from genscribe.core.times import epoch_ms
from genscribe.events import Record

MOST_HELD = 20_000
MOST_HELD_BYTES = 16 * 1024 * 1024
"""More than this is not held; the oldest then go before their time."""


class Moment(NamedTuple):
    """What time it is.

    Attributes:
        now: Seconds on a clock that does not jump.
        wall_ms: Epoch milliseconds.
        more: Whether the journal has more than was read.
        ending: Whether we stop: what can go, goes.
    """

    now: float
    wall_ms: int
    more: bool = False
    ending: bool = False


class Feed(Protocol):
    """What stands between reading and writing."""

    @property
    def read_to(self) -> int:
        """What follows this seq is to be read next."""

    def add(self, records: Sequence[Record], upto: int, at: Moment) -> None:
        """Takes what was read after `read_to`, in order; what is missing up to and with `upto` was purged."""

    def ready(self, at: Moment) -> list[Batch]:
        """What is to be written now, in order. Batches that hold nothing move the cursor."""

    def wait_s(self, at: Moment) -> float | None:
        """Seconds until something is ready although nothing more is added; `None` when nothing waits."""


class Straight:
    """Events as they come.

    Args:
        sieve: Which.
        after: The cursor to begin at.
    """

    def __init__(self, sieve: Takes, after: int) -> None:
        self.read_to = after
        self._sieve = sieve
        self._batches: list[Batch] = []

    def add(self, records: Sequence[Record], upto: int, at: Moment) -> None:
        """See `Feed`."""
        made = batches(records, self._sieve, self.read_to)
        reached = records[-1].seq if records else self.read_to
        if reached < upto:
            made.append(Batch([], upto, purged=upto - reached))
        self._batches += made
        self.read_to = upto

    def ready(self, at: Moment) -> list[Batch]:
        """See `Feed`: all of it."""
        made, self._batches = self._batches, []
        return made

    def wait_s(self, at: Moment) -> float | None:
        """See `Feed`: never."""
        return None


class Facts(msgspec.Struct, gc=False):
    """What feeds look at in an event; which of the times it has depends on its kind."""

    conversation_id: str | None = None
    state: str | None = None
    spoken_at: str | None = None
    received_at: str | None = None
    ended_at: str | None = None
    at: str | None = None
    left_at: str | None = None
    joined_at: str | None = None

    def epoch_ms(self) -> int | None:
        """When it came, or happened; `None` when it says nothing of it."""
        text = self.received_at or self.ended_at or self.at or self.left_at or self.joined_at
        return epoch_ms(text) if text else None


facts = msgspec.json.Decoder(Facts).decode


@dataclass(eq=False)
class _Held:
    record: Record
    conversation: str | None
    spoken_at: str | None
    came_ms: int
    due: float
    gone: bool = False


class Holding:
    """Holds events for a while, so that a conversation's utterances go out as they were spoken.

    An utterance goes when its time is over, and before it those of its conversation that came within that time and
    were spoken earlier. Everything else keeps its place.

    Args:
        sieve: Which events.
        after: The cursor to begin at.
        hold_s: How long an event waits from its arrival on.
    """

    def __init__(self, sieve: Takes, after: int, hold_s: float) -> None:
        self.read_to = after
        self._sieve = sieve
        self._hold_s = hold_s
        self._hold_ms = round(hold_s * 1000)
        self._held: deque[_Held] = deque()
        self._by_conversation: dict[str, list[_Held]] = {}
        self._size = 0
        self._came_ms = 0
        self._told = after
        self._filtered = self._purged = 0

    def add(self, records: Sequence[Record], upto: int, at: Moment) -> None:
        """See `Feed`."""
        for record in records:
            self._purged += record.seq - self.read_to - 1
            self.read_to = record.seq
            taken = self._sieve.take(record)
            if taken is None:
                self._filtered += 1
            else:
                self._hold(taken, at)
        self._purged += upto - self.read_to
        self.read_to = upto

    def _hold(self, record: Record, at: Moment) -> None:
        event = facts(record.body)
        came = event.epoch_ms()
        self._came_ms = min(max(self._came_ms, came or 0), at.wall_ms)
        # However the clock is set, it waits no longer than it should.
        left_s = min(max(self._came_ms + self._hold_ms - at.wall_ms, 0) / 1000, self._hold_s)
        spoken_at = event.spoken_at if record.kind == "utterance" else None
        held = _Held(record, event.conversation_id, spoken_at, self._came_ms, at.now + left_s)
        self._held.append(held)
        self._size += len(record.body)
        if held.conversation is not None and spoken_at is not None:
            self._by_conversation.setdefault(held.conversation, []).append(held)

    def ready(self, at: Moment) -> list[Batch]:
        """See `Feed`."""
        going: list[Record] = []
        while self._held and self._may_go(self._held[0], at):
            first = self._held.popleft()
            if not first.gone:
                for each in (*self._spoken_before(first), first):
                    each.gone = True
                    self._size -= len(each.record.body)
                    going.append(each.record)
            self._forget(first)
        return self._portions(going)

    def wait_s(self, at: Moment) -> float | None:
        """See `Feed`."""
        return max(0.0, self._held[0].due - at.now) if self._held else None

    def _may_go(self, held: _Held, at: Moment) -> bool:
        if at.ending or held.gone or len(self._held) > MOST_HELD or self._size > MOST_HELD_BYTES:
            return True
        read_far_enough = not at.more or self._came_ms >= held.came_ms + self._hold_ms
        return at.now >= held.due and read_far_enough

    def _spoken_before(self, held: _Held) -> list[_Held]:
        if held.conversation is None or held.spoken_at is None:
            return []
        latest = held.came_ms + self._hold_ms
        earlier = [
            (each.spoken_at, each.record.seq, each)
            for each in self._by_conversation[held.conversation]
            if not each.gone and each.came_ms <= latest and each.spoken_at is not None
            if each.spoken_at < held.spoken_at
        ]
        return [each for _, _, each in sorted(earlier, key=lambda one: one[:2])]

    def _forget(self, held: _Held) -> None:
        if held.conversation is None or held.spoken_at is None:
            return
        rest = self._by_conversation[held.conversation]
        rest.remove(held)
        if not rest:
            del self._by_conversation[held.conversation]

    def _portions(self, going: list[Record]) -> list[Batch]:
        """The last portion moves the cursor; until it is written, nothing is known to be complete up to anywhere."""
        upto = self._held[0].record.seq - 1 if self._held else self.read_to
        if not going and upto == self._told:
            return []
        parts = list(_parts(going)) or [[]]
        made = [Batch(part, self._told, in_order=False) for part in parts[:-1]]
        made.append(Batch(parts[-1], upto, self._filtered, self._purged, in_order=False))
        self._told, self._filtered, self._purged = upto, 0, 0
        return made


def _parts(records: Iterable[Record]) -> Iterable[list[Record]]:
    part: list[Record] = []
    size = 0
    for record in records:
        if part and (len(part) == MAX_EVENTS or size + len(record.body) > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.body)
    if part:
        yield part
