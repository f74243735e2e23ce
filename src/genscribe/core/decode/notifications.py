"""Frames of a notification channel, `{"topicName","version","eventBody","metadata"}`, as messages.

Total: whatever the bytes are, `decode` returns. A good frame of the two topics that come in masses is read in one
pass; any other is read piece by piece, so that what is wrong costs only itself:

- a binary frame, no JSON, no object, no topic: the frame is one `Unreadable`, verbatim;
- a transcript with a field of the wrong type: that one is one `Unreadable`, its JSON kept;
- anything else of the wrong type, `NaN`, nesting deeper than 64: read as if it had not been sent, and the frame is
  listed as `Unreadable` beside its messages.

Topics that nobody here knows are named, fields that the platform's model of a transcription message lacks too. Names
that leave this module hold no id: a channel's is a secret.
"""

from __future__ import annotations

import re
from typing import Optional, Union

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from genscribe.core.decode import conversations, pieces
from genscribe.core.decode import speech as speeches
from genscribe.core.decode import text as texts
from genscribe.core.decode.pieces import NULL, REFUSED
from genscribe.core.decode.speech import SOURCE, Speech
from genscribe.core.snapshot import Snapshot
from genscribe.events import Unreadable

__all__ = [
    "SOURCE",
    "Closing",
    "Decoded",
    "Heartbeat",
    "Lost",
    "Message",
    "Other",
    "Pong",
    "Reply",
    "Seen",
    "Speech",
    "SubscriptionChanged",
    "decode",
    "name_of",
]


class Seen(msgspec.Struct, frozen=True):
    """A conversation as a queue's or a user's topic showed it. The id that the topic does not have is `None`."""

    snapshot: Snapshot
    queue_id: str | None = None
    user_id: str | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    """The channel lives: sent by the platform about every 30 s."""


class Pong(msgspec.Struct, frozen=True):
    """The answer to `{"message":"ping"}`."""


class Closing(msgspec.Struct, frozen=True):
    """The platform closes this socket in about a minute."""


class Lost(msgspec.Struct, frozen=True):
    """The channel hears nothing more.

    Attributes:
        reason: The platform's word, `another_channel_subscribed` or `user_tokens_revoked`; else the topic's.
        topic: `v2.system.no_longer_subscribed.{id}` or `v2.system.token_revoked.{id}`, as written here.
    """

    reason: str
    topic: str


class Reply(msgspec.Struct, frozen=True):
    """An answer to what was sent over the socket; 404 says that the channel is gone.

    Attributes:
        result: Like an HTTP status; `None` when it is no number.
        status: The platform's word, such as `subscribed`; empty when there is none.
    """

    result: int | None
    status: str


class SubscriptionChanged(msgspec.Struct, frozen=True):
    """Somebody changed what this channel is subscribed to."""


class Other(msgspec.Struct, frozen=True):
    """A message of a topic that is not read here. `topic` is its name with every id as `{id}`, at most 200 long."""

    topic: str


Message = Union[Speech, Seen, Heartbeat, Pong, Closing, Lost, Reply, SubscriptionChanged, Other]


class Decoded(msgspec.Struct, frozen=True):
    """What a frame held.

    Attributes:
        messages: One in a frame that can be read, none in one that cannot.
        unreadable: What of it could not be read, verbatim.
        unknown_fields: Dotted names, such as `eventBody.transcripts.newField`, of fields of a transcription message
            that the platform's model lacks: at most 16, each name once.
    """

    messages: list[Message]
    unreadable: list[Unreadable[str]] = []  # msgspec makes a new one for each
    unknown_fields: tuple[str, ...] = ()


