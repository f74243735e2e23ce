from __future__ import annotations

import json
import ssl
from collections import Counter

import anyio
import httpx2
import pytest
import trustme
import websockets
from websockets.exceptions import ConnectionClosed

from genscribe.emulator import Call, Emulator, Line, Utterance, wire
from genscribe.emulator.platform import TOKEN
from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from tests.unit.emulator.emulator_client import Client

pytestmark = pytest.mark.anyio


async def received(ws: websockets.ClientConnection, count: int) -> list[str | bytes]:
    with anyio.fail_after(10):
        return [await ws.recv() for _ in range(count)]


async def test_the_settings_point_at_it() -> None:
    async with Emulator(client_id="me", client_secret=Secret("hush")) as emulator:
        assert emulator.settings() == {
            "GENESYS_CLIENT_ID": "me",
            "GENESYS_CLIENT_SECRET": "hush",
            "GENESYS_LOGIN_URL": emulator.url,
            "GENESYS_API_URL": emulator.url,
        }
        assert "hush" not in repr(emulator.platform)
        port = int(emulator.url.rpartition(":")[2])
        with pytest.raises(OSError):
            await Emulator(port=port).start()


async def test_a_line_is_a_frame_of_the_endpoint(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.say("how can i help", conversation="c", at=1_774_055_395_225)
        (frame,) = await received(ws, 1)
        document = json.loads(frame)
        assert document.keys() == {"conversationId", "mediaType", "timestamp", "transcript"}
        assert document["transcript"] == [
            {"timestamp": "2026-03-21T01:09:55.225Z", "speaker": "agent", "text": "how can i help", "type": "final"}
        ]


async def test_a_frame_of_several_lines(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        said = emulator.emit([Line("one"), Line(None, None, "system"), Line("two")], media_type="chat")
        (frame,) = await received(ws, 1)
        assert [line["text"] for line in json.loads(frame)["transcript"]] == ["one", None, "two"]
        assert [line.connections for line in said] == [[1], [1], [1]]


async def test_filters_are_obeyed(emulator: Emulator, client: Client) -> None:
    async with (
        await client.connect(query={"mediaTypes": "voice,chat"}) as two_kinds,
        await client.connect(query={"conversationIds": "a/b?c&d=é,x"}) as one_call,
    ):
        emulator.say("no", conversation="y", media_type="video")
        emulator.say("yes", conversation="a/b?c&d=é", media_type="video")
        emulator.say("also", conversation="y", media_type="chat")
        emulator.say("both", conversation="x", media_type="voice")
        first, second = await received(two_kinds, 2), await received(one_call, 2)
    assert [json.loads(frame)["transcript"][0]["text"] for frame in first] == ["also", "both"]
    assert [json.loads(frame)["transcript"][0]["text"] for frame in second] == ["yes", "both"]
    assert [line.connections for line in emulator.ledger.emissions] == [[], [2], [1], [1, 2]]
    assert [line.text for line in emulator.ledger.unheard()] == ["no"]


async def test_what_was_said_is_in_the_ledger(emulator: Emulator) -> None:
    emulator.say("one", conversation="a")
    emulator.say("Recording started.", conversation="a", speaker="system", type="system")
    emulator.say("", conversation="a")
    emulator.say("two", conversation="b")
    assert emulator.ledger.said() == ["one", "two"]
    assert emulator.ledger.said("b") == ["two"]
    assert emulator.platform.conversations.keys() == {"a", "b"}
    emulator.end("a")
    assert emulator.platform.conversations.keys() == {"b"}


async def test_the_ledger_forgets_the_oldest() -> None:
    emulator = Emulator(ledger_limit=2)
    for number in range(4):
        emulator.say(str(number))
    assert emulator.ledger.said() == ["2", "3"]
    assert emulator.ledger.emission_count == 4


async def test_raw_frames(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.send("not json")
        emulator.send(b"\x00\x01")
        assert await received(ws, 2) == ["not json", b"\x00\x01"]


async def test_a_flood_reaches_everyone_whole(emulator: Emulator, client: Client) -> None:
    frames = [wire.text(f'{{"n": {number}}}') for number in range(20_000)]
    async with await client.connect() as one, await client.connect() as two, anyio.create_task_group() as tasks:
        heard: list[list[str | bytes]] = []

        async def listen(ws: websockets.ClientConnection) -> None:
            heard.append(await received(ws, len(frames)))

        tasks.start_soon(listen, one)
        tasks.start_soon(listen, two)
        assert await emulator.flood(frames) == 20_000
    assert heard[0] == heard[1] == [f'{{"n": {number}}}' for number in range(20_000)]
    assert emulator.ledger.flooded == 20_000


async def test_a_flood_waits_for_a_client_that_does_not_read(emulator: Emulator, client: Client) -> None:
    async with await client.connect(max_queue=1) as ws:
        with anyio.move_on_after(0.3) as patience:
            await emulator.flood([wire.text(b"x" * 100_000)] * 1000)
        assert patience.cancelled_caught
        ws.transport.abort()


async def test_a_flood_has_a_rate(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        began = anyio.current_time()
        await emulator.flood([wire.text("x")] * 200, rate=1000)
        assert anyio.current_time() - began >= 0.19
        assert len(await received(ws, 200)) == 200


async def test_a_flood_ends_when_everybody_has_left(emulator: Emulator, client: Client) -> None:
    async with await client.connect() as ws:
        emulator.fault("drop")
        assert await emulator.flood([wire.text("x")] * 10) == 10
        with pytest.raises(ConnectionClosed):
            await received(ws, 1)


async def test_waiting(emulator: Emulator, client: Client) -> None:
    with pytest.raises(TimeoutError):
        await emulator.wait_connected(within_s=0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(emulator.wait_token_requests, 2)
        tasks.start_soon(emulator.wait_handshakes, 1)
        tasks.start_soon(emulator.wait_connected)
        await client.ask_token()
        async with await client.connect() as ws:
            await emulator.wait_connected()
            await ws.close()
        await emulator.wait_disconnected()
        tasks.start_soon(emulator.wait_until, lambda: emulator.ledger.emission_count == 1)
        await anyio.sleep(0)
        emulator.say("one")


async def test_a_revoked_token_opens_nothing_more(emulator: Emulator, client: Client) -> None:
    token = await client.token()
    async with await client.connect(token) as ws:
        emulator.revoke(token)
        with pytest.raises(websockets.InvalidStatus):
            await client.connect(token)
        emulator.say("still here")
        assert len(await received(ws, 1)) == 1


async def test_on_request_connections_end_with_their_token() -> None:
    async with Emulator(close_on_expiry=True) as emulator, httpx2.AsyncClient(base_url=emulator.url) as http:
        client = Client(emulator, http)
        first, second = await client.token(), await client.token()
        emulator.platform.expires_in = 0.1
        short = await client.token()
        async with (
            await client.connect(first) as one,
            await client.connect(second) as two,
            await client.connect(short) as three,
        ):
            await emulator.wait_disconnected(2)
            emulator.revoke(first)
            await emulator.wait_disconnected(1)
            assert [connection.token for connection in emulator.connections] == [second]
            for ws in (one, three):
                with pytest.raises(ConnectionClosed) as closed:
                    await received(ws, 1)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008
            emulator.revoke()
            with pytest.raises(ConnectionClosed):
                await received(two, 1)


async def test_closing_says_going_away_and_leaves_nothing(client: Client, emulator: Emulator) -> None:
    async with await client.connect() as ws:
        await emulator.aclose()
        with pytest.raises(ConnectionClosed) as closed:
            await received(ws, 1)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    await emulator.aclose()
    assert emulator._door.serving == {}
    with pytest.raises(httpx2.ConnectError):
        await client.ask_token()


async def test_closing_does_not_wait_for_a_deaf_client(client: Client, emulator: Emulator) -> None:
    async with await client.connect(max_queue=1) as ws:
        for _ in range(100):
            emulator.say("x" * 100_000)
        with anyio.fail_after(3):
            await emulator.aclose()
        ws.transport.abort()


async def test_an_unknown_fault_is_an_error(emulator: Emulator) -> None:
    with pytest.raises(ConfigError, match="no fault named 'dorp'"):
        emulator.fault("dorp")


async def test_a_script_is_played_from_the_start() -> None:
    call = Call("c", tuple(Utterance("agent", str(n), n * 100, delay_ms=1000) for n in range(3)))
    async with Emulator(script=[call], speed=1000) as emulator:
        await emulator.wait_until(lambda: emulator.ledger.emission_count == 3)
        await anyio.wait_all_tasks_blocked()
        assert emulator.ledger.said("c") == ["0", "1", "2"]


async def test_an_error_of_the_script_is_told_at_the_end() -> None:
    def broken() -> object:
        yield Call("c", (Utterance("agent", "x", 0, delay_ms=0),))
        raise ValueError("bad script")

    emulator = Emulator(script=broken(), speed=1000)  # type: ignore[arg-type]
    await emulator.start()
    await anyio.wait_all_tasks_blocked()
    with pytest.raises(ValueError, match="bad script"):
        await emulator.aclose()


async def test_tls() -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    async with Emulator(tls=served) as emulator, httpx2.AsyncClient(base_url=emulator.url, verify=trusted) as http:
        assert emulator.url.startswith("https://")
        client = Client(emulator, http)
        async with await client.connect(ssl=trusted) as ws:
            emulator.say("safe")
            assert len(await received(ws, 1)) == 1
            emulator.fault("drop")
            with pytest.raises(ConnectionClosed):
                await received(ws, 1)


async def test_many_connections(emulator: Emulator, client: Client) -> None:
    token = await client.token()
    sockets = [await client.connect(token) for _ in range(100)]
    emulator.say("to all")
    heard = Counter([str((await received(ws, 1))[0]) for ws in sockets])  # type: ignore[arg-type]
    assert list(heard.values()) == [100]
    emulator.fault("eof")
    await emulator.wait_disconnected()
    with anyio.fail_after(5):
        while emulator._lasting:
            await anyio.sleep(0.001)


async def test_a_good_token_request_of_the_tutorial(emulator: Emulator, client: Client) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "demo",
        "client_secret": "demo",
        "scope": "conversation:transcript:read",
    }
    assert (await client.http.post(TOKEN, data=form)).status_code == 200
    (entry,) = emulator.ledger.token_requests
    assert (entry.auth, entry.form["scope"]) == ("form", "conversation:transcript:read")


async def test_the_url_of_an_ipv6_address_has_brackets() -> None:
    assert Emulator(host="::1", port=8080).url == "http://[::1]:8080"


@pytest.mark.parametrize(
    ("host", "dialled"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.1.2.3", "10.1.2.3")]
)
async def test_its_url_is_one_to_dial(host: str, dialled: str) -> None:
    assert Emulator(host=host).url.startswith(f"http://{dialled}:")
