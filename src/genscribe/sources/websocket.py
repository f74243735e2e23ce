"""The only importer of `websockets`: dial, deadlines, liveness, and foreign errors translated at the door.

Another transport is another file with the same two names, `Dialer` and `Socket`.

What the library leaves to us, each measured against it:

- a peer that sends a Close frame and keeps TCP open never ends the iterator: we abort `HALF_CLOSE_S` later;
- its keepalive drops a slow link on which bytes still flow: ours takes any byte as life, and does not judge a link
  that we do not read ourselves;
- it follows redirects, which would carry the token in our URL to another place: we refuse them;
- its debug log prints the request line, so it gets a logger that never goes below INFO.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.frames import DATA_OPCODES, Opcode
from websockets.protocol import State

from genscribe import clock
from genscribe.core import verdicts
from genscribe.core.retry import retry_after
from genscribe.errors import (
    BadAnswer,
    ConfigError,
    Disconnected,
    GenscribeError,
    Unreachable,
)
from genscribe.genesys import proxies
from genscribe.genesys.tls import Distrust, certificate_problem
from genscribe.secrets import Secret
from genscribe.sources.base import Binary, Frame
from genscribe.sources.framing import Splitter

OPEN_TIMEOUT_S = 10.0
"""TCP, TLS, proxy and the HTTP upgrade together."""
PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 2.0
"""More would let a deaf peer eat the ten seconds in which we promise to stop."""
HALF_CLOSE_S = 2.0
"""How long a peer may keep TCP open after its Close frame."""
TICK_S = 1.0
QUIET_S = 3.0
"""After so long without a byte we ask for one. With what the supervisor takes to tell it, and the journal to commit it,
a crash begins its gap at most 10 s too early. [contract]"""
STALL_MS = 5000
"""A loop that did not turn for this long was frozen."""
MAX_FRAME_BYTES = 2**20
MAX_QUEUED_FRAMES = 256
MAX_QUEUED_BYTES = 4 * MAX_FRAME_BYTES
"""Above either of these we stop reading the socket, and TCP slows the platform down."""
MAX_UNSENT_BYTES = 2**20
"""Pings and pongs are all that we send: a peer that leaves so much of it unread floods us and does not listen."""

_AWAKE = b"awake"
_QUIET = b"quiet"
_DATA = frozenset(DATA_OPCODES)
_logger = logging.getLogger("genscribe.websocket")
_logger.setLevel(logging.INFO)


class _Connect(connect):
    """`connect` that follows no redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Connection(ClientConnection):
    """A connection that hands over whole batches, knows when it last heard anything, and waits for no deaf peer.

    Messages go into `inbox`, past the library's own queue, and nearly all past its parser too (see `framing.py`): the
    two take half of the way from socket to journal (measured in `bench/`). Text is not decoded here: a frame that is
    no UTF-8 is kept as what cannot be read, instead of costing the connection.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard_at = clock.wall_ms()
        self.heard_loop = self._asked_loop = self.loop.time()
        self.reading_paused = False
        self.inbox: list[Frame] = []
        self._splitter = Splitter(text=self.inbox.append, other=self._by_library)
        self._fragments: bytearray | None = None
        self._fragments_binary = False
        self._waiter: asyncio.Future[None] | None = None
        self._hang_up: asyncio.TimerHandle | None = None
        self._read_to = self.heard_at
        self._awake_at = self.heard_at
        self._doubted = False
        self._tick: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        """Of what came since the last hand-over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Not before: where TLS fails there is no `connection_lost` that would end it.
        self._tick = self.loop.call_later(TICK_S, self._stay_awake)

    def _stay_awake(self) -> None:
        self._notice_stall(clock.wall_ms())
        self._break_silence(self.loop.time())
        self._tick = self.loop.call_later(TICK_S, self._stay_awake)

    def _notice_stall(self, now: int) -> None:
        """After a freeze (a stopped process, a sleeping laptop) what we read may be old, and the peer long gone.

        Until a ping sent now is answered, `heard_at` stays where it was before the freeze.
        """
        stalled = now - self._awake_at > STALL_MS
        self._awake_at = now
        if stalled and not self._doubted and self.protocol.state is State.OPEN:
            self._doubted = True
            self.protocol.send_ping(_AWAKE)
            self.send_data()

    def _break_silence(self, now: float) -> None:
        """Asks for a sign of life where none comes by itself: a crash begins its gap at the last one."""
        quiet_s = now - max(self.heard_loop, self._asked_loop)
        if quiet_s >= QUIET_S and not self.reading_paused and self.protocol.state is State.OPEN:
            self._asked_loop = now
            self.protocol.send_ping(_QUIET)
            self.send_data()

    @property
    def read_to(self) -> int:
        """Up to when all that came was handed over, epoch milliseconds."""
        return self._read_to if self.inbox else self.heard_at

    async def arrived(self) -> list[Frame]:
        """What has arrived, at least one frame. Raises `ConnectionClosed` once everything has been handed over."""
        while not self.inbox:
            if self.connection_lost_waiter.done():
                raise self.protocol.close_exc
            self._waiter = self.loop.create_future()
            await self._waiter
        frames = self.inbox.copy()
        self.inbox.clear()
        self._unread_bytes = 0
        if self.reading_paused:
            self.reading_paused = False
            self.transport.resume_reading()
        return frames

    def process_event(self, event: Any) -> None:
        if self.response is None or event.opcode not in _DATA:
            super().process_event(event)
            if self._doubted and self.response is not event and event.opcode is Opcode.PONG and event.data == _AWAKE:
                self._doubted = False
                self.heard_at = clock.wall_ms()
        elif event.fin and self._fragments is None:
            self.inbox.append(Binary(event.data) if event.opcode is Opcode.BINARY else bytes(event.data))
        else:
            self._assemble(event)

    def _assemble(self, event: Any) -> None:
        # The parser has bounded the sum of the fragments to MAX_FRAME_BYTES.
        if self._fragments is None:
            self._fragments, self._fragments_binary = bytearray(), event.opcode is Opcode.BINARY
        self._fragments += event.data
        if event.fin:
            whole, self._fragments = bytes(self._fragments), None
            self.inbox.append(Binary(whole) if self._fragments_binary else whole)

    def data_received(self, data: bytes) -> None:
        now = clock.wall_ms()
        self._notice_stall(now)
        if not self.inbox:
            self._read_to = self.heard_at
        if not self._doubted:
            self.heard_at = now
        self.heard_loop = self.loop.time()
        self._splitter.feed(data)
        self._unread_bytes += len(data)
        if self.inbox:
            self._wake()
            if len(self.inbox) > MAX_QUEUED_FRAMES or self._unread_bytes > MAX_QUEUED_BYTES:
                self.reading_paused = True
                self.transport.pause_reading()
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.transport.abort()
        if self._hang_up is None and self.protocol.state in (State.CLOSING, State.CLOSED):
            self._hang_up = self.loop.call_later(HALF_CLOSE_S, self.transport.abort)

    def _by_library(self, data: bytes) -> bool:
        super().data_received(data)
        return self._fragments is None and self.protocol.state is State.OPEN

    def connection_lost(self, exc: Exception | None) -> None:
        if self._tick is not None:
            self._tick.cancel()
        if self._hang_up is not None:
            self._hang_up.cancel()
        super().connection_lost(exc)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Socket:
    """One open connection. Made by `Dialer.dial`; whoever dialled it calls `aclose`."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._silent = False

    @property
    def heard_at(self) -> int:
        """Epoch ms of the last byte from the peer (a frame, a pong, its Close) before which none is unread."""
        return self._connection.read_to

    async def receive(self) -> list[Frame]:
        """The frames that have arrived, at least one.

        Raises:
            Disconnected: The connection ended, a clean close too; what had arrived before was handed over first.
        """
        try:
            return await self._connection.arrived()
        except ConnectionClosed as closed:
            raise self._ended(closed) from None

    async def keepalive(self) -> None:
        """Pings every 20 s, and aborts when 20 s after a ping not one byte has come. Runs until cancelled."""
        connection = self._connection
        while True:
            await anyio.sleep(PING_INTERVAL_S)
            asked = anyio.current_time()
            try:
                pong = await connection.ping()
                with anyio.move_on_after(PING_TIMEOUT_S):
                    await pong
                    continue
            except ConnectionClosed:
                return
            if connection.heard_loop < asked and not connection.reading_paused:
                self.give_up()
                return

    async def ping(self) -> None:
        """One ping; returns when it is answered.

        Raises:
            Disconnected: The connection ended first.
        """
        try:
            await (await self._connection.ping())
        except ConnectionClosed as closed:
            raise self._ended(closed) from None

    async def send(self, text: str) -> None:
        """Sends a text message.

        Raises:
            Disconnected: The connection ended first.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            raise self._ended(closed) from None

    def give_up(self) -> None:
        """It is open, and dead by the caller's own reckoning: `receive` raises `Silent`."""
        self._silent = True
        self._connection.transport.abort()

    async def aclose(self) -> None:
        """Closes with 1000 within `CLOSE_TIMEOUT_S`; idempotent; also under cancellation."""
        with anyio.CancelScope(shield=True):
            await self._connection.close()

    def _ended(self, closed: ConnectionClosed) -> GenscribeError:
        if self._silent:
            return Silent("no sign of life after a ping.")
        close = closed.rcvd or closed.sent
        return verdicts.of_close_code(close.code if close else 1006)