class _SpeechFrame(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    topic_name: str
    version: Raw = NULL
    event_body: speeches.KnownBody | None = None
    metadata: Raw = NULL


class _ConversationFrame(msgspec.Struct, rename="camel"):
    topic_name: str
    event_body: conversations.Wire


class _LooseFrame(msgspec.Struct, rename="camel"):
    topic_name: Raw = NULL
    event_body: Raw = NULL
    result: Raw = NULL
    status: Raw = NULL


class _SystemBody(msgspec.Struct, rename="camel"):
    """Of `SystemMessageSystemMessage` and of `channel.metadata`."""

    message: str | None = None
    system_topic_type: str | None = None
    reason: str | None = None


_SPEECH_FRAME = Decoder(_SpeechFrame)
_CONVERSATION_FRAME = Decoder(_ConversationFrame)
_LOOSE_FRAME = Decoder(_LooseFrame)
_SYSTEM_BODY = Decoder(Optional[_SystemBody])
_FAMILIAR = {name: Decoder(Union[list[model], model, None]) for name, model in speeches.WITHIN.items()}  # type: ignore[valid-type]
"""Takes what stands under a name when no field of it is new and none is of the wrong type."""
_STRING = Decoder(Optional[str])
_SCALAR = Decoder(Union[str, int, None])

_SPEECH_TOPIC = re.compile(r"v2\.conversations\.(.+)\.transcription", re.DOTALL).fullmatch
_QUEUE_TOPIC = re.compile(r"v2\.routing\.queues\.([^.]+)\.conversations").fullmatch
_USER_TOPIC = re.compile(r"v2\.users\.([^.]+)\.conversations").fullmatch
_SYSTEM_TOPIC = re.compile(r"v2\.system\.([a-z_]+)(?:\..*)?", re.DOTALL).fullmatch

_NAME = re.compile(r"v2|[A-Za-z_]{1,40}", re.ASCII).fullmatch
_WORD = re.compile(r"[a-z_ .-]{1,64}", re.ASCII).fullmatch
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
_TOPIC_PARTS, _TOPIC_LENGTH = 12, 200
_UNKNOWN_FIELDS, _FIELD_LENGTH = 16, 40


def decode(payload: str | bytes, *, binary: bool, received_at: str) -> Decoded:
    """The messages of one WebSocket message. Never raises.

    Args:
        payload: The message, as text or as its bytes.
        binary: Whether it came as a binary message, which this endpoint never sends.
        received_at: When it was read from the socket, such as `2026-03-21T01:09:56.000Z`. No part of any key.
    """
    raw = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    if binary:
        return Decoded([], [_unreadable_frame(raw, "binary frame", received_at)])
    try:
        if not texts.needs_mending(raw):
            message = _read_whole(raw, received_at)
            if message is not None:
                return Decoded([message])
    except REFUSED:
        pass
    return _decode_piecewise(raw, received_at)


def name_of(topic: str) -> str:
    """A topic's name as the platform's documents write it: every part that may be an id is `{id}`.

    At most 200 characters, none but letters, `_`, `.`, the braces and the `v2` at its start.
    """
    parts = topic.split(".", _TOPIC_PARTS)
    return ".".join(part if _NAME(part) else "{id}" for part in parts[:_TOPIC_PARTS])[:_TOPIC_LENGTH]


def _read_whole(raw: bytes, received_at: str) -> Message | None:
    """The message of a frame with nothing wrong or new in it; `None` when it has to be looked at more closely."""
    # A guess by the end of the topic's name spares a pass over the body; the name itself then tells.
    if b'.transcription"' in raw:
        frame = _SPEECH_FRAME.decode(raw)
        if topic := _SPEECH_TOPIC(frame.topic_name):
            return speeches.read(frame.event_body or speeches.KnownBody(), topic[1], received_at)
    elif b'.conversations"' in raw:
        seen = _CONVERSATION_FRAME.decode(raw)
        queue, user = _QUEUE_TOPIC(seen.topic_name), _USER_TOPIC(seen.topic_name)
        if queue or user:
            snapshot, lost = conversations.snapshot(seen.event_body)
            return None if snapshot is None or lost else _seen(snapshot, queue, user)
    return None


def _decode_piecewise(raw: bytes, received_at: str) -> Decoded:
    json, faults = pieces.repaired(raw)
    try:
        frame = _LOOSE_FRAME.decode(json)
    except msgspec.ValidationError:
        return Decoded([], [_unreadable_frame(raw, "not an object", received_at)])
    except REFUSED as error:
        return Decoded([], [_unreadable_frame(raw, f"not JSON: {error}", received_at)])
    topic = pieces.field(_STRING, frame.topic_name, "topicName", faults)
    decoded = Decoded([], [])
    if topic:
        decoded = _read_topic(topic, frame, json, received_at, faults)
    elif frame.result != NULL:
        decoded.messages.append(_reply(frame))
    elif not faults:
        faults.append("no topicName")
    if faults:
        decoded.unreadable.append(_unreadable_frame(raw, "; ".join(faults), received_at))
    return decoded


def _read_topic(topic: str, frame: _LooseFrame, json: bytes, received_at: str, faults: list[str]) -> Decoded:
    if speech := _SPEECH_TOPIC(topic):
        said, bad, wrong = speeches.read_piecewise(frame.event_body, speech[1], received_at)
        faults += wrong
        return Decoded([said], bad, unknown_fields(json))
    queue, user = _QUEUE_TOPIC(topic), _USER_TOPIC(topic)
    if queue or user:
        snapshot, lost = conversations.read_piecewise(frame.event_body)
        if lost:
            faults.append(pieces.named(lost))
        return Decoded([] if snapshot is None else [_seen(snapshot, queue, user)], [])
    system = _SYSTEM_TOPIC(topic)
    if system or topic == "channel.metadata":
        body, lost = pieces.salvage(frame.event_body, _SYSTEM_BODY)
        if lost:
            faults.append(pieces.named(lost))
        return Decoded([_system(topic, system[1] if system else "", body or _SystemBody())], [])
    return Decoded([Other(name_of(topic))], [])


def _seen(snapshot: Snapshot, queue: re.Match[str] | None, user: re.Match[str] | None) -> Seen:
    return Seen(snapshot, queue[1] if queue else None, user[1] if user else None)


def _system(topic: str, name: str, body: _SystemBody) -> Message:
    if not name:
        return Pong() if (body.message or "").strip().lower() == "pong" else Heartbeat()
    if name == "socket_closing":
        return Closing()
    for word in (name, (body.system_topic_type or "").strip().lower()):
        if word in ("no_longer_subscribed", "token_revoked"):
            return Lost(_word(body.reason) or word, f"v2.system.{word}.{{id}}")
        if word == "subscription_changed":
            return SubscriptionChanged()
    return Other(name_of(topic))


def _reply(frame: _LooseFrame) -> Reply:
    result = _scalar(frame.result)
    status = _scalar(frame.status)
    return Reply(int(result) if re.fullmatch(r"\d{1,9}", result, re.ASCII) else None, _word(status))


def _scalar(json: Raw) -> str:
    """A result, which is sent as text and might be as a number; empty when it is neither."""
    try:
        return str(_SCALAR.decode(json) or "")
    except (*REFUSED, ValueError):
        return ""


def unknown_fields(json: bytes) -> tuple[str, ...]:
    """Dotted names of the fields in a transcription frame that the platform's model lacks. Never raises."""
    names: dict[str, None] = {}
    _find_unknown(Raw(json), "", _SpeechFrame, names)
    return tuple(names)


def _find_unknown(json: Raw, path: str, model: type[msgspec.Struct], names: dict[str, None]) -> None:
    known = model.__struct_encode_fields__
    for one in pieces.items(json) or [json]:
        for name, value in pieces.members(one).items():
            if name not in known:
                if len(names) < _UNKNOWN_FIELDS:
                    names[f"{path}{_UNSAFE.sub('?', name[:_FIELD_LENGTH])}"] = None
            elif name in _FAMILIAR and not pieces.accepts(_FAMILIAR[name], value):
                _find_unknown(value, f"{path}{name}.", speeches.WITHIN[name], names)


def _word(word: str | None) -> str:
    """A platform's word in lower case; empty when it is more than that, or may hold an id."""
    plain = (word or "").strip().lower()
    return plain if _WORD(plain) else ""


def _unreadable_frame(raw: bytes, reason: str, received_at: str) -> Unreadable[str]:
    return speeches.unreadable(b"frame\0" + raw, raw, reason, received_at)
