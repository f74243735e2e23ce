from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from genscribe.cli import output
from genscribe.cli.search import highlight
from genscribe.terminal import Screen
from tests.unit.cli.filled import ALPHA, Filled, Result, said

Run = Callable[..., Result]


def test_words_newest_first(run: Run) -> None:
    result = run("search", "order")
    assert result.texts == ["Let me look at the order", "I was charged twice for order AC-130"]
    assert result.lines[0].split("\t")[:3] == ["2026-03-21T02:00:30+01:00", ALPHA, "agent"]
    assert result.code == 0


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["order", "-charged"], ["Let me look at the order"]),
        (["-charged", "order"], ["Let me look at the order"]),
        (["-order", "-help"], ["the second charge is refunded", "is it -5 or +5 degrees"]),
        (["--", "-5"], ["the second charge is refunded", "Let me look at the order"]),
        (['"second charge"'], ["the second charge is refunded"]),
        (["AC-130"], ["I was charged twice for order AC-130"]),
        (["order", "--limit", "1"], ["Let me look at the order"]),
        (["order", "--speakers", "customer"], ["I was charged twice for order AC-130"]),
        (["--speakers", "Customer,ivr", "--media-types", "chat"], ["is it -5 or +5 degrees"]),
        (["--conversation", "3f9b"], ["is it -5 or +5 degrees"]),
        (["--since", "02:00:40"], ["the second charge is refunded"]),
        (["--until", "2026-03-21T01:00:05Z"], ["Thank you for calling, how can I help?"]),
        (["nothing", "like", "it"], []),
    ],
)
def test_what_is_found(run: Run, arguments: list[str], texts: list[str]) -> None:
    result = run("search", *arguments)
    assert result.code == 0
    assert result.texts[: len(texts)] == texts
    assert bool(result.texts) == bool(texts)


@pytest.mark.parametrize(
    "words", ['"', "AND", "(", "NEAR(", "*", "-", "a:b", "C++", "don't", "\\", "--", "\udcff", "\x01"]
)
def test_no_words_are_an_error(run: Run, words: str) -> None:
    assert run("search", words).code == 0


@pytest.mark.parametrize("typed", ["--sinse", "--sinse=2h", "--Limit"])
def test_a_mistyped_option_is_told(run: Run, typed: str) -> None:
    result = run("search", typed, "order")
    assert result.code == 2
    assert "no such option" in result.err.lower()
    assert result.out == ""


def test_a_word_that_begins_with_h_is_left_out_and_no_cry_for_help(run: Run) -> None:
    result = run("search", "-help")
    assert "Thank you for calling, how can I help?" not in result.texts
    assert "Usage" in run("search", "--help").out
    assert "Usage" in run("search", "-h").out
    assert "Usage" not in run("search", "refunded", "-h").out


def test_nothing_found_is_said_beside_the_output(run: Run) -> None:
    result = run("search", "zebra")
    assert (result.out, result.err) == ("", "Nothing found.\n")


def test_json_is_the_contracts(run: Run) -> None:
    (line,) = run("search", "refunded", "--json").lines
    event = json.loads(line)
    assert (event["seq"], event["kind"], event["text"]) == (10, "utterance", "the second charge is refunded")


@pytest.mark.usefixtures("on_terminal")
def test_on_a_terminal_json_cannot_act(run: Run, filled: Filled) -> None:
    filled.add(said("x", "zebra \u202eevil\x9b2J", 50))
    (line,) = run("search", "zebra", "--json").lines
    assert "\\u202eevil\\u009b2J" in line
    assert json.loads(line)["text"] == "zebra \u202eevil\x9b2J"


@pytest.mark.usefixtures("on_terminal")
def test_on_a_terminal_it_is_laid_out(run: Run) -> None:
    result = run("search", "refunded")
    assert result.lines[1] == "02:00:40  3f9a1c  agent     the second charge is refunded"


def test_matches_are_bold(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "screen", lambda: Screen(80, 16))
    assert "the second \x1b[1mcharge\x1b[0m is refunded" in run("search", "charge").out


@pytest.mark.parametrize(
    ("words", "text", "bold"),
    [
        (("cat",), "Cat concat cats", ["Cat", "cat"]),
        (("-cat", "dog"), "cat dog", ["dog"]),
        (('"a b"',), "a b", ["a", "b"]),
        (('-"a b" c',), "a b c", ["c"]),
        (("日本",), "東日本", ["日本"]),
        (("(",), "(", []),
        ((), "anything", []),
    ],
)
def test_what_is_bold(words: tuple[str, ...], text: str, bold: list[str]) -> None:
    pattern = highlight(words)
    assert (pattern.findall(text) if pattern else []) == bold
