"""Standard output that is slow, held or gone never stops the loop, tears a line or hangs the end."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator

import anyio
import pytest

from genscribe.sinks.base import SinkEnded, SinkUnavailable
from genscribe.sinks.stdout import StandardOutput

pytestmark = pytest.mark.anyio

FULL = 4 * 1024 * 1024
"""More than any pipe holds."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        try:
            os.close(fd)
        except OSError as error:
            assert error.errno == errno.EBADF  # noqa: PT017  # the test closed it


def read_all(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(fd, size - len(data))
    return data


async def test_it_writes(pipe: tuple[int, int]) -> None:
    out = StandardOutput(pipe[1])
    await out.write(b"one\n")
    await out.write(b"two\n")
    out.close()
    out.close()
    assert os.read(pipe[0], 100) == b"one\ntwo\n"


async def test_a_reader_that_sleeps_stops_only_the_writer(pipe: tuple[int, int]) -> None:
    out = StandardOutput(pipe[1])
    data = b"x" * FULL
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(out.write, data)
        for _ in range(100):
            await anyio.sleep(0)  # the loop goes on although nobody reads
        received = await anyio.to_thread.run_sync(read_all, pipe[0], FULL)
    assert received == data
    out.close()


async def test_cancelling_a_write_that_blocks_returns_at_once(pipe: tuple[int, int]) -> None:
    out = StandardOutput(pipe[1])
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(out.write, b"x" * FULL)
            await anyio.sleep(0)
            scope.cancel()
    threads = [thread for thread in threading.enumerate() if thread.name == "genscribe-stdout"]
    assert threads
    assert all(thread.daemon for thread in threads)
    out.close()
    os.close(pipe[0])
    for thread in threads:
        await anyio.to_thread.run_sync(thread.join)


async def test_a_non_blocking_terminal_is_waited_for(pipe: tuple[int, int]) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETFL, os.O_NONBLOCK)
    out = StandardOutput(pipe[1])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(out.write, b"y" * FULL)
        assert len(await anyio.to_thread.run_sync(read_all, pipe[0], FULL)) == FULL
    out.close()


async def test_a_reader_that_has_gone(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    out = StandardOutput(pipe[1])
    with pytest.raises(SinkEnded):
        await out.write(b"anybody?\n")
    out.close()


async def test_a_terminal_that_hung_up() -> None:
    primary, replica = os.openpty()
    os.close(primary)
    out = StandardOutput(replica)
    with pytest.raises(SinkEnded):
        await out.write(b"anybody?\n")
    out.close()
    os.close(replica)


async def test_after_a_full_disk_the_same_data_goes_on_where_it_stopped(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    room = [7, 0]

    def write(fd: int, data: memoryview) -> int:
        if fd != pipe[1]:
            return real(fd, data)
        if not room:
            return real(fd, data)
        if not (bytes_left := room.pop(0)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data[:bytes_left])

    monkeypatch.setattr(os, "write", write)
    out = StandardOutput(pipe[1])
    with pytest.raises(SinkUnavailable, match="No space left"):
        await out.write(b"one two three\n")
    await out.write(b"one two three\n")
    out.close()
    assert os.read(pipe[0], 100) == b"one two three\n"
