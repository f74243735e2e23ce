"""The answer of `POST /api/v2/conversations/messages/{id}/messages/bulk`, a `TextMessageListing`, as texts.

`{"entities": [MessageData]}`; every field may be missing or null. Total: whatever the bytes are, `read` returns, and a
bad entity costs only itself.
"""

from __future__ import annotations

from typing import Optional

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from genscribe.core.decode import pieces, times
from genscribe.core.decode.pieces import REFUSED


class Text(msgspec.Struct, frozen=True):
    """One text message.

    Attributes:
        text: `None` when it has none: an attachment, a receipt, a typing indicator.
        at: When it was sent, as `2026-03-21T01:09:55.225Z`.
        direction: `inbound` or `outbound`, in lower case.
        messenger_type: `sms`, `webmessaging`, `whatsapp`, ... in lower case.
        sender_user_id: The user who wrote it; `None` for a customer and for a bot.
        status: The platform's word in lower case, such as `delivery-success`.
    """

    message_id: str
    conversation_id: str | None = None
    text: str | None = None
    at: str | None = None
    direction: str | None = None
    messenger_type: str | None = None
    sender_user_id: str | None = None
    status: str | None = None


class _Normalized(msgspec.Struct):
    text: str | None = None


class _Ref(msgspec.Struct):
    id: str | None = None


class _Entity(msgspec.Struct, rename="camel"):
    id: str | None = None
    conversation_id: str | None = None
    timestamp: str | int | float | None = None
    direction: str | None = None
    messenger_type: str | None = None
    status: str | None = None
    normalized_message: _Normalized | None = None
    created_by: _Ref | None = None


class _Listing(msgspec.Struct):
    entities: Raw = pieces.NULL


_LISTING = Decoder(_Listing)
_ENTITIES = Decoder(Optional[list[Raw]])
_ENTITY = Decoder(Optional[_Entity])
_ESSENTIAL = frozenset({"id", "normalizedMessage", "normalizedMessage.text"})
"""Without these an entity is not read: a text would be taken for none."""


def read(body: bytes) -> list[Text]:
    """The messages in an answer, in its order; what cannot be read is not among them. Never raises."""
    json, _ = pieces.repaired(body)
    try:
        entities = _ENTITIES.decode(_LISTING.decode(json).entities) or []
    except REFUSED:
        return []
    texts = (_read(entity) for entity in entities)
    return [text for text in texts if text is not None]


def _read(json: Raw) -> Text | None:
    entity, lost = pieces.salvage(json, _ENTITY)
    if entity is None or not entity.id or not _ESSENTIAL.isdisjoint(lost):
        return None
    return Text(
        message_id=entity.id,
        conversation_id=entity.conversation_id or None,
        text=(entity.normalized_message.text or None) if entity.normalized_message else None,
        at=times.read(entity.timestamp)[0],
        direction=_word(entity.direction),
        messenger_type=_word(entity.messenger_type),
        sender_user_id=(entity.created_by.id or None) if entity.created_by else None,
        status=_word(entity.status),
    )


def _word(word: str | None) -> str | None:
    return (word or "").strip().lower() or None