class Silent(Disconnected):
    """The connection was open, and dead."""

    reason = "silent"


@dataclass
class Dialer:
    """Opens WebSockets with one TLS context and one proxy rule, the same as REST has.

    Args:
        tls: The context for `wss://`; unused for `ws://`.
        proxy: Proxy URL; `None` means the environment's (`HTTPS_PROXY`, `NO_PROXY`), and none for `ws://`, which goes
            to loopback only.
        user_agent: The `User-Agent` header.
    """

    tls: ssl.SSLContext
    proxy: Secret | None
    user_agent: str
    _distrust: Distrust = field(default_factory=Distrust, init=False)

    async def dial(
        self, url: Secret, *, refused: Callable[..., GenscribeError] = verdicts.of_handshake_status
    ) -> Socket:
        """Opens a connection. The URL may hold a token, so nothing that is raised from here shows it.

        Args:
            url: Where to.
            refused: What an answer other than 101 means: a function of `core.verdicts`.

        Raises:
            Passing: Not now.
            Fatal: Not at all: forbidden, no such endpoint, a certificate refused three times in a row.
        """
        host = _host(url.reveal())
        try:
            connection = await self._connect(url.reveal())
        except (OSError, asyncio.TimeoutError, WebSocketException, ValueError, EOFError) as error:
            problem = certificate_problem(error)
            if problem is not None:
                raise self._distrust.refused(host, problem) from None
            raise _translate(error, host, refused) from None
        self._distrust.accepted(host)
        return Socket(connection)

    async def _connect(self, url: str) -> _Connection:
        secure = url.startswith("wss:")
        proxy = self._proxy(url)
        tls_proxy = proxy is not None and proxy.lower().startswith("https:")
        if tls_proxy and secure and sys.version_info < (3, 11):  # asyncio cannot put TLS into TLS there
            raise ConfigError(
                "a proxy that is spoken to by TLS needs Python 3.11 or newer.", advice="Use its http:// address."
            )
        # A keyword of its own: the library takes it only where there is TLS to the proxy itself.
        to_proxy: dict[str, Any] = {"proxy_ssl": self.tls} if tls_proxy else {}
        connection = await _Connect(
            url,
            compression=None,
            user_agent_header=self.user_agent,
            proxy=proxy,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_FRAME_BYTES,
            max_queue=MAX_QUEUED_FRAMES,
            logger=_logger,
            create_connection=_Connection,
            ssl=self.tls if secure else None,
            happy_eyeballs_delay=0.25,
            **to_proxy,
        )
        assert isinstance(connection, _Connection)
        return connection

    def _proxy(self, url: str) -> str | None:
        if self.proxy is not None:
            return proxies.spelled_out(self.proxy.reveal())
        parts = urlsplit(url)
        return proxies.of_environment(parts.hostname or "", parts.port or 443) if parts.scheme == "wss" else None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # half an IPv6 address; the library says the rest
        return ""


