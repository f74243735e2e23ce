"""What a batch becomes before a database sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genscribe.events import Conversation, Gap, Message, Participant, Position, Record, Utterance, Word, encode
from genscribe.sinks.base import RowsRejected
from genscribe.sinks.postgresql_rows import FACTS, GAP, PARTICIPANT, POSITION, UTTERANCE, decoded, position_row, rows
from genscribe.sinks.postgresql_schema import GAPS, PARTICIPANTS, STAGED, UTTERANCES

AT = "2026-03-21T01:09:55.225Z"


def said(key: str, revision: int = 1, **more: Any) -> Utterance[str]:
    return Utterance[str](key=key, revision=revision, **more)


def joined(queue: str | None, **more: Any) -> Participant[str]:
    return Participant[str](key=f"c:{queue}", revision=1, conversation_id="c", queue_id=queue, **more)


def staged(*events: Any) -> list[Any]:
    return rows(decoded([Record(seq, event.kind, encode(event)) for seq, event in enumerate(events, start=1)]))


def facts(*events: Any) -> list[Any]:
    (found,) = [row for row in staged(*events) if row[1] == FACTS]
    return found[2:11]


@pytest.mark.parametrize(("kind", "table"), [(Utterance, UTTERANCES), (Participant, PARTICIPANTS), (Gap, GAPS)])
def test_columns_are_the_events_fields_in_their_order(kind: Any, table: Any) -> None:
    assert table.names == ("seq", *kind.__struct_fields__[:-1])
    assert kind.__struct_fields__[-1] == "seq"


def test_every_row_is_as_wide_as_the_staging_table() -> None:
    found = staged(said("u"), joined("q"), Gap[str](key="g", revision=1, started_at=AT, ended_at=AT, reason="late"))
    found.append(position_row("pg", Position("s", 7, "ab")))
    assert {len(row) for row in found} == {2 + STAGED}
    assert {row[1] for row in found} == {UTTERANCE, PARTICIPANT, GAP, FACTS, POSITION}


def test_kinds_without_a_table_leave_nothing() -> None:
    assert staged(Message[str](key="m", revision=1, conversation_id="c", message_id="m")) == []


def test_the_highest_revision_of_a_key_is_staged_and_the_first_of_equals() -> None:
    found = staged(said("k", 0, text="how"), said("k", 2, text="two"), said("k", 1, text="one"), said("k", 2, text="x"))
    assert [(row[0], row[3], row[13]) for row in found] == [(2, 2, "two")]


def test_rows_come_by_key_so_that_two_writers_take_locks_in_one_order() -> None:
    assert [row[2] for row in staged(said("b"), said("a"), said("c"))] == ["a", "b", "c"]


def test_lists_become_json() -> None:
    found = staged(said("k", words=[Word("how", 1, 2, 0.5)]))
    assert json.loads(found[0][20]) == [{"word": "how", "offset_ms": 1, "duration_ms": 2, "confidence": 0.5}]
    (gap,) = staged(
        Gap[str](key="g", revision=1, started_at=AT, ended_at=AT, reason="late", conversation_ids=["a", 'b"'])
    )
    assert json.loads(gap[8]) == ["a", 'b"']


def test_what_is_no_event_is_refused_by_seq_all_at_once() -> None:
    batch = [
        Record(1, "utterance", encode(said("k"))),
        Record(2, "utterance", b'{"kind":"utterance"}'),
        Record(3, "utterance", b"\xff"),
        Record(4, "utterance", b'{"kind":"utterance","key":"k","revision":1,"text":"\\ud800"}'),
    ]
    with pytest.raises(RowsRejected) as raised:
        decoded(batch)
    assert raised.value.reasons == dict.fromkeys((2, 3, 4), "not an event of this version")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("\0\0", "\ufffd\ufffd"),
        ("\\u0000", "\\u0000"),
        ("\\\0", "\\\ufffd"),
        ("\\\\u0000", "\\\\u0000"),
    ],
)
def test_nul_becomes_the_replacement_character_also_in_words(text: str, kept: str) -> None:
    (row,) = staged(said("k", text=text, words=[Word(text)]))
    assert row[13] == kept
    assert json.loads(row[20])[0]["word"] == kept


def test_a_conversation_is_told_by_all_its_events() -> None:
    started = Conversation[str](
        key="c:started", revision=1, conversation_id="c", state="started", at=AT, media_type="voice", subscribed_at="s"
    )
    ended = Conversation[str](
        key="c:ended", revision=1, conversation_id="c", state="ended", at="later", direction="inbound", queue_id="q9"
    )
    assert facts(started, joined("q1"), joined("q2"), ended) == ("c", "voice", "q1", "inbound", AT, "later", "s", 1, 1)


def test_of_a_start_the_highest_revision_counts() -> None:
    def start(revision: int, at: str | None) -> Conversation[str]:
        return Conversation[str](key="c:started", revision=revision, conversation_id="c", state="started", at=at)

    assert facts(start(2, "two"), start(1, "one"))[4] == "two"
    assert facts(start(1, "one"), start(2, None))[4:8:3] == ("one", 2)
