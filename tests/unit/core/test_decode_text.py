"""`core/decode/text.py`: JSON is repaired where no text could hold it, and left alone everywhere else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.decode import text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rb'"a\u0000b"', rb'"a\ufffdb"'),
        (rb'"\ud800"', rb'"\ufffd"'),
        (rb'"\uDFFF x"', rb'"\ufffd x"'),
        (rb'"\udc00\ud800"', rb'"\ufffd\ufffd"'),
        (rb'"\ud800\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\\u0000 \\ud800 \\\u0000"', rb'"\\u0000 \\ud800 \\\ufffd"'),
        (rb'"\"\n\u001b"', rb'"\"\n\u001b"'),
        (b'"\\', b'"\\'),
    ],
)
def test_mends_nothing_but_escaped_nul_and_lone_surrogates(before: bytes, after: bytes) -> None:
    assert text.mend(before) == after


@given(st.text(st.characters()))
def test_mended_json_is_text_that_can_be_stored(words: str) -> None:
    mended = json.loads(text.mend(json.dumps(words).encode()))
    assert mended == "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in words)
    mended.encode()


def test_only_frames_with_an_escaped_nul_need_mending() -> None:
    assert text.needs_mending(rb'{"text":"\u0000"}')
    assert not text.needs_mending(rb'{"text":"\n \u0001"}')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'[NaN,Infinity,-Infinity,{"a":NaN}]', b'[null,null,null,{"a":null}]'),
        (rb'"NaN \" Infinity"', rb'"NaN \" Infinity"'),
        (rb'["\\",NaN]', rb'["\\",null]'),
    ],
)
def test_numbers_that_json_does_not_have_become_null(before: bytes, after: bytes) -> None:
    assert text.finite(before) == after


@given(JSON)
def test_json_as_it_should_be_stays_as_it_is(value: object) -> None:
    encoded = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert text.finite(encoded) == encoded


@given(JSON)
def test_what_is_shallow_stays_as_it_is(value: object) -> None:
    encoded = json.dumps(value).encode()
    assert text.shallow(encoded) == encoded


def _cut(value: object, depth: int) -> object:
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        return None
    if isinstance(value, list):
        return [_cut(inner, depth - 1) for inner in value]
    return {name: _cut(inner, depth - 1) for name, inner in value.items()}


@given(JSON, st.integers(0, 4))
def test_what_lies_deeper_becomes_null_and_all_else_stays(value: object, depth: int) -> None:
    assert json.loads(text.shallow(json.dumps(value).encode(), depth=depth)) == _cut(value, depth)


def test_depth_far_beyond_any_stack_is_cut() -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"b":1}'
    assert len(text.shallow(deep)) < 1_000


@given(st.binary(), st.integers(0, 3))
def test_all_take_any_bytes(noise: bytes, depth: int) -> None:
    text.mend(noise)
    text.finite(noise)
    text.shallow(noise, depth=depth)


def test_unclosed_strings_full_of_quotes_are_not_read_again_and_again() -> None:
    # Counted, not timed: one token, where a pattern that insists on the closing quote tries 200,000 starts.
    assert len(text._STRING_OR_BRACKET.findall(b'"' + b'\\"' * 200_000)) == 1
