"""One open WebSocket of the stand-in, with full control of its transport: reset, half close, silence, dripping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from genscribe import clock
from genscribe.emulator import wire
from genscribe.emulator.damage import VIOLATIONS
from genscribe.emulator.exchange import reset
from genscribe.emulator.faults import Order
from genscribe.emulator.ledger import Closure, Emission
from genscribe.emulator.platform import Filters

OVERRUN_BYTES = 64 << 20
"""A client that reads so slowly that this much waits for it is reset, as any server would."""

CLOSE_WAIT_S = 2.0
"""How long a Close frame waits for its echo before the TCP connection ends."""


@dataclass(frozen=True)
class Parcel:
    """Bytes that go out together: `frames` messages that carry `lines`."""

    data: bytes
    frames: int = 1
    lines: tuple[Emission, ...] = ()


@dataclass
class Lane:
    """Holds parcels back behind later ones. Pure."""

    held: list[tuple[int, Parcel]] = field(default_factory=list)

    def push(self, parcel: Parcel, hold: int | None) -> list[Parcel]:
        """What goes out now, in order; `hold` is how many later parcels go first, `None` holds nothing back."""
        self.held = [(wait - 1, kept) for wait, kept in self.held]
        now = [parcel] if hold is None else []
        if hold is not None:
            self.held.append((hold, parcel))
        now += [kept for wait, kept in self.held if wait <= 0]
        self.held = [(wait, kept) for wait, kept in self.held if wait > 0]
        return now

    def release(self) -> list[Parcel]:
        """Everything that was held back."""
        held, self.held = self.held, []
        return [parcel for _, parcel in held]


class Connection:
    """One open WebSocket.

    Attributes:
        number: From 1, in the order of opening.
        query: The handshake's query, decoded, without the token.
        open: Whether lines are still sent to it.
        sent: Messages written; `pings` counts those that the client sent.
        muted: Nothing is written at all. `stalled`: no lines are written. `hushed`: nor heartbeats.
        pongs: Whether a ping that is a message is answered.
        channel: The id of the notification channel that it is for; `None` on the transcripts endpoint.
        heard: Is given each text message of the client; `None` ignores them.
        beat: The timer of the next heartbeat.
    """

    def __init__(
        self,
        number: int,
        writer: asyncio.StreamWriter,
        protocol: ServerProtocol,
        query: Mapping[str, str],
        token: str | None,
        ended: Callable[[Closure], None],
    ) -> None:
        self.number = number
        self.query = query
        self.token = token
        self.filters = Filters.of(query)
        self.open = True
        self.sent = 0
        self.pings = 0
        self.muted = False
        self.stalled = False
        self.hushed = False
        self.pongs = True
        self.channel: str | None = None
        self.heard: Callable[[bytes], None] | None = None
        self.beat: asyncio.TimerHandle | None = None
        self.lane = Lane()
        self._writer = writer
        self._transport: Any = writer.transport
        self._protocol = protocol
        self._ended = ended
        self._closing = False
        self._finished = False
        self._keep_tcp = False
        self._later: list[tuple[int, Order]] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._drip: tuple[int, float] | None = None
        self._backlog = bytearray()
        self._dripping: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.number} {'open' if self.open else 'ended'}, {self.sent} sent>"

    # Sending.

    def deliver(self, parcel: Parcel, hold: int | None = None) -> None:
        """Sends a parcel, or holds it back behind `hold` later ones."""
        self._put(self.lane.push(parcel, hold))

    def tell(self, payload: bytes) -> None:
        """Sends a message that is no line: a heartbeat, an answer, a word of the system."""
        if self.open and not self.muted:
            self._write(wire.text(payload))
            self.sent += 1

    async def drain(self) -> None:
        """Waits while the client does not read; returns when it has gone, too."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    def _put(self, parcels: Sequence[Parcel]) -> None:
        if not parcels or self.muted or self.stalled or self.hushed or not self.open:
            return
        self._write(b"".join(parcel.data for parcel in parcels))
        for parcel in parcels:
            self.sent += parcel.frames
            for line in parcel.lines:
                line.connections.append(self.number)
        self._count_down(sum(parcel.frames for parcel in parcels))

    def _count_down(self, frames: int) -> None:
        due = [order for left, order in self._later if left <= frames]
        self._later = [(left - frames, order) for left, order in self._later if left > frames]
        for order in due:
            self._strike_now(order)

    def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._drip is not None or self._backlog:
            self._backlog += data
            if self._dripping is None:
                self._dripping = asyncio.get_running_loop().create_task(self._run_drip())
        else:
            self._writer.write(data)
        if len(self._backlog) + self._transport.get_write_buffer_size() > OVERRUN_BYTES:
            self.reset()

    async def _run_drip(self) -> None:
        while self._backlog and not self._transport.is_closing():
            chunk, every_s = self._drip or (len(self._backlog), 0.0)
            if not self.muted:
                self._writer.write(bytes(self._backlog[:chunk]))
                del self._backlog[:chunk]
            await anyio.sleep(every_s)
        self._dripping = None
        if self._finished:
            self._writer.close()

    # Receiving.

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Reads until TCP ends; the transport is closed afterwards."""
        try:
            self._obey()
            while data := await reader.read(1 << 16):
                self._protocol.receive_data(data)
                self._obey()
        except ConnectionError:
            pass
        finally:
            self._end("client", None)
            for timer in (*self._timers, *([] if self.beat is None else [self.beat])):
                timer.cancel()
            if self._dripping is not None:
                self._dripping.cancel()
            self._writer.close()

    def _obey(self) -> None:
        """Does what the protocol says about the bytes just read: pongs, the echo of a Close frame."""
        for event in self._protocol.events_received():
            self.pings += isinstance(event, Frame) and event.opcode is Opcode.PING
            if self.heard is not None and isinstance(event, Frame) and event.opcode is Opcode.TEXT and event.fin:
                self.heard(bytes(event.data))
        received = self._protocol.close_rcvd
        if received is not None:
            self._end("client", received.code)
        answers = self._protocol.data_to_send()
        if self._closing:
            if received is not None and not self._keep_tcp:
                self._writer.close()
            return
        if self.muted:
            return
        self._write(b"".join(answers))
        self._finished = self._finished or b"" in answers
        if self._finished and not self._backlog:
            self._writer.close()

    # Ending.

    def close(
        self, code: int | None = 1000, reason: str = "", *, payload: bytes | None = None, keep_tcp: bool = False
    ) -> None:
        """Sends a Close frame, waits for its echo, at most 2 s, and ends TCP, or leaves it open (`keep_tcp`).

        `payload` replaces code and reason by exactly these bytes.
        """
        if not self.open:
            return
        self._write(wire.close(code, reason) if payload is None else wire.frame(payload, wire.CLOSE))
        self._closing, self._keep_tcp = True, keep_tcp
        self._end("server", code if payload is None else None)
        if not keep_tcp:
            self.after(CLOSE_WAIT_S, self._writer.close)

    def reset(self) -> None:
        """TCP reset."""
        self._end("server", None)
        reset(self._transport)

    def hang_up(self) -> None:
        """Ends TCP in order, without a Close frame."""
        self._end("server", None)
        self._writer.close()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Calls `action` later, unless the connection has ended by then."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, action))

    def _end(self, by: str, code: int | None) -> None:
        if self.open:
            self.open = False
            self._ended(Closure(clock.wall_ms(), self.number, by, code))

    # Faults.

    def strike(self, order: Order) -> None:
        """Suffers a fault of the stage CONNECTION, at once or after as many more messages as it says."""
        if int(order["after"]) > 0:
            self._later.append((int(order["after"]), order))
        else:
            self._strike_now(order)

    def lift(self, name: str | None = None) -> None:
        """Ends the lasting faults of this name, or all; what was held back goes out."""
        self._later = [(left, order) for left, order in self._later if name not in (None, order.name)]
        if name in (None, "silence"):
            self.muted = False
            self._transport.resume_reading()
        if name in (None, "stall"):
            self.stalled = False
        if name in (None, "heartbeat-stops"):
            self.hushed, self.pongs = False, True
        if name in (None, "slow"):
            self._drip = None
        if name in (None, "burst", "out-of-order"):
            self._put(self.lane.release())

    def _strike_now(self, order: Order) -> None:
        if self.open:
            _STRIKES.get(order.name, Connection._close_as_ordered)(self, order)

    def _close_as_ordered(self, order: Order) -> None:
        keep_tcp = order.name == "close-without-tcp-close"
        self.close(int(order["code"]), str(order["reason"]), keep_tcp=keep_tcp)

    def _silence(self, order: Order) -> None:
        self.muted = True
        if not order["read"]:
            self._transport.pause_reading()

    def _stall(self, order: Order) -> None:
        self.stalled = True

    def _slow(self, order: Order) -> None:
        self._drip = (int(order["chunk"]), float(order["every_s"]))

    def _torn(self, order: Order) -> None:
        self._write(wire.text(b'{"conversationId": "6ad9cd53"}')[:20])
        self.after(0.01, self.reset)
        self._end("server", None)

    def _violate(self, order: Order) -> None:
        self._write(VIOLATIONS[order["kind"]])


_STRIKES: Mapping[str, Callable[[Connection, Order], None]] = {
    "drop": lambda connection, order: connection.reset(),
    "eof": lambda connection, order: connection.hang_up(),
    "torn": Connection._torn,
    "close-payload": lambda connection, order: connection.close(payload=order["payload"]),
    "silence": Connection._silence,
    "stall": Connection._stall,
    "slow": Connection._slow,
    "violation": Connection._violate,
}
