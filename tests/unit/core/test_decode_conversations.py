"""`core/decode/conversations.py`: three forms of a conversation become one snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.decode import conversations, times
from genscribe.core.decode.conversations import Page
from genscribe.core.snapshot import Leg, MessageRef, Party, Snapshot

SAMPLES = Path(__file__).parents[3] / ".." / "shared" / "data" / "genesys-samples"


def at(seconds: int) -> str:
    return f"2026-03-21T01:00:{seconds:02d}.500Z"


def ms(seconds: int) -> int:
    moment = times.to_ms(at(seconds))
    assert moment is not None
    return moment


CUSTOMER = {
    "id": "p-1",
    "name": "+15550100002",
    "purpose": "customer",
    "connectedTime": at(1),
    "calls": [{"id": "l-1", "state": "connected", "direction": "inbound", "connectedTime": at(1)}],
}
AGENT = {
    "id": "p-2",
    "name": "Ann",
    "purpose": "agent",
    "userId": "u-1",
    "queueId": "q-1",
    "connectedTime": at(5),
    "calls": [
        {
            "id": "l-2",
            "state": "connected",
            "direction": "inbound",
            "connectedTime": at(6),
            "peerId": "l-1",
            "held": False,
        }
    ],
}
CALL = {"id": "c-1", "participants": [CUSTOMER, AGENT], "recordingState": "active", "address": "tel:+15550100001"}


def read(conversation: object) -> Snapshot | None:
    return conversations.read_conversation(json.dumps(conversation).encode())


def seen(conversation: object) -> Snapshot:
    snapshot = read(conversation)
    assert snapshot is not None
    return snapshot


def party(**fields: object) -> Party:
    (only,) = seen({"id": "c-1", "participants": [{"id": "p-1"} | fields]}).parties
    return only


def leg(call: dict[str, object], **fields: object) -> Leg:
    (only,) = party(calls=[{"id": "l-1"} | call], **fields).legs
    return only


# Events and GET /api/v2/conversations/{id}


def test_a_live_call() -> None:
    assert read(CALL) == Snapshot(
        "c-1",
        (
            Party(
                participant_id="p-1",
                purpose="customer",
                joined_at=ms(1),
                legs=(Leg("l-1", "voice", "connected", "inbound", connected_at=ms(1)),),
            ),
            Party(
                participant_id="p-2",
                purpose="agent",
                user_id="u-1",
                user_name="Ann",
                queue_id="q-1",
                joined_at=ms(5),
                legs=(Leg("l-2", "voice", "connected", "inbound", peer_id="l-1", connected_at=ms(6)),),
            ),
        ),
        direction="inbound",
    )


def test_rest_says_when_it_began_and_ended() -> None:
    snapshot = seen(CALL | {"startTime": at(0), "endTime": at(9)})
    assert (snapshot.started_at, snapshot.ended_at) == (ms(0), ms(9))


@pytest.mark.parametrize(
    ("call", "participant", "ended_at"),
    [
        ({"state": "connected"}, {}, None),
        ({"state": "alerting"}, {}, None),
        ({"state": "none"}, {}, None),
        ({}, {}, None),
        ({"state": "teleporting"}, {}, None),
        ({"state": "connected"}, {"endTime": at(9)}, None),
        ({"state": "disconnected"}, {}, 0),
        ({"state": "TERMINATED"}, {}, 0),
        ({"state": "terminated"}, {"endTime": at(9)}, ms(9)),
        ({"state": "terminated", "disconnectedTime": at(8)}, {"endTime": at(9)}, ms(8)),
        ({"disconnectedTime": at(8)}, {}, ms(8)),
        ({"state": "connected", "disconnectedTime": at(8)}, {}, ms(8)),
        ({"state": "connected", "disconnectedTime": "late"}, {}, 0),
        ({}, {"endTime": at(9)}, ms(9)),
        ({"state": "none"}, {"endTime": at(9)}, ms(9)),
        ({}, {"endTime": "late"}, 0),
    ],
    ids=range(16),
)
def test_whether_and_when_a_leg_has_ended(
    call: dict[str, object], participant: dict[str, object], ended_at: int | None
) -> None:
    assert leg(call, **participant).ended_at == ended_at


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("calls", "voice"),
        ("callbacks", "callback"),
        ("chats", "chat"),
        ("messages", "message"),
        ("emails", "email"),
        ("videos", "video"),
        ("cobrowsesessions", "cobrowse"),
        ("screenshares", "screenshare"),
        ("socialExpressions", "social"),
        ("internalMessages", "internal"),
        ("screenMonitorings", "screenmonitoring"),
    ],
)
def test_the_lists_name_is_the_media_type(name: str, media_type: str) -> None:
    assert party(**{name: [{"id": "l-1", "state": "connected"}]}).legs == (Leg("l-1", media_type, "connected"),)


def test_an_email_has_a_messages_id_and_is_a_leg_all_the_same() -> None:
    assert party(emails=[{"id": "l-1", "messageId": "m-1"}]).legs == (Leg("l-1", "email"),)


def test_messages_are_told_by_their_ids() -> None:
    details = [{"messageId": "m-1", "messageTime": at(2)}, {"messageId": "m-2"}, {"messageStatus": "sent"}]
    (only,) = party(messages=[{"id": "l-1", "type": "sms", "messages": details}]).legs
    assert only.messages == (MessageRef("m-1", ms(2)), MessageRef("m-2"))


@pytest.mark.parametrize(
    ("fields", "joined_at", "left_at"),
    [
        ({"connectedTime": at(3)}, ms(3), None),
        ({}, None, None),
        ({"calls": [{"connectedTime": at(7)}, {"connectedTime": at(4)}, {}]}, ms(4), None),
        ({"endTime": at(9)}, None, ms(9)),
        ({"calls": [{"disconnectedTime": at(7)}, {"disconnectedTime": at(8)}]}, None, ms(8)),
        ({"calls": [{"disconnectedTime": at(7)}, {"state": "connected"}]}, None, None),
        ({"calls": [{"state": "terminated"}]}, None, None),
    ],
    ids=range(7),
)
def test_when_a_party_joined_and_left(fields: dict[str, object], joined_at: int | None, left_at: int | None) -> None:
    someone = party(**fields)
    assert (someone.joined_at, someone.left_at) == (joined_at, left_at)


@pytest.mark.parametrize(
    ("purpose", "name"),
    [("agent", "Ann"), ("User", "Ann"), ("customer", None), ("external", None), ("ivr", None), (None, None)],
)
def test_only_a_users_name_is_taken(purpose: str | None, name: str | None) -> None:
    assert party(purpose=purpose, name="Ann").user_name == name


def test_ids_may_stand_in_references() -> None:
    someone = party(user={"id": "u-1", "name": "Ann"}, queue={"id": "q-1"})
    assert (someone.user_id, someone.queue_id) == ("u-1", "q-1")
    assert party(user={}, queue=None, userId="").user_id is None


@pytest.mark.parametrize(
    ("directions", "expected"),
    [(["outbound", "inbound"], "outbound"), ([None, "Inbound"], "inbound"), (["sideways"], None), ([], None)],
)
def test_the_first_legs_direction_is_the_conversations(directions: list[str | None], expected: str | None) -> None:
    people = [{"id": f"p-{n}", "calls": [{"direction": each}]} for n, each in enumerate(directions)]
    assert seen({"id": "c-1", "participants": people}).direction == expected


# GET /api/v2/conversations/messages/{id}


TEXTING = {
    "id": "c-2",
    "participants": [
        {
            "id": "p-1",
            "purpose": "customer",
            "state": "connected",
            "direction": "inbound",
            "connectedTime": at(1),
            "messages": [{"messageId": "m-1", "messageTime": at(2)}, {"messageId": "m-2", "messageTime": at(4)}],
        },
        {
            "id": "p-2",
            "name": "Ann",
            "purpose": "agent",
            "state": "disconnected",
            "user": {"id": "u-1"},
            "queue": {"id": "q-1"},
            "peer": "l-1",
            "connectedTime": at(3),
            "endTime": at(9),
            "messages": [],
        },
    ],
}


def test_a_text_conversation_has_a_leg_a_participant() -> None:
    customer, agent = seen(TEXTING).parties
    messages = (MessageRef("m-1", ms(2)), MessageRef("m-2", ms(4)))
    assert customer.legs == (Leg(None, "message", "connected", "inbound", connected_at=ms(1), messages=messages),)
    assert agent == Party(
        "p-2",
        "agent",
        "u-1",
        "Ann",
        "q-1",
        ms(3),
        ms(9),
        (Leg(None, "message", "disconnected", peer_id="l-1", connected_at=ms(3), ended_at=ms(9)),),
    )


# What is no conversation, or has something wrong


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"5", b"{}", b'{"id":null}', b'{"id":""}', b'{"id":5}', b"\xff"]
)
def test_what_is_no_conversation_is_none(body: bytes) -> None:
    assert conversations.read_conversation(body) is None


def test_a_conversation_may_have_nothing_but_its_id() -> None:
    assert read({"id": "c-1"}) == read({"id": "c-1", "participants": None}) == Snapshot("c-1")


@pytest.mark.parametrize("bad", [5, None, "x", [], {"purpose": "acd"}, {"id": 5}])
def test_a_bad_participant_costs_only_itself(bad: object) -> None:
    assert read(CALL | {"participants": [CUSTOMER, bad, AGENT]}) == read(CALL)


@pytest.mark.parametrize("bad", [5, None, "x", []])
def test_a_bad_leg_costs_only_itself(bad: object) -> None:
    calls: list[object] = [bad, *AGENT["calls"]]  # type: ignore[misc]
    assert read(CALL | {"participants": [CUSTOMER, AGENT | {"calls": calls}]}) == read(CALL)


def test_nan_nul_and_nesting_cost_only_themselves() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    text = json.dumps(CALL | {"name": float("nan"), "more": "HERE"}).replace('"HERE"', deep)
    assert conversations.read_conversation(text.encode()) == read(CALL)
    assert seen({"id": "c\0"}).conversation_id == "c\ufffd"


def values(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of all values in it."""
    found = [path] if path else []
    steps = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for step in steps:
        found += values(value[step], (*path, step))  # type: ignore[index]
    return found


