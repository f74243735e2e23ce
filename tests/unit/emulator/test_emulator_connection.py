"""What each fault does to a real client's connection."""

from __future__ import annotations

import json

import anyio
import pytest
import websockets
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

from genscribe.emulator import Emulator
from genscribe.emulator.connection import Lane, Parcel
from genscribe.emulator.damage import MALFORMED, VIOLATIONS
from tests.unit.emulator.emulator_client import Client

pytestmark = pytest.mark.anyio


def text(frame: str | bytes) -> str:
    return str(json.loads(frame)["transcript"][0]["text"])


async def heard(ws: websockets.ClientConnection, count: int) -> list[str]:
    with anyio.fail_after(5):
        return [text(await ws.recv()) for _ in range(count)]


async def ending(ws: websockets.ClientConnection) -> ConnectionClosed:
    with anyio.fail_after(5):
        try:
            while True:
                await ws.recv()
        except ConnectionClosed as closed:
            return closed


def parcels(*names: bytes) -> list[Parcel]:
    return [Parcel(name) for name in names]


async def test_a_lane_keeps_order_unless_told() -> None:
    lane = Lane()
    a, b, c = parcels(b"a", b"b", b"c")
    assert [lane.push(a, None), lane.push(b, None)] == [[a], [b]]
    assert [lane.push(a, 1), lane.push(b, None), lane.push(c, None)] == [[], [b, a], [c]]
    assert [lane.push(a, 2), lane.push(b, 1), lane.push(c, 0)] == [[], [], [a, b, c]]
    assert lane.push(a, 5) == []
    assert (lane.release(), lane.release()) == ([a], [])


