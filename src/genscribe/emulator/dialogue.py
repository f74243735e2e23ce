"""The bundled dialogues: one text file a situation, read from the package. Pure, but for that reading.

A file has a head of `name: value` lines, an empty line, then `speaker: text` lines. `media` and `language` are known
names; any other is a placeholder of this dialogue with its choices, separated by `|`. `{placeholder}` in a text stands
for one of these or for one of `cast`; the speaker `system` is the platform itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random  # noqa: TID251 - seeded: the same seed plays the same script

from genscribe.emulator.cast import Cast


@dataclass(frozen=True)
class Dialogue:
    """One situation. `lines` are (speaker, text with placeholders)."""

    topic: str
    media_type: str
    language: str
    choices: Mapping[str, tuple[str, ...]]
    lines: tuple[tuple[str, str], ...]

    def perform(self, chance: Random) -> list[tuple[str, str]]:
        """The lines with names, numbers and places of one call."""
        cast = Cast(self.language, chance, {})
        fixed = {name: chance.choice(values).format_map(cast) for name, values in self.choices.items()}
        whole = Cast(self.language, chance, {**cast.drawn, **fixed})
        return [(speaker, text.format_map(whole)) for speaker, text in self.lines]


def parse(topic: str, text: str) -> Dialogue:
    """A dialogue from the text of its file. Raises `ValueError` when a line is not `name: value`."""
    head, _, body = text.partition("\n\n")
    fields = dict(_pair(line) for line in head.splitlines())
    media_type, language = fields.pop("media"), fields.pop("language")
    choices = {name: tuple(choice.strip() for choice in value.split("|")) for name, value in fields.items()}
    lines = tuple(_pair(line) for line in body.splitlines() if line)
    return Dialogue(topic, media_type, language, choices, lines)


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(": ")
    if not colon:
        raise ValueError(f"not a pair: {line!r}")
    return name, value


@cache
def bundled() -> tuple[Dialogue, ...]:
    """Every dialogue of the package, in order of topic."""
    folder = files("genscribe.emulator") / "dialogues"
    texts = {entry.name.removesuffix(".txt"): entry for entry in folder.iterdir() if entry.name.endswith(".txt")}
    return tuple(parse(topic, texts[topic].read_text(encoding="utf-8")) for topic in sorted(texts))