def replaced(value: object, path: tuple[str | int, ...], by: object) -> Any:
    whole = json.loads(json.dumps(value))
    place = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = by
    return whole


@pytest.mark.parametrize("by", [None, 5, "x", [5], {"x": 5}, True, 10**30])
@pytest.mark.parametrize("whole", [CALL, TEXTING], ids=["call", "text"])
def test_no_value_of_any_field_costs_more_than_its_own_participant(whole: dict[str, Any], by: object) -> None:
    for path in values(whole):
        snapshot = read(replaced(whole, path, by))
        if path == ("id",):
            assert (snapshot is None) == (by != "x")
        elif path == ("participants",):
            assert snapshot is not None
        else:
            assert snapshot is not None
            untouched = [party for n, party in enumerate(seen(whole).parties) if len(path) < 2 or path[1] != n]
            assert all(party in snapshot.parties for party in untouched), path


# Analytics


def segment(kind: str, start: int, end: int | None = None, queue_id: str | None = None) -> dict[str, object]:
    ends = {} if end is None else {"segmentEnd": at(end)}
    queues = {} if queue_id is None else {"queueId": queue_id}
    return {"segmentType": kind, "segmentStart": at(start), "conference": False} | ends | queues


def session(*segments: dict[str, object], **fields: object) -> dict[str, object]:
    return {"sessionId": "l-1", "mediaType": "voice", "direction": "inbound", "segments": list(segments)} | fields


