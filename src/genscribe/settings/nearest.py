"""What somebody who misspelt a name meant, so that a message can say it; a far guess would only lead astray."""

from __future__ import annotations

from collections.abc import Iterable

LETTERS = 4
"""One slip in so many letters is a misspelling; more is another word."""


def nearest(word: str, known: Iterable[str], *, letters: int = LETTERS) -> str | None:
    """The known name that a word is a misspelling of; `None` where none is near. `-` and `_` are the same.

    Args:
        word: What was written.
        known: What may be meant; the first in the alphabet wins among equally near ones.
        letters: One slip in so many letters is forgiven.
    """
    found = [(slips, name) for name in known if (slips := _slips_if_near(word, name, letters)) is not None]
    return min(found)[1] if found else None


def is_near(word: str, name: str) -> bool:
    """Whether a word may be a misspelling of that name."""
    return _slips_if_near(word, name, LETTERS) is not None


def _slips_if_near(word: str, name: str, letters: int) -> int | None:
    most = max(len(word), len(name)) // letters
    if abs(len(word) - len(name)) > most:
        return None
    slips = _slips(word.replace("-", "_"), name.replace("-", "_"))
    return slips if slips <= most else None


def _slips(one: str, other: str) -> int:
    """How many letters are to be left out, put in, replaced or swapped with their neighbour to make one the other."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        this = [row]
        for column, wanted in enumerate(other, 1):
            slips = min(last[column] + 1, this[-1] + 1, last[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                slips = min(slips, before[column - 2] + 1)
            this.append(slips)
        before, last = last, this
    return last[-1]
