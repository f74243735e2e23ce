"""The permissions that genscribe needs on the platform: the one table for the docs, `genscribe check` and its advice.

A permission is `domain:entity:action`, as the platform's errors name it. In the administration the same is three
levels deep, such as Conversation > Transcription > View.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from genscribe.telemetry import admin


class Need(enum.Enum):
    """What becomes of a run without it."""

    REQUIRED = "required"
    """There is nothing to hear, or nearly nothing."""
    ADVISED = "advised"
    """Part of what is said is not heard."""
    OPTIONAL = "optional"
    """Nothing said is lost."""


class Proof(enum.Enum):
    """How sure we are. Nothing was tried with a live organisation."""

    DOCUMENTED = "documented"
    """Stands in the platform's documentation or in that of its SDK."""
    ASSUMED = "assumed"
    """Not said there; `genscribe check` asks the platform itself."""


@dataclass(frozen=True)
class Permission:
    """One row.

    Attributes:
        names: Any one of these will do.
        why: What it is for.
        without: What is lost without it.
        by_division: Whether it counts only in the divisions in which the role is granted; `None` = not known.
        proof: Where this row is from.
        source: That place.
    """

    names: tuple[str, ...]
    need: Need
    why: str
    without: str
    by_division: bool | None
    proof: Proof
    source: str

    @property
    def name(self) -> str:
        """All names, for people."""
        return " or ".join(self.names)

    @property
    def in_admin(self) -> str:
        """The first name as the administration shows it, level by level."""
        return " > ".join(_spaced(part) for part in self.names[0].split(":"))

    def granted(self, names: frozenset[str]) -> bool:
        """Whether one that holds these permissions has this one."""
        return any(name in names for name in self.names)


TRANSCRIPTION = Permission(
    ("conversation:transcription:view",),
    Need.REQUIRED,
    "hearing a call: the topic v2.conversations.{id}.transcription",
    "no call is heard; where every topic is forbidden the run ends with 77",
    by_division=False,
    proof=Proof.DOCUMENTED,
    source="Genesys Cloud: transcription-notifications",
)
QUEUE_TOPICS = Permission(
    ("conversation:communication:view",),
    Need.REQUIRED,
    "being told when a conversation enters a queue (v2.routing.queues.{id}.conversations); a conversation by its id",
    "calls are found by sweeps alone: up to 30 s late, each with a gap; text conversations are not heard",
    by_division=None,
    proof=Proof.ASSUMED,
    source="the REST call: SDK documentation; the topic: not documented",
)
QUEUES = Permission(
    ("routing:queue:view",),
    Need.REQUIRED,
    "the list of queues, which is where conversations are first heard of; their names; --queues",
    "no queue is subscribed, so calls are found by sweeps alone; queues have ids in place of names",
    by_division=True,
    proof=Proof.DOCUMENTED,
    source="SDK documentation: GET /api/v2/routing/queues",
)
SWEEPS = Permission(
    ("analytics:conversationDetail:view", "analytics:agentConversationDetail:view"),
    Need.ADVISED,
    "finding conversations in progress: at start, after an outage, and those outside queues",
    "direct, dialled and internal calls are not heard, nor those in progress when genscribe starts",
    by_division=None,
    proof=Proof.DOCUMENTED,
    source="SDK documentation: POST /api/v2/analytics/conversations/details/query",
)
TEXTS = Permission(
    ("conversation:message:view", "conversation:webmessaging:view"),
    Need.ADVISED,
    "the text of messages (web messaging, SMS, WhatsApp, …), of which topics tell only the ids; grant both",
    "text conversations have no text; their ids are kept and asked for again later",
    by_division=None,
    proof=Proof.DOCUMENTED,
    source="SDK documentation: POST /api/v2/conversations/messages/{id}/messages/bulk",
)
USERS = Permission(
    ("directory:user:view",),
    Need.OPTIONAL,
    "names of agents; the SDK's documentation asks for no permission for it, so grant it only if names are missing",
    "participants have ids without names",
    by_division=True,
    proof=Proof.ASSUMED,
    source="SDK documentation: GET /api/v2/users requires no permissions",
)
SETTINGS = Permission(
    ("routing:transcriptionSettings:view",),
    Need.OPTIONAL,
    "`genscribe check` reads whether transcription and low latency are on",
    "`check` cannot say so beforehand; a run still notices, by what it hears",
    by_division=False,
    proof=Proof.DOCUMENTED,
    source="SDK documentation: GET /api/v2/routing/settings/transcription",
)

PERMISSIONS = (TRANSCRIPTION, QUEUE_TOPICS, QUEUES, SWEEPS, TEXTS, USERS, SETTINGS)
"""Every permission, the most needed first. Channels and subscriptions themselves need none."""


def advice(permission: Permission) -> str:
    """What to do where it is missing: permission, page, divisions."""
    divisions = "" if permission.by_division is False else f", in all divisions ({admin.DIVISIONS})"
    return f"Add {permission.name} ({permission.in_admin}) to the client's role: {admin.ROLES}{divisions}."


def divisions_word(permission: Permission) -> str:
    """Whether it counts by division, in a word."""
    return {True: "in all divisions", False: "whole organisation", None: "in all divisions [?]"}[permission.by_division]


def _spaced(word: str) -> str:
    """`transcriptionSettings` as `Transcription Settings`."""
    return "".join(f" {letter}" if letter.isupper() else letter for letter in word[:1].upper() + word[1:]).strip()
