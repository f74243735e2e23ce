from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genscribe.emulator.analytics import analysed
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.shapes import LISTS, message_data, message_rest, queue_event, rest

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "genesys-samples"


def call() -> tuple[Organisation, Any]:
    house = Organisation()
    conversation = house.begin("c", now=0, ivr=True, connected=False)
    house.enqueue("c", now=1000, agent="Tom Whitaker")
    house.connect("c", now=3000)
    return house, conversation


def paths(value: object, at: str = "") -> Iterator[str]:
    """Every key by its path; the elements of a list are one."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield f"{at}/{name}"
            yield from paths(one, f"{at}/{name}")
    elif isinstance(value, list):
        for one in value:
            yield from paths(one, at)


def test_an_event_of_a_queue_shows_everyone_and_his_communication() -> None:
    house, conversation = call()
    event: Any = queue_event(conversation)
    customer, ivr, acd, agent = event["participants"]
    assert [party["purpose"] for party in event["participants"]] == ["customer", "ivr", "acd", "agent"]
    assert customer["queueId"] == acd["queueId"] == agent["queueId"] == house.queue("Support").id
    assert "queueId" not in ivr
    assert (agent["userId"], agent["name"]) == (house.user("Tom Whitaker").id, "Tom Whitaker")
    (leg,) = agent["calls"]
    assert (leg["state"], leg["peerId"], leg["direction"]) == ("connected", customer["calls"][0]["id"], "inbound")
    assert leg["connectedTime"] == agent["connectedTime"] == "1970-01-01T00:00:03.000Z"
    assert (acd["calls"][0]["state"], acd["calls"][0]["disconnectType"]) == ("disconnected", "transfer")
    assert acd["endTime"] == acd["calls"][0]["disconnectedTime"] == "1970-01-01T00:00:03.000Z"
    assert all(agent[name] == [] for name in LISTS.values() if name != "calls")
    assert all("startTime" not in party and "queueName" not in party for party in event["participants"])
    assert len(event["divisions"]) == 1


def test_a_consult_is_seen() -> None:
    house, conversation = call()
    house.consult("c", now=4000)
    customer, *_, asking, advisor = queue_event(conversation)["participants"]  # type: ignore[misc]
    assert customer["calls"][0]["confined"]
    assert advisor["consultParticipantId"] == customer["id"]
    assert advisor["calls"][0]["peerId"] == asking["calls"][0]["id"]


def test_rest_knows_more_and_calls_what_is_over_terminated() -> None:
    house, conversation = call()
    live: Any = rest(conversation)
    assert "endTime" not in live
    assert live["participants"][3]["queueName"] == "Support"
    assert live["participants"][1]["calls"][0]["state"] == "disconnected"
    alert, interact = live["participants"][3]["calls"][0]["segments"]
    assert (alert["type"], alert["howEnded"], interact["type"]) == ("Alert", "Interact", "Interact")
    assert "endTime" not in interact
    house.end("c", now=9000)
    over: Any = rest(conversation)
    assert over["endTime"] == "1970-01-01T00:00:09.000Z"
    assert {leg["state"] for party in over["participants"] for leg in party["calls"]} == {"terminated"}
    assert over["participants"][0]["calls"][0]["disconnectType"] == "peer"


def test_analytics_tells_segments_and_lags_behind() -> None:
    house, conversation = call()
    house.end("c", now=9000)
    whole: Any = analysed(conversation)
    found = [
        [
            (one["segmentType"], one["segmentStart"][-7:-1], one.get("segmentEnd", "")[-7:-1])
            for one in session["segments"]
        ]
        for party in whole["participants"]
        for session in party["sessions"]
    ]
    assert found == [
        [("system", "00.000", "00.000"), ("interact", "00.000", "09.000")],
        [("system", "00.000", "00.000"), ("ivr", "00.000", "01.000")],
        [("delay", "01.000", "01.000"), ("interact", "01.000", "03.000")],
        [("alert", "01.000", "03.000"), ("interact", "03.000", "09.000")],
    ]
    agent = whole["participants"][3]
    assert agent["userId"] == house.user("Tom Whitaker").id
    assert agent["sessions"][0]["sessionId"] == conversation.parties[3].leg.id
    assert agent["sessions"][0]["segments"][1]["disconnectType"] == "client"
    then: Any = analysed(conversation, 2000)
    assert "conversationEnd" not in then
    assert "segmentEnd" not in then["participants"][3]["sessions"][0]["segments"][0]
    assert len(then["participants"][3]["sessions"][0]["segments"]) == 1
    earlier: Any = analysed(conversation, 500)
    assert [party["purpose"] for party in earlier["participants"]] == ["customer", "ivr"]
    assert "queueId" not in earlier["participants"][0]["sessions"][0]["segments"][1]


def test_text_conversations_show_ids_and_never_the_text() -> None:
    house = Organisation()
    conversation = house.begin("m", now=0, media_type="message")
    asked, answered = house.message("m", "a secret", now=1), house.message("m", "a reply", now=2, speaker="agent")
    for form in (queue_event(conversation), rest(conversation), message_rest(conversation), analysed(conversation)):
        assert "secret" not in json.dumps(form)
    event: Any = queue_event(conversation)
    assert [
        [one["messageId"] for leg in party["messages"] for one in leg["messages"]] for party in event["participants"]
    ] == [
        [asked],
        [],
        [answered],
    ]
    shown: Any = message_rest(conversation)
    assert shown["participants"][0]["messages"][0]["messageURI"].endswith(f"/m/messages/{asked}")
    assert shown["participants"][2]["user"]["id"] == conversation.parties[2].user.id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("speaker", "direction", "origin", "author"),
    [("customer", "Inbound", None, False), ("agent", "Outbound", "Human", True), ("bot", "Outbound", "Bot", False)],
)
def test_a_message_says_who_sent_it(speaker: str, direction: str, origin: str | None, author: bool) -> None:
    house = Organisation()
    conversation = house.begin("m", now=0, media_type="message")
    house.message("m", "hello", now=1, speaker=speaker)
    body: Any = message_data(conversation.messages[0])
    assert (body["direction"], body["normalizedMessage"]["direction"]) == (direction.lower(), direction)
    assert body["normalizedMessage"].get("originatingEntity") == origin
    assert ("createdBy" in body) is author
    assert body["normalizedMessage"]["text"] == "hello"
    assert body["conversationId"] == "m"


@pytest.mark.parametrize("media_type", ["callback", "email", "video"])
def test_other_media_stand_in_lists_of_their_own(media_type: str) -> None:
    event: Any = queue_event(Organisation().begin("c", now=0, media_type=media_type))
    assert all(len(party[LISTS[media_type]]) == 1 and party["calls"] == [] for party in event["participants"])


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")
def test_rest_has_no_field_that_the_published_sample_has_not() -> None:
    house, conversation = call()
    house.end("c", now=9000)
    sample = set(paths(json.loads((SAMPLES / "conversation-call-ended.json").read_text())))
    ours = set(paths(rest(conversation)))
    assert ours <= sample
    for must in (
        "/participants/queueId",
        "/participants/calls/id",
        "/participants/calls/peerId",
        "/divisions/entities/id",
    ):
        assert must in ours
