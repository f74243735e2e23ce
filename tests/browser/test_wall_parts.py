"""The wall's pure parts: words are found whatever their case and accents, places hold still, little is drawn."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.tab import Tab

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
def parts(tab: Tab) -> Any:
    """`parts(module, expression, argument)`: what an expression of a module `m` and an argument `a` comes to."""
    page = tab.go("/health")

    def evaluate(module: str, expression: str, argument: object = None) -> Any:
        return page.evaluate(
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


def test_who_talks_keeps_his_place_and_who_is_silent_makes_room(parts: Any) -> None:
    settled = "m.settled(a.before, a.next, 3, new Set(a.lit), (id) => a.talking.includes(id))"
    known = {"before": ["a", "b", "c", "d"], "next": ["e", "d", "c", "b", "a"], "lit": [], "talking": ["a", "c"]}
    assert parts("order", settled, known) == ["a", "e", "c", "d", "b"]
    assert parts("order", settled, {**known, "lit": ["d"]}) == ["d", "a", "e", "c", "b"]
    assert parts("order", settled, {**known, "next": ["c", "a", "b"]}) == ["c", "a", "b"], "all fit on the screen"
    assert parts("order", settled, {**known, "before": []}) == known["next"]


def test_the_newest_speech_stands_first_and_lit_cards_before_it(parts: Any) -> None:
    now = 1_800_000_000_000
    cards = [
        {"id": "old", "touched": now - 60_000, "since": 0},
        {"id": "quiet", "touched": now - 7_000, "since": now - 50_000},
        {"id": "talks", "touched": now, "since": now - 5_000},
        {"id": "begins", "touched": now - 1_000, "since": now - 1_000},
    ]
    arranged = (
        "m.arranged(a.cards, () => true, new Map(a.lit.map((id) => [id, { at: '2026-01-01T00:00:00Z' }])), a.now)"
    )
    asked = {"cards": cards, "lit": [], "now": now}
    assert parts("order", arranged, asked) == ["begins", "talks", "quiet", "old"]
    assert parts("order", arranged, {**asked, "lit": ["old"]}) == ["old", "begins", "talks", "quiet"]


def test_only_what_is_seen_is_drawn(parts: Any) -> None:
    laid = parts("virtual", "m.laid(10000, 1248, 15400, 16170)")
    assert laid["columns"] == 4
    assert laid["from"] <= 100 * 4 <= 105 * 4 <= laid["to"]
    assert laid["to"] - laid["from"] <= 8 * 4
    assert parts("virtual", "m.laid(0, 1248, 0, 700)")["to"] == 0
    assert parts("virtual", "m.laid(5, 200, 0, 700).columns") == 1
