"""The transcripts endpoint's frame, `{"conversationId","mediaType","timestamp","transcript":[…]}`, as events.

The form is the mission's (no document of the platform has it); every field may be missing or null. Total: whatever
the bytes are, `decode` returns. A well-formed frame is read in one pass. Any other is read again, piece by piece, so
that what is wrong costs only itself:

- not JSON, not an object, `transcript` not a list, a binary frame: the frame is one `Unreadable`, verbatim;
- a line with a field of the wrong type, or no object: that line is one `Unreadable`, its JSON kept;
- a `conversationId`, `mediaType` or `timestamp` of the wrong type, a `NaN`, or nesting deeper than 64: that is read as
  null, and the frame is listed as `Unreadable` beside its lines, because something in it was not read.

A name that occurs twice in an object has its last value, as with most JSON readers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Union

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from genscribe.core.decode import text as texts
from genscribe.core.decode import times
from genscribe.events import Unreadable, Utterance

SOURCE = "transcripts"

Heard = Union[Utterance[str], Unreadable[str]]


class Decoded(msgspec.Struct, frozen=True):
    """What a frame held.

    Attributes:
        events: Utterances in the frame's order, then what could not be read.
        empty: Lines without text, or with nothing but blanks: counted, not delivered.
        system: Lines of type `system`: counted, not delivered.
    """

    events: list[Heard]
    empty: int = 0
    system: int = 0


class _Line(msgspec.Struct, gc=False):
    timestamp: str | int | float | None = None
    speaker: str | None = None
    text: str | None = None
    type: str | None = None


class _Frame(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    media_type: str | None = None
    timestamp: str | int | float | None = None
    transcript: list[_Line] | None = None


_NULL = Raw(b"null")


class _LooseLine(msgspec.Struct):
    timestamp: Raw = _NULL
    speaker: str | None = None
    text: str | None = None
    type: str | None = None


class _LooseFrame(msgspec.Struct, rename="camel"):
    conversation_id: Raw = _NULL
    media_type: Raw = _NULL
    timestamp: Raw = _NULL
    transcript: Raw = _NULL


_FRAME = Decoder(_Frame)
_LOOSE_FRAME = Decoder(_LooseFrame)
_LOOSE_LINES = Decoder(Union[list[Raw], None])
_LOOSE_LINE = Decoder(_LooseLine)
_TIME = Decoder(Union[str, int, float, None])
_STRING = Decoder(Union[str, None])

_REFUSED = (msgspec.MsgspecError, UnicodeError, RecursionError)

_REPAIRS = ((texts.finite, "NaN or Infinity"), (texts.shallow, f"nested deeper than {texts.DEPTH}"))
"""What is left out so that the rest of a frame can be read, and how the frame is then listed."""

_SPEAKERS: dict[str | None, tuple[str, str | None]] = {
    "agent": ("agent", None),
    "customer": ("customer", None),
    "internal": ("agent", "internal"),
    "external": ("customer", "external"),
    "": ("unknown", None),
    None: ("unknown", None),
}
"""The platform's word: our reading of it, and the side where the word names one."""


def decode(payload: str | bytes, *, binary: bool, received_at: str) -> Decoded:
    """The events of one WebSocket message. Never raises.

    Args:
        payload: The message, as text or as its bytes.
        binary: Whether it came as a binary message, which this endpoint never sends.
        received_at: When it was read from the socket, such as `2026-03-21T01:09:56.000Z`. No part of any key.
    """
    raw = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    if binary:
        return Decoded([_unreadable_frame(raw, "binary frame", received_at)])
    try:
        if not texts.needs_mending(raw):
            return _events(_FRAME.decode(raw), received_at)
    except _REFUSED:
        pass
    return _decode_piecewise(raw, received_at)


def _events(frame: _Frame, received_at: str) -> Decoded:
    emitted_at, frame_moment = times.read(frame.timestamp)
    conversation_id = frame.conversation_id or None
    media_type = frame.media_type or None
    equal_before: dict[str, int] = {}
    events: list[Heard] = []
    empty = system = 0
    for line in frame.transcript or ():
        if line.type is not None and line.type.strip().lower() == "system":
            system += 1
            continue
        text = line.text
        if not text or text.isspace():
            empty += 1
            continue
        spoken_at, moment = times.read(line.timestamp)
        # No part can hold a NUL, so the parts cannot run into each other.
        identity = f"{conversation_id or ''}\0{moment or frame_moment}\0{line.speaker or ''}\0{line.type or ''}\0{text}"
        key = _key(identity.encode())
        before = equal_before.get(key, 0)
        equal_before[key] = before + 1
        if before:
            key = _key(f"{identity}\0{before}".encode())
        speaker, side = _SPEAKERS.get(line.speaker) or _speaker(line.speaker)
        events.append(
            Utterance(
                key=key,
                revision=1,
                conversation_id=conversation_id,
                media_type=media_type,
                speaker=speaker,
                side=side,
                text=text,
                spoken_at=spoken_at,
                emitted_at=emitted_at,
                received_at=received_at,
                source=SOURCE,
            )
        )
    return Decoded(events, empty, system)


