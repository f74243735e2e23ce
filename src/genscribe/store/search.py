"""What people type becomes a full-text query; nothing they type is a syntax error.

Words are found whole, the last one also as a beginning; `"…"` is a phrase, `-word` excludes. Scripts that do not put
blanks between words are indexed character by character, and a run of them is searched as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x11FF),  # Myanmar … Hangul jamo (Georgian between them has blanks, and loses nothing)
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x31FF),  # kana, bopomofo, Hangul letters
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0xFF66, 0xFFDC),  # half-width kana and Hangul
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)

_CLASS = "".join(f"{chr(first)}-{chr(last)}" for first, last in _UNSPACED)
_ONE = re.compile(f"[{_CLASS}]")
_PARTS = re.compile(r'(-?)"([^"]*)"|(\S+)')
_CURLED = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "\0": " "})

UNSPACED_GLOB = f"*[{_CLASS}]*"
"""Matches, in SQL, text that holds such a character."""


def spaced(text: str) -> str:
    """Puts blanks around each character of a script that has none, as the index wants it."""
    return _ONE.sub(r" \g<0> ", text)


class Query(NamedTuple):
    """A search for the full-text table; `match` and `exclude` are complete expressions, or `None`."""

    match: str | None
    exclude: str | None

    @property
    def empty(self) -> bool:
        """Nothing was asked for."""
        return self.match is None and self.exclude is None


class Terms(NamedTuple):
    """What a person typed, one by one: each is a complete expression for the full-text table, a word or a phrase."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]


def terms(words: str) -> Terms:
    """Reads what a person typed."""
    text = words.encode("utf-8", "replace").decode("utf-8").translate(_CURLED)
    wanted: list[str] = []
    unwanted: list[str] = []
    last = ""
    for minus, phrase, word in _PARTS.findall(text):
        last = word
        if word.startswith("-") and _has_token(word):
            unwanted.append(_quoted(word))
        elif _has_token(phrase or word):
            (unwanted if minus else wanted).append(_quoted(phrase or word))
        else:
            last = ""
    if wanted and _may_go_on(last):
        wanted[-1] += "*"
    return Terms(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)))  # the index reads each anew


def parse(words: str) -> Query:
    """What a person typed as one expression: all that is wanted in one line, and nothing that is not."""
    found = terms(words)
    return Query(" AND ".join(found.wanted) or None, " OR ".join(found.unwanted) or None)


def _quoted(text: str) -> str:
    return '"' + spaced(text).replace('"', " ") + '"'


def _has_token(text: str) -> bool:
    return any(_in_token(character) for character in text)


def _in_token(character: str) -> bool:
    """What the index's tokenizer takes for a part of a word (https://sqlite.org/fts5.html, `unicode61`)."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Co"


def _may_go_on(word: str) -> bool:
    """The word may be the beginning of a longer one: it ends in a letter or digit, and is more than one of them."""
    if word.startswith("-") or len(word) < 2 or not _in_token(word[-1]):
        return False
    return _in_token(word[-2]) and not _ONE.match(word[-1])
