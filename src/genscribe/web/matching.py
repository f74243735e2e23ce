"""Which words of a text were searched for, as the full-text table sees words; and the piece of it that people get."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import apsw

from genscribe.store.search import spaced

AROUND = 160
"""Characters of a snippet."""
BEFORE = 50
"""Of them before the first hit."""
LOOKED_AT = 50_000
"""Characters of a text that are looked at: a megabyte in one line is nobody's speech."""

Piece = tuple[str, bool]


class Pattern(NamedTuple):
    """A word or a phrase; with `open` its last word may go on."""

    words: tuple[str, ...]
    open: bool


class Token(NamedTuple):
    """A word of a text: from one character up to another, and as the index has it."""

    begin: int
    end: int
    word: str


class Matcher:
    """Finds terms in texts. Belongs to the thread that has the connection.

    Args:
        db: A connection to any store.
        terms: As `store.search.terms` gives them.
    """

    def __init__(self, db: apsw.Connection, terms: Iterable[str]) -> None:
        self._split: Callable[..., Any] = db.fts5_tokenizer("unicode61", ["remove_diacritics", "2"])
        patterns = [self._pattern(term) for term in terms]
        self.patterns = [pattern for pattern in patterns if pattern.words]

    def _pattern(self, term: str) -> Pattern:
        text, _, star = term.rpartition('"')
        return Pattern(tuple(token.word for token in self.tokens(text[1:])), star == "*")

    def tokens(self, text: str) -> list[Token]:
        """The words of a text, of its first `LOOKED_AT` characters."""
        text = text[:LOOKED_AT]
        wide = spaced(text)
        found = self._split(wide.encode("utf-8", "replace"), apsw.FTS5_TOKENIZE_DOCUMENT, None)
        if wide.isascii():
            return [Token(begin, end, word) for begin, end, word, *_ in found]
        offsets = [0, *itertools.accumulate(len(char.encode("utf-8", "replace")) for char in wide)]
        places = _places(text, wide)
        tokens = []
        for begin, end, word, *_ in found:
            first, last = bisect_left(offsets, begin), bisect_left(offsets, end)
            tokens.append(Token(places[first], places[last - 1] + 1, word))
        return tokens

    def hits(self, tokens: Sequence[Token]) -> list[tuple[int, int]]:
        """Where any of the terms stands, as pairs of characters, in order, none over another."""
        found = sorted(
            (tokens[at].begin, tokens[at + len(pattern.words) - 1].end)
            for pattern in self.patterns
            for at in _occurrences(pattern, tokens)
        )
        apart: list[tuple[int, int]] = []
        for begin, end in found:
            if apart and begin < apart[-1][1]:
                apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
            else:
                apart.append((begin, end))
        return apart

    def present(self, text: str) -> set[int]:
        """Which of `patterns`, by their places, stand in a text."""
        likely: Sequence[int] = range(len(self.patterns))
        if text.isascii():  # then a word of it is what it looks like, and most texts have none of them
            lower = text.lower()
            likely = [n for n in likely if all(word in lower for word in self.patterns[n].words)]
        if not likely:
            return set()
        tokens = self.tokens(text)
        return {n for n in likely if any(True for _ in _occurrences(self.patterns[n], tokens))}

    def snippet(self, text: str) -> list[Piece]:
        """About `AROUND` characters from a little before the first hit, in pieces: text, and whether it is a hit."""
        tokens = self.tokens(text)
        hits = self.hits(tokens)
        begin, end = _piece(text, tokens, hits[0][0] if hits else 0)
        pieces: list[Piece] = [("…", False)] if begin else []
        at = begin
        for first, last in hits:
            if first < begin or last > end:
                continue
            pieces += [(text[at:first], False), (text[first:last], True)]
            at = last
        pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
        return [piece for piece in pieces if piece[0]]


def _occurrences(pattern: Pattern, tokens: Sequence[Token]) -> Iterable[int]:
    first, size = pattern.words[0], len(pattern.words)
    for at in range(len(tokens) - size + 1):
        if size > 1 and tokens[at].word != first:
            continue
        if all(tokens[at + n].word == word for n, word in enumerate(pattern.words[:-1])):
            last = tokens[at + size - 1].word
            if last == pattern.words[-1] or (pattern.open and last.startswith(pattern.words[-1])):
                yield at


def _piece(text: str, tokens: Sequence[Token], hit: int) -> tuple[int, int]:
    """From where to where: whole words, unless one is longer than all that people get."""
    begin = 0 if hit <= BEFORE else hit - BEFORE
    begin = next((token.begin for token in tokens if begin <= token.begin <= hit), hit) if begin else 0
    end = begin + AROUND
    if end >= len(text):
        return begin, len(text)
    ends = [token.end for token in tokens if hit < token.end <= end]
    return begin, ends[-1] if ends else end


def _places(text: str, wide: str) -> Sequence[int]:
    """For each character of the spaced text, its place in the text."""
    if text == wide:
        return range(len(text))
    places, at = [], 0
    for place, char in enumerate(text):
        size = 3 if wide[at : at + 3] == f" {char} " and spaced(char) != char else 1
        places += [place] * size
        at += size
    return places
