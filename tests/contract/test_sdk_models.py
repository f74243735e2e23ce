"""The platform's official SDK reads every body that the stand-in makes: its models know each field and each word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from genscribe.emulator import directory, speech
from genscribe.emulator.analytics import analysed
from genscribe.emulator.conversation import Conversation
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.platform import encode
from genscribe.emulator.shapes import message_data, message_rest, queue_event, rest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

UNKNOWN = "outdated_sdk_version"
"""What the SDK makes of a word that its enumeration does not have."""


class _Response:
    def __init__(self, body: bytes) -> None:
        self.data = body.decode()

    def getheader(self, name: str) -> str:
        return "application/json"


def read(sdk: ModuleType, body: object, model: str) -> Any:
    """The body as the SDK sees it; fails if it has a field or a word that the SDK does not know."""
    raw = body if isinstance(body, bytes) else encode(body)
    seen = sdk.api_client.ApiClient(host="http://127.0.0.1:9").deserialize(_Response(raw), model)
    assert UNKNOWN not in list(words(seen.to_dict()))
    assert sorted(unread(_Response(raw).data, seen)) == []
    return seen


def words(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for one in value.values():
            yield from words(one)
    elif isinstance(value, list):
        for one in value:
            yield from words(one)
    else:
        yield value


def unread(text: str, seen: Any) -> Iterator[str]:
    """Names of fields that stand in the body and not in the model."""

    def look(body: Any, model: Any, at: str) -> Iterator[str]:
        if isinstance(body, list):
            for one, other in zip(body, model, strict=True):
                yield from look(one, other, at)
        elif isinstance(body, dict) and hasattr(model, "attribute_map"):
            names = {json_name: name for name, json_name in model.attribute_map.items()}
            for name, one in body.items():
                if name not in names:
                    yield f"{at}.{name}"
                else:
                    yield from look(one, getattr(model, names[name]), f"{at}.{name}")

    return look(json.loads(text), seen, "")


def calls() -> Iterator[Conversation]:
    """Conversations in every state that the stand-in can bring about."""
    house = Organisation()
    yield house.begin("flow", now=0, ivr=True, connected=False)
    yield house.begin("waiting", now=0, connected=False)
    declined = house.begin("declined", now=0, connected=False)
    house.decline("declined", now=1)
    yield declined
    moved = house.begin("moved", now=0, agent="Tom Whitaker")
    house.transfer("moved", now=5, queue="Billing")
    house.consult("moved", now=9)
    yield moved
    taken = house.begin("taken", now=0)
    house.consult("taken", now=1)
    house.transfer("taken", now=2)
    house.end("taken", now=3)
    yield taken
    yield house.begin("direct", now=0, queue=None)
    yield house.begin("internal", now=0, queue=None, caller="Tom Whitaker")
    yield house.begin("dialled", now=0, direction="outbound", connected=False)
    for media_type in ("email", "callback", "video", "message"):
        yield house.begin(media_type, now=0, media_type=media_type, connected=media_type != "email")
    yield written(house)


def written(house: Organisation) -> Conversation:
    conversation = house.begin("written", now=0, media_type="message", ivr=True, connected=False)
    house.message("written", "hello", now=1, speaker="customer")
    house.message("written", "one moment", now=2, speaker="bot")
    house.connect("written", now=3)
    house.message("written", "hi", now=4, speaker="agent")
    house.end("written", now=5)
    return conversation


def test_events_of_queues(sdk: ModuleType) -> None:
    for conversation in calls():
        seen = read(sdk, queue_event(conversation), "QueueConversationEventTopicConversation")
        assert [party.purpose for party in seen.participants] == [party.purpose for party in conversation.parties]
        for party, known in zip(seen.participants, conversation.parties, strict=True):
            (leg,) = [*party.calls, *party.messages, *party.emails, *party.callbacks, *party.videos]
            assert (leg.id, leg.state) == (known.leg.id, known.leg.state)


def test_analytics(sdk: ModuleType) -> None:
    for conversation in calls():
        for until in (0, 2, None):
            seen = read(sdk, analysed(conversation, until), "AnalyticsConversationWithoutAttributes")
            assert seen.conversation_id == conversation.id
            assert all(party.sessions[0].segments for party in seen.participants)


def test_conversations_of_rest(sdk: ModuleType) -> None:
    for conversation in calls():
        seen = read(sdk, rest(conversation), "Conversation")
        assert (seen.end_time is None) is conversation.live


def test_text_conversations(sdk: ModuleType) -> None:
    conversation = written(Organisation())
    seen = read(sdk, message_rest(conversation), "MessageConversation")
    ids = [details.message_id for party in seen.participants for details in party.messages]
    assert ids == [message.id for message in conversation.messages]
    texts = [read(sdk, message_data(message), "MessageData") for message in conversation.messages]
    assert [one.normalized_message.text for one in texts] == ["hello", "one moment", "hi"]
    assert [one.direction for one in texts] == ["inbound", "outbound", "outbound"]


def test_transcription(sdk: ModuleType) -> None:
    conversation = Organisation().begin("c", now=1_000_000)
    leg = conversation.leg_at(1_005_000).id
    body = speech.transcription(
        conversation,
        "It's $42.50, ten of them.",
        side="INTERNAL",
        communication_id=leg,
        now=1_009_000,
        spoken_at=1_005_033,
        duration_ms=2000,
    )
    seen = read(sdk, body, "TranscriptionTopicTranscriptionMessage")
    assert seen.transcripts[0].channel == "INTERNAL"
    assert seen.transcripts[0].alternatives[0].decorated_transcript == "it's $42.50 10 of them"
    assert seen.session_start_time_ms + seen.transcripts[0].alternatives[0].offset_ms == 1_005_033
    for word in (speech.ONGOING, speech.ENDED):
        status = read(sdk, speech.status(conversation, leg, word, 1_010_000), "TranscriptionTopicTranscriptionMessage")
        assert (status.transcripts, status.status.status) == (None, word)


@pytest.mark.parametrize(
    ("method", "path", "body", "model"),
    [
        ("GET", "/api/v2/routing/queues", b"", "QueueEntityListing"),
        ("GET", "/api/v2/users", b"", "UserEntityListing"),
        ("GET", "/api/v2/authorization/divisions", b"", "AuthzDivisionEntityListing"),
        ("GET", "/api/v2/routing/settings/transcription", b"", "TranscriptionSettings"),
        ("GET", "/api/v2/conversations", b"", "ConversationEntityListing"),
        ("GET", "/api/v2/conversations/none", b"", "ErrorBody"),
        ("GET", "/api/v2/routing/queues/none", b"", "ErrorBody"),
        ("POST", "/api/v2/analytics/conversations/details/query", b"{}", "ErrorBody"),
        (
            "POST",
            "/api/v2/analytics/conversations/details/query",
            b'{"interval":"P1D/1970-01-02T00:00:00Z"}',
            "AnalyticsConversationQueryResponse",
        ),
        ("POST", "/api/v2/conversations/messages/written/messages/bulk", b'["x"]', "TextMessageListing"),
    ],
)
def test_answers_of_the_directory(sdk: ModuleType, method: str, path: str, body: bytes, model: str) -> None:
    house = Organisation()
    house.begin("c", now=0)
    written(house)
    answer = directory.answer(house, method, path, {"pageSize": "2"}, body, 10)
    assert answer is not None
    read(sdk, answer.body, model)


def test_a_refusal(sdk: ModuleType) -> None:
    answer = directory.answer(Organisation(), "GET", "/api/v2/routing/queues", {}, b"", 0, frozenset())
    assert answer is not None
    seen = read(sdk, answer.body, "ErrorBody")
    assert (seen.code, seen.message_params) == ("missing.permissions", {"permissions": "routing:queue:view"})
