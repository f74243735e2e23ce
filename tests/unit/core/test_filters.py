"""What a sink leaves out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.batches import Choice
from genscribe.core.filters import Sieve, folded, said, without_words
from genscribe.events import DELIVERED_KINDS, Conversation, Participant, Record, Utterance, Word, decode, encode
from genscribe.settings.parameters import EVERYTHING, SinkFilters
from tests.fakes import record

ALL = Choice(frozenset(DELIVERED_KINDS))


def utterance(seq: int = 1, **fields: object) -> Record:
    event = Utterance[str](key=f"k{seq}", revision=1, conversation_id="c", **fields)  # type: ignore[arg-type]
    return Record(seq, "utterance", encode(event))


def passes(filters: SinkFilters, *records: Record) -> list[int]:
    sieve = Sieve(ALL, filters)
    return [taken.seq for each in records if (taken := sieve.take(each)) is not None]


def test_without_filters_records_pass_as_they_are() -> None:
    one = record(1)
    assert Sieve(ALL).take(one) is one
    assert Sieve(ALL).take(record(2, final=False)) is None
    assert Sieve(ALL).take(record(2, kind="message")) is None


def test_media_types() -> None:
    rows = [utterance(n, media_type=each) for n, each in enumerate(["voice", "message", "chat", "video", None])]
    assert passes(replace(EVERYTHING, media_types=frozenset({"voice"})), *rows) == [0]
    assert passes(replace(EVERYTHING, media_types=frozenset({"chat"})), *rows) == [1, 2]


def test_other_kinds_pass_unless_they_are_of_another_medium_or_queue() -> None:
    conversation = Conversation[str](key="c:started", revision=1, conversation_id="c", state="started")
    rows = [
        record(1, kind="gap"),
        Record(2, "conversation", encode(conversation)),
        Record(3, "conversation", encode(Conversation[str]("k", 1, "c", "started", media_type="chat", queue_id="q"))),
        Record(4, "participant", encode(Participant[str]("k", 1, "c"))),
        Record(5, "participant", encode(Participant[str]("k", 1, "c", queue_id="q"))),
    ]
    assert passes(replace(EVERYTHING, media_types=frozenset({"voice"})), *rows) == [1, 2, 4, 5]
    assert passes(replace(EVERYTHING, queues=("other",)), *rows) == [1, 2, 4]
    assert passes(SinkFilters(speakers=frozenset({"agent"}), match=("x",)), *rows) == [1, 2, 3, 4, 5]


def test_speakers() -> None:
    rows = [utterance(n, speaker=each) for n, each in enumerate(["agent", "customer", "ivr"])]
    assert passes(replace(EVERYTHING, speakers=frozenset({"customer", "ivr"})), *rows) == [1, 2]


@pytest.mark.parametrize(
    ("patterns", "expected"), [(("q-1",), [1]), (("Q-1",), [1]), (("sales*",), [2]), (("*",), [2]), (("nowhere",), [])]
)
def test_queues(patterns: tuple[str, ...], expected: list[int]) -> None:
    sieve = Sieve(ALL, SinkFilters(queues=patterns))
    assert sieve.wants_names
    sieve.learn({"q-2": "Sales EMEA"})
    rows = [utterance(1, queue_id="q-1"), utterance(2, queue_id="q-2"), utterance(3)]
    assert [row.seq for row in rows if sieve.take(row)] == expected


def test_a_participant_tells_the_name_of_a_queue_also_where_nobody_asked_for_participants() -> None:
    sieve = Sieve(Choice(frozenset({"utterance"})), SinkFilters(queues=("Sales [EMEA]",)))
    assert sieve.take(utterance(1, queue_id="q")) is None
    tells = Participant[str]("k", 1, "c", queue_id="q", queue_name="Sales [EMEA]")
    assert sieve.take(Record(2, "participant", encode(tells))) is None
    assert sieve.take(utterance(3, queue_id="q")) is not None


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("cancel", "I want to CANCEL it.", True),
        ("cancel", "cancellation", False),
        ("cancel", "un-cancel", True),
        ("my lawyer", "ask My\n  Lawyer now", True),
        ("my lawyer", "my new lawyer", False),
        ("straße", "STRASSE", True),
        ("café", "cafe\u0301", True),
        ("cafe", "café", False),
        ("İstanbul", "i\u0307stanbul", True),
        ("解約", "契約を解約したいです", True),
        ("변호사", "변호사가 전화했어요", True),
        ("c++", "we use C++ here", True),
        ("c++", "we use C here", False),
        ("$100", "it is $100", True),
        ("a.b", "axb", False),
    ],
)
def test_words_are_whole_and_of_any_case(phrase: str, text: str, found: bool) -> None:
    assert bool(said([phrase]).search(folded(text))) is found
    assert passes(SinkFilters(match=("nothing-of-it", phrase)), utterance(text=text)) == [1] * found


WORDS = [Word("said", 1, 2, 0.5), Word(',"words":['), Word('],"emitted_at":'), Word()]


@given(st.text(), st.sampled_from([None, [], WORDS]), st.text(max_size=9))
def test_without_words_all_else_stays(text: str, words: list[Word] | None, key: str) -> None:
    row = utterance(text=text + ',"words":[', words=words, language=key, emitted_at="2026-03-21T01:09:00.000Z")
    slim = without_words(row.body)
    expected = json.loads(row.body) | {"words": None}
    assert json.loads(slim) == expected
    assert list(json.loads(slim)) == list(expected)
    decode(Record(7, "utterance", slim).json())


@pytest.mark.parametrize(
    ("body", "slim"),
    [
        (b'{"kind":"utterance","words":[{"word":"a"}],"text":"b"}', b'{"kind":"utterance","words":null,"text":"b"}'),
        (b'{"kind":"utterance","text":"b"}', b'{"kind":"utterance","text":"b"}'),
        (b'{"kind":"utterance","words":null}', b'{"kind":"utterance","words":null}'),
    ],
)
def test_bodies_of_other_versions(body: bytes, slim: bytes) -> None:
    assert without_words(body) == slim


def test_words_no() -> None:
    sieve = Sieve(ALL, SinkFilters(words=False))
    taken = sieve.take(utterance(5, words=WORDS))
    assert taken is not None
    assert (taken.seq, json.loads(taken.body)["words"]) == (5, None)
    gap = record(6, kind="gap")
    assert sieve.take(gap) is gap
