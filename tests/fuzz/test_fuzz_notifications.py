"""A seeded share of the fuzz for the notification channel: no exception, no lost neighbour, no spoiled event."""

from __future__ import annotations

import json
from random import Random

import pytest

from genscribe.core.decode import conversations, messages, notifications
from genscribe.core.decode.notifications import Decoded, Other, Seen, Speech
from genscribe.events import encode

from .checks import RECEIVED
from .frames import SCALARS, TOKENS, WRONG

FRAMES = 3_000
WORD = ["word", "offsetMs", "durationMs", "confidence", "startTimeMs", "newField"]
ALTERNATIVE = ["confidence", "offsetMs", "durationMs", "transcript", "decoratedTranscript", "words", "decoratedWords"]
RESULT = ["utteranceId", "isFinal", "channel", "alternatives", "dialect", "engineId", "newField", "ch\\u0061nnel"]
BODY = ["eventTime", "conversationId", "communicationId", "sessionStartTimeMs", "status", "newField"]
MEDIUM = ["id", "state", "direction", "peerId", "connectedTime", "disconnectedTime", "messages", "messageId"]
PARTICIPANT = ["purpose", "userId", "name", "queue", "connectedTime", "endTime", "calls", "messages", "chats"]


def _hostile(chance: Random, names: list[str], inner: str = "null") -> str:
    """An object with some of the names, each with a value that hurts or the inner one."""
    values = [chance.choice([*SCALARS, *WRONG, inner, f"[{inner}]", f"[{inner},{inner}]"]) for _ in names]
    chosen = chance.sample(list(zip(names, values, strict=True)), chance.randrange(len(names) + 1))
    return "{" + ",".join(f'"{name}":{value}' for name, value in chosen) + "}"


def _speech(chance: Random) -> tuple[str, list[str]]:
    ids = [f"{chance.getrandbits(64):x}" for _ in range(2)]
    good = [
        json.dumps({"utteranceId": each, "alternatives": [{"transcript": f"said {each}", "offsetMs": 40}]})
        for each in ids
    ]
    bad = _hostile(chance, RESULT, _hostile(chance, ALTERNATIVE, _hostile(chance, WORD)))
    body = _hostile(chance, BODY)
    body = body[:-1] + ("," if len(body) > 2 else "") + f'"transcripts":[{good[0]},{bad},{good[1]}]}}'
    return f'{{"topicName":"v2.conversations.c-1.transcription","version":"2","eventBody":{body}}}', ids


def _seen(chance: Random) -> tuple[str, list[str]]:
    good = [f'{{"id":"p-{n}","calls":[{{"id":"l-{n}"}}]}}' for n in range(2)]
    bad = _hostile(chance, PARTICIPANT, _hostile(chance, MEDIUM, _hostile(chance, MEDIUM)))
    bad = bad[:-1] + ("," if len(bad) > 2 else "") + '"id":"p-9"}'
    body = f'{{"id":"c-1","participants":[{good[0]},{bad},{good[1]}]}}'
    return f'{{"topicName":"v2.routing.queues.q-1.conversations","eventBody":{body}}}', ["p-0", "p-1"]


def _check(decoded: Decoded) -> list[str]:
    """The ids that were heard or seen."""
    found: list[str] = []
    for event in decoded.unreadable:
        encode(event)
    for message in decoded.messages:
        if isinstance(message, Speech):
            assert not any(b"\\u0000" in encode(said) for said in message.utterances)
            found += [said.utterance_id or "" for said in message.utterances]
        elif isinstance(message, Seen):
            found += [party.participant_id for party in message.snapshot.parties]
        elif isinstance(message, Other):
            assert message.topic.isprintable()
    assert all(name.isprintable() and len(name) < 99 for name in decoded.unknown_fields)
    assert decoded.messages or decoded.unreadable, "a frame vanished"
    return found


@pytest.mark.parametrize("make", [_speech, _seen], ids=["speech", "seen"])
def test_hostile_pieces_lose_no_neighbour(make: object) -> None:
    chance = Random(1)
    whole = unreadable = 0
    for number in range(FRAMES):
        text, good = make(chance)  # type: ignore[operator]
        decoded = notifications.decode(text.encode(), binary=False, received_at=RECEIVED)
        found = iter(_check(decoded))
        assert all(each in found for each in good), (number, text)
        whole += not decoded.unreadable
        unreadable += len(decoded.unreadable)
    assert min(whole, unreadable) > FRAMES // 100, "the fuzz has gone tame"


@pytest.mark.parametrize("make", [_speech, _seen], ids=["speech", "seen"])
def test_damaged_bytes_raise_nothing(make: object) -> None:
    chance = Random(2)
    for _ in range(FRAMES):
        text, _ = make(chance)  # type: ignore[operator]
        payload = bytearray(text.encode())
        for _ in range(1 + chance.randrange(3)):
            place = chance.randrange(len(payload) + 1)
            payload[place : place + chance.randrange(9)] = chance.choice([*TOKENS, b"", payload[place : place + 40]])
        _check(notifications.decode(bytes(payload), binary=False, received_at=RECEIVED))
        conversations.read_conversation(bytes(payload))
        conversations.read_analytics(bytes(payload))
        messages.read(bytes(payload))
