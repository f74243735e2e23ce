from __future__ import annotations

from itertools import islice, pairwise
from random import Random
from statistics import mean, median

import pytest

from genscribe.emulator import schedule
from genscribe.emulator.pacing import (
    DELAY_MS,
    GAP_CHANGE_MS,
    GAP_SAME_MS,
    LONGEST_GAP_MS,
    MS_PER_WORD,
    Table,
    draw,
    spoken,
    typed,
    words_in,
)


@pytest.mark.parametrize("table", [*MS_PER_WORD.values(), GAP_CHANGE_MS, GAP_SAME_MS, DELAY_MS])
def test_a_table_rises_from_0_to_100_percent(table: Table) -> None:
    assert (table[0][0], table[-1][0]) == (0, 100)
    assert all(low[0] < high[0] and low[1] <= high[1] for low, high in pairwise(table))


def test_draws_have_the_quantiles_of_the_table() -> None:
    chance = Random(1)
    drawn = sorted(draw(DELAY_MS, chance) for _ in range(20_000))
    for percent, value in DELAY_MS[1:-1]:
        assert drawn[round(percent / 100 * len(drawn))] == pytest.approx(value, rel=0.1)
    assert DELAY_MS[0][1] <= drawn[0]
    assert drawn[-1] <= DELAY_MS[-1][1]


@pytest.mark.parametrize(("text", "words"), [("", 1), ("one", 1), ("one two  three", 3), ("はい、そうです。", 2)])
def test_words(text: str, words: int) -> None:
    assert words_in(text) == words


def test_spoken_lines_keep_every_word_and_their_order() -> None:
    lines = [("agent", "Hello there. How can I help? Take your time."), ("customer", "Hi.")] * 50
    said = [one for one in spoken(lines, Random(2)) if one.text not in ("Mm-hm.", "Right.", "Yeah.", "I see.")]
    assert " ".join(one.text for one in said) == " ".join(text for _, text in lines)
    assert len(said) > len(lines)
    assert all(one.offset_ms < other.offset_ms for one, other in pairwise(said))
    assert all(other.offset_ms - one.offset_ms - one.duration_ms <= LONGEST_GAP_MS for one, other in pairwise(said))


def test_typed_lines_do_not_overlap_and_are_not_cut() -> None:
    lines = [("customer", "hi. i need help"), ("bot", "Hello. I am a bot."), ("system", "Mia joined.")]
    said = typed(lines, Random(3))
    assert [(one.speaker, one.text) for one in said] == lines
    assert [one.type for one in said] == ["final", "final", "system"]
    assert all(one.due_ms < other.offset_ms for one, other in pairwise(said))


def test_the_script_is_paced_as_the_platform_is() -> None:
    """The figures of 149 real calls in brackets; ours are a little shorter and livelier, for people who watch."""
    calls = [call for call in islice(schedule(1), 400) if call.media_type == "voice" and call.starts_ms >= 0]
    late = total = overlapping = 0
    rates: list[float] = []
    for call in calls:
        newest = -1
        for said in sorted(call.utterances, key=lambda one: one.due_ms):
            late += said.offset_ms < newest
            newest = max(newest, said.offset_ms)
        total += len(call.utterances)
        overlapping += sum(b.offset_ms < a.offset_ms + a.duration_ms for a, b in pairwise(call.utterances))
        rates.append(60_000 * len(call.utterances) / call.duration_ms)
    assert 0.07 < late / total < 0.105  # [0.088]
    assert 0.08 < overlapping / total < 0.18  # [0.114]
    assert 10 < mean(rates) < 17  # [11.6 a minute]
    assert 4 <= median(words_in(one.text) for call in calls for one in call.utterances) <= 9  # [7]