def _translate(error: Exception, host: str, refused: Callable[..., GenscribeError]) -> GenscribeError:
    """Foreign errors of a dial, as ours. Their texts may hold the URL, so only chosen parts are quoted."""
    if isinstance(error, InvalidStatus):
        headers = error.response.headers
        asked = retry_after(headers.get("Retry-After"), now_ms=clock.wall_ms(), date=headers.get("Date"))
        trace = headers.get("ININ-Correlation-Id", "")
        return refused(error.response.status_code, host=host, retry_after_s=asked, trace=trace)
    if isinstance(error, InvalidProxy):
        return ConfigError(
            "the proxy's address is not a URL.", advice="Set --proxy or HTTPS_PROXY to http://HOST:PORT."
        )
    if isinstance(error, ProxyError):
        return Unreachable(f"the proxy refused to connect us ({_proxy_status(error)}).")
    if isinstance(error, InvalidURI):
        return ConfigError("the platform's address is not a WebSocket URL.", advice="Check GENESYS_API_URL.")
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):  # two classes on Python 3.10
        return Unreachable(f"{host} opened no WebSocket within {OPEN_TIMEOUT_S:.0f} s.")
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"TLS with {host} failed: {error.reason or 'handshake broken off'}.")
    if isinstance(error, OSError):
        return Unreachable(f"no connection to {host}: {error.strerror or type(error).__name__}.")
    if isinstance(error, InvalidHandshake):
        return BadAnswer(f"what {host} answered to the WebSocket handshake is none ({type(error).__name__}).")
    return BadAnswer(f"the connection to {host} broke in the handshake ({type(error).__name__}).")


def _proxy_status(error: ProxyError) -> str:
    response = getattr(error, "response", None)
    return f"status {response.status_code}" if response is not None else type(error).__name__
