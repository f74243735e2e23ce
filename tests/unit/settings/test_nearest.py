"""`settings/nearest.py`: a misspelt name is known again, another word is none of ours."""

from __future__ import annotations

import pytest

from genscribe.errors import ConfigError
from genscribe.settings import OPTIONS, load
from genscribe.settings.layers import unknown_variables
from genscribe.settings.nearest import is_near, nearest

COMMANDS = ("stream", "status", "search", "show", "sinks", "conversations", "export", "tail")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("statu", "status"),
        ("stauts", "status"),
        ("converstaions", "conversations"),
        ("conversation", "conversations"),
        ("exprot", "export"),
        ("sink", "sinks"),
        ("tial", "tail"),
        ("tail", "tail"),
    ],
)
def test_a_slip_is_known_again(word: str, meant: str) -> None:
    assert nearest(word, COMMANDS) == meant


@pytest.mark.parametrize("word", ["start", "read", "list", "stop", "watch", "sh", "", "x", "constellations"])
def test_another_word_is_no_slip(word: str) -> None:
    assert nearest(word, COMMANDS) is None


def test_the_nearest_of_several_wins_and_the_first_of_equals() -> None:
    assert nearest("warehouse", ["warehouse-2", "warehouses"]) == "warehouses"
    assert nearest("lakes", ["laker", "lake2"]) == "lake2"
    assert nearest("anything", []) is None


def test_a_stroke_is_a_stroke() -> None:
    assert is_near("a-b", "a_b")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STOER", "STORE"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("WEBHOST", "WEB_HOST"),
        ("PASSWORD", None),
        ("DEBUG", None),
        ("DB", None),
        ("FOO", None),
        ("TOKEN", None),
    ],
)
def test_what_all_variables_begin_with_makes_none_near(name: str, meant: str | None) -> None:
    hint = "" if meant is None else f" (did you mean GENSCRIBE_{meant}?)"
    said = unknown_variables(OPTIONS, {f"GENSCRIBE_{name}": "1"})
    assert said == [f"GENSCRIBE_{name} is no variable of genscribe{hint}"]


def test_fewer_slips_are_forgiven_where_that_is_asked() -> None:
    assert nearest("form", ["from"]) == "from"
    assert nearest("form", ["from"], letters=5) is None


def test_a_webhook_may_have_parameters_of_its_own_that_are_short_words() -> None:
    load({"to": ["hook=https://example.com/?form=1&id=2"]}, environ={})
    with pytest.raises(ConfigError, match="kinds="):
        load({"to": ["hook=https://example.com/?kindz=gap"]}, environ={})