def participant(*sessions: dict[str, object], **fields: object) -> dict[str, object]:
    return {"participantId": "p-1", "purpose": "agent", "sessions": list(sessions)} | fields


def analytics(*participants: object, **fields: object) -> dict[str, object]:
    whole = {"conversationId": "c-1", "conversationStart": at(0), "originatingDirection": "inbound"}
    return whole | {"participants": list(participants)} | fields


def page(*found: object, **fields: object) -> Page:
    return conversations.read_analytics(json.dumps({"conversations": list(found)} | fields).encode())


def analysed(*sessions: dict[str, object], **fields: object) -> Party:
    (snapshot,) = page(analytics(participant(*sessions), **fields)).snapshots
    (only,) = snapshot.parties
    return only


def test_a_conversation_of_analytics() -> None:
    customer = participant(
        session(segment("system", 0, 1), segment("interact", 1)), purpose="customer", participantName="Bob"
    )
    agent = participant(
        session(segment("alert", 2, 5, "q-1"), segment("interact", 5, None, "q-1"), sessionId="l-2", peerId="l-1"),
        participantId="p-2",
        participantName="Ann",
        userId="u-1",
    )
    assert page(analytics(customer, agent), totalHits=7) == Page(
        (
            Snapshot(
                "c-1",
                (
                    Party(
                        "p-1",
                        "customer",
                        joined_at=ms(1),
                        legs=(Leg("l-1", "voice", direction="inbound", connected_at=ms(1)),),
                    ),
                    Party(
                        "p-2",
                        "agent",
                        "u-1",
                        "Ann",
                        "q-1",
                        joined_at=ms(5),
                        legs=(Leg("l-2", "voice", direction="inbound", peer_id="l-1", connected_at=ms(5)),),
                    ),
                ),
                started_at=ms(0),
                direction="inbound",
            ),
        ),
        total=7,
    )


