"""The body of `v2.conversations.{id}.transcription`, the platform's `TranscriptionTopicTranscriptionMessage`.

Every field may be missing or null, every enum may have words that nobody knows yet. `transcripts` is absent from
messages that only tell the session's state. The classes called `Known…` have each field that the platform's model
has, so that a new one is noticed; the others have what is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, Generic, Optional, TypeVar, Union

import msgspec
from msgspec import Meta, Raw
from msgspec.json import Decoder

from genscribe.core.decode import pieces, times
from genscribe.core.decode.pieces import NULL, REFUSED
from genscribe.events import Unreadable, Utterance, Word

SOURCE = "notifications"

_LIMIT = 2**53
Ms = Union[Annotated[int, Meta(ge=-_LIMIT, le=_LIMIT)], Annotated[float, Meta(ge=-_LIMIT, le=_LIMIT)], None]
"""Milliseconds; beyond what every reader of JSON takes for a whole number it is of the wrong type."""


class Speech(msgspec.Struct, frozen=True):
    """What one transcription message said of one communication's session.

    Attributes:
        conversation_id: From the body, else from the topic's name.
        session_started_at: Epoch milliseconds from which offsets count: `sessionStartTimeMs`, else
            `transcriptionStartTimeMs` (some 30 ms apart where both are sent); `None` when neither was.
        utterances: `speaker` is provisional: who stands on the internal side is not in the message.
        ended: The session is over (`SESSION_ENDED`). `ongoing`: it goes on (`SESSION_ONGOING`).
        emitted_at: When the platform sent it.
        empty: Results without text, or with nothing but blanks: counted, not delivered.
    """

    conversation_id: str | None
    communication_id: str | None
    session_started_at: int | None
    utterances: list[Utterance[str]]
    ended: bool
    ongoing: bool
    emitted_at: str | None
    empty: int


class _Word(msgspec.Struct, rename="camel", gc=False):
    word: str | None = None
    offset_ms: Ms = None
    duration_ms: Ms = None
    confidence: float | None = None


class KnownWord(_Word, forbid_unknown_fields=True, gc=False):
    """All fields of `TranscriptionTopicTranscriptWord`."""

    start_time_ms: Raw = NULL


_AWord = TypeVar("_AWord", bound=_Word)


class _Alternative(msgspec.Struct, Generic[_AWord], rename="camel"):
    confidence: float | None = None
    offset_ms: Ms = None
    duration_ms: Ms = None
    transcript: str | None = None
    decorated_transcript: str | None = None
    words: list[_AWord] | None = None


class KnownAlternative(_Alternative[KnownWord], forbid_unknown_fields=True):
    """All fields of `TranscriptionTopicTranscriptAlternative`."""

    decorated_words: Raw = NULL


_AnAlternative = TypeVar("_AnAlternative", bound=_Alternative[Any])


class _Result(msgspec.Struct, Generic[_AnAlternative], rename="camel"):
    utterance_id: str | None = None
    is_final: bool | None = None
    channel: str | None = None
    alternatives: list[_AnAlternative] | None = None
    dialect: str | None = None


class KnownResult(_Result[KnownAlternative], forbid_unknown_fields=True):
    """All fields of `TranscriptionTopicTranscriptResult`."""

    agent_assistant_id: Raw = NULL
    engine_provider: Raw = NULL
    engine_id: Raw = NULL
    engine_name: Raw = NULL
    speech_text_analytics_program_id: Raw = NULL
    agent_assist_enabled: Raw = NULL
    voice_transcription_enabled: Raw = NULL


class KnownStatus(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """All fields of `TranscriptionTopicTranscriptionRequestStatus`."""

    offset_ms: Raw = NULL
    status: str | None = None


class KnownBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """All fields of `TranscriptionTopicTranscriptionMessage`."""

    event_time: str | int | float | None = None
    organization_id: Raw = NULL
    conversation_id: str | None = None
    communication_id: str | None = None
    session_start_time_ms: Ms = None
    transcription_start_time_ms: Ms = None
    transcripts: list[KnownResult] | None = None
    status: KnownStatus | None = None
    speech_text_analytics_program_id: Raw = NULL


WITHIN: dict[str, type[msgspec.Struct]] = {
    "eventBody": KnownBody,
    "transcripts": KnownResult,
    "alternatives": KnownAlternative,
    "words": KnownWord,
    "decoratedWords": KnownWord,
    "status": KnownStatus,
}
"""The model of what stands under a name, alone or in a list."""


class _LooseStatus(msgspec.Struct):
    status: str | None = None


class _LooseBody(msgspec.Struct, rename="camel"):
    event_time: Raw = NULL
    conversation_id: Raw = NULL
    communication_id: Raw = NULL
    session_start_time_ms: Raw = NULL
    transcription_start_time_ms: Raw = NULL
    transcripts: Raw = NULL
    status: Raw = NULL


_AnyResult = _Result[_Alternative[_Word]]
_BODY = Decoder(Optional[_LooseBody])
_STATUS = Decoder(Optional[_LooseStatus])
_RESULTS = Decoder(Optional[list[Raw]])
_RESULT: Decoder[_AnyResult] = Decoder(_Result[_Alternative[_Word]])
_STRING = Decoder(Optional[str])
_TIME = Decoder(Union[str, int, float, None])
_MS: Decoder[int | float | None] = Decoder(Ms)

_SIDES: dict[str | None, tuple[str, str | None]] = {
    "INTERNAL": ("agent", "internal"),
    "EXTERNAL": ("customer", "external"),
    None: ("unknown", None),
}
"""The platform's word: who that is until the participants say better, and the side."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*", re.ASCII).fullmatch
_LANGUAGE_LENGTH = 35
"""RFC 5646 4.4.1: what must fit. Longer ones are left as they are."""


