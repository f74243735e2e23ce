"""Notification topics: which there are, what they cost in permissions, how a combined one is read. Pure.

Names are those of the platform's published mapping of topics to models. That a transcription topic needs
`conversation:transcription:view` is documented; what the queue topics need is said nowhere but in the answer of
`availabletopics` of a live organisation, so it is assumed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

TRANSCRIPTION_VIEW = "conversation:transcription:view"
COMMUNICATION_VIEW = "conversation:communication:view"

LONGEST = 200
"""Characters of a combined topic at most."""


@dataclass(frozen=True)
class Topic:
    """One kind of topic, `{id}` standing for the resource.

    Attributes:
        permissions: All of them are needed to subscribe.
        transports: `All`, `Websocket` or `EventBridge`, as the platform's SDK for .NET lists them.
    """

    template: str
    description: str
    permissions: tuple[str, ...] = ()
    transports: tuple[str, ...] = ("All",)


def _queue(suffix: str) -> Topic:
    return Topic(
        f"v2.routing.queues.{{id}}.conversations{suffix}",
        "Conversations that pass through a queue",
        (COMMUNICATION_VIEW,),
        ("Websocket",),
    )


def _user(suffix: str) -> Topic:
    return Topic(
        f"v2.users.{{id}}.{suffix}", "Conversations of a user", (COMMUNICATION_VIEW,), transports=("Websocket",)
    )


_MEDIA = ("calls", "chats", "messages", "emails", "callbacks", "cobrowseSessions", "screenshares")

TOPICS: Sequence[Topic] = (
    Topic("v2.conversations.{id}.transcription", "What is said in a conversation", (TRANSCRIPTION_VIEW,)),
    _queue(""),
    *(_queue(f".{media}") for media in (*_MEDIA, "socialexpressions", "videos")),
    _user("conversations"),
    *(_user(f"conversations.{media}") for media in _MEDIA),
    _user("conversationsummary"),
    Topic("v2.users.{id}.presence", "Presence of a user"),
    Topic("v2.users.{id}.routingStatus", "Routing status of a user"),
    Topic(
        "v2.analytics.conversation.{id}.metrics", "Figures of a conversation", ("analytics:conversationDetail:view",)
    ),
)
"""The topics that are known here. Another name is no topic."""

_PATTERN = re.compile(
    "|".join(f"({re.escape(topic.template).replace(re.escape('{id}'), r'[^.?&*{}]+')})" for topic in TOPICS)
)


def transcription(conversation_id: str) -> str:
    """The topic of what is said in a conversation."""
    return f"v2.conversations.{conversation_id}.transcription"


def queue(queue_id: str) -> str:
    """The topic of a queue's conversations."""
    return f"v2.routing.queues.{queue_id}.conversations"


def find(name: str) -> Topic | None:
    """The kind of topic that this name, not a combined one, is of."""
    match = _PATTERN.fullmatch(name)
    return TOPICS[match.lastindex - 1] if match is not None and match.lastindex is not None else None


def expand(name: str) -> tuple[str, ...]:
    """The topics that a name stands for: itself, or each of `prefix?suffix&suffix`. None when it is malformed."""
    prefix, mark, suffixes = name.partition("?")
    if not mark:
        return (name,)
    if len(name) > LONGEST or not all(suffixes.split("&")):
        return ()
    return tuple(f"{prefix}.{suffix}" for suffix in suffixes.split("&"))


def user(user_id: str) -> str:
    """The topic of a user's conversations."""
    return f"v2.users.{user_id}.conversations"


@dataclass(frozen=True)
class Ruling:
    """Whether a topic that was asked for is given.

    Attributes:
        names: What of it is delivered, combined topics expanded.
        refused: What of it is not, with the permissions that are missing.
        unknown: It is no topic at all.
    """

    asked: str
    names: tuple[str, ...] = ()
    refused: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unknown: bool = False


def rule(asked: str, permissions: AbstractSet[str], forbidden: AbstractSet[str] = frozenset()) -> Ruling:
    """What becomes of one topic.

    Args:
        asked: As it was asked for.
        permissions: What the client may do.
        forbidden: Topics that are refused in spite of that.
    """
    names = expand(asked)
    kinds = [find(name) for name in names]
    if not names or None in kinds:
        return Ruling(asked, unknown=True)
    given: list[str] = []
    refused: list[tuple[str, tuple[str, ...]]] = []
    for name, kind in zip(names, kinds, strict=True):
        needed = kind.permissions if kind is not None else ()
        missing = tuple(one for one in needed if one not in permissions)
        if name in forbidden or missing:
            refused.append((name, missing or needed))
        else:
            given.append(name)
    return Ruling(asked, tuple(given), tuple(refused))


def available(expanded: Iterable[str]) -> list[dict[str, object]]:
    """The entities of `GET /api/v2/notifications/availabletopics`, with the fields that were asked for."""
    wanted = set(expanded)
    return [
        {"id": topic.template, **{name: value for name, value in _fields(topic).items() if name in wanted}}
        for topic in TOPICS
    ]


def _fields(topic: Topic) -> dict[str, object]:
    details = {
        "type": "requiresPermissions",
        "permissions": list(topic.permissions),
        "allowsCurrentUser": False,
        "enforced": True,
    }
    return {
        "description": topic.description,
        "enforced": True,
        "visibility": "Public",
        "transports": list(topic.transports),
        "requiresPermissions": list(topic.permissions),
        "permissionDetails": [details] if topic.permissions else [],
        "topicParameters": ["id"],
    }
