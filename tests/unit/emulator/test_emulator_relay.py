"""What happens in the organisation, as channels hear it."""

from __future__ import annotations

import pytest

from genscribe import clock
from genscribe.emulator import Call, Emulator, Utterance
from genscribe.emulator.conversation import Conversation
from genscribe.emulator.topics import queue, transcription
from tests.unit.emulator.channel_client import ChannelClient, heard, spoken, texts

pytestmark = pytest.mark.anyio


async def test_what_is_said_comes_in_the_platforms_form(emulator: Emulator, channels: ChannelClient) -> None:
    _, ws = await channels.hearing("c")
    emulator.begin("c")
    said = emulator.say("how can i help", conversation="c", at=clock.wall_ms())
    ongoing, event = await heard(ws, 2)
    assert (ongoing["eventBody"]["status"]["status"], "transcripts" in ongoing["eventBody"]) == (
        "SESSION_ONGOING",
        False,
    )
    assert event.keys() == {"topicName", "version", "eventBody", "metadata"}
    assert (event["topicName"], event["version"]) == (transcription("c"), "2")
    (result,) = event["eventBody"]["transcripts"]
    assert (result["channel"], result["utteranceId"], result["isFinal"]) == ("INTERNAL", said.utterance_id, True)
    assert event["eventBody"]["communicationId"] == said.communication_id
    assert said.connections == [1]
    assert said.confirmed
    await ws.close()


async def test_sides_interims_and_what_is_not_said(emulator: Emulator, channels: ChannelClient) -> None:
    _, ws = await channels.hearing("c")
    emulator.begin("c")
    interim = emulator.say("i lost", conversation="c", speaker="customer", interim=True)
    emulator.say("Recording.", conversation="c", speaker="system", type="system")
    emulator.say(None, conversation="c")
    emulator.say("i lost it", conversation="c", speaker="customer", utterance_id=interim.utterance_id)
    _, first, second = await heard(ws, 3)
    results = [frame["eventBody"]["transcripts"][0] for frame in (first, second)]
    assert [one["isFinal"] for one in results] == [False, True]
    assert {one["channel"] for one in results} == {"EXTERNAL"}
    assert len({one["utteranceId"] for one in results}) == 1
    assert emulator.ledger.emissions[0].interim
    await ws.close()


async def test_only_those_who_have_the_topic_hear(emulator: Emulator, channels: ChannelClient) -> None:
    _, first = await channels.hearing("a")
    _, second = await channels.hearing("a", "b")
    emulator.say("both", conversation="a")
    emulator.say("one", conversation="b")
    emulator.say("none", conversation="c")
    assert await spoken(first) == ["both"]
    assert await spoken(second, 2) == ["both", "one"]
    ledger = emulator.ledger
    assert [line.connections for line in ledger.emissions] == [[1, 2], [2], []]
    assert [line.confirmed for line in ledger.emissions] == [True, True, False]
    assert [line.text for line in ledger.unheard()] == ["none"]
    assert ledger.missed() == []
    await first.close()
    await second.close()


async def test_what_a_lost_channel_misses_is_missed(emulator: Emulator, channels: ChannelClient) -> None:
    channel, ws = await channels.hearing("a")
    await ws.close()
    await emulator.wait_disconnected()
    emulator.say("unheard", conversation="a")
    assert [line.text for line in emulator.ledger.missed()] == ["unheard"]
    await channels.subscribe(channel, [], "PUT")
    emulator.say("given back", conversation="a")
    assert [line.text for line in emulator.ledger.missed()] == ["unheard"]


async def test_queue_events_come_for_each_change_with_the_whole_conversation(
    emulator: Emulator, channels: ChannelClient
) -> None:
    channel = await channels.create()
    ws = await channels.dial(channel)
    support, sales = (emulator.organisation.queue(name).id for name in ("Support", "Sales"))
    await channels.subscribe(channel, [queue(support)])
    emulator.begin("c", connected=False)
    emulator.connect("c")
    emulator.consult("c")
    emulator.transfer("c", queue="Sales")
    emulator.end("c")
    emulator.begin("other", queue="Billing")
    events = await heard(ws, 5)
    assert {event["topicName"] for event in events} == {queue(support)}
    assert [event["eventBody"]["id"] for event in events] == ["c"] * 5
    assert sales in {party.get("queueId") for party in events[-1]["eventBody"]["participants"]}
    await channels.subscribe(channel, [queue(sales)])
    emulator.begin("d", queue="Sales", direction="outbound")
    (event,) = await heard(ws)
    assert event["eventBody"]["id"] == "d"
    await ws.close()


