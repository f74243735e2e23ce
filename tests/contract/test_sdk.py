"""The platform's official Python SDK against the emulator: a reading of the platform that is not ours.

It logs in, makes channels, subscribes, asks for queues, users, conversations, analytics and messages; its models parse
every answer and every event. Where a model knows an enumeration, a word that it does not know fails the test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import websockets.sync.client

from genscribe import clock
from genscribe.emulator.thread import GenesysCloud, running
from genscribe.emulator.topics import TRANSCRIPTION_VIEW, queue, transcription

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]

MODELS = {
    "v2.conversations.": "TranscriptionTopicTranscriptionMessage",
    "v2.routing.queues.": "QueueConversationEventTopicConversation",
    "v2.users.": "ConversationEventTopicConversation",
    "v2.system.": "SystemMessageSystemMessage",
}
"""By the beginning of the topic's name, as the SDK's own mapping has them."""


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running(client_id="sdk", client_secret="hush", auth="basic", session_end_delay_s=0) as cloud:
        yield cloud


@pytest.fixture
def client(sdk: Any, cloud: GenesysCloud) -> Any:
    return sdk.api_client.ApiClient(host=cloud.url).get_client_credentials_token("sdk", "hush")


class Answer:
    """A body in the form that the SDK's deserializer takes."""

    def __init__(self, document: object) -> None:
        self.data = json.dumps(document)

    def getheader(self, name: str) -> str:
        return "application/json"


def parsed(sdk: Any, client: Any, document: Mapping[str, Any], model: str) -> Any:
    """The document as a model of the SDK; a name or a word that the model does not know is an error."""
    value = client.deserialize(Answer(document), model)
    _complete(value, document, model)
    return value


def _complete(value: Any, document: Any, where: str) -> None:
    if isinstance(document, Mapping) and hasattr(value, "attribute_map"):
        named = {name: attribute for attribute, name in value.attribute_map.items()}
        for name, inner in document.items():
            assert name in named, f"{where} has no {name}"
            _complete(getattr(value, named[name]), inner, f"{where}.{name}")
    elif isinstance(document, list) and isinstance(value, list):
        assert len(value) == len(document), where
        for one, inner in zip(value, document, strict=True):
            _complete(one, inner, where)
    else:
        assert value != "outdated_sdk_version", f"{where}: {document} is no word of the platform"
        assert (value is None) == (document is None), where


def everything(client: Any) -> Any:
    """The last answer's document."""
    return json.loads(client.last_response.data)


def test_channels_and_subscriptions(sdk: Any, client: Any, cloud: GenesysCloud) -> None:
    api = sdk.NotificationsApi(client)
    channel = api.post_notifications_channels()
    assert (channel.id, channel.connect_uri.endswith(channel.id)) == (channel.id, True)
    assert channel.expires.tzinfo is not None
    api.head_notifications_channel(channel.id)
    cloud.permissions.discard(TRANSCRIPTION_VIEW)
    body = [sdk.ChannelTopic(), sdk.ChannelTopic()]
    body[0].id, body[1].id = transcription("c"), queue("q")
    with pytest.raises(sdk.rest.ApiException) as refused:
        api.post_notifications_channel_subscriptions(channel.id, body)
    assert refused.value.status == 403
    assert json.loads(refused.value.body)["code"] == "missing.permissions"
    given = api.put_notifications_channel_subscriptions(channel.id, body, ignore_errors=True).entities
    assert [(one.state, one.missing_permissions) for one in given] == [
        ("Rejected", [TRANSCRIPTION_VIEW]),
        ("Permitted", None),
    ]
    _complete(given, everything(client)["entities"], "ChannelTopic")
    assert [one.id for one in api.get_notifications_channel_subscriptions(channel.id).entities] == [queue("q")]
    assert [one.id for one in api.get_notifications_channels(includechannels="token").entities] == [channel.id]
    api.delete_notifications_channel_subscriptions(channel.id)
    assert api.get_notifications_channel_subscriptions(channel.id).entities == []
    with pytest.raises(sdk.rest.ApiException) as unknown:
        api.head_notifications_channel("streaming-0-unknown")
    assert unknown.value.status == 404


def test_available_topics(sdk: Any, client: Any) -> None:
    expand = ["description", "enforced", "visibility", "transports", "requiresPermissions", "permissionDetails"]
    topics = sdk.NotificationsApi(client).get_notifications_availabletopics(expand=expand).entities
    _complete(topics, everything(client)["entities"], "AvailableTopic")
    speech = next(one for one in topics if one.id == "v2.conversations.{id}.transcription")
    assert speech.permission_details[0].permissions == [TRANSCRIPTION_VIEW]


