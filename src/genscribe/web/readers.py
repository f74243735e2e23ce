"""Connections to the store for those who ask: a few of each kind, so that a slow search delays no list."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException

from genscribe.store.reader import Reader

QUICK = 2
"""For lists, one conversation and its talk."""
SLOW = 2
"""For searches and downloads."""

Answer = TypeVar("Answer")


class Lane:
    """Readers of one kind; who asks while all are busy waits for the first that is free."""

    def __init__(self, readers: list[Reader]) -> None:
        self._free = readers
        self._limiter = anyio.CapacityLimiter(len(readers))

    async def ask(
        self, query: Callable[..., Answer], *rest: Any, wanted: Callable[[], Awaitable[bool]] | None = None
    ) -> Answer:
        """What a function reads, in a thread. It must take well under a second: the log cannot be emptied meanwhile.

        Args:
            query: Gets a connection that is its own for so long, and `rest`.
            rest: What else it gets.
            wanted: Is asked when a reader is free, before it reads; `None` = it is.

        Raises:
            HTTPException: Nobody waits for it any more.
        """
        async with self._limiter:
            if wanted is not None and not await wanted():
                raise HTTPException(499, "Nobody waits for this.")
            reader = self._free.pop()
            try:
                return await anyio.to_thread.run_sync(reader.ask, lambda db: query(db, *rest))
            finally:
                self._free.append(reader)


class Readers:
    """The connections of one page. Close it, or use `with`."""

    def __init__(self, path: Path) -> None:
        self._close = contextlib.ExitStack()
        with contextlib.ExitStack() as opened:
            readers = [opened.enter_context(Reader.open(path)) for _ in range(QUICK + SLOW)]
            self._close = opened.pop_all()
        self.quick = Lane(readers[:QUICK])
        self.slow = Lane(readers[QUICK:])

    def close(self) -> None:
        """Closes the files, when what is read now is read; idempotent."""
        self._close.close()

    def __enter__(self) -> Readers:  # noqa: PYI034  # Self is in typing from 3.11 on
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
