"""Servers that stand between two honest ends, or in the place of one: a toxic relay, a CONNECT proxy, a raw server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


@asynccontextmanager
async def listening(
    serve: Callable[[Reader, Writer], Awaitable[None]], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Runs `serve` for each connection to a free port of 127.0.0.1, which is yielded; all is cut at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: Reader, writer: Writer) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    def accept(reader: Reader, writer: Writer) -> None:
        task = asyncio.ensure_future(one(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    # A client that refuses our certificate is what some tests are about, and no news to the loop.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def reset(writer: Writer) -> None:
    """TCP reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class Relay:
    """Passes TCP on to the port that `port` tells, as badly as its fields say at the moment.

    Attributes:
        chunk, every_s: So many bytes at a time towards the client, and a pause after each.
        delay_s: How long bytes are under way, in each direction.
        half_open: Nothing passes any more, and nobody is told.
    """

    port: Callable[[], int]
    chunk: int = 1 << 16
    every_s: float = 0.0
    delay_s: float = 0.0
    half_open: bool = False
    writers: list[Writer] = field(default_factory=list)

    async def serve(self, reader: Reader, writer: Writer) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port())
        self.writers += [writer, far_writer]
        up = asyncio.ensure_future(self._pass(reader, far_writer, 1 << 16, 0.0))
        try:
            await self._pass(far_reader, writer, None, None)
        finally:
            up.cancel()
            far_writer.transport.abort()

    async def _pass(self, reader: Reader, writer: Writer, chunk: int | None, every_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                at, data = await under_way.get()
                await asyncio.sleep(at - loop.time())
                size = self.chunk if chunk is None else chunk
                for start in range(0, len(data), size):
                    if not self.half_open:
                        writer.write(data[start : start + size])
                    await asyncio.sleep(self.every_s if every_s is None else every_s)
                if not data:
                    return

        arriving = asyncio.ensure_future(arrive())
        try:
            while True:
                data = await reader.read(1 << 16)
                under_way.put_nowait((loop.time() + self.delay_s, data))
                if not data:
                    await arriving
                    return
        finally:
            arriving.cancel()

    def reset(self) -> None:
        """TCP reset at both ends."""
        for writer in self.writers:
            reset(writer)
        self.writers.clear()


@dataclass
class ConnectProxy:
    """An HTTP proxy for CONNECT.

    Args:
        answer: `200` tunnels; another status refuses; `stall` says nothing; `die` hangs up; `tunnel-dies` hangs up
            after its 200.
    """

    answer: Any = 200
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        if self.answer == "stall":
            await reader.read()
        elif self.answer == "die":
            return
        elif self.answer == "tunnel-dies":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.drain()
            await reader.read(1)
        elif self.answer != 200:
            writer.write(f"HTTP/1.1 {self.answer} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        else:
            port = int(head.split(" ")[1].rpartition(":")[2])
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await Relay(lambda: port).serve(reader, writer)

    @property
    def asked(self) -> list[str]:
        """What it was asked to connect to."""
        return [head.split(" ")[1] for head in self.heads]
