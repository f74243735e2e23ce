"""Connections: how many there may be, and with how much patience each is borne.

Whoever reaches the port may open as many as he likes and say nothing. What he holds must be bounded, since the run in
this process needs its own files and connections, and there must always be room for one more who asks a probe.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import anyio
import anyio.lowlevel
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from genscribe import clock
from genscribe.web.answers import HEADERS, policy

MOST_CONNECTIONS = 600
"""For one more, the one that has been silent for longest goes. Browsers hold one for events and a few for questions."""
SHARE = 3
"""Of the files that this process may open the page takes at most one in so many."""
LOOK_S = 1.0
HEAD_S = 10.0
"""A connection on which no whole request has come for so long is closed, and so is a TLS handshake without end."""
TAKE_S = 30.0
"""Within so long `TAKE_BYTES` of what is to be sent must be taken, or all of it; so long a close may last, too."""
TAKE_BYTES = 32 << 10
ACCEPT_AGAIN_S = 0.5
CLOSE_S = 1.0
"""What requests get at the end."""

_quiet = logging.getLogger("genscribe.web.http")
_quiet.setLevel(logging.CRITICAL)  # a line for whatever a stranger sends would let him fill the log


def most_connections() -> int:
    """How many there may be: fewer where the process may open few files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files // SHARE)


class Connection(H11Protocol):
    """HTTP on one connection.

    Attributes:
        silent_since: When it was made or the last answer was complete, by the loop's clock.
    """

    silent_since = 0.0
    _unsent = 0
    _taken_at = 0.0

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.logger = _quiet

    @property
    def silent(self) -> bool:
        """No request is being answered."""
        before_any: object = self.cycle
        return before_any is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "drop": transport.abort}
        self.silent_since = self._taken_at = self.loop.time()

    def on_response_complete(self) -> None:
        """Goes on to the next request."""
        self.silent_since = self.loop.time()
        super().on_response_complete()

    def look(self, now: float) -> None:
        """Ends it when the other side says nothing, or takes nothing of what it asked for."""
        unsent = self.transport.get_write_buffer_size()
        closing = self.transport.is_closing()
        flows = unsent == 0 or (not self.silent and not self.flow.write_paused)
        # What TLS has yet to send cannot be seen; its close has to end all the same.
        if (flows and not closing) or unsent + TAKE_BYTES <= self._unsent:
            self._unsent, self._taken_at = unsent, now
        self._unsent = max(self._unsent, unsent)
        if now - self._taken_at >= TAKE_S:
            self.transport.abort()
        elif self.silent and unsent == 0 and not closing and now - self.silent_since >= HEAD_S:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, dressed as every answer is."""
        if not self.silent:
            self.cycle.disconnected = True  # what it would still send has nowhere to go
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()  # in the midst of another answer
            return
        body = b"This is not HTTP.\n"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"content-security-policy", policy(scripts="").encode()),
            *HEADERS,
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Listener:
    """Accepts connections and ends them.

    Args:
        listening: Where; closed at the end.
        config: uvicorn's.
        tls: Gives the context for the next connection; `None` = plain HTTP.
    """

    def __init__(
        self, listening: socket.socket, config: uvicorn.Config, tls: Callable[[], ssl.SSLContext | None]
    ) -> None:
        self._listening = listening
        self._config = config
        self._tls = tls
        self._state = ServerState()
        self._greeting: dict[int, anyio.CancelScope] = {}
        self._greeted = 0
        self._most = most_connections()

    @property
    def connections(self) -> set[Connection]:
        """All that speak HTTP."""
        return self._state.connections  # type: ignore[return-value]  # made by us

    async def run(self) -> None:
        """Accepts until cancelled."""
        self._config.load()
        self._listening.setblocking(False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look)
            while True:
                try:
                    accepted, _ = await asyncio.get_running_loop().sock_accept(self._listening)
                except OSError:  # no file is left for it, or it has gone again
                    await anyio.sleep(ACCEPT_AGAIN_S)
                    continue
                self._make_room()
                tasks.start_soon(self._greet, accepted)
                await anyio.lowlevel.checkpoint()  # whoever connects in a flood shares the loop with the run

    async def _greet(self, accepted: socket.socket) -> None:
        """Makes a connection of a socket, after the TLS handshake where there is one."""
        self._greeted = number = self._greeted + 1
        loop = asyncio.get_running_loop()
        tls = self._tls()
        patience = {} if tls is None else {"ssl_handshake_timeout": HEAD_S}
        try:
            with anyio.CancelScope() as self._greeting[number]:
                await loop.connect_accepted_socket(self._connection, accepted, ssl=tls, **patience)
        except OSError:  # of TLS, too: a stranger's doing
            pass
        finally:
            del self._greeting[number]

    def _connection(self) -> Connection:
        return Connection(config=self._config, server_state=self._state, app_state={})

    def _make_room(self) -> None:
        """Lets the one go that has said nothing for longest, when there are too many; who is answered stays."""
        if len(self._greeting) + len(self.connections) < self._most:
            return
        silent = [each for each in self.connections if each.silent]
        if silent:
            min(silent, key=lambda each: each.silent_since).transport.abort()
        elif self._greeting:
            self._greeting[min(self._greeting)].cancel()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            date = formatdate(clock.wall_ms() / 1000, usegmt=True).encode()
            self._state.default_headers = [(b"date", date)]
            for connection in list(self.connections):
                connection.look(loop.time())
            await anyio.sleep(LOOK_S)

    async def close(self) -> None:
        """Ends all connections, after a moment for what is being answered; nobody is listened to any more."""
        self._listening.close()
        for connection in list(self.connections):
            connection.shutdown()
        with anyio.move_on_after(CLOSE_S):
            while self._state.tasks:
                await anyio.sleep(LOOK_S / 50)
        for task in self._state.tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.transport.abort()
        await anyio.lowlevel.checkpoint()
