"""Requests byte by byte, as no well-behaved client sends them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import anyio.abc

from genscribe.web import server

HOST = b"Host: localhost\r\n"
PATIENCE_S = 20
GONE = (anyio.EndOfStream, anyio.BrokenResourceError)
LAST_CHUNK = b"\r\n0\r\n\r\n"


def port(page: server.Page) -> int:
    return int(page.url.rsplit(":", 1)[1].strip("/"))


def get(path: bytes, *more: bytes) -> bytes:
    return b"".join([b"GET ", path, b" HTTP/1.1\r\n", HOST, *(line + b"\r\n" for line in more), b"\r\n"])


async def rest(stream: anyio.abc.ByteReceiveStream) -> bytes:
    """All that comes until the other side ends it."""
    found = b""
    with anyio.fail_after(PATIENCE_S):
        try:
            while True:
                found += await stream.receive()
        except GONE:
            return found


async def answer(page: server.Page, request: bytes, *, last: bool = True) -> bytes:
    """What is answered to a request, on a connection that ends then: as the request has it, or (not `last`) must."""
    async with await anyio.connect_tcp("127.0.0.1", port(page)) as stream:
        await stream.send(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) if last else request)
        return await rest(stream)


async def first(page: server.Page, request: bytes, opened: AsyncExitStack) -> tuple[anyio.abc.SocketStream, bytes]:
    """A connection that stays open, and the beginning of what came on it."""
    stream = await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", port(page)))
    await stream.send(request)
    with anyio.fail_after(PATIENCE_S):
        return stream, await stream.receive()


def status(answered: bytes) -> int:
    return int(answered.split(b" ", 2)[1])


def assert_dressed(answered: bytes) -> None:
    head = answered.partition(b"\r\n\r\n")[0].lower()
    for header in (
        b"cache-control: no-store",
        b"x-content-type-options: nosniff",
        b"content-security-policy: default-src 'none'",
        b"x-frame-options: deny",
    ):
        assert head.count(header) == 1, (header, head)


@asynccontextmanager
async def never_reads(page: server.Page, request: bytes) -> AsyncIterator[anyio.abc.SocketStream]:
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port(page)))
        raw.send(request)
        raw.setblocking(False)
        async with await anyio.abc.SocketStream.from_socket(raw.dup()) as stream:
            yield stream
