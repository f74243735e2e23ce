"""The Notifications API over HTTP."""

from __future__ import annotations

import pytest
import websockets

from genscribe.emulator import Emulator
from genscribe.emulator.notifications import AVAILABLE, CHANNELS
from genscribe.emulator.topics import COMMUNICATION_VIEW, TRANSCRIPTION_VIEW, queue, transcription
from tests.unit.emulator.channel_client import ChannelClient

pytestmark = pytest.mark.anyio

A, B = transcription("a"), transcription("b")


async def test_a_channel_has_an_id_an_address_and_an_end(emulator: Emulator, channels: ChannelClient) -> None:
    channel = await channels.create()
    assert channel.keys() == {"connectUri", "id", "expires"}
    assert channel["connectUri"] == f"{emulator.url.replace('http', 'ws')}/channels/{channel['id']}"
    assert (await channels.call("HEAD", f"{CHANNELS}/{channel['id']}")).status_code == 200
    assert (await channels.call("HEAD", f"{CHANNELS}/streaming-0-unknown")).status_code == 404
    listed = (await channels.call("GET", CHANNELS)).json()["entities"]
    assert listed == [channel]


async def test_channels_of_another_token_only_exist(emulator: Emulator, channels: ChannelClient) -> None:
    theirs = await channels.create()
    other = await ChannelClient.login(emulator, channels.http)
    ours = await other.create()
    assert (await other.call("GET", CHANNELS)).json()["entities"] == [ours]
    every = (await other.call("GET", CHANNELS, includechannels="oauthclient")).json()["entities"]
    assert every == [{"expires": theirs["expires"]}, ours]
    assert (await other.subscribe(theirs, [A])).status_code == 404
    emulator.channels.token_bound = False
    assert (await other.subscribe(theirs, [A])).status_code == 200


async def test_post_adds_put_replaces_delete_clears(channels: ChannelClient) -> None:
    channel = await channels.create()
    added = await channels.subscribe(channel, [A])
    assert added.json() == {"entities": [{"id": A, "state": "Permitted"}]}
    await channels.subscribe(channel, [B])
    assert await channels.topics(channel) == [A, B]
    await channels.subscribe(channel, [B], "PUT")
    assert await channels.topics(channel) == [B]
    await channels.call("DELETE", f"{CHANNELS}/{channel['id']}/subscriptions")
    assert await channels.topics(channel) == []


async def test_one_forbidden_topic_refuses_the_whole_request(emulator: Emulator, channels: ChannelClient) -> None:
    channel = await channels.create()
    emulator.forbidden_topics.add(B)
    refused = await channels.subscribe(channel, [A, B])
    assert refused.status_code == 403
    body = refused.json()
    assert (body["code"], body["status"]) == ("missing.permissions", 403)
    assert TRANSCRIPTION_VIEW in body["message"]
    assert refused.headers["ININ-Correlation-Id"] == body["contextId"]
    assert await channels.topics(channel) == []


async def test_ignoring_errors_a_forbidden_topic_costs_only_itself(emulator: Emulator, channels: ChannelClient) -> None:
    channel = await channels.create()
    emulator.permissions.discard(TRANSCRIPTION_VIEW)
    support = queue("q")
    answer = await channels.subscribe(channel, [A, support, "v2.nonsense"], ignoreErrors="true")
    assert answer.json()["entities"] == [
        {
            "id": A,
            "state": "Rejected",
            "rejectionReason": "Missing permissions",
            "missingPermissions": [TRANSCRIPTION_VIEW],
        },
        {"id": support, "state": "Permitted"},
        {"id": "v2.nonsense", "state": "Rejected", "rejectionReason": "Invalid topic"},
    ]
    assert await channels.topics(channel) == [support]
    emulator.permissions.discard(COMMUNICATION_VIEW)
    assert (await channels.subscribe(channel, [support])).status_code == 403


async def test_a_combined_topic_is_granted_but_for_its_refused_parts(
    emulator: Emulator, channels: ChannelClient
) -> None:
    channel = await channels.create()
    emulator.permissions.clear()
    asked = "v2.users.u?presence&conversations"
    entities = (await channels.subscribe(channel, [asked], ignoreErrors="true")).json()["entities"]
    assert [(one["id"], one["state"]) for one in entities] == [
        (asked, "Permitted"),
        ("v2.users.u.conversations", "Rejected"),
    ]


