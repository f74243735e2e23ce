"""How a delivery reads the journal: far behind, ahead of the writing; near its end, what gathered for a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import anyio

from genscribe.core.backlog import Backlog
from genscribe.core.batches import MAX_EVENTS
from genscribe.errors import StoreFailed
from genscribe.events import Record

LINGER_S = 0.02
"""How long who is less than a batch behind lets events gather, so that a burst of commits is one write.

At 2,000 events a second PostgreSQL so commits 50 times a second; it was 154 times, with 13 events each. Longer, and the
work on a batch shows in how late events are committed.
"""

MOST_EVENTS = 2 * MAX_EVENTS
MOST_BYTES = 2 * 1024 * 1024
"""A read is to bring at most so many events, and about so many bytes, going by the size of the last ones."""

SAMPLE = 100
"""So many records tell how large they are."""


class Ahead:
    """A journal's records, in order; at most one read of them waits in memory.

    Args:
        journal: Where they come from.
    """

    def __init__(self, journal: Backlog) -> None:
        self._journal = journal
        self._limit = MAX_EVENTS
        self._after = 0
        self._ahead: list[Record] = []
        self._read_at = 0.0

    async def next(self, after: int) -> list[Record]:
        """The next records after a seq; empty only when none is left."""
        self._read_at = anyio.current_time()
        found, self._ahead = self._ahead, []
        if not found or self._after != after:
            found = await self._journal.read(after, self._limit)
        self._limit = next_limit(found)
        return found

    async def beside(self, after: int, act: Callable[[], Awaitable[None]]) -> None:
        """Acts, and meanwhile reads what follows a seq, if it is a batch. Raises what `act` raises, as it is."""
        if self._journal.head - after < MAX_EVENTS:
            await act()
            return
        failed: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read_ahead, after)
            try:
                await act()
            except Exception as error:  # noqa: BLE001  # or the task group would wrap it
                failed = error
                tasks.cancel_scope.cancel()
        if failed is not None:
            raise failed

    async def gathered(self, after: int) -> None:
        """Waits for something to follow a seq, and then for more: from the last read on, or the end of a silence."""
        since, head = self._read_at, self._journal.head
        if head <= after:
            head = await self._journal.wait_beyond(after)
            since = anyio.current_time()
        if head - after < MAX_EVENTS:
            await anyio.sleep_until(since + LINGER_S)

    async def _read_ahead(self, after: int) -> None:
        with suppress(StoreFailed):  # `next` meets it again
            self._ahead = await self._journal.read(after, self._limit)
            self._after = after


def next_limit(records: Sequence[Record]) -> int:
    """How many records to read next, after these: many small ones at once, of large ones no more than a batch has."""
    looked_at = records[-SAMPLE:]
    size = sum([len(body) for _, _, body in looked_at])
    return max(MAX_EVENTS, min(MOST_EVENTS, MOST_BYTES * len(looked_at) // max(size, 1)))
