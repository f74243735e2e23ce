"""A conversation as the platform keeps it: participants, their communications, messages. Plain records and questions.

Times are epoch milliseconds. Everything here is told by its times, so that a view of a moment ago (analytics lags
behind) is the same question with another moment.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from genscribe import clock

VOICE = "voice"
TEXT = "message"

CALLERS = ("customer", "external")
"""Purposes of those who are no part of the organisation."""

FLOWS = ("ivr", "workflow")
"""Purposes of the machine that a caller meets first: in calls, in text conversations."""


def fresh_uuid() -> str:
    """A random id as the platform writes them: a UUID of version 4."""
    digits = clock.fresh_id()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@dataclass(frozen=True)
class Queue:
    """A queue. `division` is the id of the division that it is in; `transcription` its own switch."""

    id: str
    name: str
    division: str
    transcription: bool = True


@dataclass(frozen=True)
class User:
    """A user of the organisation, that is an agent."""

    id: str
    name: str
    division: str

    @property
    def email(self) -> str:
        """An address in an example domain."""
        return f"{self.name.lower().replace(' ', '.')}@example.com"


@dataclass(frozen=True)
class Message:
    """One text message. `speaker` is `customer`, `agent` or another word for a machine."""

    id: str
    conversation_id: str
    communication_id: str
    speaker: str
    text: str
    at: int
    user: User | None
    customer: str

    @property
    def direction(self) -> str:
        """From the customer it is inbound."""
        return "inbound" if self.speaker == "customer" else "outbound"


@dataclass(slots=True)
class Leg:
    """One communication of a participant.

    Attributes:
        began_at: When it began to ring or was offered.
        disconnect_type: Why it ended, the platform's word in events.
        facing_at: Since when it faces the caller; `None` while it does not, as that of one who is only consulted.
        confined: Held, and the person on this side hears music.
        messages: What this participant sent, in text conversations.
    """

    id: str
    media_type: str
    direction: str
    initial_state: str
    began_at: int
    peer_id: str | None = None
    connected_at: int | None = None
    facing_at: int | None = None
    ended_at: int | None = None
    disconnect_type: str | None = None
    confined: bool = False
    messages: list[Message] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The platform's word."""
        if self.ended_at is not None:
            return "disconnected"
        return self.initial_state if self.connected_at is None else "connected"

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.ended_at is None

    @property
    def talks(self) -> bool:
        """Whether it is connected now."""
        return self.live and self.connected_at is not None

    def connect(self, now: int) -> None:
        """It is answered and faces the caller; a second time changes nothing."""
        if self.connected_at is None:
            self.connected_at = self.facing_at = now

    def end(self, now: int, why: str) -> None:
        """It is over; a second end changes nothing."""
        if self.live:
            self.ended_at, self.disconnect_type, self.confined = now, why, False


@dataclass(slots=True)
class Party:
    """One participant, who has one communication.

    Attributes:
        consulted_for: The participant who is to be transferred, while this one is only asked for advice.
    """

    id: str
    purpose: str
    leg: Leg
    name: str | None = None
    user: User | None = None
    queue: Queue | None = None
    consulted_for: str | None = None

    @property
    def caller(self) -> bool:
        """Whether this is someone from outside."""
        return self.purpose in CALLERS


@dataclass(slots=True)
class Session:
    """The transcription of one communication. `told_at` is when a status was last sent."""

    transcription_started_at: int
    told_at: int | None = None
    ended: bool = False


@dataclass(slots=True)
class Conversation:
    """One conversation, live or over.

    Attributes:
        parties: In order of joining; the first is who began it.
        language: As the recogniser's dialect says it.
        transcribed: Whose communication carries the transcription: `agent`, the one that talks with the caller then,
            so that a transfer brings another; or `customer`, the caller's own. No document says which.
        bound_for: The queue that the caller goes to after the flow.
        changed_at: The time of the last change.
    """

    id: str
    organization_id: str
    media_type: str
    direction: str
    language: str
    started_at: int
    transcribed: str = "agent"
    ended_at: int | None = None
    changed_at: int = 0
    bound_for: Queue | None = None
    parties: list[Party] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether it is not over."""
        return self.ended_at is None

    @property
    def caller(self) -> Party:
        """Who began it: the customer, or the user who called another."""
        return self.parties[0]

    @property
    def number(self) -> str:
        """The customer's telephone number, of the range that is kept free for fiction."""
        return f"tel:+1202555{100 + zlib.crc32(self.id.encode()) % 100:04}"

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Every queue it has been in, in that order."""
        return tuple(dict.fromkeys(party.queue for party in self.parties if party.queue is not None))

    @property
    def users(self) -> tuple[User, ...]:
        """Every user who has taken part."""
        return tuple(dict.fromkeys(party.user for party in self.parties if party.user is not None))

    @property
    def agent(self) -> Party | None:
        """The user who talks with the caller now."""
        return next((party for party in reversed(self.facing()) if party.user is not None and party.leg.talks), None)

    @property
    def messages(self) -> list[Message]:
        """What was written, in order."""
        written = [message for party in self.parties for message in party.leg.messages]
        return sorted(written, key=lambda message: message.at)

    def facing(self) -> list[Party]:
        """Those on the other side of the caller, in order of joining, without those who are only consulted."""
        return [party for party in self.parties[1:] if party.consulted_for is None]

    def ringing(self) -> Party | None:
        """The user whose communication waits to be answered."""
        waiting = (party for party in self.facing() if party.user is not None and party.leg.state != "connected")
        return next((party for party in waiting if party.leg.live), None)

    def queue_at(self, at: int | None = None) -> Queue | None:
        """The queue it was in at that moment, the last one it went through; `None` asks for now."""
        joined = [party for party in self.parties if at is None or party.leg.began_at <= at]
        return next((party.queue for party in reversed(joined) if party.queue is not None), None)

    def leg_at(self, at: int) -> Leg:
        """The communication that carried the transcription at that moment, or the last one before.

        One faces the caller at a time: the last that began to.
        """
        legs = list(self.transcribed_legs())
        begun = [leg for leg in legs if leg.facing_at is not None and leg.facing_at <= at]
        return (begun or legs or [self.caller.leg])[-1]

    def transcribed_legs(self) -> Iterator[Leg]:
        """The communications that are transcribed, in order of joining. Who waits in a queue hears only music."""
        if self.transcribed == "customer":
            yield self.caller.leg
            return
        for party in self.facing():
            if party.purpose != "acd" and party.leg.facing_at is not None:
                yield party.leg
