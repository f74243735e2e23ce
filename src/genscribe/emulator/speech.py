"""Messages of `v2.conversations.{id}.transcription`: what is said, and that a session goes on or is over. Pure.

Field by field after the platform's model and the habits of real messages: one utterance a message, one alternative,
offsets from the session's start, which is about 30 ms after the transcription's; a message that has only a status has
no `transcripts` at all. Times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from genscribe import clock
from genscribe.emulator.analytics import Json
from genscribe.emulator.conversation import VOICE, Conversation, Leg, Session, fresh_uuid
from genscribe.emulator.wording import Heard, heard

ONGOING = "SESSION_ONGOING"
ENDED = "SESSION_ENDED"

SESSION_AFTER_MS = 33
"""From the start of the transcription to that of the session: 29 to 37 in real messages."""

STATUS_EVERY_MS = 300_000
"""A session says that it goes on at its start and every five minutes, whether anyone speaks or not."""

WORD_MS = 40
"""How long most words last in real messages: they are peaks, not spoken lengths."""

SIDES = {"customer": "EXTERNAL", "external": "EXTERNAL"}
"""Whose media an utterance is in by its speaker; all others are INTERNAL."""


@dataclass(frozen=True)
class Word:
    """One spoken word; `offset_ms` counts from the utterance's begin."""

    word: str
    offset_ms: int
    duration_ms: int
    confidence: float = 0.94


def side(speaker: str | None) -> str:
    """The platform's word for the side on which this speaker is."""
    return SIDES.get(speaker or "", "INTERNAL")


def transcription(
    conversation: Conversation,
    text: str,
    *,
    side: str,
    communication_id: str,
    now: int,
    spoken_at: int,
    duration_ms: int = 0,
    words: Sequence[Word] | None = None,
    decorated: str | None = None,
    confidence: float = 0.94,
    language: str | None = None,
    utterance_id: str | None = None,
    is_final: bool = True,
) -> Json:
    """The event body of one utterance.

    Args:
        conversation: Where it is said; the session of its communication begins here if it has not.
        text: As people write it; see `wording` for what is made of it.
        side: `INTERNAL`, `EXTERNAL` or `BOTH`.
        communication_id: As `Conversation.leg_at` says for `spoken_at`.
        now: When the platform sends it.
        spoken_at: When the utterance begins.
        duration_ms: How long it takes.
        words: As spoken, with their times; `None` makes them of `text`.
        decorated: What people read; `None` makes it of `text`.
        confidence: From 0 to 1.
        language: The dialect; `None` is the conversation's.
        utterance_id: `None` makes a fresh one; an interim result and its final have the same.
        is_final: False for an interim result.
    """
    session = session_of(conversation, communication_id, spoken_at - SESSION_AFTER_MS)
    offset = max(0, spoken_at - session.transcription_started_at - SESSION_AFTER_MS)
    tongue = language or conversation.language
    parts = heard(text, tongue) if words is None else [Heard(word.word, (word.word,)) for word in words]
    timed = _timed(parts, duration_ms, confidence) if words is None else list(words)
    shown = " ".join(part.decorated for part in parts) if decorated is None else decorated
    alternative = {
        "confidence": confidence,
        "offsetMs": offset,
        "durationMs": duration_ms,
        "transcript": " ".join(word.word for word in timed),
        "words": [_word(word, offset, 3) for word in timed],
        "decoratedTranscript": shown,
        "decoratedWords": [_word(word, offset, 2) for word in _joined(parts, timed)],
    }
    result = {
        "utteranceId": utterance_id or fresh_uuid(),
        "isFinal": is_final,
        "channel": side,
        "alternatives": [alternative],
        "engineProvider": "GENESYS",
        "engineId": "r2d2",
        "dialect": tongue,
        "agentAssistEnabled": False,
        "voiceTranscriptionEnabled": True,
    }
    return _message(conversation, communication_id, session, now, ONGOING, offset, [result])


