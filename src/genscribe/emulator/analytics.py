"""Conversations as analytics has them: participants, sessions, segments, some time behind. Pure.

The segments of each purpose follow published answers for finished calls.
"""

from __future__ import annotations

from genscribe import clock
from genscribe.emulator.conversation import CALLERS, FLOWS, TEXT, VOICE, Conversation, Party, Queue

Json = dict[str, object]

PROVIDERS = {VOICE: "Edge", TEXT: "PureCloud Webmessaging"}
MESSENGER = "webmessaging"

_BEFORE = {"offering": "system", "alerting": "alert", "dialing": "dialing", "contacting": "contacting"}
"""A segment's type before its communication is connected, by the communication's initial state."""

_ANALYTICS_DISCONNECTS = {"transfer.consult": "consultTransfer", "transfer.noanswer": "noAnswerTransfer"}


def analysed(conversation: Conversation, until: int | None = None) -> Json:
    """The conversation as analytics has it, which knows nothing that happened after `until`; `None` is everything."""
    return known(
        conversationId=conversation.id,
        conversationStart=clock.iso(conversation.started_at),
        conversationEnd=iso(_by(conversation.ended_at, until)),
        divisionIds=list(dict.fromkeys(queue.division for queue in conversation.queues)) or None,
        originatingDirection=conversation.direction,
        participants=[
            _analytics_participant(conversation, party, until)
            for party in conversation.parties
            if until is None or party.leg.began_at <= until
        ],
    )


def _analytics_participant(conversation: Conversation, party: Party, until: int | None) -> Json:
    leg, user = party.leg, party.user
    session = known(
        sessionId=leg.id,
        mediaType=leg.media_type,
        messageType=MESSENGER if leg.media_type == TEXT else None,
        direction=leg.direction,
        peerId=leg.peer_id,
        provider=PROVIDERS.get(leg.media_type),
        ani=conversation.number if leg.media_type == VOICE else None,
        segments=segments(conversation, party, until),
    )
    return known(
        participantId=party.id,
        participantName=party.name if user is None else None,
        purpose=party.purpose,
        userId=user.id if user else None,
        sessions=[session],
    )


def segments(conversation: Conversation, party: Party, until: int | None = None) -> list[Json]:
    """What a participant's communication went through; the one that goes on has no end."""
    leg, purpose = party.leg, party.purpose
    queue = shown_queue(conversation, party, until)
    connected, ended = _by(leg.connected_at, until), _by(leg.ended_at, until)
    before = "delay" if purpose == "acd" else _BEFORE[leg.initial_state]
    during = "ivr" if purpose in FLOWS else "interact"
    parts = [(before, leg.began_at, connected if connected is not None else ended)]
    if connected is not None:
        parts.append((during, connected, ended))
    why = _ANALYTICS_DISCONNECTS.get(leg.disconnect_type or "", leg.disconnect_type) if ended is not None else None
    return [
        known(
            conference=False,
            disconnectType=why if (kind, start, end) == parts[-1] else None,
            queueId=queue.id if queue and (purpose not in CALLERS or kind == during) else None,
            segmentStart=clock.iso(start),
            segmentEnd=iso(end),
            segmentType=kind,
        )
        for kind, start, end in parts
    ]


def shown_queue(conversation: Conversation, party: Party, until: int | None = None) -> Queue | None:
    """The customer is shown in the queue that the conversation went through last."""
    return conversation.queue_at(until) if party.purpose == "customer" else party.queue


def iso(at: int | None) -> str | None:
    """A time as the platform writes it."""
    return None if at is None else clock.iso(at)


def known(**fields: object) -> Json:
    """An object without the fields that have no value."""
    return {name: value for name, value in fields.items() if value is not None}


def _by(at: int | None, until: int | None) -> int | None:
    """A time, if it was not after `until`."""
    return at if at is None or until is None or at <= until else None
