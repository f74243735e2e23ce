from __future__ import annotations

import re
from random import Random

import pytest

from genscribe.emulator.cast import LOCALES, Cast
from genscribe.emulator.dialogue import Dialogue, bundled, parse

EACH = pytest.mark.parametrize("dialogue", bundled(), ids=lambda dialogue: dialogue.topic)


def test_there_are_enough_situations_media_and_languages() -> None:
    assert len(bundled()) >= 24
    media = [dialogue.media_type for dialogue in bundled()]
    assert media.count("chat") >= 3
    assert media.count("voice") > 2 * media.count("chat")
    assert {dialogue.language for dialogue in bundled()} == LOCALES.keys()
    assert sum(any(speaker == "ivr" for speaker, _ in dialogue.lines) for dialogue in bundled()) >= 10


@EACH
def test_every_situation_can_be_performed_by_any_seed(dialogue: Dialogue) -> None:
    for seed in range(30):
        for speaker, text in dialogue.perform(Random(seed)):
            assert speaker in {"agent", "customer", "ivr", "bot", "system"}
            assert text
            assert not re.search(r"[{}|]|\s\s|^\s|\s$", text)


@EACH
def test_every_situation_is_a_conversation_of_decent_length(dialogue: Dialogue) -> None:
    speakers = [speaker for speaker, _ in dialogue.lines]
    assert 14 <= len(dialogue.lines) <= 34
    assert {"agent", "customer"} <= set(speakers)
    assert max(len(text) for _, text in dialogue.lines) <= 240


@EACH
def test_every_situation_varies_with_the_seed_and_only_with_it(dialogue: Dialogue) -> None:
    assert dialogue.perform(Random(1)) == dialogue.perform(Random(1))
    assert len({tuple(dialogue.perform(Random(seed))) for seed in range(10)}) > 5


def test_choices_may_hold_placeholders_and_agree_with_the_lines() -> None:
    text = "media: voice\nlanguage: en-US\noffice: {city} Office\n\nagent: {office}.\ncustomer: I live in {city}.\n"
    (_, office), (_, home) = parse("t", text).perform(Random(4))
    assert home == f"I live in {office.removesuffix(' Office.')}."


def test_a_line_that_is_no_pair_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a pair"):
        parse("t", "media: voice\nlanguage: en-US\n\nagent says hello\n")


@pytest.mark.parametrize("language", LOCALES)
def test_a_second_draw_differs_from_the_first(language: str) -> None:
    for seed in range(50):
        cast = Cast(language, Random(seed), {})
        for name in ("city", "surname", "weekday", "amount", "digits"):
            assert cast[name] == cast[name] != cast[f"{name}2"]


def test_the_second_time_is_later() -> None:
    for seed in range(50):
        cast = Cast("en-US", Random(seed), {})
        early, late = cast["time"], cast["time2"]
        assert re.fullmatch(r"(8|9|10):(00|15|30|45)", early)
        assert int(early.split(":")[0]) < int(late.split(":")[0]) <= 12


def test_fixed_values_and_addresses() -> None:
    cast = Cast("en-US", Random(0), {"customer": "Ann", "surname": "Lee"})
    assert (cast["email"], cast["email2"]) == ("ann.lee@example.com", "ann.lee@example.org")
    with pytest.raises(KeyError):
        cast["nonsense"]
