"""Frames of the transcripts endpoint, one for all connections, and frames made elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from genscribe import clock
from genscribe.emulator import wire
from genscribe.emulator.connection import Connection, Parcel
from genscribe.emulator.damage import altered
from genscribe.emulator.faults import Order, Orders
from genscribe.emulator.ledger import Emission, Ledger
from genscribe.emulator.platform import Line, Platform, encode

FLOOD_TICK_S = 0.002


class Broadcast:
    """Sends to open connections and writes down what was said. `connections` gives the open ones, oldest first."""

    def __init__(
        self, platform: Platform, ledger: Ledger, orders: Orders, connections: Callable[[], Sequence[Connection]]
    ) -> None:
        self._platform, self._ledger, self._orders, self._connections = platform, ledger, orders, connections

    def frame(self, lines: Sequence[Line], conversation: str, media_type: str) -> list[Emission]:
        """One frame of these lines to every connection of the transcripts endpoint whose filters let it through."""
        now = clock.wall_ms()
        document = self._platform.document(conversation, media_type, lines, clock.iso(now))
        said = [self.entry(now, conversation, media_type, line) for line in lines]
        audience = [c for c in self._connections() if c.channel is None and c.filters.match(conversation, media_type)]
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
        return said

    def send(self, raw: str | bytes) -> None:
        """One frame exactly as given, text or binary, to every connection."""
        data = wire.text(raw) if isinstance(raw, str) else wire.binary(raw)
        self._ledger.flooded += 1
        for connection in list(self._connections()):
            connection.deliver(Parcel(data))

    async def flood(self, frames: Iterable[bytes], rate: float | None) -> int:
        """Pre-built frames to every connection, `rate` a second or at full speed; returns how many."""
        sent = 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        for batch, count in wire.batches(frames, 1 << 30 if rate is None else max(1, int(rate * FLOOD_TICK_S))):
            parcel = Parcel(batch, count)
            for connection in list(self._connections()):
                connection.deliver(parcel)
                await connection.drain()
            sent += count
            self._ledger.flooded += count
            ahead_s = 0.0 if rate is None else began + sent / rate - loop.time()
            await asyncio.sleep(max(0.0, ahead_s))
        return sent

    def entry(self, now: int, conversation: str, media_type: str, line: Line) -> Emission:
        """Writes a line into the ledger."""
        self._ledger.emission_count += 1
        number, stamp = self._ledger.emission_count, line.timestamp or clock.iso(now)
        entry = Emission(number, now, conversation, media_type, stamp, line.speaker, line.text, line.type)
        self._ledger.emissions.append(entry)
        return entry
