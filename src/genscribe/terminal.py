"""Text made safe and shapely for a terminal: what strangers said may hold escape sequences, and must not act.

Cheap to import: `unicodedata` and nothing of ours. Widths are in cells, a terminal's columns.
"""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: Persian spelling and emoji families need them, and they do no harm."""

_ARABIC_SIGNS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
"""Visible signs that Unicode files under format characters."""

_BIDI_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_BREAKS = "\t\n\v\f\r\x85\u2028\u2029"
_REPLACEMENT = "\ufffd"


def safe(text: str) -> str:
    """One line that a terminal shows and does not obey.

    Line breaks and tabs become blanks. C0 controls and DEL become their pictures (`␛`); C1 controls, bidi
    overrides and lone surrogates become U+FFFD; other invisible format characters go. Letters of every script stay.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _shown(char) for char in text)


@functools.lru_cache(maxsize=512)
def _shown(char: str) -> str:
    if char in _BREAKS:
        return " "
    if char < " ":
        return chr(0x2400 + ord(char))
    if char == "\x7f":
        return "\u2421"
    if char in _BIDI_OVERRIDES:
        return _REPLACEMENT
    category = unicodedata.category(char)
    if category in ("Cc", "Cs"):
        return _REPLACEMENT
    if category == "Cf" and char not in _JOINERS and char not in _ARABIC_SIGNS:
        return ""
    return char  # other blanks, private use, and characters younger than this Python's Unicode


def escape_json(line: str) -> str:
    """JSON text with everything that `safe` would change written as a `u` escape: the same JSON, harmless to see."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() or _shown(char) == char else _escaped(char) for char in line)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))


def width(text: str) -> int:
    """How many cells `text`, already `safe`, takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


@functools.lru_cache(maxsize=4096)
def _cells(char: str) -> int:
    if char in _JOINERS or unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def wrap(text: str, columns: int) -> list[str]:
    """`text`, already `safe`, in lines of at most `columns` cells; at least one line, `columns` at least 2.

    Lines break at blanks, within a run of wide characters (Chinese, Japanese, Korean) anywhere, and within a
    narrow word only when the word alone is longer than a line.
    """
    columns = max(columns, 2)
    lines: list[str] = []
    line = ""
    for word in filter(None, text.split(" ")):
        cells = width(word)
        used = width(line) + 1 if line else 0
        if used + cells <= columns:
            line = f"{line} {word}" if line else word
            continue
        flows = any(_cells(char) == 2 for char in word) and columns - used >= 2
        if line and not flows:
            lines.append(line)
            line, used = "", 0
        rest = word
        while rest:
            piece, rest = _cut(rest, columns - used)
            line = f"{line} {piece}" if line else piece
            if rest:
                lines.append(line)
                line, used = "", 0
    return [*lines, line] if line or not lines else lines


def _cut(text: str, cells: int) -> tuple[str, str]:
    """The longest head of at most `cells` cells, and the rest; a base and its marks stay together."""
    for index, char in enumerate(text):
        cells -= _cells(char)
        if cells < 0:
            return text[:index], text[index:]
    return text, ""


def fit(text: str, columns: int) -> str:
    """`text`, already `safe`, in exactly `columns` cells: padded with blanks, or cut with `…` at the end."""
    missing = columns - width(text)
    if missing >= 0:
        return text + " " * missing
    head = _cut(text, columns - 1)[0] + "…"
    return head + " " * (columns - width(head))


@dataclass(frozen=True)
class Screen:
    """What there is to draw on.

    Attributes:
        columns: Width in cells; `None` when lines are to stay whole and plain (a pipe, a file, `TERM=dumb`).
        colours: 0, 16 or 256.
    """

    columns: int | None = None
    colours: int = 0

    def paint(self, text: str, sgr: str) -> str:
        """`text` in a colour or weight, named by its SGR parameters (`""` for none); unchanged without colours."""
        return f"\x1b[{sgr}m{text}\x1b[0m" if self.colours and text and sgr else text


def screen(fd: int, environ: Mapping[str, str]) -> Screen:
    """What the file descriptor leads to, asked anew at every call so that a resized window is noticed.

    `NO_COLOR` (any value) takes the colours away, `TERM=dumb` the layout as well.
    """
    term = environ.get("TERM", "")
    if term == "dumb" or not os.isatty(fd):
        return Screen()
    try:
        columns = os.get_terminal_size(fd).columns or 80
    except OSError:
        columns = 80
    if environ.get("NO_COLOR"):
        return Screen(columns)
    many = "256color" in term or bool(environ.get("COLORTERM"))
    return Screen(columns, 256 if many else 16)
