"""`events.py`: the contract's JSON, word by word, and back as typed events with aware times."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.events import (
    DELIVERED_KINDS,
    KINDS,
    Conversation,
    Event,
    Gap,
    Message,
    Participant,
    Record,
    Unreadable,
    Utterance,
    Word,
    decode,
    encode,
    json_lines,
)

CONTRACT = {
    "kind": "utterance",
    "seq": 17,
    "key": "0123",
    "revision": 1,
    "conversation_id": "c",
    "communication_id": "m",
    "utterance_id": "u",
    "media_type": "voice",
    "speaker": "agent",
    "side": "internal",
    "participant_id": "p",
    "user_id": "i",
    "queue_id": "q",
    "text": "how can i help",
    "is_final": True,
    "spoken_at": "2026-03-21T01:09:55.225Z",
    "offset_ms": 17820,
    "duration_ms": 80,
    "confidence": 0.94,
    "language": "en-US",
    "words": [{"word": "how", "offset_ms": 17820, "duration_ms": 40, "confidence": 0.9}],
    "emitted_at": "2026-03-21T01:09:55.900Z",
    "received_at": "2026-03-21T01:09:56.000Z",
    "source": "notifications",
}
"""The contract's example, its dots filled in."""

UTTERANCE = Utterance[str](
    **{k: v for k, v in CONTRACT.items() if k not in ("kind", "seq", "words")},  # type: ignore[arg-type]
    words=[Word("how", 17820, 40, 0.9)],
)
T = "2026-03-21T01:09:55.225Z"
EVENTS: list[Event[str]] = [
    UTTERANCE,
    Conversation(key="c:started", revision=1, conversation_id="c", state="started", at=T),
    Participant(key="c:p:t", revision=2, conversation_id="c", joined_at=T),
    Gap(key="s:t", revision=1, started_at=T, ended_at=T, reason="disconnected", conversation_ids=["c"]),
    Message(key="c:m:n", revision=1, conversation_id="c", message_id="n", at=T),
    Unreadable(key="u", revision=1, received_at=T, reason="not JSON"),
]
ADDED = {
    "conversation": {"state", "at", "media_type", "queue_id", "direction", "subscribed_at"},
    "participant": {
        *("participant_id", "communication_id", "purpose", "user_id", "user_name", "queue_id", "queue_name"),
        *("joined_at", "left_at"),
    },
    "gap": {"started_at", "ended_at", "reason", "source", "conversation_ids"},
    "message": {
        *("message_id", "communication_id", "media_type", "speaker", "participant_id", "user_id", "queue_id"),
        *("at", "received_at", "source"),
    },
}


def test_an_utterance_is_the_contracts_json() -> None:
    assert json.loads(Record(17, "utterance", encode(UTTERANCE)).json()) == CONTRACT


def test_a_field_not_sent_is_null() -> None:
    sent = json.loads(encode(Utterance[str](key="k", revision=1)))
    assert set(sent) == set(CONTRACT) - {"seq"}
    given = {"kind", "key", "revision", "speaker", "text", "is_final"}
    assert {name for name, value in sent.items() if value is not None} == given


@pytest.mark.parametrize("event", EVENTS[1:5], ids=lambda event: event.kind)
def test_other_kinds_have_the_contracts_fields(event: Event[str]) -> None:
    names = ADDED[event.kind] | {"kind", "key", "revision"}
    assert set(json.loads(encode(event))) == names | ({"conversation_id"} if event.kind != "gap" else set())


def test_kinds_are_those_of_the_classes() -> None:
    assert tuple(event.kind for event in EVENTS) == KINDS
    assert set(KINDS) - set(DELIVERED_KINDS) == {"message", "unreadable"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_the_body_has_no_seq_and_the_record_has_one(event: Event[str]) -> None:
    body = encode(event)
    assert body.startswith(b'{"kind":')
    assert "seq" not in json.loads(body)
    sent = json.loads(Record(9, event.kind, body).json())
    assert list(sent)[:3] == ["kind", "seq", "key"]
    assert sent == {"seq": 9} | json.loads(body)


def test_what_could_not_be_read_stands_beside_the_json() -> None:
    assert "raw" not in json.loads(encode(EVENTS[5]))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_decoded_events_have_their_kind_and_seq(event: Event[str]) -> None:
    decoded = decode(Record(9, event.kind, encode(event)).json())
    assert (type(decoded), decoded.kind, decoded.key, decoded.seq) == (type(event), event.kind, event.key, 9)
    assert decode(encode(event)).seq is msgspec.UNSET


def test_decoded_times_are_aware() -> None:
    decoded = decode(encode(UTTERANCE))
    assert isinstance(decoded, Utterance)
    assert decoded.spoken_at == datetime(2026, 3, 21, 1, 9, 55, 225_000, tzinfo=timezone.utc)
    assert decoded.spoken_at is not None
    assert decoded.spoken_at.tzinfo is not None


def test_unknown_fields_are_skipped() -> None:
    body = encode(UTTERANCE)
    assert decode(b'{"new_in_some_release":{"a":[1]},' + body[1:]) == decode(body)


def test_events_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        UTTERANCE.text = "other"  # type: ignore[misc]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    decoded = decode(encode(msgspec.structs.replace(UTTERANCE, text=text)))
    assert isinstance(decoded, Utterance)
    assert decoded.text == text


def test_json_lines_are_the_json_of_each() -> None:
    records = [Record(seq, "utterance", encode(UTTERANCE)) for seq in (1, 22)]
    assert json_lines(records) == b"".join(record.json() + b"\n" for record in records)
    assert json_lines([]) == b""
