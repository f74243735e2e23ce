from __future__ import annotations

import pytest

from genscribe.emulator import topics
from genscribe.emulator.topics import COMMUNICATION_VIEW, TOPICS, TRANSCRIPTION_VIEW, rule

ALL = {TRANSCRIPTION_VIEW, COMMUNICATION_VIEW, "analytics:conversationDetail:view"}
SPEECH = topics.transcription("c-1")
QUEUE = topics.queue("q-1")


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.template)
def test_every_kind_is_found_by_a_name_of_it(topic: topics.Topic) -> None:
    assert topics.find(topic.template.replace("{id}", "0b7c-1")) is topic
    assert topics.find(topic.template) is None, "the braces are no id"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "v2",
        "v2.conversations..transcription",
        "v2.conversations.a.b.transcription",
        "v2.conversations.*.transcription",
        "v2.conversations.a.transcription.more",
        "v2.conversations.a.messages",
        "v2.routing.queues.a",
        "x" * 5000,
    ],
)
def test_what_is_no_topic(name: str) -> None:
    assert rule(name, ALL).unknown


def test_a_permission_is_needed_and_named() -> None:
    assert rule(SPEECH, ALL).names == (SPEECH,)
    assert rule(SPEECH, {COMMUNICATION_VIEW}).refused == ((SPEECH, (TRANSCRIPTION_VIEW,)),)
    assert rule(QUEUE, {TRANSCRIPTION_VIEW}).refused == ((QUEUE, (COMMUNICATION_VIEW,)),)
    assert rule(SPEECH, ALL, {SPEECH}).refused == ((SPEECH, (TRANSCRIPTION_VIEW,)),)
    assert rule("v2.users.u.presence", set()).names == ("v2.users.u.presence",)


def test_a_combined_topic_is_several() -> None:
    combined = f"{QUEUE}?calls&messages"
    assert rule(combined, ALL).names == (f"{QUEUE}.calls", f"{QUEUE}.messages")
    partly = rule("v2.users.u?presence&conversations", set())
    assert partly.names == ("v2.users.u.presence",)
    assert partly.refused == (("v2.users.u.conversations", (COMMUNICATION_VIEW,)),)
    assert rule(f"{QUEUE}?", ALL).unknown
    assert rule(f"{QUEUE}?calls&nonsense", ALL).unknown
    assert rule(f"v2.routing.queues.{'q' * 170}.conversations?calls", ALL).unknown, "more than 200 characters"


def test_the_list_has_what_was_asked_for() -> None:
    bare = topics.available([])
    assert len(bare) == len(TOPICS)
    assert all(one.keys() == {"id"} for one in bare)
    (speech,) = [
        one
        for one in topics.available(["permissionDetails", "requiresPermissions", "transports"])
        if one["id"] == "v2.conversations.{id}.transcription"
    ]
    assert speech["requiresPermissions"] == [TRANSCRIPTION_VIEW]
    assert speech["permissionDetails"] == [
        {
            "type": "requiresPermissions",
            "permissions": [TRANSCRIPTION_VIEW],
            "allowsCurrentUser": False,
            "enforced": True,
        }
    ]