class Session(msgspec.Struct):
    """What of a body stands beside its results."""

    conversation_id: str | None = None
    communication_id: str | None = None
    event_time: str | int | float | None = None
    session_start_time_ms: float | int | None = None
    transcription_start_time_ms: float | int | None = None
    status: str | None = None


def read(body: KnownBody, conversation_id: str | None, received_at: str) -> Speech:
    """The speech in a body that has nothing wrong or new. `conversation_id` is the topic's."""
    session = Session(
        body.conversation_id or conversation_id,
        body.communication_id or None,
        body.event_time,
        body.session_start_time_ms,
        body.transcription_start_time_ms,
        body.status.status if body.status else None,
    )
    return _speech(session, body.transcripts or (), received_at)


def read_piecewise(
    json: Raw, conversation_id: str | None, received_at: str
) -> tuple[Speech, list[Unreadable[str]], list[str]]:
    """The speech in any other body, the results that cannot be read, and in words what else could not."""
    faults: list[str] = []
    loose = pieces.field(_BODY, json, "eventBody", faults) or _LooseBody()
    session = Session(
        pieces.field(_STRING, loose.conversation_id, "conversationId", faults) or conversation_id,
        pieces.field(_STRING, loose.communication_id, "communicationId", faults) or None,
        pieces.field(_TIME, loose.event_time, "eventTime", faults),
        pieces.field(_MS, loose.session_start_time_ms, "sessionStartTimeMs", faults),
        pieces.field(_MS, loose.transcription_start_time_ms, "transcriptionStartTimeMs", faults),
    )
    if status := pieces.field(_STATUS, loose.status, "status", faults):
        session.status = status.status
    results: list[_AnyResult] = []
    bad: list[tuple[bytes, str]] = []
    for result in pieces.field(_RESULTS, loose.transcripts, "transcripts", faults) or ():
        read_result = _read_result(result)
        if isinstance(read_result, str):
            bad.append((bytes(result), read_result))
        else:
            results.append(read_result)
    return _speech(session, results, received_at), _unreadable(session, bad, received_at), faults


def _read_result(json: Raw) -> _AnyResult | str:
    """The result, or what is wrong with it."""
    try:
        return _RESULT.decode(json)
    except REFUSED as error:
        return f"transcript: {error}"