def status(conversation: Conversation, communication_id: str, word: str, now: int) -> Json:
    """The event body that has only a status, `ONGOING` or `ENDED`; the session remembers that it was told."""
    session = session_of(conversation, communication_id, now)
    session.told_at, session.ended = now, session.ended or word == ENDED
    offset = max(0, now - session.transcription_started_at - SESSION_AFTER_MS)
    return _message(conversation, communication_id, session, now, word, offset, None)


def due(conversation: Conversation, now: int, *, linger_ms: int = 0) -> list[tuple[str, str]]:
    """The statuses that are to be sent now, as (communication id, status); each is due until `status` is called.

    `ONGOING` when a communication is connected and every five minutes, `ENDED` when it ended `linger_ms` ago: the
    last words come after the end. Text conversations have no sessions.
    """
    if conversation.media_type != VOICE:
        return []
    found: list[tuple[str, str]] = []
    for leg in conversation.transcribed_legs():
        session = conversation.sessions.get(leg.id)
        if session is not None and session.ended:
            continue
        if leg.ended_at is not None and now >= leg.ended_at + linger_ms:
            found += [(leg.id, ENDED)] if session is not None else []
        elif session is None or session.told_at is None or now >= session.told_at + STATUS_EVERY_MS:
            found.append((leg.id, ONGOING))
    return found


def session_of(conversation: Conversation, communication_id: str, at: int) -> Session:
    """The session of a communication. It begins when that is connected, or at `at` if this is earlier."""
    session = conversation.sessions.get(communication_id)
    if session is None:
        leg = _leg(conversation, communication_id)
        connected = leg.facing_at if leg is not None and leg.facing_at is not None else at
        session = conversation.sessions[communication_id] = Session(min(at, connected))
    return session


def _leg(conversation: Conversation, communication_id: str) -> Leg | None:
    return next((party.leg for party in conversation.parties if party.leg.id == communication_id), None)


def _message(
    conversation: Conversation,
    communication_id: str,
    session: Session,
    now: int,
    word: str,
    offset: int,
    results: list[Json] | None,
) -> Json:
    return {
        "eventTime": clock.iso(now),
        "organizationId": conversation.organization_id,
        "conversationId": conversation.id,
        "communicationId": communication_id,
        "sessionStartTimeMs": session.transcription_started_at + SESSION_AFTER_MS,
        "transcriptionStartTimeMs": session.transcription_started_at,
        **({} if results is None else {"transcripts": results}),
        "status": {"offsetMs": offset, "status": word},
    }


def _timed(parts: Sequence[Heard], duration_ms: int, confidence: float) -> list[Word]:
    """The first word begins with the utterance, the last one ends with it; a longer word has a longer share."""
    words = [word for part in parts for word in part.words]
    if not words:
        return []
    ends = [0, *accumulate(len(word) + 1 for word in words)]
    starts = [duration_ms * end // ends[-1] for end in ends]
    lasting = [min(WORD_MS, following - start) for start, following in pairwise(starts)]
    lasting[-1] = duration_ms - starts[-2]
    return [Word(word, start, length, confidence) for word, start, length in zip(words, starts, lasting, strict=False)]


def _joined(parts: Sequence[Heard], timed: Sequence[Word]) -> list[Word]:
    """Decorated words, each as long as the spoken ones it stands for."""
    joined: list[Word] = []
    start = 0
    for part in parts:
        covered = timed[start : start + len(part.words)]
        start += len(part.words)
        end = covered[-1].offset_ms + covered[-1].duration_ms
        joined.append(Word(part.decorated, covered[0].offset_ms, end - covered[0].offset_ms, covered[0].confidence))
    return joined


def _word(word: Word, offset: int, digits: int) -> Json:
    return {
        "confidence": round(word.confidence, digits),
        "offsetMs": offset + word.offset_ms,
        "durationMs": word.duration_ms,
        "word": word.word,
    }