async def test_a_reset_is_a_reset_and_not_an_end_of_file(emulator: Emulator, client: Client) -> None:
    target = client.url(await client.token()).partition(emulator.url[len("http://") :])[2]
    async with await anyio.connect_tcp(*emulator.url[len("http://") :].split(":")) as stream:  # type: ignore[arg-type]
        await stream.send(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        await emulator.wait_connected()
        assert b" 101 " in await stream.receive()
        emulator.fault("drop")
        with pytest.raises(anyio.BrokenResourceError), anyio.fail_after(5):
            await stream.receive()
    assert [(end.by, end.code) for end in emulator.ledger.closures] == [("server", None)]


@pytest.mark.parametrize(
    ("fault", "settings", "kind", "code"),
    [
        ("clean-close", {}, ConnectionClosedOK, 1000),
        ("clean-close", {"code": 1001}, ConnectionClosedOK, 1001),
        ("1011", {}, ConnectionClosedError, 1011),
        ("1008", {}, ConnectionClosedError, 1008),
        ("4003", {"reason": "nö"}, ConnectionClosedError, 4003),
    ],
)
async def test_a_close_frame_with_any_code(
    emulator: Emulator, client: Client, fault: str, settings: dict[str, object], kind: type, code: int
) -> None:
    async with await client.connect() as ws:
        emulator.fault(fault, **settings)
        end = await ending(ws)
        assert (type(end), end.rcvd.code if end.rcvd else None) == (kind, code)
    assert [(closure.by, closure.code) for closure in emulator.ledger.closures] == [("server", code)]


@pytest.mark.parametrize("fault", ["drop", "eof", "torn"])
async def test_an_end_without_a_close_frame(emulator: Emulator, client: Client, fault: str) -> None:
    async with await client.connect() as ws:
        emulator.say("before")
        emulator.fault(fault)
        emulator.say("after")
        assert await heard(ws, 1) == ["before"]
        assert (await ending(ws)).rcvd is None
    assert [line.connections for line in emulator.ledger.emissions] == [[1], []]


@pytest.mark.parametrize("payload", [b"", b"\x03", b"\x03\xe8\xff\xfe"])
async def test_a_close_frame_with_a_bad_payload(emulator: Emulator, client: Client, payload: bytes) -> None:
    async with await client.connect() as ws:
        emulator.fault("close-payload", payload=payload)
        assert (await ending(ws)).rcvd_then_sent is not False


async def test_a_close_frame_without_a_tcp_close(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("close-without-tcp-close")
        await emulator.wait_disconnected()
        with anyio.move_on_after(0.3) as patience:
            await ending(ws)
        assert patience.cancelled_caught
        assert ws.protocol.close_rcvd is not None
        assert ws.protocol.close_rcvd.code == 1012
        ws.transport.abort()


async def test_silence_answers_no_ping_and_leaves_tcp_open(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("silence")
        emulator.say("unheard")
        await ws.send("what a client says is not listened to")
        pong = await ws.ping()
        connection = emulator.connections[0]
        with anyio.fail_after(5):
            while connection.pings == 0:
                await anyio.sleep(0.001)
        assert connection.pings == 1
        assert not pong.done()
        emulator.lift("silence")
        emulator.say("heard")
        assert await heard(ws, 1) == ["heard"]
        await (await ws.ping())
    assert [line.connections for line in emulator.ledger.emissions] == [[], [1]]


async def test_silence_that_does_not_even_read(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("silence", read=False)
        pong = await ws.ping()
        emulator.lift()
        with anyio.fail_after(5):
            await pong


async def test_a_silent_connection_ends_when_its_client_leaves(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("silence")
        ws.transport.abort()
        await emulator.wait_disconnected()


async def test_a_stalled_connection_answers_pings(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("stall")
        emulator.say("unheard")
        with anyio.fail_after(5):
            await (await ws.ping())
        emulator.lift("stall")
        emulator.say("heard")
        assert await heard(ws, 1) == ["heard"]


async def test_slow_comes_in_pieces_and_in_order(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("slow", chunk=50, every_s=0.001)
        for number in range(5):
            emulator.say(str(number))
        assert await heard(ws, 5) == ["0", "1", "2", "3", "4"]
        emulator.fault("slow", chunk=1, every_s=0.05)
        emulator.say("all at once")
        emulator.lift("slow")
        assert await heard(ws, 1) == ["all at once"]


async def test_a_slow_connection_still_ends_in_order(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("slow", chunk=10, every_s=0.001)
        emulator.say("one")
        closing = anyio.current_time()
        await ws.close()
        assert ws.close_code == 1000
        assert anyio.current_time() - closing < 0.9
    await emulator.wait_disconnected()


async def test_a_fault_may_wait_for_some_messages(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("clean-close", after=2)
        for number in range(4):
            emulator.say(str(number))
        assert await heard(ws, 2) == ["0", "1"]
        assert (await ending(ws)).rcvd is not None


async def test_a_fault_strikes_all_who_are_open_or_else_the_next(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as one, await client.connect() as two:
        emulator.fault("drop")
        await ending(one)
        await ending(two)
    async with await client.connect() as three:
        emulator.say("fine")
        assert await heard(three, 1) == ["fine"]
    emulator.fault("drop", times=1)
    async with await client.connect() as four:
        await ending(four)
    async with await client.connect() as five:
        emulator.say("fine")
        assert await heard(five, 1) == ["fine"]


async def test_a_fault_for_one_connection(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as one, await client.connect() as two:
        emulator.fault("1012", connection=2)
        emulator.fault("duplicate", connection=1)
        emulator.say("once or twice")
        emulator.say("next")
        assert await heard(one, 3) == ["once or twice", "once or twice", "next"]
        end = await ending(two)
        assert end.rcvd is not None


async def test_flapping(emulator: Emulator, client: Client) -> None:
    emulator.fault("flap")
    for _ in range(3):
        async with await client.connect() as ws:
            assert isinstance(await ending(ws), ConnectionClosedOK)
    emulator.lift("flap")
    async with await client.connect() as ws:
        emulator.say("fine")
        assert await heard(ws, 1) == ["fine"]


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_frame_does_not_swallow_the_good_line(emulator: Emulator, client: Client, kind: str) -> None:
    async with await client.connect() as ws:
        emulator.fault("malformed", kind=kind)
        emulator.say("good")
        with anyio.fail_after(5):
            while True:
                frame = await ws.recv()
                if isinstance(frame, str) and '"good"' in frame:
                    break
        emulator.say("next")
        assert await heard(ws, 1) == ["next"]


@pytest.mark.parametrize("kind", VIOLATIONS)
async def test_a_violation_ends_the_connection(emulator: Emulator, client: Client, kind: str) -> None:
    async with await client.connect() as ws:
        emulator.fault("violation", kind=kind)
        assert (await ending(ws)).sent is not None


async def test_out_of_order_until_lifted(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("out-of-order", times=None)
        for number in range(5):
            emulator.say(str(number))
        assert await heard(ws, 4) == ["1", "0", "3", "2"]
        emulator.lift("out-of-order")
        assert await heard(ws, 1) == ["4"]
    assert [line.connections for line in emulator.ledger.emissions] == [[1]] * 5


async def test_a_burst_comes_whole(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("burst", times=3)
        emulator.say("0")
        emulator.say("1")
        assert [line.connections for line in emulator.ledger.emissions] == [[], []]
        emulator.say("2")
        emulator.say("3")
        assert await heard(ws, 4) == ["0", "1", "2", "3"]


async def test_oversized_makes_the_client_close_with_1009(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("oversized")
        emulator.say("after it")
        end = await ending(ws)
        assert end.sent is not None
        assert end.sent.code == 1009
    await emulator.wait_disconnected()
    assert [(closure.by, closure.code) for closure in emulator.ledger.closures] == [("client", 1009)]


async def test_a_client_that_closes_gets_its_echo(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        await ws.close(1000)
    assert ws.close_code == 1000
    await emulator.wait_disconnected()
    assert [(closure.by, closure.code) for closure in emulator.ledger.closures] == [("client", 1000)]


async def test_a_client_that_never_reads_is_reset_in_the_end(
    emulator: Emulator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genscribe.emulator.connection.OVERRUN_BYTES", 1 << 20)
    async with await client.connect(max_queue=1) as ws:
        for _ in range(200):
            emulator.say("x" * 100_000)
        assert emulator.connections == []
        ws.transport.abort()


async def test_the_repr_of_a_connection_shows_no_token(emulator: Emulator, client: Client) -> None:
    async with await client.connect(query={"mediaTypes": "voice"}):
        (connection,) = emulator.connections
        assert repr(connection) == "<Connection 1 open, 0 sent>"
        assert connection.query == {"mediaTypes": "voice"}
        assert connection.token is not None
