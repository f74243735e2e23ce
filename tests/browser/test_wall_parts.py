"""The wall's pure parts: words are found whatever their case and accents, places hold still, little is drawn."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

NOW = 1_800_000_000_000
HOSTILE = [
    "\u202etxet esrever\u202c",
    "İstanbul IŞIK straße ﬁn",
    "x\u0301\u0301\u0301 café",
    "\U0001f469\u200d\U0001f469 réclamation",
    "<b onclick=alert(1)>",
    "\u0000a\ufffdb",
    "",
]


@pytest.fixture
def parts(modules: Page) -> Any:
    """`parts(module, expression, argument)`: what an expression of a module `m` and an argument `a` comes to."""

    def evaluate(module: str, expression: str, argument: object = None) -> Any:
        return modules.evaluate(
            f"async (a) => {{ const m = await import('/page/{module}.mjs'); return {expression}; }}", argument
        )

    return evaluate


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        ("cancel", "i CANCELLED it", ["CANCELLED"]),
        ("cancel", "the chancel", []),
        ("reclamation", "ma Réclamation, svp", ["Réclamation"]),
        ("réclamation", "RECLAMATION", ["RECLAMATION"]),
        ("speak to a manager, lawyer", "speak  to a manager or my lawyer", ["speak  to a manager", "lawyer"]),
        ("解約", "すぐ解約したい", ["解約"]),
        ("a.c, (", "abc (a.c)", ["(", "a.c"]),
        (" , ;", "anything", []),
    ],
)
def test_words_are_found_where_they_begin(parts: Any, words: str, text: str, found: list[str]) -> None:
    pieces = parts("words", "m.marked(a[1], m.finder(m.listed(a[0])))", [words, text])
    assert [piece for piece, hit in pieces if hit] == found
    assert "".join(piece for piece, _ in pieces) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_marking_loses_nothing_of_a_text(parts: Any, text: str) -> None:
    every = "m.marked(a, m.finder(['e', 's', 'a', 'i', 'f', '<', 'r'])).map(([piece]) => piece).join('') === a"
    assert parts("words", every, text) is True


def arranged(parts: Any, cards: dict[str, int], *, before: str = "", lit: str = "", size: int = 3) -> str:
    """The order of cards that were heard so many seconds ago, one letter each."""
    made = [
        {"id": one, "touched": NOW - 1000 * ago, "lit": {"at": NOW} if one in lit else None}
        for one, ago in cards.items()
    ]
    call = "m.arranged(new Map(a.cards.map((one) => [one.id, one])), () => true, [...a.before], a.size, a.now).join('')"
    return str(parts("order", call, {"cards": made, "before": before, "size": size, "now": NOW}))


def test_who_talks_keeps_his_place_and_who_is_silent_makes_room(parts: Any) -> None:
    cards = {"e": 1, "d": 20, "c": 3, "b": 30, "a": 4}
    assert arranged(parts, cards, before="abcd") == "aecdb"
    assert arranged(parts, cards, before="abcd", lit="d") == "daecb"
    assert arranged(parts, cards, before="dabc", lit="d") == "daecb", "a lit one takes no place from who talks"
    assert arranged(parts, cards) == "ecadb", "at first the newest"
    assert arranged(parts, {"c": 3, "a": 4, "b": 9}, before="axbc") == "acb", "one that is gone leaves no hole"


def test_the_newest_speech_stands_first_and_lit_cards_before_it(parts: Any) -> None:
    cards = {"old": 60, "quiet": 7, "talks": 5, "begins": 1}
    letters = {name[0]: ago for name, ago in cards.items()}
    assert arranged(parts, letters) == "btqo"
    assert arranged(parts, letters, lit="o") == "obtq"


@pytest.mark.parametrize(
    ("chosen", "fits"),
    [
        ({}, "nfl"),
        ({"show": "ended"}, "fgl"),
        ({"queue": "sales"}, "n"),
        ({"queue": "more"}, "n"),
        ({"text": "sales"}, "n"),
        ({"agent": "u1"}, "n"),
        ({"media_type": "chat"}, "f"),
        ({"text": "maya"}, "n"),
        ({"text": "GOODBYE"}, "f"),
    ],
)
def test_filters_choose(parts: Any, chosen: dict[str, str], fits: str) -> None:
    """`n` is in progress, `f` ended just now, `g` a while ago, and so did `l`, which is lit."""
    maya = [{"id": "u1", "name": "Maya"}]
    sales = [{"id": "sales", "name": "Sales"}, {"id": "more", "name": None}]
    cards = [
        {"id": "n", "gone": None, "queues": sales, "agents": maya, "media_type": "voice"},
        {"id": "f", "gone": NOW - 2000, "queues": [], "agents": [], "media_type": "chat", "last": {"text": "goodbye"}},
        {"id": "g", "gone": NOW - 90_000, "queues": [], "agents": []},
        {"id": "l", "gone": NOW - 90_000, "queues": [], "agents": [], "lit": {"at": NOW}},
    ]
    call = "a.cards.filter((one) => m.fitting(a.chosen)(one, a.now)).map((one) => one.id).join('')"
    assert parts("order", call, {"cards": cards, "chosen": {"text": "", **chosen}, "now": NOW}) == fits


def test_a_line_that_fitted_once_keeps_its_card(parts: Any) -> None:
    call = (
        "[m.fitting({ text: 'refund' })].map((fits) => ['no', 'a refund', 'and then'].map((text)"
        " => fits({ id: 'a', agents: [], queues: [], last: { text } }, 0)))[0]"
    )
    assert parts("order", call) == [False, True, True]


def test_only_what_is_seen_is_drawn(parts: Any) -> None:
    laid = parts("order", "m.laid(10000, 1248, 100, 105)")
    assert laid["width"] == "303px"
    assert laid["from"] <= 100 * 4 <= 105 * 4 <= laid["to"]
    assert laid["to"] - laid["from"] <= 8 * 4
    assert parts("order", "m.laid(0, 1248, 0, 5).to") == 0
    assert parts("order", "m.laid(9, 1248, 500, 505).from") <= 8, "a list that became short is not past its end"
    places = parts("order", "[0, 1, 5].map(m.laid(9, 200, 0, 5).place)")
    assert [place.split(",")[0] for place in places] == ["translate(0px"] * 3, "one column where there is no room"
