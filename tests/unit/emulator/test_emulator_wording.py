from __future__ import annotations

import re
from random import Random

import pytest

from genscribe.emulator.dialogue import bundled
from genscribe.emulator.wording import decorated, heard, spoken


@pytest.mark.parametrize(
    ("text", "said", "shown"),
    [
        ("i need ten of them", "i need ten of them", "i need 10 of them"),
        ("How can I help?", "how can i help", "how can i help"),
        (
            "It's $42.50 on Monday, okay?",
            "it's forty two dollars and fifty cents on monday okay",
            "it's $42.50 on Monday okay",
        ),
        ("Twenty three, thirty five, or forty.", "twenty three thirty five or forty", "23 35 or 40"),
        ("That one. Twenty minutes.", "that one twenty minutes", "that one 20 minutes"),
        ("Code QXRT42.", "code q x r t forty two", "code QXRT42"),
        ("dana@example.com", "dana at example dot com", "dana@example.com"),
        ("Tomorrow at 10:30, row 7!", "tomorrow at ten thirty row seven", "tomorrow at 10:30 row 7"),
        ("£9.00 and 1,250 people", "nine pounds and one thousand two hundred fifty people", "£9.00 and 1250 people"),
        ("0142 or 20251", "zero one four two or two zero two five one", "0142 or 20251"),
        ("... — ?!", "", ""),
        ("", "", ""),
        ("3", "three", "3"),
    ],
)
def test_a_line_as_it_is_said_and_as_it_is_shown(text: str, said: str, shown: str) -> None:
    assert spoken(text) == said
    assert decorated(text) == shown


def test_other_languages_say_figures_one_by_one() -> None:
    assert spoken("¿Son 42,50 euros?", "es-ES") == "son cuatro dos cinco cero euros"
    assert decorated("¿Son 42,50 euros?", "es-ES") == "son 42.50 euros"
    assert spoken("Gleis 7, zehn Uhr", "de-DE") == "gleis sieben zehn uhr"
    assert decorated("zehn Uhr", "de-DE") == "zehn Uhr"
    assert spoken("42", "pt-BR") == "four two"


def test_everything_the_bundled_dialogues_say_looks_like_real_utterances() -> None:
    lines = [(text, one.language) for one in bundled() for _, text in one.perform(Random(1))]
    for text, language in lines:
        said, shown = spoken(text, language), decorated(text, language)
        assert said
        assert not re.search(r"[A-Z0-9,.?!]", said), text
        assert not re.search(r"[,?!]", shown), text
        assert len(heard(text, language)) <= len(said.split())
    figures = sum(bool(re.search(r"\d", decorated(*line))) for line in lines) / len(lines)
    assert 0.1 < figures < 0.35
