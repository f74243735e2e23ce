"""When people speak and when the platform tells: times for lines of text. Pure.

The tables are quantiles over a public capture of 149 real voice conversations on the platform (8,737 utterances).
One-word utterances really have such short durations there. Chats have no such figures: their times are guesses.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from random import Random  # noqa: TID251 - seeded: the same seed plays the same script

from genscribe.emulator.calls import Utterance

Table = Sequence[tuple[float, float]]
"""(percent, value), rising."""


def _twentieths(*values: float) -> Table:
    return tuple((5.0 * index, value) for index, value in enumerate(values))


# fmt: off
MS_PER_WORD: Mapping[int, Table] = {
    1: _twentieths(34, 35, 36, 36, 37, 37, 37, 38, 38, 38, 38, 38, 39, 39, 39, 39, 40, 140, 231, 314, 917),
    2: _twentieths(71.5, 96, 114.3, 118, 135.5, 143.7, 156, 170, 180.3, 193.5, 205.3, 217.5, 235, 250.7, 274.5,
                   294.7, 330, 372.5, 419.5, 510, 1611),
    4: _twentieths(84.2, 134.7, 150.6, 162.5, 172.8, 183.6, 194.8, 205.2, 217.3, 228.3, 242, 256.5, 271.6, 286.7,
                   305.6, 329.6, 356.3, 387.5, 436.8, 508, 1732.5),
    8: _twentieths(100.2, 151.1, 168.4, 178.8, 188.5, 198.4, 209.5, 217.5, 228.1, 240.2, 250.3, 262.3, 274.6, 288.8,
                   304.9, 323.6, 344.3, 374.7, 409.4, 468.1, 792.9),
    16: _twentieths(120.2, 177.9, 195.8, 207.6, 217.1, 226.9, 235.3, 245.3, 253.9, 262.9, 272.9, 281.6, 289.8, 298.7,
                    310, 322.1, 335.7, 353.2, 377.2, 417.9, 729.8),
}
"""By the smallest number of words that a table is for."""

GAP_CHANGE_MS = _twentieths(-19571, -3365, -945, -222, 416, 639, 775, 877, 976, 1058, 1153, 1234, 1328, 1432, 1574,
                            1735, 1970, 2326, 3027, 4752, 609876)
"""From the end of one utterance to the next one's begin when the speaker changes; negative is an overlap."""

GAP_SAME_MS = _twentieths(40, 1047, 1174, 1287, 1391, 1495, 1634, 1758, 1888, 2054, 2230, 2458, 2726, 3038, 3497,
                          4056, 4896, 6064, 8471, 14817, 510032)
"""The same when one speaker goes on."""
# fmt: on

DELAY_MS: Table = (
    (0, 1250),
    (5, 1306),
    (25, 1418),
    (50, 1560),
    (75, 1801),
    (90, 2305),
    (95, 2606),
    (99, 4223),
    (100, 6966),
)
"""From the end of an utterance to the platform's sending it."""

SHORTEST_GAP_MS, LONGEST_GAP_MS = -4_000, 15_000
"""The tails are cut: nobody watches a demonstration in which ten minutes pass in silence."""

SPLIT = 0.4
"""How likely a turn is told in pieces at the end of a sentence."""

INTERRUPTED = 0.6
"""The share of an utterance after which the other one may begin to answer."""

MURMUR = 0.16
"""How likely the listener murmurs something into an utterance longer than `MURMUR_AFTER_MS`. The platform then tells
the murmur first: with these figures about as often as it tells real utterances out of order, 8.8 %.
"""

MURMUR_AFTER_MS = 2_200

MURMURS: Mapping[str, Sequence[str]] = {
    "en": ("Mm-hm.", "Right.", "Yeah.", "I see."),
    "es": ("Ajá.", "Sí.", "Claro."),
    "de": ("Mhm.", "Ja.", "Genau."),
    "ja": ("はい。", "ええ。"),
}


def draw(table: Table, chance: Random) -> float:
    """A random value with these quantiles, straight lines between them."""
    percent = chance.uniform(0, 100)
    index = min(bisect_right(table, percent, key=lambda point: point[0]), len(table) - 1)
    (low, start), (high, end) = table[index - 1], table[index]
    return start + (end - start) * (percent - low) / (high - low)


def words_in(text: str) -> int:
    """Words as a speaker has them; scripts without blanks have one for about three characters."""
    wide = len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff]", text))
    return max(1, round(wide / 3) if wide else len(text.split()))


def delay_ms(chance: Random) -> int:
    """From the end of an utterance to its sending."""
    return round(draw(DELAY_MS, chance))


def spoken(lines: Iterable[tuple[str, str]], chance: Random, language: str = "en-US") -> tuple[Utterance, ...]:
    """Times for the lines of a voice call, in order of begin, turns split into utterances as the platform does."""
    said: list[Utterance] = []
    murmured: list[Utterance] = []
    for speaker, text in lines:
        for piece in _pieces(text, chance):
            said.append(_after(said[-1] if said else None, speaker, piece, chance))
            murmured += _murmur(said[-1], language, chance)
    return tuple(sorted(said + murmured, key=lambda one: one.offset_ms))


def typed(lines: Iterable[tuple[str, str]], chance: Random) -> tuple[Utterance, ...]:
    """Times for the lines of a text chat: nobody interrupts, and a message is sent when it is done."""
    said: list[Utterance] = []
    at = chance.uniform(300, 1500)
    for speaker, text in lines:
        writing = 400 if speaker in ("bot", "system") else 1500 + 260 * words_in(text) * chance.uniform(0.7, 1.4)
        at += writing
        said.append(Utterance(speaker, text, round(at), 0, round(chance.uniform(60, 300)), _type(speaker)))
    return tuple(said)


def _after(last: Utterance | None, speaker: str, text: str, chance: Random) -> Utterance:
    words = words_in(text)
    duration = round(words * draw(MS_PER_WORD[max(n for n in MS_PER_WORD if n <= words)], chance))
    offset = round(chance.uniform(300, 2500))
    if last is not None:
        gap = draw(GAP_SAME_MS if last.speaker == speaker else GAP_CHANGE_MS, chance)
        gap = min(max(gap, SHORTEST_GAP_MS), LONGEST_GAP_MS)
        earliest = last.offset_ms + max(40, INTERRUPTED * last.duration_ms)
        offset = round(max(earliest, last.offset_ms + last.duration_ms + gap))
    return Utterance(speaker, text, offset, duration, delay_ms(chance), _type(speaker))


def _murmur(heard: Utterance, language: str, chance: Random) -> list[Utterance]:
    listener = {"agent": "customer", "customer": "agent"}.get(heard.speaker)
    if listener is None or heard.duration_ms < MURMUR_AFTER_MS or chance.random() > MURMUR:
        return []
    text = chance.choice(MURMURS.get(language[:2], MURMURS["en"]))
    offset = heard.offset_ms + round(heard.duration_ms * chance.uniform(0.3, INTERRUPTED))
    return [Utterance(listener, text, offset, round(draw(MS_PER_WORD[1], chance)), delay_ms(chance))]


def _pieces(text: str, chance: Random) -> list[str]:
    pieces: list[str] = []
    for sentence in re.split(r"(?<=[.?!])\s+", text):
        if pieces and chance.random() > SPLIT:
            pieces[-1] += f" {sentence}"
        else:
            pieces.append(sentence)
    return pieces


def _type(speaker: str) -> str:
    return "system" if speaker == "system" else "final"
