from __future__ import annotations

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genscribe.store.search import UNSPACED_GLOB, Query, parse, spaced


@pytest.mark.parametrize(
    ("words", "match", "exclude"),
    [
        ("", None, None),
        ('  ++ - "" " \' ', None, None),
        ("refund", '"refund"*', None),
        ("refund ", '"refund"*', None),
        ("refund now", '"refund" AND "now"*', None),
        ("don't", '"don\'t"', None),
        ("AC-130", '"AC-130"*', None),
        ("C++", '"C++"', None),
        ("a", '"a"', None),
        ("AND OR NOT NEAR", '"AND" AND "OR" AND "NOT" AND "NEAR"*', None),
        ("text:hello ^x (y) {z} w*", '"text:hello" AND "^x" AND "(y)" AND "{z}" AND "w*"', None),
        ('"good morning" sir', '"good morning" AND "sir"*', None),
        ('sir "good morning"', '"sir" AND "good morning"', None),
        ("“good morning”", '"good morning"', None),
        ('say "good morn', '"say" AND " good" AND "morn"*', None),
        ("refund -card", '"refund"', '"-card"'),
        ("the the the the cat", '"the" AND "cat"*', None),
        ('refund -card -"gift voucher"', '"refund"', '"-card" OR "gift voucher"'),
        ("-card", None, '"-card"'),
        ("日本", '" 日  本 "', None),
        ("\0refund\ud800", '"refund?"', None),
    ],
)
def test_what_people_type(words: str, match: str | None, exclude: str | None) -> None:
    assert parse(words) == Query(match, exclude)
    assert parse(words).empty == (match is None and exclude is None)


def test_blanks_are_put_around_characters_of_scripts_that_have_none() -> None:
    assert spaced("hello naïve Straße") == "hello naïve Straße"
    assert spaced("iPhone日本語ok").split() == ["iPhone", "日", "本", "語", "ok"]
    assert spaced("สวัสดี").replace(" ", "") == "สวัสดี"


@given(st.text())
@example("abc日")
@example("한국어")
@example("\U00020000")
@example("ｱｲｳ")
def test_the_index_and_python_agree_which_texts_need_blanks(text: str) -> None:
    text = text.encode("utf-8", "replace").decode().replace("\0", "")
    globbed = MEMORY.execute("select ? glob ?", (text, UNSPACED_GLOB)).get
    assert bool(globbed) == (spaced(text) != text)


MEMORY = apsw.Connection(":memory:")
MEMORY.execute(
    "create virtual table t using fts5(text, content='', contentless_delete=1, prefix='2 3',"
    " tokenize='unicode61 remove_diacritics 2')"
)
MEMORY.execute("insert into t (rowid, text) values (1, 'some words')")

TYPED = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="ab \"'-+*^:(){}[]<>=~,.;!?@#$%&|\\/_日本ก\0", max_size=60),
    st.lists(st.sampled_from(["AND", "OR", "NOT", "NEAR(", '"', "-", "text:", "*", "x"]), max_size=12).map(" ".join),
)


@given(TYPED)
@example('"""')
@example('-"')
@example("x NEAR/2 y")
def test_nothing_that_can_be_typed_is_a_syntax_error(words: str) -> None:
    for expression in parse(words):
        if expression is not None:
            MEMORY.execute("select rowid from t where t match ?", (expression,)).fetchall()


def test_very_long_input_is_no_error_either() -> None:
    for words in ("x " * 5000, "-x " * 5000, "x" * 100_000, "日" * 5000, '"' * 9999):
        query = parse(words)
        for expression in query:
            if expression is not None:
                MEMORY.execute("select rowid from t where t match ?", (expression,)).fetchall()
