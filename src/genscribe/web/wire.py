"""Events as the page gets them: the contract's JSON without word times, and no text longer than a page can bear."""

from __future__ import annotations

import msgspec

from genscribe.events import Record

MAX_TEXT = 4000
"""Characters of a line that the page gets; downloads have all of it."""

KINDS = frozenset({"utterance", "conversation", "participant", "gap"})
"""What browsers are told of."""


class Line(msgspec.Struct, tag_field="kind", tag="utterance"):
    """A line of a conversation. Fields as in `events.Utterance`; `cut` says that the text goes on."""

    key: str
    revision: int
    seq: int = 0
    conversation_id: str | None = None
    communication_id: str | None = None
    utterance_id: str | None = None
    media_type: str | None = None
    speaker: str = "unknown"
    side: str | None = None
    participant_id: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    text: str = ""
    is_final: bool = True
    spoken_at: str | None = None
    offset_ms: float | int | None = None
    duration_ms: float | int | None = None
    confidence: float | None = None
    language: str | None = None
    received_at: str | None = None
    cut: bool = False


_decode = msgspec.json.Decoder(Line).decode
encode = msgspec.json.Encoder().encode


def whole(record: Record) -> Line:
    """An utterance's record as a line, with all of its text."""
    found = _decode(record.body)
    found.seq = record.seq
    return found


def line(record: Record) -> Line:
    """An utterance's record as a line that the page can bear."""
    found = whole(record)
    if len(found.text) > MAX_TEXT:
        found.text, found.cut = found.text[:MAX_TEXT], True
    return found


def event(record: Record) -> bytes | None:
    """A record as JSON; `None` when it is nothing of which browsers are told."""
    if record.kind == "utterance":
        return encode(line(record))
    return record.json() if record.kind in KINDS else None