@pytest.mark.parametrize(
    ("segments", "connected_at", "ended_at"),
    [
        ([], None, None),
        ([segment("alert", 2)], None, None),
        ([segment("alert", 2, 4)], None, ms(4)),
        ([segment("alert", 2, 4), segment("interact", 4)], ms(4), None),
        ([segment("interact", 4), segment("alert", 2, 4)], ms(4), None),
        ([segment("interact", 4, 6), segment("hold", 6)], ms(4), None),
        ([segment("interact", 4, 6), segment("hold", 6, 7), segment("interact", 7, 9)], ms(4), ms(9)),
        ([segment("interact", 4, 6), segment("wrapup", 6)], ms(4), ms(6)),
        ([segment("interact", 4, 6), segment("wrapup", 6, 9)], ms(4), ms(6)),
        ([segment("Interact", 4), segment("wrapup", 6, 9)], ms(4), None),
        ([segment("wrapup", 6)], None, 0),
        ([segment("interact", 4) | {"segmentEnd": "late"}], ms(4), 0),
        ([{}], None, None),
    ],
    ids=range(13),
)
def test_a_session_is_live_while_a_segment_of_talk_is_open(
    segments: list[dict[str, object]], connected_at: int | None, ended_at: int | None
) -> None:
    (only,) = analysed(session(*segments)).legs
    assert (only.connected_at, only.ended_at) == (connected_at, ended_at)


def test_nothing_outlives_its_conversation() -> None:
    someone = analysed(session(segment("interact", 4)), session(), conversationEnd=at(9))
    assert [each.ended_at for each in someone.legs] == [ms(9), ms(9)]
    assert someone.left_at == ms(9)


def test_who_left_has_no_open_session() -> None:
    over, open_ = session(segment("interact", 4, 6)), session(segment("interact", 5))
    assert analysed(over, over).left_at == ms(6)
    assert analysed(over, open_).left_at is None
    assert analysed().left_at is None


def test_the_queue_is_the_last_segments() -> None:
    later = session(segment("interact", 5, 6, "q-2"), segment("wrapup", 6))
    assert analysed(later, session(segment("interact", 1, 2, "q-1"))).queue_id == "q-2"


@pytest.mark.parametrize(
    ("word", "media_type"),
    [("voice", "voice"), ("VOICE", "voice"), ("internalmessage", "internal"), ("smoke", "smoke"), (None, "unknown")],
)
def test_the_media_type_is_in_lower_case(word: str | None, media_type: str) -> None:
    assert analysed(session(mediaType=word)).legs[0].media_type == media_type


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"5", b"\xff"])
def test_what_is_no_page_is_one_bad_thing(body: bytes) -> None:
    assert conversations.read_analytics(body) == Page(bad=1)


