"""One TCP connection while it speaks HTTP: reads requests, sends answers, well or as badly as was ordered."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import anyio
import h11
from websockets.http11 import Request as Upgrade
from websockets.server import ServerProtocol

from genscribe.emulator.answers import Desk, Reply, Request
from genscribe.emulator.faults import Order
from genscribe.emulator.platform import Answer, error

HEAD_LIMIT = 1 << 18
BODY_LIMIT = 1 << 18

_SILENT = logging.Logger("genscribe.emulator", logging.CRITICAL + 1)  # noqa: LOG001 - out of everyone's reach
"""The library logs request lines, tokens and all, at DEBUG."""

Upgraded = Callable[[Request, ServerProtocol, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Exchange:
    """Serves HTTP/1.1 with keep-alive until the client leaves or turns the connection into a WebSocket.

    Args:
        desk: Says what to answer.
        upgraded: Runs a WebSocket whose handshake was just answered with 101.
        served: Told after each request that the ledger has changed.
    """

    def __init__(
        self,
        desk: Desk,
        upgraded: Upgraded,
        served: Callable[[], None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._desk = desk
        self._served = served
        self._upgraded = upgraded
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)

    async def run(self) -> None:
        """Serves until the connection ends; the transport is closed afterwards."""
        try:
            while await self._serve_one():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as broken:
            await self._complain(broken.error_status_hint)
        except ConnectionError:
            pass
        finally:
            self._writer.close()

    async def _serve_one(self) -> bool:
        """Serves one request; False when it was the last."""
        request = await self._read()
        if request is None:
            return False
        reply = self._desk.reply(request, asyncio.get_running_loop().time())
        self._served()
        if reply.order is not None and reply.order.name == "reset-answer":
            return self._reset()
        if reply.order is not None and reply.order.name == "no-answer":
            await self._reader.read(1)
            return False
        if reply.answer is None:
            await self._upgrade(request, reply)
            return False
        if reply.after_s:
            await anyio.sleep(reply.after_s)
        await self._send(self._encoded(request, reply.answer, reply.order), reply.order)
        self._desk.sent(request, reply)
        self._served()
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _read(self) -> Request | None:
        """The next request; `None` when the client has left."""
        head: h11.Request | None = None
        body = b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(1 << 16))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
                if len(body) > BODY_LIMIT:
                    raise h11.RemoteProtocolError("body too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
                return Request(head.method.decode("ascii"), head.target.decode("latin-1"), headers, body)
            else:
                return None

    def _encoded(self, request: Request, answer: Answer, order: Order | None) -> bytes:
        headers = [
            ("Date", self._desk.date()),
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
            *_padding(order),
        ]
        reason = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else ""
        start = h11.Response(status_code=answer.status, headers=headers, reason=reason)
        parts = [self._http.send(start)]
        if request.method != "HEAD":
            parts.append(self._http.send(h11.Data(data=answer.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part)

    async def _send(self, data: bytes, order: Order | None) -> None:
        if order is None or order.name != "slow-answer":
            self._writer.write(data)
            await self._writer.drain()
            return
        chunk = int(order["chunk"])
        for start in range(0, len(data), chunk):
            if self._writer.transport.is_closing():
                return
            self._writer.write(data[start : start + chunk])
            await anyio.sleep(float(order["every_s"]))

    async def _upgrade(self, request: Request, reply: Reply) -> None:
        protocol = ServerProtocol(max_size=1 << 20, logger=_SILENT)
        # The library reads the handshake itself, but limits its request line; h11 has already read that.
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        protocol.receive_data(f"GET / HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        handshake = next((event for event in protocol.events_received() if isinstance(event, Upgrade)), None)
        if handshake is None:
            await self._complain(400)
            return
        response = protocol.accept(handshake)
        _alter(response.headers, reply.order)
        protocol.send_response(response)
        await self._send(b"".join(protocol.data_to_send()), reply.order)
        spoiled = reply.order is not None and reply.order.name in ("bad-accept", "bad-extension", "huge-headers")
        if response.status_code != 101 or spoiled or self._writer.transport.is_closing():
            self._desk.shook(request, response.status_code, None)
            self._served()
            await self._reader.read(1)
            return
        protocol.receive_data(self._http.trailing_data[0])
        await self._upgraded(request, protocol, self._reader, self._writer)

    async def _complain(self, status: int) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            request = Request("GET", "/", {})
            await self._send(self._encoded(request, error(status, ("Connection", "close")), None), None)

    def _reset(self) -> bool:
        reset(self._writer.transport)
        return False


def reset(transport: Any) -> None:
    """TCP reset instead of an orderly end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _padding(order: Order | None) -> list[tuple[str, str]]:
    if order is None or order.name != "huge-headers":
        return []
    return [("X-Padding", "x" * int(order["size"]))]


def _alter(headers: Any, order: Order | None) -> None:
    """Spoils the headers of a 101."""
    if order is None:
        return
    if order.name == "bad-accept":
        del headers["Sec-WebSocket-Accept"]
        headers["Sec-WebSocket-Accept"] = "bm90IHRoZSByaWdodCBvbmUgISE="
    if order.name == "bad-extension":
        headers["Sec-WebSocket-Extensions"] = "x-unheard-of"
    for name, value in _padding(order):
        headers[name] = value
