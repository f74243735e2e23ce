from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.store.search import spaced, terms
from genscribe.web import matching
from genscribe.web.matching import Matcher


@pytest.fixture(scope="module")
def db() -> Iterator[apsw.Connection]:
    db = apsw.Connection(":memory:")
    db.execute("create virtual table words using fts5 (text, tokenize = 'unicode61 remove_diacritics 2')")
    yield db
    db.close()


def marked(db: apsw.Connection, text: str, words: str) -> str:
    pieces = Matcher(db, terms(words).wanted).snippet(text)
    return "".join(f"[{piece}]" if hit else piece for piece, hit in pieces)


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("i want to cancel it", "cancel", "i want to [cancel] it"),
        ("Cancelled, CANCEL!", "cancel", "[Cancelled], [CANCEL]!"),
        ("Cancelled, CANCEL!", "cancel ,", "Cancelled, [CANCEL]!"),
        ("a good morning to you", '"good morning"', "a [good morning] to you"),
        ("good day, morning", '"good morning"', "good day, morning"),
        ("Größe und größer", "grosse", "Größe und größer"),
        ("Größe und größer", "GRÖßE ", "[Größe] und [größer]"),
        ("Café au lait", "cafe", "[Café] au lait"),
        ("ここは東京です", "東京", "ここは[東京]です"),
        ("東京tokyo", "toky", "東京[tokyo]"),
        ("I can't now", "can't", "I [can't] now"),
        ("good good morning", "good morning", "[good] [good] [morning]"),
        ("", "x", ""),
    ],
)
def test_what_was_searched_for_is_marked(db: apsw.Connection, text: str, words: str, expected: str) -> None:
    assert marked(db, text, words) == expected


def test_a_long_text_is_cut_around_the_first_hit(db: apsw.Connection) -> None:
    text = "before " * 100 + "refund " + "after " * 100
    found = marked(db, text, "refund")
    assert found.startswith("…before ")
    assert "[refund]" in found
    assert found.endswith("after…")
    assert matching.AROUND * 0.8 < len(found) < matching.AROUND + 10


def test_a_word_without_end_is_cut(db: apsw.Connection) -> None:
    assert len(marked(db, "x" * 1_000_000, "xx")) < matching.AROUND + 10
    assert len(marked(db, "a" * 1_000_000 + " refund", "refund")) < matching.AROUND + 10
    assert len(marked(db, "é" * 40_000 + " refund", "refund")) < matching.AROUND + 10


@given(
    text=st.text(alphabet=st.one_of(st.sampled_from("aÄé東京 -\"'"), st.characters(codec="utf-8")), max_size=400),
    words=st.text(alphabet='aäé東京b "-', max_size=12),
)
def test_a_snippet_is_a_piece_of_the_text_and_has_a_hit_where_the_index_has_one(text: str, words: str) -> None:
    db = apsw.Connection(":memory:")
    text = text.replace("\0", "")
    wanted = terms(words).wanted
    pieces = Matcher(db, wanted).snippet(text)
    shown = "".join(piece for piece, _ in pieces).removeprefix("…").removesuffix("…")
    assert shown in text
    db.execute("create virtual table words using fts5 (text, tokenize = 'unicode61 remove_diacritics 2')")
    db.execute("insert into words values (?)", (spaced(text),))
    for term in wanted:
        found = bool(db.execute("select count(*) from words where words match ?", (term,)).get)
        assert bool(Matcher(db, [term]).present(text)) == found
    db.close()
