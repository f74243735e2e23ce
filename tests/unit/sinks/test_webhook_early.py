"""A webhook's receiver that refuses a body before it has read it, and closes."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from genscribe.events import Record
from genscribe.genesys.tls import tls_context
from genscribe.settings.sinks import sink_setting
from genscribe.sinks import webhook_early
from genscribe.sinks.base import Means, RowsRejected, SinkUnavailable
from genscribe.sinks.conformance import utterances
from genscribe.sinks.registry import make_sink
from tests.fault.certificates import Authority
from tests.http_stub import Asked, Reply, serve

pytestmark = pytest.mark.anyio

MEANS = Means("hook", "store", tls=ssl.create_default_context)


def webhook(url: str, means: Means = MEANS) -> Any:
    return make_sink(sink_setting(f"hook={url}", lambda what: what), means)


@pytest.mark.slow
@pytest.mark.parametrize("read", [0, 100_000], ids=["at the headers", "in the middle"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_refusal_that_a_reset_takes_along_is_heard_in_the_end(secure: bool, read: int, tmp_path: Path) -> None:
    """The receiver closes with most of the body unread: the kernel resets the connection, and the answer is lost."""
    authority = Authority(tmp_path)
    taken: list[bytes] = []

    def answer(link: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += link.recv(1)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        if length < 1_000_000:
            taken.append(_all(link, length))
            link.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            return
        rest = read
        while rest > 0:
            rest -= len(link.recv(65536))
        link.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with plain_server(answer, authority.server() if secure else None) as port:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{port}/"
        sink = webhook(url, Means("hook", "s", tls=lambda: tls_context(authority.ca_file)))
        await sink.open()
        large = Record(1, "utterance", b'{"kind":"utterance","key":"k","revision":1,"text":"%b"}' % (b"x" * 8_000_000))
        outcomes = []
        while "RowsRejected" not in outcomes and len(outcomes) < 6:
            with pytest.raises((RowsRejected, SinkUnavailable)) as caught:
                await sink.write([large])
            outcomes.append(type(caught.value).__name__)
        assert outcomes[-1] == "RowsRejected"
        assert str(caught.value) == "HTTP 413"
        await sink.write(utterances(1, 3))
        await sink.aclose()
    assert [len(json.loads(body)) for body in taken] == [3]


def _all(link: socket.socket, length: int) -> bytes:
    body = b""
    while len(body) < length:
        body += link.recv(length - len(body))
    return body


@contextmanager
def plain_server(answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None) -> Iterator[int]:
    """Serves one caller after the other from a thread, and closes as a careless receiver does."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve_all() -> None:
        while True:
            try:
                link, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError), link, tls.wrap_socket(link, server_side=True) if tls else link as wrapped:
                answer(wrapped)

    thread = threading.Thread(target=serve_all)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


async def test_what_broke_off_for_another_reason_gets_through_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_early, "PAUSE_S", 0.05)
    broken = [True]

    def reply(asked: Asked) -> Reply:
        return Reply(raw=b"") if broken.pop() else Reply(204)

    large = Record(1, "utterance", b'{"kind":"utterance","key":"k","revision":1,"text":"%b"}' % (b"x" * 200_000))
    async with serve(reply) as stub:
        sink = webhook(stub.url)
        await sink.open()
        with pytest.raises(SinkUnavailable):
            await sink.write([large])
        for _ in range(2):  # in pieces; then, as that went well, as one
            broken.append(False)
            await sink.write([large])
        await sink.aclose()
    assert len({asked.body for asked in stub.asked}) == 1
    assert len(stub.asked) == 3
