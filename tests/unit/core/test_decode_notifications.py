"""`core/decode/notifications.py`: frames of a channel as messages, whatever their bytes are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.decode import notifications, speech
from genscribe.core.decode.notifications import (
    Closing,
    Decoded,
    Heartbeat,
    Lost,
    Message,
    Other,
    Pong,
    Reply,
    Seen,
    Speech,
    SubscriptionChanged,
)
from genscribe.core.snapshot import Leg, Party, Snapshot
from genscribe.events import Unreadable, encode

RECEIVED = "2026-03-21T01:09:56.000Z"
CHANNEL = "streaming-3-a1b2c3d4e5"
QUEUE = "155200d1-258d-4a64-a7e7-2ae576232893"
SAMPLES = Path(__file__).parents[3] / ".." / "shared" / "data" / "genesys-samples"

SPEECH = {
    "topicName": "v2.conversations.c-1.transcription",
    "version": "2",
    "eventBody": {
        "conversationId": "c-1",
        "communicationId": "l-1",
        "sessionStartTimeMs": 1_774_055_376_019,
        "transcripts": [
            {
                "utteranceId": "u-1",
                "channel": "INTERNAL",
                "alternatives": [{"offsetMs": 40, "transcript": "hello", "words": [{"word": "hello", "offsetMs": 40}]}],
            }
        ],
        "status": {"status": "SESSION_ONGOING"},
    },
    "metadata": {"CorrelationId": "x"},
}
AGENT = {"id": "p-2", "purpose": "agent", "userId": "u-1", "calls": [{"id": "l-2", "state": "connected"}]}
CALL = {
    "topicName": f"v2.routing.queues.{QUEUE}.conversations",
    "version": "2",
    "eventBody": {
        "id": "c-1",
        "participants": [{"id": "p-1", "purpose": "customer", "calls": [{"id": "l-1", "state": "connected"}]}, AGENT],
    },
    "metadata": {"CorrelationId": "x"},
}


def read(frame: object, *, received_at: str = RECEIVED) -> Decoded:
    payload = frame if isinstance(frame, str | bytes) else json.dumps(frame)
    return notifications.decode(payload, binary=False, received_at=received_at)


def message(frame: object) -> Message:
    """The message of a frame of which nothing is lost."""
    decoded = read(frame)
    assert not decoded.unreadable
    (only,) = decoded.messages
    return only


def topic(name: str, **body: object) -> dict[str, object]:
    return {"topicName": name, "version": "2", "eventBody": body, "metadata": {}}


# Messages


def test_a_transcription_message_is_speech() -> None:
    heard = message(SPEECH)
    assert isinstance(heard, Speech)
    assert [said.text for said in heard.utterances] == ["hello"]


def test_the_order_of_the_names_does_not_matter() -> None:
    for frame in (SPEECH, CALL):
        assert read(dict(reversed(frame.items()))) == read(frame)
        assert read(json.dumps(frame, indent=2)) == read(frame)


def test_a_conversation_of_a_queue_is_seen() -> None:
    parties = (
        Party("p-1", "customer", legs=(Leg("l-1", "voice", "connected"),)),
        Party("p-2", "agent", "u-1", legs=(Leg("l-2", "voice", "connected"),)),
    )
    assert message(CALL) == Seen(Snapshot("c-1", parties), queue_id=QUEUE)


def test_a_conversation_of_a_user_is_seen() -> None:
    seen = message(CALL | {"topicName": "v2.users.u-7.conversations"})
    assert isinstance(seen, Seen)
    assert (seen.queue_id, seen.user_id, seen.snapshot.conversation_id) == (None, "u-7", "c-1")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}}, Heartbeat()),
        ({"topicName": "channel.metadata"}, Heartbeat()),
        ({"topicName": "channel.metadata", "eventBody": {"message": "pong"}}, Pong()),
        ({"topicName": "channel.metadata", "eventBody": {"message": "Pong "}}, Pong()),
        ({"topicName": "v2.system.socket_closing"}, Closing()),
        (topic("v2.system.socket_closing", message="soon"), Closing()),
        ({"result": "200", "status": "subscribed"}, Reply(200, "subscribed")),
        ({"result": 404, "message": "gone"}, Reply(404, "")),
        ({"result": "400", "status": "FAILURE", "message": "<text>"}, Reply(400, "failure")),
        ({"result": "soon", "status": 5}, Reply(None, "")),
        ({"result": {"a": 1}, "status": CHANNEL}, Reply(None, "")),
        ({"result": 10**40}, Reply(None, "")),
        (topic(f"v2.system.subscription_changed.{CHANNEL}"), SubscriptionChanged()),
        (topic("v2.system.news", systemTopicType="subscription_changed"), SubscriptionChanged()),
        (topic("v2.system.news"), Other("v2.system.news")),
    ],
    ids=range(15),
)
def test_what_the_channel_says_of_itself(frame: object, expected: Message) -> None:
    assert message(frame) == expected


@pytest.mark.parametrize("name", ["no_longer_subscribed", "token_revoked"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"reason": "another_channel_subscribed"}, "another_channel_subscribed"),
        ({"reason": "USER_TOKENS_REVOKED"}, "user_tokens_revoked"),
        ({"reason": CHANNEL}, None),
        ({"reason": "a" * 100}, None),
        ({"reason": None}, None),
        ({}, None),
    ],
    ids=range(6),
)
def test_a_channel_lost_says_why_and_not_which(name: str, body: dict[str, object], reason: str | None) -> None:
    lost = message(topic(f"v2.system.{name}.{CHANNEL}", channelId=CHANNEL, **body))
    assert lost == Lost(reason or name, f"v2.system.{name}.{{id}}")


def test_a_lost_channel_is_heard_of_however_bad_the_rest_is() -> None:
    for body in (5, "x", [], {"reason": 5, "systemTopicType": []}, {"message": {"a": 1}}):
        decoded = read({"topicName": f"v2.system.token_revoked.{CHANNEL}", "eventBody": body})
        assert decoded.messages == [Lost("token_revoked", "v2.system.token_revoked.{id}")]
        assert len(decoded.unreadable) == 1
        assert CHANNEL not in decoded.unreadable[0].reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"v2.routing.queues.{QUEUE}.conversations.calls", "v2.routing.queues.{id}.conversations.calls"),
        (f"v2.users.{QUEUE}.activity", "v2.users.{id}.activity"),
        (f"v2.detail.events.conversation.{QUEUE}.acd.start", "v2.detail.events.conversation.{id}.acd.start"),
        (f"v2.conversations.chats.{QUEUE}.messages", "v2.conversations.chats.{id}.messages"),
        (f"v2.things.{CHANNEL}", "v2.things.{id}"),
        ("v2.users.ann@example.com.x", "v2.users.{id}.com.x"),
        ("v2.users.\x1b[2J\n.x", "v2.users.{id}.x"),
        ("v2.conversations..transcription", "v2.conversations.{id}.transcription"),
        ("v3.x", "{id}.x"),
    ],
)
def test_other_topics_are_named_without_ids(name: str, expected: str) -> None:
    assert message({"topicName": name, "eventBody": {"a": [1]}}) == Other(expected)


@given(st.text())
def test_a_name_is_short_and_safe(name: str) -> None:
    named = notifications.name_of(name * 50)
    assert len(named) <= 200
    assert set(named) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ2_.{}")


# What cannot be read


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", "not JSON"),
        ("ping", "not JSON"),
        ("{", "not JSON"),
        (json.dumps(SPEECH)[:-1], "not JSON"),
        (json.dumps(SPEECH) * 2, "not JSON"),
        ("null", "not an object"),
        ("[]", "not an object"),
        ('"text"', "not an object"),
        ("[" * 100_000, "not an object"),
        ("{}", "no topicName"),
        ('{"eventBody":{}}', "no topicName"),
        ('{"topicName":null}', "no topicName"),
        ('{"topicName":""}', "no topicName"),
        ('{"topicName":5}', "topicName is of the wrong type"),
        ('{"topicName":["v2"]}', "topicName is of the wrong type"),
        (json.dumps(CALL | {"eventBody": None}), "left out"),
        (json.dumps(CALL | {"eventBody": {}}), "left out: id"),
        (json.dumps(CALL | {"eventBody": 5}), "left out: all of it"),
    ],
    ids=range(18),
)
def test_a_frame_that_cannot_be_read_is_kept_verbatim(frame: str, reason: str) -> None:
    decoded = read(frame)
    (event,) = decoded.unreadable
    assert event.raw == frame.encode()
    assert event.reason.startswith(reason)
    assert (event.revision, event.received_at, event.source, len(event.key)) == (1, RECEIVED, "notifications", 32)
    assert not decoded.messages


@pytest.mark.parametrize("payload", [b"", b"\xff", json.dumps(SPEECH).encode(), json.dumps(SPEECH)])
def test_a_binary_frame_is_kept_verbatim(payload: str | bytes) -> None:
    decoded = notifications.decode(payload, binary=True, received_at=RECEIVED)
    assert not decoded.messages
    assert [event.raw for event in decoded.unreadable] == [payload if isinstance(payload, bytes) else payload.encode()]


@pytest.mark.parametrize(
    ("participant", "lost"),
    [
        (5, "participants"),
        (None, "participants"),
        ({"purpose": "acd"}, "participants.id"),
        ({"id": 5, "purpose": "acd"}, "participants.id"),
        ({"id": "p-3", "purpose": 5}, "participants.purpose"),
        ({"id": "p-3", "calls": "none"}, "participants.calls"),
        ({"id": "p-3", "calls": [5]}, "participants.calls"),
        ({"id": "p-3", "calls": [{"id": "l-3", "state": []}]}, "participants.calls.state"),
        ({"id": "p-3", "messages": [{"id": "l-3", "messages": [{"messageId": 5}]}]}, "participants.messages.messages"),
    ],
    ids=range(9),
)
def test_a_bad_participant_costs_only_what_is_bad_of_it(participant: object, lost: str) -> None:
    good: list[Any] = CALL["eventBody"]["participants"]  # type: ignore[index]
    frame = CALL | {"eventBody": {"id": "c-1", "participants": [good[0], participant, good[1]]}}
    decoded = read(frame)
    (seen,) = decoded.messages
    assert isinstance(seen, Seen)
    found = {party.participant_id: party for party in seen.snapshot.parties}
    assert (found["p-1"], found["p-2"]) == (
        Party("p-1", "customer", legs=(Leg("l-1", "voice", "connected"),)),
        Party("p-2", "agent", "u-1", legs=(Leg("l-2", "voice", "connected"),)),
    )
    (event,) = decoded.unreadable
    assert event.raw == json.dumps(frame).encode()
    assert lost in event.reason


def test_keys_of_what_cannot_be_read_do_not_depend_on_when() -> None:
    one, other = read("ping"), read("ping", received_at="later")
    assert one.unreadable[0].key == other.unreadable[0].key != read("pong").unreadable[0].key


# What is new


def with_field(*path: str | int, name: str = "newField") -> dict[str, Any]:
    frame = json.loads(json.dumps(SPEECH))
    place = frame
    for step in path:
        place = place[step]
    place[name] = {"deep": [1]}
    return frame  # type: ignore[no-any-return]


RESULT = ("eventBody", "transcripts", 0)
ALTERNATIVE = (*RESULT, "alternatives", 0)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), "newField"),
        (("eventBody",), "eventBody.newField"),
        (("eventBody", "status"), "eventBody.status.newField"),
        (RESULT, "eventBody.transcripts.newField"),
        (ALTERNATIVE, "eventBody.transcripts.alternatives.newField"),
        ((*ALTERNATIVE, "words", 0), "eventBody.transcripts.alternatives.words.newField"),
    ],
    ids=range(6),
)
def test_fields_that_the_model_lacks_are_named_and_cost_nothing(path: tuple[str | int, ...], name: str) -> None:
    decoded = read(with_field(*path))
    assert decoded.unknown_fields == (name,)
    assert Decoded(decoded.messages, decoded.unreadable) == read(SPEECH)


def test_fields_that_the_model_has_are_not_named() -> None:
    frame = json.loads(json.dumps(SPEECH))
    frame["eventBody"] |= {"organizationId": 5, "speechTextAnalyticsProgramId": []}
    frame["eventBody"]["transcripts"][0] |= {"engineName": {"a": 1}, "agentAssistantId": None}
    frame["eventBody"]["transcripts"][0]["alternatives"][0]["words"][0]["startTimeMs"] = "x"
    assert read(frame) == read(SPEECH)


def test_names_of_new_fields_are_few_short_and_safe() -> None:
    frame = with_field(*RESULT, name="\x1b[2J secret@example.com" + "x" * 99)
    (name,) = read(frame).unknown_fields
    assert name == "eventBody.transcripts.??2J?secret?example?com" + "x" * 17
    many = SPEECH | {"eventBody": {f"n{n}": n for n in range(100)}}
    assert len(read(many).unknown_fields) == 16


def test_new_and_wrong_at_once() -> None:
    frame = with_field(*RESULT)
    frame["eventBody"]["transcripts"].append(17)
    frame["eventBody"]["eventTime"] = []
    decoded = read(frame)
    assert decoded.unknown_fields == ("eventBody.transcripts.newField",)
    assert [event.reason.split(":")[0] for event in decoded.unreadable] == [
        "transcript",
        "eventTime is of the wrong type",
    ]
    (heard,) = decoded.messages
    assert isinstance(heard, Speech)
    assert len(heard.utterances) == 1


# The platform's samples


samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not here")


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


@samples
def test_the_sample_of_a_transcription_message() -> None:
    heard = message(sample("transcription-event.composed.json"))
    assert isinstance(heard, Speech)
    (said,) = heard.utterances
    assert (said.text, said.speaker, said.language) == ("i need 10 of them", "customer", "en-US")
    assert said.words is not None
    assert " ".join(word.word or "" for word in said.words) == "i need ten of them"
    assert (said.spoken_at, said.emitted_at) == ("2024-03-04T14:00:13.753Z", "2024-03-04T14:00:17.441Z")


@samples
def test_the_sample_of_a_sessions_end() -> None:
    heard = message(sample("transcription-event-session-ended.composed.json"))
    assert isinstance(heard, Speech)
    assert (heard.ended, heard.ongoing, heard.utterances) == (True, False, [])


@samples
def test_the_samples_of_system_messages() -> None:
    expected = {
        "heartbeat": Heartbeat(),
        "pong_reply_to_client_ping": Pong(),
        "socket_closing_soon": Closing(),
        "in_socket_subscribe_ok": Reply(200, "subscribed"),
        "in_socket_subscribe_failed": Reply(400, "failure"),
        "channel_gone": Reply(404, ""),
    }
    frames = json.loads(sample("system-messages.composed.json"))
    assert {name: message(frame) for name, frame in frames.items()} == expected


@samples
def test_every_sample_of_an_event_is_read() -> None:
    for file in SAMPLES.glob("event-*.json"):
        assert isinstance(message(file.read_bytes()), Other), file.name
    for file in SAMPLES.glob("eventbridge-*.json"):
        assert isinstance(message(json.loads(file.read_bytes())["detail"]), Other), file.name


@samples
def test_a_conversation_of_rest_in_an_event_is_seen() -> None:
    conversation = json.loads(sample("conversation-call-ended.json"))
    seen = message(CALL | {"eventBody": conversation})
    assert isinstance(seen, Seen)
    assert [party.purpose for party in seen.snapshot.parties] == ["customer", "ivr", "acd", "agent"]


@samples
def test_the_model_is_the_samples() -> None:
    fields = json.loads(sample("sdk-model-fields.json"))
    for ours, theirs in (
        (speech.KnownBody, "transcription_message"),
        (speech.KnownStatus, "transcription_request_status"),
        (speech.KnownResult, "transcript_result"),
        (speech.KnownAlternative, "transcript_alternative"),
        (speech.KnownWord, "transcript_word"),
    ):
        assert set(ours.__struct_encode_fields__) == set(fields[f"transcription_topic_{theirs}"]["properties"])


# For any input

NAMES = ["topicName", "eventBody", "transcripts", "alternatives", "words", "status", "transcript", "offsetMs", "result"]
NAMES += ["id", "participants", "calls", "messages", "messageId", "state", "reason", "sessionStartTimeMs", "channel"]
TOPICS = [SPEECH["topicName"], CALL["topicName"], "channel.metadata", "v2.system.token_revoked.x", "v2.other.1"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(st.characters(), max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
ANY_FRAME = st.fixed_dictionaries({"topicName": st.sampled_from(TOPICS), "eventBody": ANY_JSON})


def safe(decoded: Decoded) -> None:
    """What holds for every frame."""
    for event in decoded.unreadable:
        assert isinstance(event, Unreadable)
        encode(event)
    for each in decoded.messages:
        if isinstance(each, Speech):
            for said in each.utterances:
                assert b"\\u0000" not in encode(said)
                assert said.text.strip()
    assert decoded.messages or decoded.unreadable


@given(ANY_FRAME | ANY_JSON)
def test_any_json_is_read(frame: Any) -> None:
    safe(read(frame))


@given(st.binary() | st.text(st.characters()), st.booleans())
def test_any_bytes_and_any_text_are_taken(payload: bytes | str, binary: bool) -> None:
    safe(notifications.decode(payload, binary=binary, received_at=RECEIVED))


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A good frame of which one value is another."""
    frame = json.loads(json.dumps(draw(st.sampled_from([SPEECH, CALL]))))
    place: Any = frame
    while True:
        step = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        inner = place[step]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            place[step] = draw(ANY_JSON)
            return json.dumps(frame).encode()
        place = inner


@given(spoiled())
def test_a_spoiled_frame_is_read_both_ways_alike(payload: bytes) -> None:
    decoded = read(payload)
    safe(decoded)
    piecewise = notifications._decode_piecewise(payload, RECEIVED)
    assert piecewise.messages == decoded.messages
    assert piecewise.unreadable == decoded.unreadable


@given(spoiled(), st.data())
def test_damaged_bytes_are_taken(payload: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(place, min(len(payload), place + 9)))
    safe(read(payload[:place] + data.draw(st.binary(max_size=4)) + payload[end:]))
