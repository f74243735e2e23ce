"""HTTP on the wire: good requests, bad ones, and answers as bad as ordered."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest
import websockets
from anyio.abc import SocketStream
from websockets.exceptions import InvalidStatus

from genscribe.emulator import Emulator
from genscribe.emulator.platform import TOKEN, TOKENS_ME, TRANSCRIPTS
from tests.unit.emulator.emulator_client import Client

pytestmark = pytest.mark.anyio

UPGRADE = (
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture
async def stream(emulator: Emulator) -> AsyncIterator[SocketStream]:
    host, port = emulator.url.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        yield stream


async def everything(stream: SocketStream) -> bytes:
    data = b""
    with anyio.fail_after(5):
        try:
            while True:
                data += await stream.receive()
        except anyio.EndOfStream:
            return data


async def test_one_connection_serves_many_requests(emulator: Emulator, client: Client) -> None:
    token = await client.token()
    assert [await client.probe(token), await client.probe("bad")] == [426, 401]
    head = await client.http.head(TOKENS_ME, headers={"Authorization": f"Bearer {token}"})
    assert (head.status_code, head.content) == (200, b"")
    assert (await client.http.get("/nothing/here")).json()["code"] == "not.found"
    opened = {id(task) for task in emulator._door.serving}
    assert len(opened) == 1


async def test_the_answers_have_the_headers_of_the_platform(client: Client) -> None:
    answer = await client.ask_token()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Date"].endswith(" GMT")
    missing = await client.http.get("/nothing")
    assert missing.headers["ININ-Correlation-Id"] == missing.json()["contextId"]
    upgrade = await client.http.get(TRANSCRIPTS, headers={"Authorization": f"Bearer {await client.token()}"})
    assert upgrade.headers["Upgrade"] == "websocket"


async def test_a_request_in_single_bytes(stream: SocketStream) -> None:
    for byte in b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
        await stream.send(bytes([byte]))
    assert (await everything(stream)).startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 270000\r\n\r\n" + b"x" * 270000, b"413"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 300_000, b"431"),
    ],
)
async def test_a_bad_request_is_answered_and_the_connection_ends(
    stream: SocketStream, sent: bytes, status: bytes
) -> None:
    await stream.send(sent)
    answer = await everything(stream)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in answer.lower()


async def test_frames_that_come_with_the_handshake_are_read(
    emulator: Emulator, client: Client, stream: SocketStream
) -> None:
    target = client.url(await client.token()).partition(emulator.url.removeprefix("http"))[2]
    ping = b"\x89\x80\0\0\0\0"
    await stream.send(f"GET {target} HTTP/1.1\r\n{UPGRADE}".encode() + ping)
    data = b""
    with anyio.fail_after(5):
        while not data.endswith(b"\x8a\x00"):
            data += await stream.receive()
    assert data.startswith(b"HTTP/1.1 101 ")


async def test_a_long_request_line_is_no_problem(emulator: Emulator, client: Client) -> None:
    async with await client.connect(query={"conversationIds": ",".join(str(n) for n in range(10_000))}):
        assert emulator.connections[0].filters.match("9999", "voice")


async def test_a_handshake_that_is_none_is_refused(emulator: Emulator, client: Client, stream: SocketStream) -> None:
    target = client.url(await client.token()).partition(emulator.url.removeprefix("http"))[2]
    await stream.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n".encode())
    with anyio.fail_after(5):
        assert (await stream.receive()).startswith(b"HTTP/1.1 4")
    assert emulator.connections == []
    assert emulator.ledger.handshakes[-1].status >= 400


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_a_refused_handshake(emulator: Emulator, client: Client, status: int) -> None:
    token = await client.token()
    emulator.fault(str(status), retry_after=7)
    with pytest.raises(InvalidStatus) as refused:
        await client.connect(token)
    assert refused.value.response.status_code == status
    assert refused.value.response.headers["Retry-After"] == "7"
    async with await client.connect(token):
        assert [entry.status for entry in emulator.ledger.handshakes] == [status, 101]


async def test_a_bad_token_is_refused(client: Client) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await client.connect("bad")
    assert refused.value.response.status_code == 401


async def test_a_redirect(emulator: Emulator, client: Client) -> None:
    token = await client.token()
    emulator.fault("redirect", location="/elsewhere")
    with pytest.raises(InvalidStatus) as refused:
        await client.connect(token)
    assert refused.value.response.status_code == 404  # the library followed it


@pytest.mark.parametrize("fault", ["bad-accept", "bad-extension", "huge-headers"])
async def test_a_spoiled_101_is_no_connection(emulator: Emulator, client: Client, fault: str) -> None:
    token = await client.token()
    emulator.fault(fault)
    with pytest.raises(websockets.InvalidHandshake):
        await client.connect(token)
    assert emulator.connections == []
    assert [(entry.status, entry.connection) for entry in emulator.ledger.handshakes] == [(101, None)]


async def test_no_answer_and_a_reset(emulator: Emulator, client: Client) -> None:
    emulator.fault("no-answer", at="token")
    with pytest.raises(httpx2.ReadTimeout):
        await client.http.post(TOKEN, timeout=0.2)
    emulator.fault("reset-answer", at="token")
    with pytest.raises(httpx2.ReadError):
        await client.ask_token()
    assert (await client.ask_token()).status_code == 200


async def test_a_slow_answer_comes_in_pieces(emulator: Emulator, client: Client) -> None:
    emulator.fault("slow-answer", at="token", chunk=40, every_s=0.001)
    assert (await client.ask_token()).json()["token_type"] == "bearer"
    token = await client.token()
    emulator.fault("slow-answer", at="handshake", chunk=40, every_s=0.001)
    async with await client.connect(token) as ws:
        await emulator.wait_connected()
        emulator.say("after the handshake")
        with anyio.fail_after(5):
            assert "after the handshake" in str(await ws.recv())


async def test_huge_headers_of_an_http_answer(emulator: Emulator, client: Client) -> None:
    emulator.fault("huge-headers", at="token", size=10_000)
    assert len((await client.ask_token()).headers["X-Padding"]) == 10_000


async def test_a_client_that_leaves_in_the_middle_of_a_request(emulator: Emulator) -> None:
    host, port = emulator.url.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    with anyio.fail_after(5):
        while emulator._door.serving:
            await anyio.sleep(0.001)
    assert emulator.ledger.token_count == 0
