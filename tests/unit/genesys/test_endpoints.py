"""Typed endpoints: what is asked, as the documents spell it, and what is made of answers with anything missing."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from genscribe.core.limits import RestBudget, Share
from genscribe.core.subscriptions import TopicAnswer
from genscribe.core.tokens import Instant, Token
from genscribe.errors import BadAnswer, NotFound, NotPermitted, Passing, RequestRefused, Unauthorized
from genscribe.genesys import conversations, directory, notifications
from genscribe.genesys.api import ApiClient, HttpClient
from genscribe.genesys.directory import Queue, TranscriptionSettings
from genscribe.genesys.notifications import AvailableTopic, Channel
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from tests.http_stub import Reply, serve
from tests.virtual_time import EPOCH_MS, VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio
TLS = tls_context()
CANARY = "c4n4ry"
TOKEN = Token(Secret("given"), 86_400.0, Instant(0.0, 0))
CHANNEL = Channel(Secret(f"streaming-1-{CANARY}"), Secret(f"wss://streaming.x/channels/streaming-1-{CANARY}"))
NONSENSE = [b"", b"[]", b"null", b"7", b"<html>", b'"x"', b"{", b"\xff\xfe"]


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


class Budget(RestBudget):
    """Remembers whose requests went."""

    def __init__(self):
        super().__init__()
        self.shares = []

    def take(self, share, now):
        self.shares.append(share)
        super().take(share, now)


@pytest.fixture
async def cloud():
    """`replies` are given one after the other, the last again and again; `asked` and `bodies` are what was asked."""

    class Tokens:
        async def token(self):
            return Token(Secret("current"), 86_400.0, Instant(0.0, 0))

        def drop(self, token):
            pass

    rig = SimpleNamespace(replies=[], budget=Budget())

    def answer(asked):
        reply = rig.replies.pop(0) if len(rig.replies) > 1 else rig.replies[0]
        return reply if isinstance(reply, Reply) else Reply(200, reply if isinstance(reply, bytes) else encode(reply))

    async with serve(answer) as stub, HttpClient(TLS) as http:
        rig.stub = stub
        rig.api = ApiClient(http, stub.url, tokens=Tokens(), budget=rig.budget)
        rig.targets = lambda: [f"{asked.method} {asked.target}" for asked in stub.asked]
        rig.bodies = lambda: [msgspec.json.decode(asked.body) for asked in stub.asked]
        rig.bearers = lambda: [asked.headers["authorization"][7:] for asked in stub.asked]
        yield rig


encode = msgspec.json.encode


# Channels


async def test_a_channel_is_made_with_the_token_that_it_will_belong_to(cloud):
    cloud.replies = [{"id": CANARY, "connectUri": f"wss://s.x/{CANARY}", "expires": "2026-03-21T01:09:55.225Z"}]
    channel = await notifications.create_channel(cloud.api, TOKEN)
    assert cloud.targets() == ["POST /api/v2/notifications/channels"]
    assert cloud.stub.asked[0].body == b""
    assert cloud.bearers() == ["given"]
    assert cloud.budget.shares == [Share.SUBSCRIBE]
    assert (channel.id.reveal(), channel.connect_uri.reveal()) == (CANARY, f"wss://s.x/{CANARY}")
    assert channel.expires_at_ms == 1_774_055_395_225
    assert CANARY not in repr(channel)


@pytest.mark.parametrize("expires", [None, "soon", {}, "9" * 400])
async def test_an_end_that_cannot_be_read_is_not_said(cloud, expires):
    cloud.replies = [{"id": "a", "connectUri": "b", "expires": expires}]
    assert (await notifications.create_channel(cloud.api)).expires_at_ms is None
    assert cloud.bearers() == ["current"]


@pytest.mark.parametrize("body", [*NONSENSE, b"{}", b'{"id":"a"}', b'{"connectUri":"b"}', b'{"id":7,"connectUri":"b"}'])
async def test_a_channel_without_id_or_address_is_none(cloud, body):
    cloud.replies = [body]
    with pytest.raises(BadAnswer):
        await notifications.create_channel(cloud.api)


async def test_a_channel_of_a_refused_token_is_not_made_with_another(cloud):
    cloud.replies = [Reply(401)]
    with pytest.raises(Unauthorized):
        await notifications.create_channel(cloud.api, TOKEN)
    assert cloud.bearers() == ["given"]


async def test_a_channel_is_tried_twice_then_its_caller_plans_anew(cloud):
    cloud.replies = [Reply(503)]
    with pytest.raises(Passing):
        await notifications.create_channel(cloud.api, TOKEN)
    assert len(cloud.stub.asked) == 2


async def test_the_channels_of_all_tokens_of_the_client_are_listed_though_some_hide_their_ids(cloud):
    cloud.replies = [{"entities": [{"id": "a", "connectUri": "b", "expires": 1}, {"expires": 2}, 7, {"id": None}]}]
    listed = await notifications.list_channels(cloud.api)
    assert cloud.targets() == ["GET /api/v2/notifications/channels?includechannels=oauthclient"]
    assert [bool(channel.id) for channel in listed] == [True, False, False]
    await notifications.list_channels(cloud.api, include="token")
    assert cloud.targets()[1].endswith("=token")


def test_a_channel_with_another_end_is_the_same_channel():
    assert CHANNEL.until(5) == Channel(CHANNEL.id, CHANNEL.connect_uri, 5)


# Topics


ANSWERS = {
    "entities": [
        {"id": "t1", "state": "Permitted"},
        {"id": "t2"},
        {
            "id": "t3",
            "state": "Rejected",
            "rejectionReason": "Not\nallowed\x1b " + "x" * 999,
            "missingPermissions": ["conversation:transcription:view", "<script>", 7],
        },
        {"id": "t4", "state": "Somehow"},
        {"state": "Permitted"},
        "t5",
    ]
}
READ = [
    TopicAnswer("t1"),
    TopicAnswer("t2"),
    TopicAnswer("t3", False, ("Not allowed  " + "x" * 999)[:200], ("conversation:transcription:view",)),
    TopicAnswer("t4", False),
]


@pytest.mark.parametrize(
    ("subscribe", "method"), [(notifications.add_topics, "POST"), (notifications.replace_topics, "PUT")]
)
async def test_topics_are_asked_for_so_that_a_forbidden_one_costs_only_itself(cloud, subscribe, method):
    cloud.replies = [ANSWERS]
    assert await subscribe(cloud.api, CHANNEL, TOKEN, ["t1", "t2"]) == READ
    path = f"/api/v2/notifications/channels/streaming-1-{CANARY}/subscriptions?ignoreErrors=true"
    assert cloud.targets() == [f"{method} {path}"]
    assert cloud.bodies() == [[{"id": "t1"}, {"id": "t2"}]]
    assert cloud.bearers() == ["given"]
    assert cloud.budget.shares == [Share.SUBSCRIBE]


async def test_the_topics_of_a_channel_are_asked_for(cloud):
    cloud.replies = [ANSWERS]
    assert await notifications.topics_of(cloud.api, CHANNEL) == ["t1", "t2"]
    assert cloud.targets() == [f"GET /api/v2/notifications/channels/streaming-1-{CANARY}/subscriptions"]
    assert cloud.bearers() == ["current"]


async def test_an_answer_for_a_thousand_topics_is_read(cloud):
    topics = [f"v2.conversations.{number:036}.transcription" for number in range(1000)]
    refusal = {
        "state": "Rejected",
        "rejectionReason": "x" * 200,
        "missingPermissions": ["aa:bb:cc"] * 4,
        "selfUri": "y" * 99,
    }
    cloud.replies = [{"entities": [{"id": topic, **refusal} for topic in topics]}]
    answers = await notifications.add_topics(cloud.api, CHANNEL, None, topics)
    assert [answer.id for answer in answers] == topics


@pytest.mark.parametrize("body", NONSENSE)
async def test_an_answer_that_is_none_confirms_no_topic(cloud, body):
    cloud.replies = [body]
    with pytest.raises(BadAnswer):
        await notifications.add_topics(cloud.api, CHANNEL, TOKEN, ["t1"])
    with pytest.raises(BadAnswer):
        await notifications.topics_of(cloud.api, CHANNEL)


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (400, RequestRefused), (403, NotPermitted)])
async def test_what_the_platform_says_of_a_channel_names_no_channel(cloud, status, error):
    cloud.replies = [Reply(status, encode({"code": "not.found", "message": CHANNEL.id.reveal()}))]
    with pytest.raises(error, match=r"/channels/\{\}/subscriptions") as caught:
        await notifications.add_topics(cloud.api, CHANNEL, TOKEN, ["t1"])
    assert CANARY not in f"{caught.value} {caught.value!r}"


async def test_the_catalogue_names_the_permissions_of_each_topic(cloud):
    cloud.replies = [
        {
            "entities": [
                {
                    "id": "v2.conversations.{id}.transcription",
                    "requiresPermissions": ["conversation:transcription:view"],
                    "permissionDetails": [{"permissions": ["aa:bb:cc", "conversation:transcription:view"]}, 7],
                    "transports": ["All"],
                },
                {"id": "v2.x"},
                {},
            ]
        }
    ]
    assert await notifications.available_topics(cloud.api) == [
        AvailableTopic(
            "v2.conversations.{id}.transcription", ("conversation:transcription:view", "aa:bb:cc"), ("All",)
        ),
        AvailableTopic("v2.x"),
    ]
    (target,) = cloud.targets()
    assert target == (
        "GET /api/v2/notifications/availabletopics?expand=requiresPermissions,permissionDetails,transports"
    )
    assert cloud.budget.shares == [Share.SWEEP]


# Queues and users


def queue_page(ids, **more):
    return {"entities": [{"id": each, "name": f"Queue {each}"} for each in ids], **more}


async def test_every_queue_is_listed_once_though_pages_shift(cloud):
    cloud.replies = [queue_page("ab", pageCount=3), queue_page("bc", pageCount=3), queue_page("d", pageCount=3)]
    assert [queue.id for queue in await directory.queues(cloud.api)] == ["a", "b", "c", "d"]
    assert cloud.targets() == [
        f"GET /api/v2/routing/queues?pageNumber={page}&pageSize=100&sortOrder=asc" for page in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("pages", "asked"),
    [
        ([queue_page("ab", total=2)], 1),
        ([queue_page("ab"), queue_page("")], 2),
        ([queue_page("ab")], 2),
        ([{}], 1),
        ([{"entities": None}], 1),
        ([queue_page("ab", pageCount="x"), queue_page("")], 2),
    ],
)
async def test_the_last_page_is_known_or_the_one_that_brings_nothing_new(cloud, pages, asked):
    cloud.replies = pages
    await directory.queues(cloud.api)
    assert len(cloud.targets()) == asked


async def test_a_queue_with_anything_missing_is_a_queue_and_one_without_an_id_is_none(cloud):
    full = {
        "id": "q1",
        "name": "Support",
        "division": {"id": "d1", "name": "Home"},
        "enableTranscription": False,
        "memberCount": 4,
    }
    bad = {"id": "q3", "name": 7, "division": "x", "enableTranscription": "yes"}
    cloud.replies = [{"entities": [full, {"id": "q2"}, bad, {"name": "no id"}, None], "pageCount": 1}]
    assert await directory.queues(cloud.api) == [
        Queue("q1", "Support", "d1", "Home", False),
        Queue("q2", "q2"),
        Queue("q3", "q3"),
    ]


async def test_queues_that_may_not_be_seen_name_the_permission(cloud):
    cloud.replies = [Reply(403)]
    with pytest.raises(NotPermitted, match="routing:queue:view"):
        await directory.queues(cloud.api)


async def test_users_are_asked_for_by_the_hundred_each_once_and_those_who_have_left_too(cloud):
    ids = [f"u{number}" for number in range(150)]
    cloud.replies = [
        {"entities": [{"id": "u0", "name": "Ann"}, {"id": "u1"}, {"name": "Nobody"}]},
        {"entities": [{"id": "u149", "name": "Bob"}]},
    ]
    assert await directory.users(cloud.api, ids + ids) == {"u0": "Ann", "u149": "Bob"}
    assert cloud.targets() == [
        f"GET /api/v2/users?id={','.join(some)}&pageSize=100&state=any" for some in (ids[:100], ids[100:])
    ]
    assert set(cloud.budget.shares) == {Share.SWEEP}


async def test_no_users_are_not_asked_for(cloud):
    cloud.replies = [b"{}"]
    assert await directory.users(cloud.api, []) == {}
    assert cloud.targets() == []


async def test_the_settings_of_transcription(cloud):
    cloud.replies = [{"transcription": "EnabledQueueFlow", "lowLatencyTranscriptionEnabled": False}, b"{}", b"[]"]
    assert await directory.transcription_settings(cloud.api) == TranscriptionSettings("EnabledQueueFlow", False)
    assert cloud.targets() == ["GET /api/v2/routing/settings/transcription"]
    assert await directory.transcription_settings(cloud.api) == TranscriptionSettings()
    with pytest.raises(BadAnswer):
        await directory.transcription_settings(cloud.api)


@pytest.mark.parametrize("body", NONSENSE)
async def test_a_listing_that_is_none_is_no_empty_listing(cloud, body):
    cloud.replies = [body]
    with pytest.raises(BadAnswer):
        await directory.queues(cloud.api)
    with pytest.raises(BadAnswer):
        await directory.users(cloud.api, ["u"])


@pytest.mark.parametrize(
    "ask",
    [
        directory.queues,
        directory.transcription_settings,
        lambda api: directory.users(api, ["u"]),
        lambda api: conversations.live(api, page=1),
        lambda api: conversations.details(api, ["c"]),
    ],
)
async def test_look_ups_give_up(cloud, ask):
    cloud.replies = [Reply(502)]
    with pytest.raises(BadAnswer):
        await ask(cloud.api)
    assert len(cloud.stub.asked) == 3
    assert set(cloud.budget.shares) == {Share.SWEEP}


# Conversations


CONVERSATIONS = {
    "conversations": [{"conversationId": "c1", "conversationStart": "2026-03-20T09:00:00.000Z"}],
    "totalHits": 7,
}


async def test_live_conversations_are_those_without_an_end_of_yesterday_and_today(cloud):
    assert EPOCH_MS == 1_774_000_000_000
    cloud.replies = [CONVERSATIONS]
    page = await conversations.live(cloud.api, page=3)
    assert ([each.conversation_id for each in page.snapshots], page.total) == (["c1"], 7)
    assert cloud.targets() == ["POST /api/v2/analytics/conversations/details/query"]
    assert cloud.bodies() == [
        {
            "interval": "2026-03-19T09:46:40.000Z/2026-03-21T09:46:40.000Z",
            "order": "desc",
            "orderBy": "conversationStart",
            "paging": {"pageSize": conversations.PAGE_SIZE, "pageNumber": 3},
            "conversationFilters": [
                {"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "notExists"}]}
            ],
        }
    ]


async def test_live_conversations_may_be_looked_for_further_back_and_from_the_oldest(cloud):
    cloud.replies = [CONVERSATIONS]
    await conversations.live(cloud.api, page=1, order="asc", back_days=7)
    (body,) = cloud.bodies()
    assert body["interval"].startswith("2026-03-13T09:46:40.000Z/")
    assert body["order"] == "asc"


async def test_no_live_conversation_is_an_empty_page(cloud):
    cloud.replies = [b"{}", {"totalHits": 0}, {"conversations": [], "totalHits": 0}]
    for _ in range(3):
        assert (await conversations.live(cloud.api, page=1)).snapshots == ()


async def test_conversations_that_may_not_be_listed_name_the_permission(cloud):
    cloud.replies = [Reply(403)]
    with pytest.raises(NotPermitted, match="analytics:conversationDetail:view"):
        await conversations.live(cloud.api, page=1)


@pytest.mark.parametrize("body", [*NONSENSE, b'{"conversations":"x"}'])
async def test_a_page_that_is_none_is_no_empty_page(cloud, body):
    cloud.replies = [body]
    with pytest.raises(BadAnswer):
        await conversations.live(cloud.api, page=1)
    with pytest.raises(BadAnswer):
        await conversations.details(cloud.api, ["c1"])


async def test_a_page_of_megabytes_is_read(cloud):
    segment = {"segmentType": "interact", "segmentStart": "2026-03-20T09:00:00.000Z", "note": "x" * 500}
    participant = {
        "participantId": "p",
        "sessions": [{"sessionId": "s", "mediaType": "voice", "segments": [segment] * 60}],
    }
    many = [{"conversationId": f"c{n}", "participants": [participant]} for n in range(100)]
    cloud.replies = [{"conversations": many, "totalHits": 100}]
    assert len((await conversations.live(cloud.api, page=1)).snapshots) == 100
    assert len(encode(cloud.replies[0])) > 3_000_000


async def test_conversations_are_looked_up_by_id(cloud):
    cloud.replies = [CONVERSATIONS]
    page = await conversations.details(cloud.api, ["c1", "c2"])
    assert [each.conversation_id for each in page.snapshots] == ["c1"]
    assert cloud.targets() == ["GET /api/v2/analytics/conversations/details?id=c1,c2"]


async def test_a_message_conversation_is_looked_up(cloud):
    cloud.replies = [{"id": "c/1", "participants": []}, b"{}", Reply(404)]
    snapshot = await conversations.message_conversation(cloud.api, "c/1")
    assert snapshot is not None
    assert snapshot.conversation_id == "c/1"
    assert cloud.targets() == ["GET /api/v2/conversations/messages/c%2F1"]
    assert await conversations.message_conversation(cloud.api, "c") is None
    with pytest.raises(NotFound):
        await conversations.message_conversation(cloud.api, "c")
    assert set(cloud.budget.shares) == {Share.TEXT}


async def test_texts_are_asked_for_by_their_ids(cloud):
    cloud.replies = [{"entities": [{"id": "m1", "direction": "inbound", "normalizedMessage": {"text": "hello"}}]}]
    texts = await conversations.texts(cloud.api, "c1", ["m1", "m2"])
    assert [text.text for text in texts] == ["hello"]
    assert cloud.targets() == ["POST /api/v2/conversations/messages/c1/messages/bulk?useNormalizedMessage=true"]
    assert cloud.bodies() == [["m1", "m2"]]
    assert cloud.budget.shares == [Share.TEXT]
