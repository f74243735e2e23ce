"""Conversations in the platform's JSON forms: queue events, REST, text messages. Pure.

Field names and enumerations are those of the platform's SDK; which fields an answer really has, and in which form,
follows published samples of a finished call. What is `null` there is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from genscribe import clock
from genscribe.emulator.analytics import MESSENGER, PROVIDERS, Json, iso, known, segments, shown_queue
from genscribe.emulator.conversation import TEXT, VOICE, Conversation, Leg, Message, Party

LISTS = {
    VOICE: "calls",
    "callback": "callbacks",
    "chat": "chats",
    "cobrowse": "cobrowsesessions",
    "email": "emails",
    TEXT: "messages",
    "screenshare": "screenshares",
    "social": "socialExpressions",
    "video": "videos",
}
"""Where a participant's communications of each media type stand."""

_PARTICIPANT_TYPES = {"customer": "External", "external": "External", "ivr": "IVR", "workflow": "IVR", "acd": "ACD"}


def queue_event(conversation: Conversation) -> Json:
    """The body of an event of `v2.routing.queues.{id}.conversations`, the whole conversation at this moment."""
    return known(
        id=conversation.id,
        participants=[_event_participant(conversation, party) for party in conversation.parties],
        recentTransfers=[],
        recordingState="none",
        address=conversation.number,
        securePause=False,
        divisions=_divisions(conversation),
    )


def rest(conversation: Conversation) -> Json:
    """The answer of `GET /api/v2/conversations/{id}`."""
    return known(
        id=conversation.id,
        startTime=clock.iso(conversation.started_at),
        endTime=iso(conversation.ended_at),
        address=conversation.number,
        participants=[_rest_participant(conversation, party) for party in conversation.parties],
        recordingState="NONE",
        divisions=_divisions(conversation),
        recentTransfers=[],
        securePause=False,
        selfUri=f"/api/v2/conversations/{conversation.id}",
    )


def message_rest(conversation: Conversation) -> Json:
    """The answer of `GET /api/v2/conversations/messages/{id}`: participant and communication are one object."""
    return {
        "id": conversation.id,
        "participants": [_message_participant(conversation, party) for party in conversation.parties],
        "otherMediaUris": [],
        "recentTransfers": [],
        "divisions": _divisions(conversation),
        "selfUri": f"/api/v2/conversations/messages/{conversation.id}",
    }


def message_data(message: Message) -> Json:
    """One text message with its text, as `GET .../messages/{mid}` and `POST .../messages/bulk` answer."""
    inbound = message.direction == "inbound"
    away, home = f"guest-{message.customer[:8]}", "stand-in"
    source, target = (away, home) if inbound else (home, away)
    sent = clock.iso(message.at)
    channel = {
        "platform": "WebMessaging",
        "type": "Private",
        "messageId": message.id,
        "from": {"id": source, "idType": "Opaque"},
        "to": {"id": target, "idType": "Opaque"},
        "time": sent,
    }
    text = known(
        id=message.id,
        channel=channel,
        type="Text",
        text=message.text,
        originatingEntity=None if inbound else "Bot" if message.user is None else "Human",
        direction="Inbound" if inbound else "Outbound",
    )
    author = message.user
    return known(
        id=message.id,
        timestamp=sent,
        fromAddress=source,
        toAddress=target,
        direction=message.direction,
        messengerType=MESSENGER,
        status="received" if inbound else "delivery-success",
        normalizedMessage=text,
        createdBy=None if author is None else {"id": author.id, "selfUri": f"/api/v2/users/{author.id}"},
        conversationId=message.conversation_id,
        selfUri=f"/api/v2/conversations/messages/{message.conversation_id}/messages/{message.id}",
    )


# Participants.


def _event_participant(conversation: Conversation, party: Party) -> Json:
    """In events there is no start and no name of the queue."""
    queue = shown_queue(conversation, party)
    return known(
        id=party.id,
        connectedTime=iso(party.leg.connected_at),
        endTime=iso(party.leg.ended_at),
        userId=party.user.id if party.user else None,
        name=party.name,
        queueId=queue.id if queue else None,
        purpose=party.purpose,
        consultParticipantId=party.consulted_for,
        address=_address(conversation, party),
        wrapupRequired=False,
        wrapupExpected=False,
        mediaRoles=["full"],
        attributes={},
        **_communications(party, _event_leg(party)),
    )


def _rest_participant(conversation: Conversation, party: Party) -> Json:
    queue, user = shown_queue(conversation, party), party.user
    return known(
        id=party.id,
        startTime=clock.iso(party.leg.began_at),
        endTime=iso(party.leg.ended_at),
        connectedTime=iso(party.leg.connected_at),
        name=party.name,
        userUri=f"/api/v2/users/{user.id}" if user else None,
        userId=user.id if user else None,
        queueId=queue.id if queue else None,
        queueName=queue.name if queue else None,
        purpose=party.purpose,
        participantType=_PARTICIPANT_TYPES.get(party.purpose, "Internal"),
        consultParticipantId=party.consulted_for,
        address=_address(conversation, party),
        ani=conversation.number,
        dnis=conversation.number,
        wrapupRequired=False,
        mediaRoles=["full"],
        attributes={},
        **_communications(party, _rest_leg(conversation, party)),
    )


