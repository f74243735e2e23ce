"""A thread for code of which nobody knows how long it blocks."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable


class OwnThread:
    """Runs one thing after the other, in a daemon thread, so that what hangs never holds up the end of the process.

    Who stops waiting leaves at once; what is under way goes on, and the next thing begins after it, even if it was
    closed meanwhile.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] | None = None
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], None]) -> None:
        """Returns when `work` has, and raises what it raises."""
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._queue().put(job)
        error = await job.promise
        if error is not None:
            raise error

    def close(self) -> None:
        """Lets the thread end once it has done what it was given; idempotent."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None

    def _queue(self) -> queue.SimpleQueue[_Job | None]:
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            given = (self._jobs, self._thread)
            self._thread = threading.Thread(target=_work, args=given, name="genscribe-python", daemon=True)
            self._thread.start()
        return self._jobs


class _Job:
    """Something to do, and who waits for it."""

    def __init__(self, work: Callable[[], None], promise: asyncio.Future[Exception | None]) -> None:
        self.work = work
        self.promise = promise

    def settle(self, error: Exception | None) -> None:
        if not self.promise.done():
            self.promise.set_result(error)


def _work(jobs: queue.SimpleQueue[_Job | None], before: threading.Thread | None) -> None:
    if before is not None:
        before.join()  # it may hang in what was given to it before the end
    del before
    while (job := jobs.get()) is not None:
        error: Exception | None = None
        if not job.promise.cancelled():
            try:
                job.work()
            except Exception as raised:  # noqa: BLE001  # it belongs to who waits
                error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            job.promise.get_loop().call_soon_threadsafe(job.settle, error)
        del job, error  # or the last event would be held until the next
