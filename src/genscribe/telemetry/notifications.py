"""What happens on the platform's Notifications API: channels, topics, discovery, text conversations.

No line holds a channel's id or address, which are secrets, nor what was said. Room `link` is for what decides whether
we hear at all; the last warning there is what `status` shows as the reason while nothing is heard.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from genscribe.errors import NotPermitted
from genscribe.telemetry import admin
from genscribe.telemetry.base import Counters, counted

CHANNELS_A_CLIENT = 20
"""Channels that one OAuth client may have. [Genesys Cloud: POST /api/v2/notifications/channels]"""
MANY_CHANNELS = 15
"""So many channels of others leave too few for us."""


@dataclass(frozen=True)
class _OfLink:
    room: ClassVar[str] = "link"
    level: ClassVar[int] = logging.INFO

    def count(self, counters: Counters) -> None:
        """Most happenings move no counter."""


@dataclass(frozen=True)
class OfDiscovery:
    """A happening of room `discovery`."""

    room: ClassVar[str] = "discovery"
    level: ClassVar[int] = logging.INFO

    def count(self, counters: Counters) -> None:
        """Most happenings move no counter."""


# Channels. That a connection was lost, and moved to another, is said in `link.py`, by whoever keeps it alive.


@dataclass(frozen=True)
class NotReady(_OfLink):
    """A first question to the platform failed and is asked again; nothing is heard before it is answered."""

    level: ClassVar[int] = logging.WARNING

    why: str
    retry_in_s: float

    def __str__(self) -> str:
        return f"not listening yet: {self.why} Next try in {self.retry_in_s:.1f} s."


@dataclass(frozen=True)
class ChannelOpened(_OfLink):
    """A channel is connected. Its number is ours, from 0 on; its topics are confirmed next."""

    channel: int
    topics: int

    def __str__(self) -> str:
        return f"channel {self.channel} is open, for {counted(self.topics, 'topic')}."


@dataclass(frozen=True)
class ChannelGone(_OfLink):
    """The platform no longer has a channel of ours, or took it from us. `why` says which it was."""

    level: ClassVar[int] = logging.WARNING

    why: str

    def __str__(self) -> str:
        return f"{self.why} A new channel is made, and what is missed until it hears is recorded as a gap."


@dataclass(frozen=True)
class ChannelsReused(_OfLink):
    """Channels that this store remembers from a run that did not end cleanly still exist and are used again."""

    channels: int

    def __str__(self) -> str:
        return f"{counted(self.channels, 'channel')} of the last run still there: used again instead of making more."


@dataclass(frozen=True)
class OthersOnClient(_OfLink):
    """Many channels of this access token or OAuth client are not ours."""

    level: ClassVar[int] = logging.WARNING

    channels: int

    def __str__(self) -> str:
        return (
            f"this OAuth client has {counted(self.channels, 'channel')} that {'is' if self.channels == 1 else 'are'} "
            f"not ours: of another program, or of an earlier run, and then gone within a day. All share "
            f"{CHANNELS_A_CLIENT}; beyond that the platform silently drops the oldest. Give genscribe an OAuth client "
            f"of its own: {admin.OAUTH}."
        )


# Topics.


@dataclass(frozen=True)
class TopicForbidden(OfDiscovery):
    """The platform forbids topics of a kind; said once a kind.

    Attributes:
        kind: The topic with `{id}` for its id.
        permissions: What is missing, as far as the platform says.
        reason: The platform's own word for it, if it gives one.
    """

    level: ClassVar[int] = logging.ERROR

    kind: str
    permissions: tuple[str, ...]
    reason: str | None = None

    def __str__(self) -> str:
        if self.permissions:
            missing = f"{', '.join(self.permissions)} {'is' if len(self.permissions) == 1 else 'are'} missing"
        else:
            missing = f"it says {self.reason[:200]!r}" if self.reason else "it does not say why"
        return (
            f"the platform forbids {self.kind}: {missing}. Nothing that comes on it is heard. Add the permission to "
            f"the client's role ({admin.ROLES}), in all divisions ({admin.DIVISIONS}); `genscribe check` tells more."
        )


def all_forbidden(permissions: Sequence[str]) -> NotPermitted:
    """No topic is permitted, so there is nothing to hear. `permissions`: those that the platform named."""
    missing = ", ".join(permissions) or "a permission that the platform does not name"
    return NotPermitted(
        f"the platform forbids every topic: {missing} is missing.",
        advice=f"Add it to the client's role ({admin.ROLES}), in all divisions ({admin.DIVISIONS}), then start again.",
    )


@dataclass(frozen=True)
class TopicsForgotten(OfDiscovery):
    """The platform's list of a channel's topics lacked some of ours."""

    level: ClassVar[int] = logging.WARNING

    topics: int

    def __str__(self) -> str:
        return (
            f"the platform has lost {counted(self.topics, 'topic')} of ours: subscribed again, and a gap recorded for "
            "those conversations."
        )


@dataclass(frozen=True)
class LimitReached(OfDiscovery):
    """There is no room for more topics. `refused`: how many conversations are not heard for it now."""

    level: ClassVar[int] = logging.ERROR

    refused: int

    def __str__(self) -> str:
        heard = "conversation is" if self.refused == 1 else "conversations are"
        return (
            f"no room for more topics: {self.refused} {heard} not heard, and each has a gap. Leave queues out with "
            "--exclude-queues, or share them out with --queues among several genscribe, each with an OAuth client of "
            "its own."
        )


@dataclass(frozen=True)
class LimitNear(OfDiscovery):
    """Nine tenths of the topics that fit are taken; said once until it falls."""

    level: ClassVar[int] = logging.WARNING

    topics: int
    capacity: int

    def __str__(self) -> str:
        return (
            f"{self.topics} of {self.capacity} topics are taken: beyond that, conversations will not be heard. Leave "
            "queues out with --exclude-queues, or share them out with --queues among several genscribe, each with an "
            "OAuth client of its own."
        )


@dataclass(frozen=True)
class UnknownTopic(OfDiscovery):
    """Events of a topic that this version does not know. The caller counts by name, and says each name once."""

    name: str

    def __str__(self) -> str:
        return f"events of a topic that this version does not know are passed over: {self.name[:200]}."


@dataclass(frozen=True)
class UnknownField(OfDiscovery):
    """A field, or a value of one, that this version does not know. The caller says each name once."""

    name: str

    def __str__(self) -> str:
        return f"the platform sends what this version does not know, and it is passed over: {self.name[:200]}."


# Discovery.


@dataclass(frozen=True)
class QueuesVisible(OfDiscovery):
    """How much of the organisation this client can see. `chosen`: queues that `--queues` and the like leave."""

    queues: int
    divisions: int
    chosen: int

    def __str__(self) -> str:
        visible = "queue is" if self.queues == 1 else "queues are"
        chosen = "" if self.chosen == self.queues else f", {self.chosen} of them chosen"
        return (
            f"{self.queues} {visible} visible in {counted(self.divisions, 'division')}{chosen}; calls of other "
            f"divisions will not be heard: grant the role there ({admin.DIVISIONS})."
        )


@dataclass(frozen=True)
class NoQueues(OfDiscovery):
    """This client can see no queue at all."""

    level: ClassVar[int] = logging.WARNING

    def __str__(self) -> str:
        return (
            "no queue is visible, so calls are found by sweeps alone, up to 30 s late. Grant routing:queue:view "
            f"({admin.ROLES}) in all divisions ({admin.DIVISIONS})."
        )


@dataclass(frozen=True)
class QueuesRefused(OfDiscovery):
    """The platform forbids us the list of queues."""

    level: ClassVar[int] = logging.ERROR

    why: str

    def __str__(self) -> str:
        return (
            f"the platform forbids the list of queues: {self.why} Calls are found by sweeps alone, up to 30 s late, "
            f"and have gaps. Grant routing:queue:view ({admin.ROLES}) in all divisions ({admin.DIVISIONS})."
        )


@dataclass(frozen=True)
class QueueAdded(OfDiscovery):
    """A queue that was not there before."""

    name: str

    def __str__(self) -> str:
        return f"a new queue is heard: {self.name}."


@dataclass(frozen=True)
class QueueUnmatched(OfDiscovery):
    """A word of `--queues` or `--exclude-queues` fits no visible queue."""

    level: ClassVar[int] = logging.WARNING

    pattern: str

    def __str__(self) -> str:
        return (
            f"no visible queue is called {self.pattern!r}: check the spelling in --queues or --exclude-queues, and "
            f"whether the client's role counts in that queue's division ({admin.DIVISIONS})."
        )


@dataclass(frozen=True)
class SweepDone(OfDiscovery):
    """The whole list of live conversations was read for the first time."""

    found: int

    def __str__(self) -> str:
        return f"{counted(self.found, 'conversation')} in progress at start."


@dataclass(frozen=True)
class SweepFailed(OfDiscovery):
    """The list of live conversations, or of queues, could not be read; said once until it can."""

    level: ClassVar[int] = logging.WARNING

    why: str

    def __str__(self) -> str:
        return (
            f"the list of live conversations or of queues could not be read: {self.why} Calls outside queues are not "
            "found meanwhile; it is tried again every 30 s."
        )


@dataclass(frozen=True)
class SweepRefused(OfDiscovery):
    """The platform forbids us the list of live conversations; said once until it does not."""

    level: ClassVar[int] = logging.ERROR

    why: str

    def __str__(self) -> str:
        return (
            f"the platform forbids the list of live conversations: {self.why} Calls outside queues, and those in "
            "progress at start or after an outage, are not heard. Grant analytics:conversationDetail:view "
            f"({admin.ROLES}) in all divisions ({admin.DIVISIONS})."
        )


@dataclass(frozen=True)
class FoundLate(OfDiscovery):
    """A sweep after the first found conversations in progress that no queue had told of."""

    conversations: int

    def __str__(self) -> str:
        outside = "was" if self.conversations == 1 else "were"
        return (
            f"{counted(self.conversations, 'conversation')} in progress {outside} found by a sweep, not by a queue: "
            "what was said in them until now has a gap."
        )


@dataclass(frozen=True)
class ExcludedDropped(OfDiscovery):
    """A call went to an excluded queue; what came of that leg was dropped before the journal. Lines are counted."""

    conversation_id: str

    def __str__(self) -> str:
        return f"conversation {self.conversation_id} is in an excluded queue now: it is no longer heard."


@dataclass(frozen=True)
class NamesRefused(OfDiscovery):
    """The platform forbids us the names of users."""

    level: ClassVar[int] = logging.WARNING

    why: str

    def __str__(self) -> str:
        return (
            f"the platform forbids the names of users: {self.why} Participants have ids without names. Grant "
            f"directory:user:view ({admin.ROLES}) in all divisions ({admin.DIVISIONS})."
        )


# Text conversations.


@dataclass(frozen=True)
class TextsRefused(OfDiscovery):
    """The platform forbids us the text of messages; their ids are kept."""

    level: ClassVar[int] = logging.ERROR

    why: str

    def __str__(self) -> str:
        return (
            f"the platform forbids the text of messages: {self.why} Their ids are kept, and the text is asked for "
            f"again later. Grant conversation:message:view or conversation:webmessaging:view ({admin.ROLES}) in all "
            f"divisions ({admin.DIVISIONS})."
        )


@dataclass(frozen=True)
class TextsUnavailable(OfDiscovery):
    """The platform told ids of messages and then did not have their text."""

    level: ClassVar[int] = logging.WARNING

    conversation_id: str
    messages: int

    def __str__(self) -> str:
        return (
            f"the platform does not give the text of {counted(self.messages, 'message')} of conversation "
            f"{self.conversation_id}: given up."
        )