def _message_participant(conversation: Conversation, party: Party) -> Json:
    queue, user, leg = shown_queue(conversation, party), party.user, party.leg
    return known(
        id=party.id,
        name=party.name,
        address=_address(conversation, party),
        startTime=clock.iso(leg.began_at),
        connectedTime=iso(leg.connected_at),
        endTime=iso(leg.ended_at),
        purpose=party.purpose,
        state=leg.state,
        direction=leg.direction,
        disconnectType=leg.disconnect_type,
        held=leg.confined,
        wrapupRequired=False,
        mediaRoles=["full"],
        user={"id": user.id, "selfUri": f"/api/v2/users/{user.id}"} if user else None,
        queue={"id": queue.id, "selfUri": f"/api/v2/routing/queues/{queue.id}"} if queue else None,
        attributes={},
        provider=PROVIDERS[TEXT],
        peer=leg.peer_id,
        messages=[_details(message, uri=True) for message in leg.messages],
        type=MESSENGER,
    )


# Communications.


def _communications(party: Party, leg: Json) -> dict[str, list[Json]]:
    """Every list is there, and one of them is not empty."""
    return {name: [leg] if media_type == party.leg.media_type else [] for media_type, name in LISTS.items()}


def _event_leg(party: Party) -> Json:
    leg = party.leg
    common = known(
        id=leg.id,
        state=leg.state,
        initialState=leg.initial_state,
        provider=PROVIDERS.get(leg.media_type),
        peerId=leg.peer_id,
        connectedTime=iso(leg.connected_at),
        disconnectedTime=iso(leg.ended_at),
        disconnectType=leg.disconnect_type,
        afterCallWork={},
        afterCallWorkRequired=False,
    )
    return {**common, **_of_media(leg, uri=False)}


def _rest_leg(conversation: Conversation, party: Party) -> Json:
    """When a call is over and looked at afterwards, its communications are terminated."""
    leg = party.leg
    state = "terminated" if leg.media_type == VOICE and not conversation.live else leg.state
    alerting = leg.began_at if leg.initial_state == "alerting" else None
    told = None if leg.media_type == "video" else _rest_segments(conversation, party)
    more = known(state=state, startAlertingTime=iso(alerting), segments=told)
    return {**_event_leg(party), **more, **_of_media(leg, uri=True)}


def _of_media(leg: Leg, *, uri: bool) -> Json:
    if leg.media_type == TEXT:
        details = [_details(message, uri=uri) for message in leg.messages]
        return {"direction": leg.direction, "held": leg.confined, "type": MESSENGER, "messages": details}
    if leg.media_type != VOICE:
        return {}
    return {
        "direction": leg.direction,
        "recording": False,
        "recordingState": "none",
        "muted": False,
        "confined": leg.confined,
        "held": leg.confined,
        "securePause": False,
    }


def _rest_segments(conversation: Conversation, party: Party) -> list[Json]:
    """The same segments as in analytics, in another spelling."""
    names = {"ivr": "IVR", "segmentStart": "startTime", "segmentEnd": "endTime"}
    return [
        known(
            startTime=one["segmentStart"],
            endTime=one.get("segmentEnd"),
            type=names.get(str(one["segmentType"]), str(one["segmentType"]).capitalize()),
            howEnded="Disconnect" if "disconnectType" in one else "Interact" if "segmentEnd" in one else None,
            disconnectType=party.leg.disconnect_type if "disconnectType" in one else None,
        )
        for one in segments(conversation, party)
    ]


def _details(message: Message, *, uri: bool) -> Json:
    """A text message without its text: that is asked for by its id."""
    path = f"/api/v2/conversations/messages/{message.conversation_id}/messages/{message.id}"
    return known(
        messageId=message.id,
        messageURI=path if uri else None,
        messageTime=clock.iso(message.at),
        messageStatus="received" if message.direction == "inbound" else "sent",
        messageSegmentCount=1,
        media=[],
        stickers=[],
    )


# Small things.


def _address(conversation: Conversation, party: Party) -> str:
    if party.caller:
        return conversation.number
    return f"sip:{party.user.email if party.user else f'{party.id}@127.0.0.1'};user={party.purpose}"


def _divisions(conversation: Conversation) -> list[Json]:
    divisions: dict[str, list[Mapping[str, str]]] = {}
    for queue in conversation.queues:
        entity = {"id": queue.id, "selfUri": f"/api/v2/routing/queues/{queue.id}"}
        divisions.setdefault(queue.division, []).append(entity)
    for user in conversation.users:
        divisions.setdefault(user.division, []).append({"id": user.id, "selfUri": f"/api/v2/users/{user.id}"})
    return [
        {"division": {"id": identity, "selfUri": f"/api/v2/authorization/divisions/{identity}"}, "entities": entities}
        for identity, entities in divisions.items()
    ]
