"""The stand-in itself: one port for OAuth and the transcripts endpoint, inside the caller's event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import anyio
from websockets.server import ServerProtocol

from genscribe import clock
from genscribe.emulator import wire
from genscribe.emulator.answers import Desk, Request
from genscribe.emulator.calls import Call
from genscribe.emulator.connection import Connection, Parcel
from genscribe.emulator.damage import altered
from genscribe.emulator.exchange import Exchange
from genscribe.emulator.faults import Order, Orders, Stage
from genscribe.emulator.ledger import LIMIT, Closure, Emission, Ledger
from genscribe.emulator.platform import DEFAULT_CONVERSATION, Line, Platform, encode, target_of
from genscribe.emulator.script import play
from genscribe.secrets import Secret

FLOOD_TICK_S = 0.002


class Emulator:
    """A stand-in of Genesys Cloud on loopback. Every method is called on the event loop that started it.

    Args:
        host, port: Where to listen; port 0 takes a free one.
        client_id, client_secret: The one OAuth client it knows.
        script: Calls to play from `start` on, as `script.schedule` or `script.arrange` make them; `None` is silence.
        speed: How many times faster than life `script` is played.
        expires_in: Seconds a token lives; `platform.expires_in` changes it later.
        auth: Which client authentication is taken: `basic`, `form`, `both`.
        close_on_expiry: Close a live connection with 1008 when the token it was opened with ends.
        tls: Serve TLS with this context.
        ledger_limit: Records of each sort that the ledger keeps; `None` = all.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        client_id: str = "demo",
        client_secret: Secret | str = "demo",  # noqa: S107 - a stand-in's
        script: Iterable[Call] | None = None,
        speed: float = 1.0,
        expires_in: float = 86400,
        auth: str = "both",
        close_on_expiry: bool = False,
        tls: ssl.SSLContext | None = None,
        ledger_limit: int | None = LIMIT,
    ) -> None:
        secret = client_secret if isinstance(client_secret, Secret) else Secret(client_secret)
        self.client_id = client_id
        self.client_secret = secret
        self.close_on_expiry = close_on_expiry
        self.platform = Platform(client_id, secret, expires_in, auth)
        self.ledger = Ledger(ledger_limit)
        self.connections: list[Connection] = []
        """The open connections, oldest first."""
        self._orders = Orders()
        self._desk = Desk(self.platform, self._orders, self.ledger)
        self._host, self._port, self._tls = host, port, tls
        self._script, self._speed = script, speed
        self._server: asyncio.Server | None = None
        self._playing: asyncio.Task[None] | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._lasting: list[Connection] = []
        self._opened = 0
        self._changed = asyncio.Event()

    # Life.

    async def start(self) -> None:
        """Listens, and begins to play the script if there is one. Raises `OSError` when the port is taken."""
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, ssl=self._tls, limit=1 << 20, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        if self._script is not None:
            self._playing = asyncio.get_running_loop().create_task(play(self, self._script, self._speed))

    async def aclose(self) -> None:
        """Closes every connection with 1001 and stops listening; idempotent. An error of the script is raised here."""
        playing, self._playing = self._playing, None
        if playing is not None:
            playing.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close(1001)
        for writer in self._serving.values():
            writer.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=0.5)
        for writer in self._serving.values():
            writer.transport.abort()
        if self._serving:
            await asyncio.wait(self._serving)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
        if playing is not None:
            await _outcome(playing)

    async def __aenter__(self) -> Emulator:  # noqa: PYI034 - `Self` is not in Python 3.10's typing
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; the same for login, API and WebSocket."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"

    def settings(self) -> dict[str, str]:
        """The platform settings that point genscribe at this stand-in."""
        return {
            "GENESYS_CLIENT_ID": self.client_id,
            "GENESYS_CLIENT_SECRET": self.client_secret.reveal(),
            "GENESYS_LOGIN_URL": self.url,
            "GENESYS_API_URL": self.url,
        }

    # Speech.

    def say(
        self,
        text: str | None,
        *,
        conversation: str = DEFAULT_CONVERSATION,
        speaker: str | None = "agent",
        media_type: str = "voice",
        at: int | None = None,
        type: str | None = "final",  # noqa: A002 - the endpoint's word
    ) -> Emission:
        """One line, now, to every connection whose filters let it through.

        `at` is when it was said, epoch milliseconds; `None` is now. A `type` of `system` is a line no person said.
        """
        stamp = None if at is None else clock.iso(at)
        return self.emit([Line(text, speaker, type, stamp)], conversation=conversation, media_type=media_type)[0]

    def emit(
        self, lines: Sequence[Line], *, conversation: str = DEFAULT_CONVERSATION, media_type: str = "voice"
    ) -> list[Emission]:
        """One frame of these lines."""
        now = clock.wall_ms()
        document = self.platform.document(conversation, media_type, lines, clock.iso(now))
        said = [self._entry(now, conversation, media_type, line) for line in lines]
        audience = [c for c in self.connections if c.filters.match(conversation, media_type)]
        orders = self._orders.frame(connection.number for connection in audience)
        whole = [wire.text(encode(document))]
        used: list[Order] = []
        for connection in audience:
            due = [order for order in orders if order.concerns(connection.number)]
            change = altered(due, document, whole, holding=bool(connection.lane.held))
            connection.deliver(Parcel(b"".join(change.messages), len(change.messages), tuple(said)), change.hold)
            used += [order for order in change.used if order not in used]
        for order in used:
            order.use()
        self._notify()
        return said

    def end(self, conversation: str = DEFAULT_CONVERSATION) -> None:
        """The conversation is over. The endpoint has no word for that: it only falls silent."""
        self.platform.end(conversation)

    def send(self, raw: str | bytes) -> None:
        """One frame exactly as given, text or binary, to every connection."""
        data = wire.text(raw) if isinstance(raw, str) else wire.binary(raw)
        self.ledger.flooded += 1
        for connection in list(self.connections):
            connection.deliver(Parcel(data))

    async def flood(self, frames: Iterable[bytes], rate: float | None = None) -> int:
        """Sends pre-built frames to every connection, as fast as clients read.

        Args:
            frames: As `wire.text(payload)` makes them.
            rate: Frames a second; `None` is full speed.

        Returns:
            How many frames were sent.
        """
        sent = 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        for batch, count in wire.batches(frames, 1 << 30 if rate is None else max(1, int(rate * FLOOD_TICK_S))):
            parcel = Parcel(batch, count)
            for connection in list(self.connections):
                connection.deliver(parcel)
                await connection.drain()
            sent += count
            self.ledger.flooded += count
            ahead_s = 0.0 if rate is None else began + sent / rate - loop.time()
            await asyncio.sleep(max(0.0, ahead_s))
        return sent

    # Faults.

    def fault(
        self, name: str, *, times: int | str | None = "default", connection: int | None = None, **settings: Any
    ) -> None:
        """Orders a fault.

        Args:
            name: A name of `FAULTS`, any status from 400 to 599, or any close code from 1000 to 4999.
            times: How often; `None` until lifted; the default is once for nearly all.
            connection: Only the connection of this number.
            settings: The fault's own, such as `at="token"`, `retry_after=3`, `code=1012`, `after=5`.

        Raises:
            ConfigError: The fault or one of its settings does not exist.
        """
        order = self._orders.place(name, times=times, connection=connection, **settings)
        if order.fault.stage is not Stage.CONNECTION or order.name == "flap":
            return
        struck = [known for known in self.connections if order.concerns(known.number)]
        for known in struck:
            known.strike(order)
        if struck:
            order.use()

    def lift(self, name: str | None = None) -> None:
        """Ends the faults of this name, or all; what they held back goes out."""
        self._orders.lift(name)
        for connection in self._lasting:
            connection.lift(name)

    def revoke(self, token: str | None = None) -> None:
        """Makes a token, or all of them, invalid from now on; live connections stay unless `close_on_expiry`."""
        self.platform.revoke(token)
        if self.close_on_expiry:
            for connection in list(self.connections):
                if token in (None, connection.token):
                    connection.close(1008)

    # Waiting.

    async def wait_connected(self, n: int = 1, *, within_s: float = 10) -> None:
        """Waits until at least `n` connections are open. Raises `TimeoutError` after `within_s` seconds, as do all."""
        await self.wait_until(lambda: len(self.connections) >= n, within_s=within_s)

    async def wait_disconnected(self, n: int = 0, *, within_s: float = 10) -> None:
        """Waits until at most `n` connections are open."""
        await self.wait_until(lambda: len(self.connections) <= n, within_s=within_s)

    async def wait_token_requests(self, n: int, *, within_s: float = 10) -> None:
        """Waits until `n` token requests were made, counted from the start."""
        await self.wait_until(lambda: self.ledger.token_count >= n, within_s=within_s)

    async def wait_handshakes(self, n: int, *, within_s: float = 10) -> None:
        """Waits until `n` WebSocket handshakes were asked for, counted from the start."""
        await self.wait_until(lambda: self.ledger.handshake_count >= n, within_s=within_s)

    async def wait_until(self, condition: Callable[[], bool], *, within_s: float = 10) -> None:
        """Waits for a condition over ledger and connections, looked at after each request, line and connection."""
        with anyio.fail_after(within_s):
            while not condition():
                await self._changed.wait()

    # Inside.

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(self._desk, self._websocket, self._notify, reader, writer)
        task = asyncio.get_running_loop().create_task(exchange.run())
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)

    async def _websocket(
        self, request: Request, protocol: ServerProtocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._opened += 1
        _, query = target_of(request.target)
        token = query.pop("access_token", None)
        connection = Connection(self._opened, writer, protocol, query, token, self._ended)
        self.connections.append(connection)
        self._lasting.append(connection)
        self._desk.shook(request, 101, connection.number)
        if self.close_on_expiry:
            now = asyncio.get_running_loop().time()
            end = self.platform.expiry(connection.token, now) or now
            connection.after(end - now, lambda: connection.close(1008))
        for order in self._orders.opening(connection.number):
            connection.strike(order)
        self._notify()
        try:
            await connection.run(reader)
        finally:
            self._lasting.remove(connection)

    def _ended(self, closure: Closure) -> None:
        self.connections = [known for known in self.connections if known.number != closure.connection]
        self.ledger.closures.append(closure)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _entry(self, now: int, conversation: str, media_type: str, line: Line) -> Emission:
        self.ledger.emission_count += 1
        number, stamp = self.ledger.emission_count, line.timestamp or clock.iso(now)
        entry = Emission(number, now, conversation, media_type, stamp, line.speaker, line.text, line.type)
        self.ledger.emissions.append(entry)
        return entry


async def _outcome(task: asyncio.Task[None]) -> None:
    """Waits for a cancelled task and raises its own error, if it had one."""
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
