"""The last committed events in memory, so that a cursor at the head reads without SQL."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from genscribe.events import Record
from genscribe.store.rows import Row

ROW_OVERHEAD = 120
"""Bytes that a row costs beside its body, roughly."""


def weight(rows: Sequence[Row]) -> int:
    """What rows cost in memory, in bytes."""
    return sum(
        [len(body) + ROW_OVERHEAD if raw is None else len(body) + len(raw) + ROW_OVERHEAD for _, body, raw in rows]
    )


class Tail:
    """Whole commits, the oldest dropped when they exceed `limit` bytes; the newest always stays.

    Args:
        start: The last seq that was committed before.
        limit: Bytes.
    """

    def __init__(self, start: int, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._bases: list[int] = []
        self._commits: list[tuple[Sequence[Row], int]] = []
        self.start = start
        """Everything after this seq is here."""

    def add(self, base: int, rows: Sequence[Row], size: int) -> None:
        """Takes a commit: rows whose seqs follow `base`."""
        self._bases.append(base)
        self._commits.append((rows, size))
        self._size += size
        drop = 0
        while self._size > self._limit and drop < len(self._commits) - 1:
            self._size -= self._commits[drop][1]
            drop += 1
        if drop:
            del self._bases[:drop], self._commits[:drop]
            self.start = self._bases[0]

    def read(self, after: int, limit: int) -> list[Record] | None:
        """Up to `limit` records after a seq; `None` when that is too far back."""
        if after < self.start:
            return None
        found: list[Record] = []
        at = max(bisect_right(self._bases, after) - 1, 0)
        for base, (rows, _) in zip(self._bases[at:], self._commits[at:], strict=True):
            begin = max(after - base, 0)
            wanted = rows[begin : begin + limit - len(found)]
            found += [Record(seq, row[0], row[1]) for seq, row in enumerate(wanted, base + begin + 1)]
            if len(found) >= limit:
                break
        return found