def test_the_rate_limit_is_told_and_a_refusal_is_tried_again(sdk: Any, client: Any, cloud: GenesysCloud) -> None:
    cloud.fault("429", at="channels", retry_after=1)
    sdk.NotificationsApi(client).get_notifications_channels()
    headers = {name.lower(): value for name, value in client.last_response.getheaders().items()}
    assert (headers["inin-ratelimit-count"], headers["inin-ratelimit-allowed"]) == ("1", "300")
    assert 0 < int(headers["inin-ratelimit-reset"]) <= 60
    assert [request.status for request in cloud.ledger.requests] == [429, 200]


def test_queues_users_and_divisions(sdk: Any, client: Any) -> None:
    queues = sdk.RoutingApi(client).get_routing_queues(page_size=2)
    assert (len(queues.entities), queues.page_count) == (2, 2)
    _complete(queues, everything(client), "QueueEntityListing")
    users = sdk.UsersApi(client).get_users(page_size=100)
    _complete(users, everything(client), "UserEntityListing")
    assert sdk.UsersApi(client).get_user(users.entities[0].id).name == users.entities[0].name
    divisions = sdk.AuthorizationApi(client).get_authorization_divisions()
    _complete(divisions, everything(client), "AuthzDivisionEntityListing")


def test_conversations_analytics_and_messages(sdk: Any, client: Any, cloud: GenesysCloud) -> None:
    call = cloud.begin()
    cloud.consult(call)
    cloud.transfer(call, queue="Sales")
    chat = cloud.begin(media_type="message")
    message = cloud.message("where is my order", chat)
    cloud.message("on its way", chat, "agent")
    over = cloud.begin()
    cloud.end(over)
    api = sdk.ConversationsApi(client)
    for one in (call, chat, over):
        assert api.get_conversation(one).id == one
        _complete(api.get_conversation(one), everything(client), "Conversation")
    assert api.get_conversations().entities == [], "always empty with client credentials"

    query = sdk.ConversationQuery()
    now = clock.wall_ms()
    query.interval = f"{clock.iso(now - 86_400_000)}/{clock.iso(now + 86_400_000)}"
    query.conversation_filters = [
        {"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "notExists"}]}
    ]
    query.order, query.order_by = "desc", "conversationStart"
    query.paging = {"pageSize": 100, "pageNumber": 1}
    live = api.post_analytics_conversations_details_query(query)
    assert {one.conversation_id for one in live.conversations} == {call, chat}
    _complete(live, everything(client), "AnalyticsConversationQueryResponse")

    texts = api.post_conversations_message_messages_bulk(chat, body=[message])
    assert [one.id for one in texts.entities] == [message]
    _complete(texts, everything(client), "TextMessageListing")


def test_every_event_is_one_of_the_platforms(sdk: Any, client: Any, cloud: GenesysCloud) -> None:
    api = sdk.NotificationsApi(client)
    channel = api.post_notifications_channels()
    topics = [transcription("call"), *map(queue, cloud.organisation.queues)]
    topics += [f"v2.users.{user}.conversations" for user in cloud.organisation.users]
    api.post_notifications_channel_subscriptions(channel.id, [{"id": topic} for topic in topics])
    with websockets.sync.client.connect(channel.connect_uri, proxy=None) as ws:
        cloud.wait_connected()
        cloud.begin("call", connected=False)
        cloud.connect("call")
        cloud.say("i need 10 of them", conversation="call", speaker="customer", duration_ms=900)
        cloud.say("one mom", conversation="call", interim=True)
        cloud.consult("call")
        cloud.transfer("call", queue="Sales")
        cloud.end("call")
        cloud.begin("chat", media_type="message")
        cloud.message("hello", "chat")
        cloud.end("chat")
        cloud.fault("no-longer-subscribed")
        cloud.fault("token-revoked")
        frames = [json.loads(frame) for frame in ws]
    kinds = set()
    for frame in frames:
        assert frame.keys() == {"topicName", "version", "eventBody", "metadata"}
        start = next(start for start in MODELS if frame["topicName"].startswith(start))
        body = parsed(sdk, client, frame["eventBody"], MODELS[start])
        assert body is not None
        kinds.add(start)
    assert kinds == MODELS.keys()
