"""A tiny HTTP/1.1 server of a test: it records requests and answers what the test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Union
from urllib.parse import parse_qs

import msgspec


@dataclass
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float
    """The loop's time."""

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Reply:
    """One answer. `raw` is sent verbatim instead; `hang` sends nothing; `pieces` dribbles, one a second."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang: bool = False
    pieces: list[bytes] | None = None

    def bytes(self) -> bytes:
        if self.raw is not None:
            return self.raw
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Status\r\n{lines}\r\n".encode() + self.body


def json(status: int = 200, /, *, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    return Reply(status, msgspec.json.encode(fields), {"Content-Type": "application/json", **(headers or {})})


def token(value: str = "token-1", expires_in: Any = 86_400, **more: Any) -> Reply:
    return json(access_token=value, token_type="bearer", expires_in=expires_in, **more)


Answering = Callable[[Asked], Union[Reply, Awaitable[Reply]]]


class HttpStub:
    """`asked` are the requests so far; `url` where it listens; `answer` may be replaced at any time."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                reply = self.answer(asked)
                if not isinstance(reply, Reply):
                    reply = await reply
                if reply.hang:
                    await reader.read()
                    return
                writer.write(reply.bytes())
                for piece in reply.pieces or []:
                    await writer.drain()
                    await asyncio.sleep(1)
                    writer.write(piece)
                await writer.drain()
                if reply.raw is not None:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def aclose(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body, asyncio.get_running_loop().time())


def _handle(handler: Any, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """In debug mode asyncio reports clients that refuse our certificate, some of them late. Some tests do just that."""
    if "incoming connection" in context["message"]:
        return
    if handler is None:
        loop.default_exception_handler(context)
    else:
        handler(loop, context)


@asynccontextmanager
async def serve(answer: Answering, *, tls: ssl.SSLContext | None = None) -> Any:
    """A stub on a free port of 127.0.0.1, `https` with `tls`."""
    stub = HttpStub(answer)
    server = await asyncio.start_server(stub.on_connect, "127.0.0.1", 0, ssl=tls)
    stub.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: _handle(handler, loop, context))
    try:
        yield stub
    finally:
        server.close()
        await stub.aclose()
        await server.wait_closed()
