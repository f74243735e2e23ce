from __future__ import annotations

import pytest

from genscribe.store import queries
from genscribe.store.queries import Filters
from genscribe.store.search import Query


def test_chat_stands_for_every_text_conversation() -> None:
    assert queries.media(None) is None
    assert queries.media(frozenset({"voice"})) == {"voice"}
    assert queries.media(frozenset({"chat"})) == {"chat", "message"}


@pytest.mark.parametrize(
    "kinds", [("utterance",), ("utterance", "gap", "unreadable", "conversation", "participant", "message")]
)
def test_no_value_of_a_person_stands_in_the_sql(kinds: tuple[str, ...]) -> None:
    evil = "'; drop table journal; --"
    filters = Filters(evil, evil, frozenset({evil}), frozenset({evil}), frozenset({evil}))
    asked = [
        queries.search(Query(evil, evil), filters, 5),
        queries.search(Query(None, evil), filters, 5),
        queries.lines(evil),
        queries.participants(evil),
        queries.export(filters, kinds, 0, 9, 5),
        queries.export_count(filters, kinds, 9),
        queries.conversation(evil),
        queries.conversations(filters, live=True, now_ms=0, limit=5),
    ]
    for sql, bindings in asked:
        assert "drop" not in sql
        assert sql.count("?") == len(bindings)


def test_an_open_gap_has_no_seq_and_revision_0() -> None:
    import msgspec

    gap = queries.gap((None, "g", "then", None, "late", None, '["c1"]'))
    assert (gap.seq, gap.revision, gap.ended_at, gap.conversation_ids) == (msgspec.UNSET, 0, None, ["c1"])
    assert queries.gap((7, "g", "then", "now", "late", None, None)).seq == 7
