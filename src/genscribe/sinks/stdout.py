"""Standard output as a destination: shared by the sinks `console` and `jsonl:-`.

A terminal held with Ctrl-S, or a pipe whose reader sleeps, blocks `write(2)` for as long as it likes. It blocks a
thread of its own here, never the event loop; the thread is a daemon, so it never holds up the end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import queue
import select
import threading

from genscribe.sinks.base import SinkEnded, SinkUnavailable

_GONE = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO)
"""The reader closed the pipe; the terminal hung up; the descriptor was never open."""


class StandardOutput:
    """Writes bytes to a descriptor that it neither opens nor closes.

    Args:
        fd: The descriptor; 1 is standard output.
    """

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._jobs: queue.SimpleQueue[_Job | None] | None = None
        self._broken: _Job | None = None

    async def write(self, data: bytes) -> None:
        """Returns when the system has taken all of `data`.

        The same data after an error goes on where the error left off, so a full disk tears no line.

        Raises:
            SinkEnded: Nobody will ever read it.
            SinkUnavailable: Anything else, such as a full disk behind the descriptor.
        """
        job, self._broken = self._broken, None
        if job is None or job.data != data:
            job = _Job(data)
        job.promise = asyncio.get_running_loop().create_future()
        self._queue().put(job)
        error = await job.promise
        if error is None:
            return
        if error.errno in _GONE:
            raise SinkEnded("Standard output has no reader any more.") from error
        self._broken = job
        raise SinkUnavailable(f"Standard output cannot be written: {error.strerror}.") from error

    def close(self) -> None:
        """Lets the thread end once it has written what it was given; idempotent."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None

    def _queue(self) -> queue.SimpleQueue[_Job | None]:
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=_work, args=(self._fd, self._jobs), name="genscribe-stdout", daemon=True).start()
        return self._jobs


class _Job:
    """Bytes to write, how many are written, and who waits for it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.written = 0
        self.promise: asyncio.Future[OSError | None]

    def settle(self, error: OSError | None) -> None:
        if not self.promise.done():
            self.promise.set_result(error)


def _work(fd: int, jobs: queue.SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        error = _write(fd, job)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            job.promise.get_loop().call_soon_threadsafe(job.settle, error)


def _write(fd: int, job: _Job) -> OSError | None:
    view = memoryview(job.data)
    try:
        while job.written < len(view):
            job.written += _write_some(fd, view[job.written :])
    except OSError as error:
        return error
    return None


def _write_some(fd: int, view: memoryview) -> int:
    try:
        return os.write(fd, view)
    except BlockingIOError:  # another program made the shared terminal non-blocking
        select.select([], [fd], [])
        return 0