def _speech(session: Session, results: Iterable[_Result[Any]], received_at: str) -> Speech:
    emitted_at, _ = times.read(session.event_time)
    started_at = _session_start(session)
    utterances: list[Utterance[str]] = []
    empty = 0
    for result in results:
        best: _Alternative[Any] | None = result.alternatives[0] if result.alternatives else None
        text = _text(best) if best else None
        if best is None or text is None:
            empty += 1
            continue
        speaker, side = _SIDES.get(result.channel) or _side(result.channel)
        offset = best.offset_ms
        is_final = result.is_final is not False
        utterances.append(
            Utterance(
                key=_key(_identity(session, result, best, text)),
                revision=1 if is_final else 0,
                conversation_id=session.conversation_id,
                communication_id=session.communication_id,
                utterance_id=result.utterance_id or None,
                media_type="voice",
                speaker=speaker,
                side=side,
                text=text,
                is_final=is_final,
                spoken_at=None if started_at is None or offset is None else times.from_ms(started_at + offset),
                offset_ms=offset,
                duration_ms=best.duration_ms,
                confidence=best.confidence,
                language=_language(result.dialect) if result.dialect else None,
                words=_words(best.words),
                emitted_at=emitted_at,
                received_at=received_at,
                source=SOURCE,
            )
        )
    status = (session.status or "").strip().upper()
    return Speech(
        conversation_id=session.conversation_id,
        communication_id=session.communication_id,
        session_started_at=started_at,
        utterances=utterances,
        ended=status == "SESSION_ENDED",
        ongoing=status == "SESSION_ONGOING",
        emitted_at=emitted_at,
        empty=empty,
    )


def _session_start(session: Session) -> int | None:
    """Zero is what some writers send for a number that they do not have."""
    start = session.session_start_time_ms or session.transcription_start_time_ms or 0
    return int(start) if start > 0 else None


def _text(best: _Alternative[Any]) -> str | None:
    for text in (best.decorated_transcript, best.transcript):
        if text and not text.isspace():
            return text
    return None


def _words(words: list[_Word] | None) -> list[Word] | None:
    if words is None:
        return None
    return [Word(word.word, word.offset_ms, word.duration_ms, word.confidence) for word in words]


def _side(channel: str | None) -> tuple[str, str | None]:
    word = (channel or "").strip()
    return _SIDES.get(word.upper() or None) or ("unknown", word.lower())


def _language(dialect: str) -> str:
    return _canonical(dialect) if len(dialect) <= _LANGUAGE_LENGTH else dialect


@lru_cache(maxsize=256)
def _canonical(dialect: str) -> str:
    """`en-us` as `en-US`, `zh-hans-cn` as `zh-Hans-CN` (RFC 5646 2.1.1); what is no language tag stays as it is."""
    if not _LANGUAGE(dialect.strip()):
        return dialect
    first, *others = dialect.strip().replace("_", "-").split("-")
    parts = [first.lower()]
    for part in others:
        # After a singleton, such as the x of private use, everything is in lower case.
        if len(parts[-1]) == 1 or len(part) not in (2, 4) or any(len(before) == 1 for before in parts):
            parts.append(part.lower())
        else:
            parts.append(part.upper() if len(part) == 2 else part.title())
    return "-".join(parts)


def _identity(session: Session, result: _Result[Any], best: _Alternative[Any], text: str) -> str:
    # No part can hold a NUL, so the parts cannot run into each other.
    whole = f"{session.conversation_id or ''}\0{session.communication_id or ''}\0{result.utterance_id or ''}"
    if result.utterance_id:
        return whole
    # 13720 and 13720.0 are one place.
    place = times.read(session.event_time)[1] if best.offset_ms is None else f"{best.offset_ms:.17g}"
    return f"{whole}\0{place}\0{result.channel or ''}\0{text}"


def _key(identity: str) -> str:
    return sha256(identity.encode()).hexdigest()[:32]


def _unreadable(session: Session, bad: list[tuple[bytes, str]], received_at: str) -> list[Unreadable[str]]:
    equal_before: Counter[bytes] = Counter()
    _, moment = times.read(session.event_time)
    listed: list[Unreadable[str]] = []
    for raw, reason in bad:
        place = f"{session.conversation_id or ''}\0{session.communication_id or ''}\0{moment}\0{equal_before[raw]}"
        equal_before[raw] += 1
        listed.append(unreadable(f"transcript\0{place}\0".encode() + raw, raw, reason, received_at))
    return listed


def unreadable(identity: bytes, raw: bytes, reason: str, received_at: str) -> Unreadable[str]:
    """What could not be read, known by `identity`."""
    key = sha256(identity).hexdigest()[:32]
    return Unreadable(key=key, revision=1, received_at=received_at, reason=reason, source=SOURCE, raw=raw)
