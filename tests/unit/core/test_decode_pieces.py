"""`core/decode/pieces.py`: what is wrong costs itself and nothing around it."""

from __future__ import annotations

import json
from typing import Any, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.json import Decoder

from genscribe.core.decode import pieces


class Leaf(msgspec.Struct):
    n: int | None = None
    s: str | None = None


class Tree(msgspec.Struct):
    name: str | None = None
    leaf: Leaf | None = None
    leaves: list[Leaf] | None = None


TREE = Decoder(Optional[Tree])


def salvage(value: object) -> tuple[Tree | None, tuple[str, ...]]:
    return pieces.salvage(json.dumps(value).encode(), TREE)


def test_what_can_be_read_stays_as_it_is() -> None:
    assert salvage({"name": "a", "leaf": {"n": 1}, "more": [{}]}) == (Tree("a", Leaf(1)), ())
    assert salvage(None) == (None, ())


@pytest.mark.parametrize(
    ("value", "kept", "lost"),
    [
        ({"name": 5, "leaf": {"n": 1}}, Tree(None, Leaf(1)), ("name",)),
        ({"name": "a", "leaf": {"n": "x", "s": "y"}}, Tree("a", Leaf(None, "y")), ("leaf.n",)),
        ({"name": "a", "leaf": "x"}, Tree("a"), ("leaf",)),
        ({"name": "a", "leaf": [{"n": 1}]}, Tree("a"), ("leaf",)),
        ({"name": "a", "leaves": {"n": 1}}, Tree("a"), ("leaves",)),
        ({"leaves": [{"n": 1}, 5, None, {"n": []}]}, Tree(leaves=[Leaf(1), Leaf()]), ("leaves", "leaves", "leaves.n")),
        ([], None, ("all of it",)),
        ("x", None, ("all of it",)),
    ],
    ids=range(8),
)
def test_what_is_of_the_wrong_type_is_left_out_and_named(value: object, kept: Tree, lost: tuple[str, ...]) -> None:
    assert salvage(value) == (kept, lost)


def test_the_last_of_two_equal_names_counts() -> None:
    assert pieces.salvage(b'{"name":"a","n\\u0061me":"b","leaf":0}', TREE) == (Tree("b"), ("leaf",))


@pytest.mark.parametrize(
    "bad", [b"", b"{", b'{"name":}', b'{"name":"a"', b"\xff", b"[" * 100_000, b'{"leaf":' * 100_000]
)
def test_what_is_no_json_is_lost_as_a_whole(bad: bytes) -> None:
    assert pieces.salvage(bad, TREE) == (None, ("all of it",))


def test_a_name_that_is_no_text_costs_its_object() -> None:
    assert pieces.salvage(b'{"name":"a","leaf":{"\xff":1,"n":"x"}}', TREE) == (Tree("a"), ("leaf",))


def test_a_text_that_is_none_costs_itself() -> None:
    assert pieces.salvage(b'{"name":"\xff","leaf":{"n":5}}', TREE) == (Tree(None, Leaf(5)), ("name",))


def test_garbage_in_the_place_of_a_list_is_not_searched() -> None:
    looks = 0

    def fits(part: bytes) -> bool:
        nonlocal looks
        looks += 1
        return pieces.accepts(TREE, part)

    wrong = json.dumps({"name": {"a": [{"b": n} for n in range(1_000)]}}).encode()
    assert pieces._salvage(wrong, "", fits, []) == b"{}"
    assert looks < 8


def test_names_of_what_was_left_out_are_few() -> None:
    assert pieces.named(("a", "a", "b.c")) == "left out: a, b.c"
    many = pieces.named(tuple(f"n{n}" for n in range(20)))
    assert many.endswith("n7 and 12 more")


def test_repairs_are_made_where_there_is_need_and_said() -> None:
    assert pieces.repaired(b'{"a":1}') == (b'{"a":1}', [])
    assert pieces.repaired(b'{"a":"\\ud800"}') == (b'{"a":"\\ufffd"}', [])
    assert pieces.repaired(b'{"a":NaN}') == (b'{"a":null}', ["NaN or Infinity"])
    deep = b"[" * 100_000 + b"]" * 100_000
    assert pieces.repaired(deep)[1] == ["nested deeper than 64"]


def test_members_and_items_of_what_has_none() -> None:
    assert pieces.members(Raw(b"[1]")) == {}
    assert pieces.items(Raw(b'{"a":1}')) == []
    assert [bytes(item) for item in pieces.items(Raw(b"[1, 2]"))] == [b"1", b"2"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "leaf", "leaves", "n"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(ANY_JSON)
def test_any_json_is_salvaged_and_silent_only_when_nothing_is_lost(value: Any) -> None:
    text, _ = pieces.repaired(json.dumps(value).encode())
    kept, lost = pieces.salvage(text, TREE)
    assert pieces.accepts(TREE, text) == (not lost)
    assert kept is None or isinstance(kept, Tree)


@given(st.binary())
def test_any_bytes_are_taken(raw: bytes) -> None:
    pieces.salvage(raw, TREE)
    pieces.repaired(raw)
