"""What a sink gets, and in what portions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.batches import Choice, batches
from genscribe.core.filters import Sieve
from genscribe.events import KINDS, Record
from genscribe.settings.parameters import SinkFilters
from tests.fakes import record

ALL = Choice(frozenset(KINDS))


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (Choice(frozenset({"utterance", "gap"})), [1, 3]),
        (Choice(frozenset({"utterance"}), interim=True), [1, 2]),
        (Choice(frozenset({"conversation"})), [4]),
        (Choice(frozenset()), []),
    ],
)
def test_kinds_and_interim(choice: Choice, wanted: list[int]) -> None:
    records = [
        record(1),
        record(2, final=False),
        record(3, kind="gap"),
        record(4, kind="conversation"),
        Record(5, "unreadable", b"{}"),
    ]
    assert [row.seq for row in records if choice.wants(row)] == wanted


@pytest.mark.parametrize("text", ['"is_final":false', '\\"is_final":false', '{"is_final":false}', "is_final:false"])
def test_words_cannot_pass_for_the_field(text: str) -> None:
    assert Choice(frozenset({"utterance"})).wants(record(1, text=text))


@given(st.text(max_size=40), st.booleans())
def test_the_peek_agrees_with_the_field(text: str, final: bool) -> None:
    assert Choice(frozenset({"utterance"})).wants(record(1, text='"is_final":' + text, final=final)) is final


@given(st.lists(st.tuples(st.sampled_from(["utterance", "gap", "message"]), st.booleans()), max_size=8), st.booleans())
def test_all_are_wanted_when_each_is(rows: list[tuple[str, bool]], interim: bool) -> None:
    """What is decided for many at once is what would be decided for each."""
    choice = Choice(frozenset({"utterance", "gap"}), interim=interim)
    records = [record(seq, kind=kind, final=final) for seq, (kind, final) in enumerate(rows, 1)]
    assert choice.wants_all(records) is all(map(choice.wants, records))


@pytest.mark.parametrize(
    "filters", [SinkFilters(words=False), SinkFilters(speakers=frozenset({"agent"})), SinkFilters(match=("lawyer",))]
)
def test_a_sieve_with_filters_looks_at_each(filters: SinkFilters) -> None:
    assert Sieve(ALL).takes_all([record(1)])
    assert not Sieve(ALL, filters).takes_all([record(1)])


def test_many_records_are_cut_into_batches_and_purged_ones_are_counted_where_they_were() -> None:
    rows = [record(seq) for seq in range(11, 2311) if seq != 1100]
    made = batches(rows, Sieve(ALL), 0)
    assert [len(batch.records) for batch in made] == [1000, 1000, 299]
    assert [batch.upto for batch in made] == [1010, 2011, 2310]
    assert [batch.purged for batch in made] == [10, 1, 0]


def test_a_batch_ends_before_it_grows_too_large() -> None:
    rows = [record(n, text="x" * 300) for n in range(1, 8)]
    size = len(rows[0].body)
    made = batches(rows, Sieve(ALL), 0, max_bytes=2 * size)
    assert [[row.seq for row in batch.records] for batch in made] == [[1, 2], [3, 4], [5, 6], [7]]
    assert [batch.upto for batch in made] == [2, 4, 6, 7]


def test_a_record_larger_than_a_batch_goes_alone() -> None:
    rows = [record(1), record(2, text="x" * 5000), record(3)]
    assert [len(batch.records) for batch in batches(rows, Sieve(ALL), 0, max_bytes=1000)] == [1, 1, 1]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=30), st.integers(1, 2000))
def test_every_record_is_in_a_batch_or_counted(rows: list[tuple[bool, int]], max_bytes: int) -> None:
    records = [record(seq * 2, final=final, text="x" * size) for seq, (final, size) in enumerate(rows, start=1)]
    made = batches(records, Sieve(Choice(frozenset({"utterance"}))), 0, max_bytes=max_bytes)
    assert [row for batch in made for row in batch.records] == [
        row for row, (final, _) in zip(records, rows, strict=True) if final
    ]
    assert sum(batch.filtered for batch in made) == sum(not final for final, _ in rows)
    uptos = [batch.upto for batch in made]
    assert uptos == sorted(uptos)
    assert uptos[-1:] == [row.seq for row in records][-1:]
    for batch in made:
        assert len(batch.records) <= 1 or sum(len(row.body) for row in batch.records) <= max_bytes
        assert all(row.seq <= batch.upto for row in batch.records)