async def test_a_text_message_is_an_id_in_a_queue_event(emulator: Emulator, channels: ChannelClient) -> None:
    channel = await channels.create()
    ws = await channels.dial(channel)
    await channels.subscribe(channel, [queue(emulator.organisation.queue("Support").id)])
    emulator.begin("m", media_type="message")
    message = emulator.message("where is my order", "m")
    _, event = await heard(ws, 2)
    assert message in str(event)
    assert "where is my order" not in str(event)
    answer = await channels.call("GET", f"/api/v2/conversations/messages/m/messages/{message}")
    assert "where is my order" in answer.text
    (said,) = emulator.ledger.emissions
    assert (said.connections, said.confirmed, said.media_type) == ([1], True, "chat")
    emulator.say("it is on its way", conversation="m", media_type="chat")
    assert emulator.organisation.conversations["m"].messages[-1].speaker == "agent"
    await ws.close()


async def test_a_session_goes_on_and_ends(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.relay.session_end_delay_s = 0.01
    _, ws = await channels.hearing("c")
    emulator.begin("c")
    emulator.end("c")
    emulator.say("the last word", conversation="c")
    frames = await heard(ws, 3)
    assert [frame["eventBody"]["status"]["status"] for frame in frames] == [
        "SESSION_ONGOING",
        "SESSION_ONGOING",
        "SESSION_ENDED",
    ]
    assert texts(frames) == ["the last word"]
    await ws.close()


async def test_nothing_is_told_where_transcription_is_off(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.organisation.settings["transcription"] = "EnabledQueueFlow"
    emulator.organisation.add_queue("Quiet", transcription=False)
    _, ws = await channels.hearing("quiet", "loud")
    emulator.begin("quiet", queue="Quiet")
    emulator.say("unheard", conversation="quiet")
    emulator.begin("loud")
    emulator.say("heard", conversation="loud")
    assert await spoken(ws) == ["heard"]
    await ws.close()


async def test_queue_events_are_lost(emulator: Emulator, channels: ChannelClient) -> None:
    channel = await channels.create()
    ws = await channels.dial(channel)
    emulator.fault("lose-queue-events")
    await channels.subscribe(channel, [queue(emulator.organisation.queue("Support").id)])
    emulator.begin("lost")
    emulator.begin("found")
    assert [event["eventBody"]["id"] for event in await heard(ws)] == ["found"]
    await ws.close()


async def test_a_script_is_played_on_both_interfaces(emulator: Emulator, channels: ChannelClient) -> None:
    channel, ws = await channels.hearing("c")
    await channels.subscribe(channel, [queue(one) for one in emulator.organisation.queues])
    await emulator.play([Call("c", (Utterance("agent", "hello there", 0, 400, 0),))], speed=100)
    assert not emulator.organisation.conversations["c"].live
    session, queued = await heard(ws, 2)
    assert "transcripts" not in session["eventBody"], "the flow that comes before the queue is transcribed, too"
    assert queued["topicName"].startswith("v2.routing.queues.")
    assert queued["eventBody"]["id"] == "c"
    assert await spoken(ws) == ["hello there"]
    assert emulator.ledger.said() == ["hello there"]
    await ws.close()


async def test_scripted_messages_are_all_of_one_conversation(emulator: Emulator) -> None:
    lines = tuple(Utterance(speaker, speaker, at, 0, 50) for at, speaker in enumerate(("customer", "bot", "agent")))
    changed: list[Conversation] = []
    emulator.organisation.on_change(changed.append)
    await emulator.play([Call("m", lines, "chat")], speed=10)
    conversation = emulator.organisation.conversations["m"]
    assert all(one is conversation for one in changed), "it began once"
    assert [message.text for message in conversation.messages] == ["customer", "bot", "agent"]
    assert not conversation.live
