"""A conversation as the platform showed it at one moment: who is in it, on which communications, in which queue.

Three of the platform's forms become this one: the event of a queue's topic, an analytics conversation, and the answer
of `GET /api/v2/conversations/{id}`. Times are epoch milliseconds; `None` is what was not said.
"""

from __future__ import annotations

import msgspec

VOICE = "voice"
TEXT = frozenset({"message", "chat"})
"""The platform's words for text conversations; our `chat` stands for both."""


class MessageRef(msgspec.Struct, frozen=True, gc=False):
    """A text message by its id; the text itself is asked for by REST."""

    message_id: str
    at: int | None = None


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One communication of a participant: a call, a chat, a messaging session.

    Attributes:
        communication_id: The platform's call, message or session id.
        media_type: `voice`, `message`, `chat`, `email`, `callback`, ... in lower case.
        state: The platform's word in lower case, such as `alerting` or `connected`; `None` in analytics.
        peer_id: The communication it is bridged with.
        ended_at: When it ended; 0 when it has ended at a time that was not said; `None` while it has not.
    """

    communication_id: str | None = None
    media_type: str = VOICE
    state: str | None = None
    direction: str | None = None
    peer_id: str | None = None
    connected_at: int | None = None
    ended_at: int | None = None
    messages: tuple[MessageRef, ...] = ()


class Party(msgspec.Struct, frozen=True):
    """One participant. `purpose` is the platform's word in lower case; `queue_id` the queue it came through."""

    participant_id: str
    purpose: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    queue_id: str | None = None
    joined_at: int | None = None
    left_at: int | None = None
    legs: tuple[Leg, ...] = ()


class Snapshot(msgspec.Struct, frozen=True):
    """A conversation at one moment.

    Attributes:
        started_at: When it began, as far as this form says.
        ended_at: When it ended; `None` while it has not, as far as this form says.
        direction: `inbound` or `outbound`.
    """

    conversation_id: str
    parties: tuple[Party, ...] = ()
    started_at: int | None = None
    ended_at: int | None = None
    direction: str | None = None
