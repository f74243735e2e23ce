"""The sockets of notification channels."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest
import websockets

from genscribe.emulator import Emulator, wire
from genscribe.emulator.channels import TOKEN_EXPIRED, TOKEN_REVOKED
from genscribe.emulator.notifications import CHANNELS
from genscribe.emulator.topics import transcription
from tests.unit.emulator.channel_client import ChannelClient, Json, ask, closed, heard, spoken, texts

pytestmark = pytest.mark.anyio

HEARTBEAT = {"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}}
PONG = {"topicName": "channel.metadata", "eventBody": {"message": "pong"}}
PING = {"message": "ping"}


async def status(channels: ChannelClient, channel: Json) -> int:
    return (await channels.call("HEAD", f"{CHANNELS}/{channel['id']}")).status_code


async def test_heartbeats_come_and_pings_are_answered(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.streaming.heartbeat_s = 0.01
    _, ws = await channels.hearing()
    assert await heard(ws, 3) == [HEARTBEAT] * 3
    emulator.streaming.heartbeat_s = 600
    await heard(ws)
    assert await ask(ws, PING) == PONG
    await ws.close()


async def test_heartbeats_stop(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.streaming.heartbeat_s = 0.01
    _, ws = await channels.hearing("c")
    _, other = await channels.hearing()
    emulator.fault("heartbeat-stops", connection=1, pong=True)
    said = emulator.say("unheard", conversation="c")
    emulator.connections[0].tell(b'{"from now on": "nothing"}')
    while await heard(ws) == [HEARTBEAT]:
        pass
    await heard(other, 5)
    assert await ask(ws, PING) == PONG, "only what is asked for"
    assert said.connections == []
    emulator.lift("heartbeat-stops")
    assert await heard(ws) == [HEARTBEAT]
    emulator.fault("heartbeat-stops", connection=1)
    await ws.send('{"message": "ping"}')
    await heard(other, 5)
    emulator.connections[0].tell(b'{"the": "end"}')
    frames = await heard(ws)
    while frames[-1] == HEARTBEAT:
        frames = await heard(ws)
    assert frames == [{"the": "end"}], "no pong"
    await ws.close()
    await other.close()


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ({"message": "subscribe", "topics": [transcription("c")], "correlationId": "1"}, "200"),
        ({"message": "subscribe", "topics": ["v2.nonsense"], "correlationId": "1"}, "400"),
        ({"message": "subscribe", "topics": "all"}, "400"),
        ({"message": "subscribe"}, "400"),
        ({"message": "dance"}, "400"),
        ([], "400"),
    ],
)
async def test_subscribing_on_the_socket(channels: ChannelClient, question: Any, result: str) -> None:
    channel, ws = await channels.hearing("before")
    answer = await ask(ws, question)
    assert answer["result"] == result
    assert answer.get("correlationId") == (question.get("correlationId") if isinstance(question, dict) else None)
    assert len(await channels.topics(channel)) == (2 if result == "200" else 1)
    await ws.close()


async def test_junk_on_the_socket_is_refused(channels: ChannelClient) -> None:
    _, ws = await channels.hearing()
    await ws.send("no json")
    assert (await heard(ws))[0]["result"] == "400"
    await ws.close()


async def test_a_second_socket_takes_the_channel(emulator: Emulator, channels: ChannelClient) -> None:
    channel, first = await channels.hearing("c")
    second = await channels.dial(channel)
    assert await closed(first) == 1000
    emulator.say("to the second", conversation="c")
    assert await spoken(second) == ["to the second"]
    await second.close()


async def test_an_unknown_channel_is_refused_at_the_handshake(emulator: Emulator, channels: ChannelClient) -> None:
    channel = await channels.create()
    emulator.channels.end(emulator.channels.all[0], "gone")
    with pytest.raises(websockets.InvalidStatus, match="404"):
        await channels.connect(channel)
    emulator.gone_status = 401
    with pytest.raises(websockets.InvalidStatus, match="401"):
        await channels.connect(channel)
    assert [(shake.status, shake.channel) for shake in emulator.ledger.handshakes] == [(404, True), (401, True)]


async def test_the_21st_channel_closes_the_socket_of_the_one_it_evicts(
    emulator: Emulator, channels: ChannelClient
) -> None:
    emulator.channels.quota = 1
    channel, ws = await channels.hearing("c")
    await channels.create()
    assert await closed(ws) == 1000
    assert await status(channels, channel) == 404
    assert [(end.channel, end.reason) for end in emulator.ledger.channel_ends] == [(1, "evicted")]


@pytest.mark.parametrize("silent", [False, True])
async def test_an_expired_token_ends_its_channels(silent: bool) -> None:
    async with (
        Emulator(expires_in=0.3) as emulator,
        httpx2.AsyncClient(base_url=emulator.url, trust_env=False) as http,
    ):
        emulator.streaming.silent = {TOKEN_EXPIRED} if silent else set()
        channels = await ChannelClient.login(emulator, http)
        _, ws = await channels.hearing("c")
        await emulator.wait_until(lambda: bool(emulator.ledger.channel_ends))
        assert [end.reason for end in emulator.ledger.channel_ends] == [TOKEN_EXPIRED]
        if not silent:
            assert await closed(ws) == 1000
            return
        said = emulator.say("unheard", conversation="c")
        assert (said.connections, said.confirmed) == ([], True)
        assert await ask(ws, PING) == PONG
        assert (await ask(ws, {"message": "subscribe", "topics": [transcription("c")]}))["result"] == "404"
        await ws.close()


async def test_a_channel_ends_with_its_life(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.channels.life_s = 0.2
    channel, ws = await channels.hearing("c")
    assert await closed(ws) == 1000
    assert await status(channels, channel) == 404
    assert [end.reason for end in emulator.ledger.channel_ends] == ["expired"]


async def test_a_revoked_token_is_told(emulator: Emulator, channels: ChannelClient) -> None:
    channel, ws = await channels.hearing("c")
    emulator.revoke()
    (word,) = await heard(ws)
    assert word["topicName"].startswith("v2.system.token_revoked.")
    assert word["eventBody"] == {
        "channelId": channel["id"],
        "systemTopicType": "token_revoked",
        "reason": "user_tokens_revoked",
        "message": "token revoked",
    }
    assert await closed(ws) == 1000
    assert [end.reason for end in emulator.ledger.channel_ends] == [TOKEN_REVOKED]


async def test_a_client_that_revokes_its_token_ends_its_channels(emulator: Emulator, channels: ChannelClient) -> None:
    _, ws = await channels.hearing("c")
    await channels.call("DELETE", "/api/v2/tokens/me")
    await heard(ws)
    assert await closed(ws) == 1000
    assert len(emulator.channels) == 0


# Faults.


async def test_the_socket_will_close(emulator: Emulator, channels: ChannelClient) -> None:
    channel, ws = await channels.hearing("c")
    emulator.fault("socket-closing", after_s=0.05, warnings=2)
    emulator.say("still here", conversation="c")
    first, second, _, said = await heard(ws, 4)
    assert first == second == {"topicName": "v2.system.socket_closing"}
    assert texts([said]) == ["still here"]
    assert await closed(ws) == 1001
    assert await channels.topics(channel) == [transcription("c")]
    again = await channels.dial(channel)
    emulator.say("back", conversation="c")
    assert await spoken(again) == ["back"]
    await again.close()


async def test_an_eviction_to_order_takes_one_channel(emulator: Emulator, channels: ChannelClient) -> None:
    first, ws = await channels.hearing("a")
    second, other = await channels.hearing("b")
    emulator.fault("evict")
    assert await closed(ws) == 1000
    assert [await status(channels, one) for one in (first, second)] == [404, 200]
    emulator.fault("evict", close=False, connection=2)
    assert await status(channels, second) == 404
    assert await ask(other, PING) == PONG
    await other.close()


async def test_a_channel_is_gone(emulator: Emulator, channels: ChannelClient) -> None:
    channel, ws = await channels.hearing("c")
    emulator.fault("channel-gone")
    assert await status(channels, channel) == 404
    said = emulator.say("unheard", conversation="c")
    assert said.connections == []
    assert await ask(ws, PING) == PONG
    await ws.close()


async def test_topics_are_taken_over_or_forgotten(emulator: Emulator, channels: ChannelClient) -> None:
    channel, ws = await channels.hearing("a", "b", "c")
    emulator.fault("forget-topics", count=2)
    assert await channels.topics(channel) == [transcription("c")]
    emulator.fault("no-longer-subscribed")
    (word,) = await heard(ws)
    assert word["eventBody"]["reason"] == "another_channel_subscribed"
    assert await channels.topics(channel) == []
    said = emulator.say("unheard", conversation="c")
    assert said in emulator.ledger.missed()
    await ws.close()


async def test_a_second_process_takes_the_channel_and_takes_it_again(
    emulator: Emulator, channels: ChannelClient
) -> None:
    channel, ws = await channels.hearing("c")
    emulator.fault("second-process", returns=2, every_s=0.01)
    assert await closed(ws) == 1000
    for _ in range(2):
        ws = await channels.dial(channel)
        assert await closed(ws) == 1000
    ws = await channels.dial(channel)
    emulator.say("left alone", conversation="c")
    assert await spoken(ws) == ["left alone"]
    await ws.close()


async def test_a_fault_waits_for_a_channel(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.fault("token-revoked")
    channel = await channels.create()
    ws = await channels.dial(channel)
    (word,) = await heard(ws)
    assert word["eventBody"]["systemTopicType"] == "token_revoked"
    assert await closed(ws) == 1000
    assert (await channels.call("GET", CHANNELS)).status_code == 401


async def test_a_late_topic_is_heard_before_it_is_confirmed(emulator: Emulator, channels: ChannelClient) -> None:
    channel, ws = await channels.hearing()
    emulator.fault("late-topic", after_s=0.05)
    answered: list[int] = []

    async def subscribe() -> None:
        answered.append((await channels.subscribe(channel, [transcription("c")])).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subscribe)
        await emulator.wait_subscribed("c")
        early = emulator.say("early", conversation="c")
        assert (early.connections, early.confirmed, answered) == ([1], False, [])
    assert answered == [200]
    assert emulator.say("later", conversation="c").confirmed
    assert await spoken(ws, 2) == ["early", "later"]
    await ws.close()


@pytest.mark.parametrize("fault", ["malformed", "duplicate", "fragmented", "oversized"])
async def test_frames_are_damaged_and_the_good_line_is_not_lost(
    emulator: Emulator, channels: ChannelClient, fault: str
) -> None:
    channel = await channels.create()
    before = emulator.ledger.handshake_count
    async with websockets.connect(channel["connectUri"], proxy=None, max_size=None) as ws:
        await emulator.wait_handshakes(before + 1)
        await channels.subscribe(channel, [transcription("c")])
        emulator.fault(fault, times=None)
        for number in range(25):
            emulator.say(f"line {number}", conversation="c")
        emulator.send("the end")
        received = []
        with anyio.fail_after(10):
            while (frame := await ws.recv()) != "the end":
                received.append(frame if isinstance(frame, str) else frame.decode("latin-1"))
    assert all(any(f"line {number}" in frame for frame in received) for number in range(25))


async def test_frames_change_places(emulator: Emulator, channels: ChannelClient) -> None:
    _, ws = await channels.hearing("c")
    emulator.begin("c")
    await heard(ws)
    emulator.fault("out-of-order")
    emulator.say("one", conversation="c")
    emulator.say("two", conversation="c")
    assert await spoken(ws, 2) == ["two", "one"]
    await ws.close()


async def test_connection_faults_and_floods_reach_channels_too(emulator: Emulator, channels: ChannelClient) -> None:
    _, ws = await channels.hearing("c")
    assert await emulator.flood([wire.text("{}")] * 3) == 3
    assert await heard(ws, 3) == [{}] * 3
    emulator.fault("clean-close", code=1012)
    assert await closed(ws) == 1012


async def test_waiting_for_topics(emulator: Emulator, channels: ChannelClient) -> None:
    with pytest.raises(TimeoutError):
        await emulator.wait_subscribed("c", within_s=0.01)
    with pytest.raises(TimeoutError):
        await emulator.wait_topics(1, within_s=0.01)
    channel, ws = await channels.hearing("a", "b")
    await emulator.wait_topics(2)
    await emulator.wait_subscribed("b")
    await ws.close()
    assert channel["id"] not in repr(emulator.channels.all)
