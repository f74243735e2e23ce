"""What stands before a server while `check_sink` looks on: it and the server are the trouble that there can be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread

from tests.servers.processes import ServerProcess
from tests.toxics import Reader, Writer


@dataclass
class Trouble:
    """A relay to a server on loopback.

    Attributes:
        far: The server's port.
        asks: Bytes that stand in each message of a write once; the answer to that is what `swallow` loses.
        answers: Bytes that stand in each answer to `asks` once.
        torn: Bytes with which a message of a write begins; `tear` cuts before the second, or in the middle of the
            only one. `None` = `asks`.
        process: The server, where it keeps what it has when it dies; `None` = only the relay goes down.
        port: Where clients are to go.
        lost, tears: How many answers, and how many writes, did not come through.
    """

    far: int
    asks: bytes
    answers: bytes
    torn: bytes | None = None
    process: ServerProcess | None = None
    port: int = 0
    lost: int = 0
    tears: int = 0
    losing: bool = False
    tearing: bool = False
    _server: asyncio.Server | None = None
    _writers: set[Writer] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def hooks(self) -> dict[str, Any]:
        """For `check_sink`; `hold` and `release` only with a process."""
        found = {"down": self.down, "up": self.up, "swallow": self.swallow, "tear": self.tear}
        return found | ({"hold": self.hold, "release": self.release} if self.process is not None else {})

    async def up(self) -> None:
        """The server runs, and can be reached."""
        if self.process is not None:
            await anyio.to_thread.run_sync(self.process.start)
        await self._listen()

    async def down(self) -> None:
        """The server is killed, connections are cut, and nobody listens."""
        if self.process is not None:
            self.process.stop()
        await self._close()

    async def hold(self) -> None:
        """The server stands still."""
        assert self.process is not None
        self.process.freeze()

    async def release(self) -> None:
        """The server goes on."""
        assert self.process is not None
        self.process.thaw()

    async def swallow(self) -> None:
        """The answer to the next write is lost, and the connection with it."""
        self.losing = True

    async def tear(self) -> None:
        """Of the next write only a part arrives, and the connection breaks."""
        self.tearing = True

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    def _accept(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.far)
                self._writers.add(far_writer)
                line = _Line()
                ways = [self._there(reader, far_writer, line), self._back(far_reader, writer, line)]
                going = [asyncio.ensure_future(way) for way in ways]
                await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                for way in going:
                    way.cancel()
                await asyncio.gather(*going, return_exceptions=True)
                far_writer.close()  # what was passed on arrives
                self._writers.discard(far_writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _there(self, reader: Reader, far: Writer, line: _Line) -> None:
        torn = self.torn or self.asks
        while data := await reader.read(1 << 20):
            if self.tearing and torn in data:
                self.tearing = False
                self.tears += 1
                second = data.find(torn, data.index(torn) + 1)
                far.write(data[: second if second > 0 else len(data) // 2])
                await far.drain()
                return
            if self.losing or line.asked:
                line.asked += data
            if self.asks in line.asked:
                self.losing = False
            far.write(data)
            await far.drain()

    async def _back(self, far: Reader, writer: Writer, line: _Line) -> None:
        while data := await far.read(1 << 20):
            if self.asks in line.asked:
                line.answered += data
                if line.answered.count(self.answers) >= line.asked.count(self.asks):
                    self.lost += 1
                    return
                continue
            writer.write(data)
            await writer.drain()


@dataclass
class _Line:
    """What went over a connection since an answer was to be lost."""

    asked: bytes = b""
    answered: bytes = b""


@asynccontextmanager
async def trouble(
    far: int, *, asks: bytes, answers: bytes, torn: bytes | None = None, process: ServerProcess | None = None
) -> AsyncIterator[Trouble]:
    """A relay that listens already, before a server that runs already; gone afterwards."""
    made = Trouble(far, asks, answers, torn, process)
    await made._listen()
    try:
        yield made
    finally:
        await made._close()