def _speaker(word: str | None) -> tuple[str, str | None]:
    plain = (word or "").strip().lower()
    return _SPEAKERS.get(plain) or (plain, None)


def _key(identity: bytes) -> str:
    return sha256(identity).hexdigest()[:32]


def _decode_piecewise(raw: bytes, received_at: str) -> Decoded:
    json = texts.mend(raw)
    faults: list[str] = []
    for repair, fault in _REPAIRS:
        repaired = repair(json)
        if repaired != json:
            faults.append(fault)
            json = repaired
    try:
        loose = _LOOSE_FRAME.decode(json)
    except msgspec.ValidationError:
        return Decoded([_unreadable_frame(raw, "not an object", received_at)])
    except _REFUSED as error:
        return Decoded([_unreadable_frame(raw, f"not JSON: {error}", received_at)])
    try:
        loose_lines = _LOOSE_LINES.decode(loose.transcript) or []
    except _REFUSED:
        return Decoded([_unreadable_frame(raw, "transcript is not a list", received_at)])
    lines, bad = _read_lines(loose_lines)
    frame = _read_envelope(loose, lines, faults)
    decoded = _events(frame, received_at)
    decoded.events.extend(_unreadable_lines(frame, bad, received_at))
    if faults:
        decoded.events.append(_unreadable_frame(raw, "; ".join(faults), received_at))
    return decoded


def _read_lines(loose_lines: Iterable[Raw]) -> tuple[list[_Line], list[tuple[bytes, str]]]:
    """The lines that can be read, and (JSON, reason) of those that cannot."""
    lines: list[_Line] = []
    bad: list[tuple[bytes, str]] = []
    for json in loose_lines:
        line = _read_line(json)
        if isinstance(line, str):
            bad.append((bytes(json), line))
        else:
            lines.append(line)
    return lines, bad


def _read_line(json: Raw) -> _Line | str:
    """The line, or what is wrong with it."""
    try:
        line = _LOOSE_LINE.decode(json)
        return _Line(_read_time(line.timestamp), line.speaker, line.text, line.type)
    except _REFUSED as error:
        return f"line: {error}"


def _read_envelope(loose: _LooseFrame, lines: list[_Line], faults: list[str]) -> _Frame:
    """The frame's own fields; one of the wrong type is null and named in `faults`."""
    frame = _Frame(transcript=lines)
    try:
        frame.conversation_id = _STRING.decode(loose.conversation_id)
    except _REFUSED:
        faults.append("conversationId is no text")
    try:
        frame.media_type = _STRING.decode(loose.media_type)
    except _REFUSED:
        faults.append("mediaType is no text")
    try:
        frame.timestamp = _read_time(loose.timestamp)
    except _REFUSED:
        faults.append("timestamp is no time")
    return frame


def _read_time(json: Raw) -> str | int | float | None:
    value: str | int | float | None
    try:
        value = _TIME.decode(json)
    except msgspec.ValidationError:
        # A number that no machine number holds is a time that cannot be read, not a wrong type.
        if (number := bytes(json))[:1] in b"-0123456789":
            return number.decode()
        raise
    return value


def _unreadable_frame(raw: bytes, reason: str, received_at: str) -> Unreadable[str]:
    return _unreadable(b"frame\0" + raw, raw, reason, received_at)


def _unreadable_lines(frame: _Frame, bad: Iterable[tuple[bytes, str]], received_at: str) -> Iterator[Unreadable[str]]:
    equal_before: Counter[bytes] = Counter()
    _, frame_moment = times.read(frame.timestamp)
    for raw, reason in bad:
        place = f"line\0{frame.conversation_id or ''}\0{frame_moment}\0{equal_before[raw]}\0"
        equal_before[raw] += 1
        yield _unreadable(place.encode() + raw, raw, reason, received_at)


def _unreadable(identity: bytes, raw: bytes, reason: str, received_at: str) -> Unreadable[str]:
    return Unreadable(key=_key(identity), revision=1, received_at=received_at, reason=reason, source=SOURCE, raw=raw)