@pytest.mark.parametrize("body", [b"{}", b'{"conversations":null}', b'{"conversations":[],"aggregations":[]}'])
def test_a_page_may_be_empty(body: bytes) -> None:
    assert conversations.read_analytics(body) == Page()


@pytest.mark.parametrize("bad", [5, None, "x", {}, {"conversationId": 5}, {"conversationId": ""}])
def test_a_bad_conversation_costs_only_itself_and_is_counted(bad: object) -> None:
    good = page(analytics())
    counted = page(bad, analytics(), bad)
    assert counted.snapshots == good.snapshots
    assert counted.bad >= 2


def test_a_participant_without_an_id_is_counted() -> None:
    assert page(analytics({"purpose": "agent"}, participant())).bad == 1


@pytest.mark.parametrize("by", [None, 5, "x", [5], {"x": 5}, True, 10**30])
def test_no_value_of_any_field_of_analytics_costs_its_neighbours(by: object) -> None:
    agent = participant(session(segment("alert", 2, 5, "q-1"), segment("interact", 5, 7)), userId="u-1")
    answer = {"conversations": [analytics(agent), analytics(agent, conversationId="c-2", conversationEnd=at(9))]}
    good = conversations.read_analytics(json.dumps(answer).encode()).snapshots
    for path in values(answer):
        read = conversations.read_analytics(json.dumps(replaced(answer, path, by)).encode())
        if len(path) > 1:
            assert good[1 - int(path[1])] in read.snapshots, path


# The platform's sample


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not here")
def test_the_sample_of_a_call_that_has_ended() -> None:
    snapshot = conversations.read_conversation((SAMPLES / "conversation-call-ended.json").read_bytes())
    assert snapshot is not None
    assert (snapshot.started_at, snapshot.ended_at) == (1_744_291_909_570, 1_744_291_960_944)
    assert [(each.purpose, each.user_name) for each in snapshot.parties] == [
        ("customer", None),
        ("ivr", None),
        ("acd", None),
        ("agent", "Thanos"),
    ]
    for each in snapshot.parties:
        (only,) = each.legs
        assert (only.media_type, only.state, only.direction) == ("voice", "terminated", "inbound")
        assert only.ended_at == each.left_at
        assert only.peer_id == (None if each.purpose == "customer" else snapshot.parties[0].legs[0].communication_id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (conversations.Wire, ["Conversation"]),
        (conversations._Participant, ["Participant", "MessageMediaParticipant"]),
        (
            conversations._Medium,
            ["QueueConversationEventTopicCall", "QueueConversationEventTopicMessage", "MessageDetails"],
        ),
        (conversations._Detail, ["QueueConversationEventTopicMessageDetails"]),
        (conversations._AnalyticsAnswer, ["AnalyticsConversationQueryResponse"]),
        (conversations._AnalyticsConversation, ["AnalyticsConversationWithoutAttributes"]),
        (conversations._AnalyticsParticipant, ["AnalyticsParticipantWithoutAttributes"]),
        (conversations._AnalyticsSession, ["AnalyticsSession"]),
        (conversations._Segment, ["AnalyticsConversationSegment"]),
    ],
    ids=range(9),
)
def test_every_name_read_is_one_of_the_official_sdks(
    ours: type[msgspec.Struct], theirs: list[str], sdk: ModuleType
) -> None:
    names = {name for model in theirs for name in getattr(sdk, model)().attribute_map.values()}
    assert set(ours.__struct_encode_fields__) <= names


# For any input

NAMES = ["id", "participants", "calls", "messages", "messageId", "state", "endTime", "conversations", "sessions"]
NAMES += ["conversationId", "participantId", "segments", "segmentEnd", "segmentStart", "totalHits", "connectedTime"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just(at(1)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=16,
)


@given(ANY_JSON)
def test_any_json_is_read(value: Any) -> None:
    body = json.dumps(value).encode()
    snapshot = conversations.read_conversation(body)
    assert snapshot is None or snapshot.conversation_id
    assert isinstance(conversations.read_analytics(body), Page)


@given(st.binary())
def test_any_bytes_are_taken(body: bytes) -> None:
    conversations.read_conversation(body)
    conversations.read_analytics(body)