@pytest.mark.parametrize("body", ["text", {"id": A}, [A], [{"id": 7}], [{"name": A}], [None]])
async def test_what_is_no_list_of_topics_is_400(channels: ChannelClient, body: object) -> None:
    channel = await channels.create()
    answer = await channels.call("POST", f"{CHANNELS}/{channel['id']}/subscriptions", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad.request")


async def test_an_unknown_topic_is_400(channels: ChannelClient) -> None:
    channel = await channels.create()
    answer = await channels.subscribe(channel, [A, "v2.nonsense"])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid.value")
    assert await channels.topics(channel) == []


async def test_a_thousand_topics_and_no_more(channels: ChannelClient) -> None:
    channel = await channels.create()
    thousand = [transcription(f"00000000-0000-4000-8000-{number:012}") for number in range(1000)]
    assert (await channels.subscribe(channel, thousand)).status_code == 200
    assert (await channels.subscribe(channel, [A])).status_code == 400
    assert len(await channels.topics(channel)) == 1000


async def test_the_list_of_topics_names_permissions(channels: ChannelClient) -> None:
    answer = await channels.call("GET", AVAILABLE, expand="permissionDetails,transports")
    speech = next(one for one in answer.json()["entities"] if one["id"] == "v2.conversations.{id}.transcription")
    assert speech.keys() == {"id", "permissionDetails", "transports"}


async def test_wrong_methods_and_paths(channels: ChannelClient) -> None:
    channel = await channels.create()
    calls = [
        ("DELETE", CHANNELS),
        ("GET", f"{CHANNELS}/{channel['id']}"),
        ("PATCH", f"{CHANNELS}/{channel['id']}/subscriptions"),
        ("POST", AVAILABLE),
        ("GET", f"{CHANNELS}/{channel['id']}/more"),
        ("GET", "/api/v2/notifications"),
    ]
    statuses = [(await channels.call(method, path)).status_code for method, path in calls]
    assert statuses == [405, 405, 405, 405, 404, 404]


async def test_the_301st_request_of_a_minute_is_refused(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.rate_limit = 2
    first = await channels.call("GET", CHANNELS)
    assert first.headers["inin-ratelimit-count"] == "1"
    assert first.headers["inin-ratelimit-allowed"] == "2"
    assert 0 < int(first.headers["inin-ratelimit-reset"]) <= 60
    assert (await channels.call("GET", "/api/v2/unknown")).headers["inin-ratelimit-count"] == "2"
    refused = await channels.call("GET", CHANNELS)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["message"] == "Rate limit exceeded the maximum [2] requests within [60] seconds"
    assert (emulator.ledger.rate_limited, emulator.ledger.busiest_minute) == (1, 2)
    other = await ChannelClient.login(emulator, channels.http)
    assert (await other.call("GET", CHANNELS)).status_code == 200


async def test_a_real_organisation_has_no_transcripts_endpoint() -> None:
    async with Emulator(transcripts=False) as emulator:
        import httpx2

        async with httpx2.AsyncClient(base_url=emulator.url, trust_env=False) as http:
            client = await ChannelClient.login(emulator, http)
            path = "/api/v2/interactions/conversations/transcripts"
            assert (await client.call("GET", path)).status_code == 404
            url = f"{emulator.url.replace('http', 'ws')}{path}?access_token=x"
            with pytest.raises(websockets.InvalidStatus, match="404"):
                await websockets.connect(url, proxy=None)


@pytest.mark.parametrize(
    ("method", "path", "place"),
    [
        ("POST", CHANNELS, "channels"),
        ("HEAD", f"{CHANNELS}/x", "channels"),
        ("PUT", f"{CHANNELS}/x/subscriptions", "subscriptions"),
        ("GET", AVAILABLE, "topics"),
        ("POST", "/api/v2/analytics/conversations/details/query", "analytics"),
        ("GET", "/api/v2/routing/queues", "queues"),
        ("GET", "/api/v2/users/u", "users"),
        ("GET", "/api/v2/conversations/c", "conversations"),
        ("POST", "/api/v2/conversations/messages/c/messages/bulk", "messages"),
    ],
)
async def test_answers_can_be_spoilt_place_by_place(
    emulator: Emulator, channels: ChannelClient, method: str, path: str, place: str
) -> None:
    emulator.fault("503", at=place)
    emulator.fault("418", at="api")
    assert [(await channels.call(method, path)).status_code for _ in range(2)] == [503, 418]
    assert (await channels.call(method, path)).status_code not in (503, 418)


async def test_an_ordered_expiry_and_an_ordered_refusal(emulator: Emulator, channels: ChannelClient) -> None:
    emulator.fault("channel-expires", value="when it pleases")
    emulator.fault("reject-topic", topic="*.b.*")
    await channels.call("GET", CHANNELS)
    channel = await channels.create()
    assert channel["expires"] == "when it pleases"
    await channels.topics(channel)
    entities = (await channels.subscribe(channel, [A, B], ignoreErrors="true")).json()["entities"]
    assert [(one["id"], one["state"]) for one in entities] == [(A, "Permitted"), (B, "Rejected")]
    assert await channels.topics(channel) == [A]
    emulator.fault("reject-topic")
    assert (await channels.subscribe(channel, [A, B])).status_code == 403


async def test_a_channel_whose_time_is_over_is_unknown_and_counts_no_more(
    emulator: Emulator, channels: ChannelClient
) -> None:
    emulator.channels.quota = 1
    emulator.channels.life_s = -1
    channel = await channels.create()
    assert (await channels.call("HEAD", f"{CHANNELS}/{channel['id']}")).status_code == 404
    await channels.create()
    assert [end.reason for end in emulator.ledger.channel_ends] == ["expired"]
