"""What strangers said cannot act on a terminal, and is laid out by the width it really has."""

from __future__ import annotations

import json
import os
import unicodedata

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe import terminal
from genscribe.terminal import Screen

ATTACKS = {
    "clear screen": "before\x1b[2J\x1b[Hafter",
    "title": "\x1b]0;owned\x07text",
    "title by C1": "\x9d0;owned\x9ctext",
    "clipboard": "\x1b]52;c;b3duZWQ=\x07text",
    "link": "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "overwrite by return": "pay 100\rpay 999",
    "overwrite by backspace": "pay 100\b\b\b999",
    "new line forges a line": "hello\n14:03:07  agent  forged",
    "C1 CSI": "\x9b2Jtext",
    "DCS": "\x1bP+q544e\x1b\\text",
    "line separators": "a\u2028b\u2029c\x85d\vd\fe",
    "shift out": "\x0etext\x0f",
    "alternate screen": "\x1b[?1049htext",
    "reset": "\x1bctext",
}


class Watched(pyte.Screen):
    """A terminal that remembers whether anybody set its title."""

    def __init__(self) -> None:
        super().__init__(80, 5)
        self.titles: list[str] = []

    def set_title(self, param: str) -> None:
        self.titles.append(param)

    def set_icon_name(self, param: str) -> None:
        self.titles.append(param)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_screen_shows_the_text_and_nothing_else(attack: str) -> None:
    screen = Watched()
    shown = terminal.safe(attack)
    pyte.Stream(screen).feed("first\r\n" + shown)
    assert screen.display == [line.ljust(80) for line in ("first", shown, "", "", "")]
    assert screen.titles == []
    assert screen.cursor.y == 1


def test_the_attacks_do_work_on_a_terminal_without_us() -> None:
    """The watched terminal has teeth."""
    screen = Watched()
    pyte.Stream(screen).feed("first\r\n" + ATTACKS["clear screen"] + ATTACKS["title"])
    assert "owned" in screen.titles
    assert not screen.display[0].startswith("first")


@given(st.text(st.characters(exclude_categories=())))
def test_no_character_survives_that_could_act(text: str) -> None:
    shown = terminal.safe(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff")
    shown.encode()
    assert terminal.safe(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a b c"),
        ("\x1b[31m", "␛[31m"),
        ("\x7f\x00", "␡␀"),
        ("\x9b", "\ufffd"),
        ("\ud800", "\ufffd"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("zero\u200bwidth\u2060\ufeff\u00ad", "zerowidth"),
        ("שלום\u200f", "שלום"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("non\u00a0break", "non\u00a0break"),
        ("日本語", "日本語"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert terminal.safe(text) == shown


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_escaped_json_is_the_same_json(text: str) -> None:
    line = terminal.escape_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(line) == {"text": text}
    assert terminal.safe(line) == line


@pytest.mark.parametrize(
    ("text", "cells"),
    [("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("👍", 2), ("ＡＢ", 4), ("한국", 4), ("ก็", 1), ("", 0)],
)
def test_width(text: str, cells: int) -> None:
    assert terminal.width(text) == cells


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("", 10, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("one  two", 20, ["one two"]),
        ("a verylongwordindeed b", 8, ["a", "verylong", "wordinde", "ed b"]),
        ("日本語のテキスト", 6, ["日本語", "のテキ", "スト"]),
        ("ok 日本語", 6, ["ok 日", "本語"]),
        ("ok 日本語", 3, ["ok", "日", "本", "語"]),
        ("cafe\u0301s cafe\u0301s", 5, ["cafe\u0301s", "cafe\u0301s"]),
        ("日本", 0, ["日", "本"]),
    ],
)
def test_wrap(text: str, columns: int, lines: list[str]) -> None:
    assert terminal.wrap(text, columns) == lines


@given(st.text(), st.integers(2, 40))
def test_wrapping_loses_nothing_and_keeps_to_the_width(text: str, columns: int) -> None:
    lines = terminal.wrap(terminal.safe(text), columns)
    assert all(terminal.width(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == terminal.safe(text).replace(" ", "")


@pytest.mark.parametrize(
    ("text", "columns", "fitted"), [("ab", 4, "ab  "), ("abcde", 4, "abc…"), ("日本語", 4, "日… "), ("日本", 4, "日本")]
)
def test_fit(text: str, columns: int, fitted: str) -> None:
    assert terminal.fit(text, columns) == fitted


def test_a_pipe_is_plain() -> None:
    read, write = os.pipe()
    try:
        assert terminal.screen(write, {"TERM": "xterm-256color"}) == Screen(None, 0)
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize(
    ("environ", "screen"),
    [
        ({"TERM": "xterm-256color"}, Screen(100, 256)),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, Screen(100, 256)),
        ({"TERM": "vt220"}, Screen(100, 16)),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Screen(100, 0)),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Screen(100, 256)),
        ({"TERM": "dumb"}, Screen(None, 0)),
    ],
)
def test_a_terminal_and_its_environment(environ: dict[str, str], screen: Screen) -> None:
    import fcntl
    import struct
    import termios

    primary, replica = os.openpty()
    try:
        fcntl.ioctl(replica, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        assert terminal.screen(replica, environ) == screen
    finally:
        os.close(primary)
        os.close(replica)


def test_paint() -> None:
    assert Screen(80, 16).paint("x", "36") == "\x1b[36mx\x1b[0m"
    assert Screen(80, 0).paint("x", "36") == "x"
    assert Screen(80, 16).paint("", "36") == ""
