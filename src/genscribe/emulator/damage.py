"""The bytes of damaged frames: what a good frame becomes, or what comes beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genscribe.emulator import wire
from genscribe.emulator.faults import Order
from genscribe.emulator.platform import encode

Document = Mapping[str, Any]


def _beside(*lines: object) -> Callable[[Document], list[bytes]]:
    """Bad lines on both sides of the good one, in one frame."""

    def build(good: Document) -> list[bytes]:
        return [wire.text(encode({**good, "transcript": [*lines, *good["transcript"], *lines]}))]

    return build


def _before(payload: bytes, opcode: int = wire.TEXT) -> Callable[[Document], list[bytes]]:
    """A bad frame before the good one."""

    def build(good: Document) -> list[bytes]:
        return [wire.frame(payload, opcode), wire.text(encode(good))]

    return build


def _changed(**fields: object) -> Callable[[Document], list[bytes]]:
    """A frame with the good one's fields, some of them replaced, before the good one."""

    def build(good: Document) -> list[bytes]:
        return [wire.text(encode({**good, **fields})), wire.text(encode(good))]

    return build


MALFORMED: Mapping[str, Callable[[Document], list[bytes]]] = {
    "not-json": _before(b'{"conversationId": "6ad9cd53'),
    "empty": _before(b""),
    "list": _before(b'[{"conversationId": "x", "transcript": []}]'),
    "string": _before(b'"hello"'),
    "number": _before(b"17"),
    "null": _before(b"null"),
    "bom": _before(b"\xef\xbb\xbf{}"),
    "nan": _before(b'{"conversationId": "x", "timestamp": NaN, "transcript": []}'),
    "deep": _before(b"[" * 100_000),
    "huge-integer": _before(b'{"conversationId": "x", "timestamp": ' + b"9" * 5000 + b', "transcript": []}'),
    "binary": _before(bytes(range(256)), wire.BINARY),
    "transcript-object": _changed(transcript={"text": "not a list"}),
    "transcript-string": _changed(transcript="not a list"),
    "transcript-missing": _before(b'{"conversationId": "x", "mediaType": "voice"}'),
    "transcript-empty": _changed(transcript=[]),
    "wrong-types": _beside(5, "text", None, [], {"text": 7, "speaker": "agent"}, {"text": ["a"], "speaker": {}}),
    "null-text": _beside({"timestamp": None, "speaker": None, "text": None, "type": None}, {"speaker": "agent"}),
    "surrogate": _before(b'{"conversationId": "x", "transcript": [{"speaker": "agent", "text": "\\ud800\\u0000"}]}'),
    "unknown-fields": _beside({"text": "", "speaker": "agent", "newField": {"deep": [1, 2, {"er": None}]}}),
}
"""What `malformed` can be. The good line always arrives too, in the same frame or in the next."""

_ANY = ("not-json", "empty", "list", "string", "number", "null", "bom", "deep", "huge-integer", "binary")


def _said(*results: object) -> Callable[[Document], list[bytes]]:
    """Bad results on both sides of the good one, in one notification."""

    def build(good: Document) -> list[bytes]:
        body = good["eventBody"]
        return [
            wire.text(
                encode({**good, "eventBody": {**body, "transcripts": [*results, *body["transcripts"], *results]}})
            )
        ]

    return build


def _body(**fields: object) -> Callable[[Document], list[bytes]]:
    """A notification with some fields of its body replaced, before the good one."""

    def build(good: Document) -> list[bytes]:
        spoiled = {**good, "eventBody": {**good["eventBody"], **fields}}
        return [wire.text(encode(spoiled)), wire.text(encode(good))]

    return build


MALFORMED_EVENTS: Mapping[str, Callable[[Document], list[bytes]]] = {
    **{kind: MALFORMED[kind] for kind in _ANY},
    "body-missing": _before(b'{"topicName": "v2.conversations.x.transcription", "version": "2"}'),
    "body-list": _changed(eventBody=[]),
    "unknown-topic": _changed(topicName="v2.unheard.of", version="3"),
    "no-topic": _changed(topicName=None),
    "transcripts-object": _body(transcripts={"text": "not a list"}),
    "transcripts-null": _body(transcripts=None),
    "status-wrong": _body(transcripts=[], status="SESSION_ONGOING", sessionStartTimeMs="soon"),
    "wrong-types": _said(5, "text", None, [], {"alternatives": "none"}, {"alternatives": [7]}, {"utteranceId": 7}),
    "null-text": _said({"utteranceId": "null", "isFinal": True, "alternatives": [{"transcript": None, "words": None}]}),
    "unknown-fields": _said({"newField": {"deep": [1, 2, {"er": None}]}}),
}
"""What `malformed` can be on a notification channel; a kind that is only of the other endpoint is `not-json` here."""

VIOLATIONS: Mapping[str, bytes] = {
    "rsv": wire.frame(b"{}", rsv=4),
    "masked": wire.frame(b"{}", masked=True),
    "opcode": wire.frame(b"{}", 0x3),
    "continuation": wire.frame(b"{}", wire.CONTINUATION),
    "utf8": wire.text(b'{"text": "\xff\xfe"}'),
    "long-ping": wire.frame(b"x" * 126, wire.PING),
    "declared": wire.frame(b"{}", declared=(1 << 63) - 1),
}
"""Frames that RFC 6455 forbids (`declared` only announces too much)."""


FOREVER = 1 << 40


@dataclass(frozen=True)
class Change:
    """What faults make of a frame.

    Attributes:
        messages: What goes out in its place.
        hold: Behind how many later frames it is held back; `None` is not at all.
        used: The orders that struck.
    """

    messages: Sequence[bytes]
    hold: int | None = None
    used: tuple[Order, ...] = ()


def altered(orders: Iterable[Order], good: Document, messages: Sequence[bytes], *, holding: bool) -> Change:
    """What these orders make of the frame `good`, which is `messages` on the wire; each sees the work of the last.

    `holding` says that a frame is held back already; then the next is not, or nothing would ever change places.
    """
    change = Change(messages)
    for order in orders:
        if order.name == "out-of-order" and holding:
            continue
        hold = change.hold
        if order.name == "out-of-order":
            hold = int(order["by"])
        elif order.name == "burst":
            hold = FOREVER if order.left is None else order.left - 1
        change = Change(_damaged(order, good, change.messages), hold, (*change.used, order))
    return change


def _damaged(order: Order, good: Document, messages: Sequence[bytes]) -> Sequence[bytes]:
    name = order.name
    if name == "malformed":
        kinds = MALFORMED_EVENTS if "topicName" in good else MALFORMED
        kind = order["kind"] or list(kinds)[order.used % len(kinds)]
        return kinds.get(kind, kinds["not-json"])(good)
    if name == "duplicate":
        return [*messages] * int(order["copies"])
    if name == "oversized":
        return [_oversized(order, good), *messages]
    if name == "fragmented":
        return [wire.fragments(encode(good), int(order["size"]))]
    return messages


def _oversized(order: Order, good: Document) -> bytes:
    if order["declared"] is not None:
        return wire.frame(b"{", declared=int(order["declared"]))
    bare = encode({**good, "transcript": [], "padding": ""})
    return wire.text(bare[:-2] + b"x" * (int(order["size"]) - len(bare)) + bare[-2:])
