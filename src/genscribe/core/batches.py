"""Which of the journal's records a sink gets, and in what portions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from genscribe.events import Record

MAX_EVENTS = 1000
MAX_BYTES = 1024 * 1024
"""A batch holds at most this many events and bytes; a larger event goes alone.

Files take a backlog a quarter faster than in batches of 500; with 2,000 they were slower again (bench/drain.py).
"""

SLOW_S = 4.0
"""A write that takes longer, or fails after so long, is tried with half as many events."""


_INTERIM = b'"is_final":false'
"""Inside a JSON string the quotes would be escaped, so these bytes are the field and nothing that was said."""


@dataclass(frozen=True)
class Choice:
    """Which events a sink gets.

    Attributes:
        kinds: The kinds it gets.
        interim: Whether it gets utterances that are not final.
    """

    kinds: frozenset[str]
    interim: bool = False

    def wants(self, record: Record) -> bool:
        """Whether the sink gets this one; looks at bytes, parses nothing."""
        return record.kind in self.kinds and (self.interim or record.kind != "utterance" or _INTERIM not in record.body)

    def wants_all(self, records: Sequence[Record]) -> bool:
        """Whether the sink surely gets all of these: a few searches for all of them, in place of some for each."""
        kinds = {kind for _, kind, _ in records}
        return kinds <= self.kinds and (
            self.interim or "utterance" not in kinds or _INTERIM not in b"".join([body for _, _, body in records])
        )


class Takes(Protocol):
    """What decides which records a sink gets, and in which form: `filters.Sieve`."""

    def take(self, record: Record) -> Record | None:
        """The record as the sink gets it; `None` when it does not."""

    def takes_all(self, records: Sequence[Record]) -> bool:
        """Whether the sink surely gets all of these, and as they are: then none need be taken by itself."""


@dataclass(frozen=True)
class Batch:
    """Events to write at once, and the cursor that is right once they are written.

    Attributes:
        records: What to write, in this order.
        upto: The cursor for afterwards.
        filtered: How many records are left out, since the batch before.
        purged: How many retention took, since the batch before.
        gathered: How many records went into documents, since the batch before.
        in_order: Whether the cursor may follow a part of the batch: it may when all is written up to any record in it.
        ended: A conversation that has ended, whose document is to be written; `None` for events.
        known_to: The last seq known of it, which its document must hold.
    """

    records: list[Record]
    upto: int
    filtered: int = 0
    purged: int = 0
    gathered: int = 0
    in_order: bool = True
    ended: str | None = None
    known_to: int = 0


def batches(records: Sequence[Record], sieve: Takes, after: int, *, max_bytes: int = MAX_BYTES) -> list[Batch]:
    """Cuts what was read into batches of what the sink gets; every record is in one of them or counted by it.

    Args:
        records: What was read, in order.
        sieve: What the sink gets of it.
        after: The seq after which it was read; what is missing from there on was purged.
        max_bytes: What a batch holds at most.
    """
    made: list[Batch] = []
    for start in range(0, len(records), MAX_EVENTS):
        portion = records[start : start + MAX_EVENTS]
        upto = portion[-1].seq
        # Where nothing is left out, as mostly, this is half the work (0.15 in place of 0.31 ms for 500 events).
        if sum([len(body) for _, _, body in portion]) <= max_bytes and sieve.takes_all(portion):
            made.append(Batch([*portion], upto, purged=upto - after - len(portion)))
        else:
            made += _sifted(portion, sieve, after, max_bytes)
        after = upto
    return made


def _sifted(records: Iterable[Record], sieve: Takes, after: int, max_bytes: int) -> list[Batch]:
    made: list[Batch] = []
    wanted: list[Record] = []
    size = filtered = purged = 0
    upto = after
    for record in records:
        taken = sieve.take(record)
        if taken is None:
            filtered += 1
        else:
            if wanted and size + len(taken.body) > max_bytes:
                made.append(Batch(wanted, upto, filtered, purged))
                wanted, size, filtered, purged = [], 0, 0, 0
            wanted.append(taken)
            size += len(taken.body)
        purged += record.seq - upto - 1
        upto = record.seq
    return [*made, Batch(wanted, upto, filtered, purged)] if wanted or filtered else made


class Sizing:
    """How many events a batch may have: fewer where the destination is slow, more again when it is quick."""

    def __init__(self) -> None:
        self.events = MAX_EVENTS

    def took(self, seconds: float, events: int, *, failed: bool) -> None:
        """A try to write so many events took so long.

        One that fails at once says nothing about size: nobody was there.
        """
        if seconds >= SLOW_S:
            self.events = max(1, min(self.events, events) // 2)
        elif not failed and seconds < SLOW_S / 4:
            self.events = min(MAX_EVENTS, self.events * 2)
