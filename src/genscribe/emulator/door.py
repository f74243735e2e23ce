"""The port: takes TCP connections, serves HTTP on each, and ends them all when it closes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from genscribe.emulator.answers import Desk
from genscribe.emulator.exchange import Exchange, Upgraded


class Door:
    """One listening port.

    Args:
        desk: Says what to answer.
        upgraded: Runs a WebSocket whose handshake was just answered with 101.
        served: Told after each request that the ledger has changed.

    Attributes:
        serving: What runs on each open connection.
    """

    def __init__(self, desk: Desk, upgraded: Upgraded, served: Callable[[], None]) -> None:
        self._desk, self._upgraded, self._served = desk, upgraded, served
        self._server: asyncio.Server | None = None
        self.serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listens; returns the port. Raises `OSError` when it is taken."""
        self._server = await asyncio.start_server(self._accept, host, port, ssl=tls, limit=1 << 20, backlog=1024)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def shut(self) -> None:
        """Takes no more connections."""
        if self._server is not None:
            self._server.close()

    async def aclose(self) -> None:
        """Ends every connection, within half a second in order; idempotent."""
        self.shut()
        for writer in self.serving.values():
            writer.close()
        if self.serving:
            await asyncio.wait(self.serving, timeout=0.5)
        for writer in self.serving.values():
            writer.transport.abort()
        if self.serving:
            await asyncio.wait(self.serving)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(self._desk, self._upgraded, self._served, reader, writer)
        task = asyncio.get_running_loop().create_task(exchange.run())
        self.serving[task] = writer
        task.add_done_callback(self.serving.pop)
