"""Reads a long store in short transactions: so many seqs at a time, fewer where that takes long.

A limit alone would not do: a filter that lets little through makes SQLite look at everything to find so many rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

FIRST = 1000
MOST = 10_000
"""Seqs in a window. Where all are of one kind and have words, so many take about a tenth of a second to read."""

SLOW_S = 0.25
"""What takes longer is read with a quarter of the window, so that a transaction stays well below a second."""


class Windows:
    """How many seqs the next transaction may go over."""

    def __init__(self) -> None:
        self.size = FIRST

    def took(self, seconds: float) -> None:
        """The last one took so long."""
        if seconds > SLOW_S:
            self.size = max(1, self.size // 4)
        elif seconds < SLOW_S / 4:
            self.size = min(MOST, self.size * 2)

    def over(self, after: int, head: int) -> Iterator[tuple[int, int]]:
        """Windows from one seq up to another, `(after, upto)`; what is done between two of them is not timed."""
        while after < head:
            upto = min(after + self.size, head)
            began = time.monotonic()
            yield after, upto
            self.took(time.monotonic() - began)
            after = upto
