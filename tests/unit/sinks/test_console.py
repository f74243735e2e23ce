"""The console is legible on a terminal of any width, plain in a pipe, and obeys nobody who speaks."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from collections.abc import Iterator
from datetime import date, datetime

import msgspec
import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genscribe import terminal
from genscribe.events import Conversation, Event, Gap, Participant, Record, Utterance
from genscribe.sinks.base import RowsRejected
from genscribe.sinks.console import GAP_REASONS, Console, Lines
from genscribe.terminal import Screen
from tests.fakes import record

DAY = date(2026, 3, 21)
CALL = "3f9a1c22-5bd1-4e0c-9a51-6c1b4a3f0b11"
OTHER = "b21c77aa-5bd1-4e0c-9a51-6c1b4a3f0b11"


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str, day: int = 21) -> datetime:
    return datetime.fromisoformat(f"2026-03-{day}T{text}+00:00")


def said(
    text: str, speaker: str = "agent", call: str | None = CALL, when: datetime | None = None
) -> Utterance[datetime]:
    when = when or at("13:03:07")
    return Utterance(key="k", revision=1, conversation_id=call, speaker=speaker, text=text, spoken_at=when)


def gap(
    start: datetime, end: datetime | None, reason: str = "disconnected", calls: list[str] | None = None
) -> Gap[datetime]:
    return Gap(key="g", revision=1, started_at=start, ended_at=end, reason=reason, conversation_ids=calls)


def drawn(screen: Screen, *events: Event[datetime], tagged: bool = True) -> str:
    lines = Lines(screen, tagged=tagged, today=DAY)
    return "".join(lines.draw(event) for event in events)


def test_columns_and_a_hanging_indent() -> None:
    text = "Thank you for calling Northwind, my name is Priya, how can I help you today?"
    assert drawn(Screen(60), said(text), said("hi", "customer", OTHER)) == (
        "14:03:07  3f9a1c  agent     Thank you for calling\n"
        "                            Northwind, my name is Priya,\n"
        "                            how can I help you today?\n"
        "14:03:07  b21c77  customer  hi\n"
    )


def test_a_narrow_terminal_puts_the_text_below() -> None:
    assert drawn(Screen(30), said("Thank you for calling Northwind today")) == (
        "14:03:07  3f9a1c  agent\n  Thank you for calling\n  Northwind today\n"
    )


def test_without_tags_where_there_is_one_conversation() -> None:
    assert drawn(Screen(60), said("hello"), tagged=False) == "14:03:07  agent     hello\n"


def test_plain_lines_for_pipes() -> None:
    events = said("two\nlines and \x1b[2J"), gap(at("13:03:10"), at("13:03:42")), said("x" * 500, "ivr", None)
    assert drawn(Screen(), *events) == (
        f"2026-03-21T14:03:07+01:00\t{CALL}\tagent\ttwo lines and ␛[2J\n"
        "2026-03-21T14:03:10+01:00\t-\tgap\tnot recorded 14:03:10–14:03:42 (connection lost)\n"
        f"2026-03-21T14:03:07+01:00\t-\tivr\t{'x' * 500}\n"
    )


def test_colours_stay_with_conversation_and_speaker() -> None:
    line = drawn(Screen(80, 256), said("hello"))
    again = drawn(Screen(80, 256), said("hello", "customer"), said("hello"))
    assert line in again
    assert "\x1b[36magent   \x1b[0m" in line
    assert "\x1b[32mcustomer\x1b[0m" in again
    assert drawn(Screen(80, 256), said("hello", call=OTHER)) != line.replace("3f9a1c", "b21c77")
    assert "\x1b[38;5;" not in drawn(Screen(80, 16), said("hello"))


def test_without_colours_nothing_is_an_escape_sequence() -> None:
    assert "\x1b" not in drawn(Screen(80), said("hello"), gap(at("13:00:00"), None))


def test_a_gap_is_a_rule_across_the_screen() -> None:
    line = drawn(Screen(80), gap(at("13:03:10"), at("13:03:42")))
    assert line == "── not recorded 14:03:10–14:03:42 (connection lost) " + "─" * 27 + "\n"
    assert terminal.width(line.rstrip()) == 79


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (gap(at("13:03:10"), None, "silent"), "not recorded since 14:03:10 (connection went silent)"),
        (gap(at("13:00:00", 20), at("13:00:00"), "stopped"), "not recorded 2026-03-20 14:00:00 – 2026-03-21 14:00:00"),
        (gap(at("13:03:10"), at("13:03:11"), "new reason"), "(new reason)"),
        (gap(at("13:03:10"), at("13:03:11"), "late", [CALL]), "in 3f9a1c"),
        (gap(at("13:03:10"), at("13:03:11"), "late", [CALL, OTHER, "x", "y", "z"]), "in 3f9a1c, b21c77, x and 2 more"),
    ],
)
def test_gaps(event: Gap[datetime], words: str) -> None:
    assert words in drawn(Screen(200), event)


def test_every_reason_has_its_words() -> None:
    contract = {"disconnected", "silent", "stopped", "crashed", "store full", "evicted", "late", "limit"}
    assert contract == GAP_REASONS.keys()


def test_another_day_is_announced_once() -> None:
    text = drawn(Screen(60), said("a"), said("b", when=at("23:30:00")), said("c", when=at("23:31:00")))
    assert text.splitlines()[1] == "── Sunday, 22 March 2026 ──────────────────────────────────"
    assert text.count("──") == text.splitlines()[1].count("──")


def test_conversations_and_participants_are_notes() -> None:
    started = Conversation(
        key="k", revision=1, conversation_id=CALL, state="started", at=at("13:00:00"), media_type="voice"
    )
    joined = Participant(key="k", revision=1, conversation_id=CALL, user_name="Priya\x1b[2J", joined_at=at("13:00:01"))
    left = Participant(key="k", revision=2, conversation_id=CALL, purpose="customer", left_at=at("13:09:01"))
    ended = Conversation[datetime](key="k", revision=1, conversation_id=CALL, state="ended")
    assert drawn(Screen(80), started, joined, left, ended) == (
        "14:00:00  3f9a1c  conversation started (voice)\n"
        "14:00:01  3f9a1c  Priya␛[2J joined\n"
        "14:09:01  3f9a1c  customer left\n"
        "--:--:--  3f9a1c  conversation ended\n"
    )
    assert drawn(Screen(), ended) == f"-\t{CALL}\t-\tconversation ended\n"


def test_a_time_nobody_sent_is_not_invented() -> None:
    line = msgspec.structs.replace(said("hello"), spoken_at=None)
    assert drawn(Screen(60), line).startswith("--:--:--  ")
    assert drawn(Screen(60), msgspec.structs.replace(line, received_at=at("13:09:00"))).startswith("14:09:00")


@given(
    st.text(),
    st.text(min_size=1),
    st.text(min_size=1),
    st.integers(10, 120),
)
@example("0" * 28, "agent", CALL, 30)
def test_whatever_they_say_the_screen_shows_lines_of_ours(text: str, speaker: str, call: str, columns: int) -> None:
    lines = drawn(Screen(columns), said(text, speaker, call))
    for line in lines.splitlines():
        assert terminal.safe(line) == line
        assert terminal.width(line) < columns or columns < 30
    assert lines.count("\n") == len(lines.splitlines())


def test_on_a_terminal_nothing_acts() -> None:
    screen = pyte.HistoryScreen(60, 20)
    titles: list[str] = []
    screen.set_title = titles.append  # type: ignore[method-assign]
    attack = "\x1b]0;owned\x07\x1b[2J\x1b[1;1Howned\r\n\x9b2J\u202eevil"
    text = drawn(Screen(60, 256), said("first"), said(attack, attack, attack), said("last"))
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    shown = [line.rstrip() for line in screen.display if line.strip()]
    assert shown[0] == "14:03:07  3f9a1c  agent     first"
    assert shown[-1] == "14:03:07  3f9a1c  agent     last"
    assert titles == []
    assert screen.buffer[0][28].fg == "default", "colours end where they should"


class Terminal:
    """A pseudo-terminal of a given width."""

    def __init__(self, columns: int) -> None:
        self.primary, self.fd = os.openpty()
        attributes = termios.tcgetattr(self.fd)
        attributes[1] &= ~termios.OPOST  # line ends as they are written
        termios.tcsetattr(self.fd, termios.TCSANOW, attributes)
        self.resize(columns)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self) -> str:
        return os.read(self.primary, 65536).decode()

    def close(self) -> None:
        os.close(self.primary)
        os.close(self.fd)


@pytest.fixture
def tty() -> Iterator[Terminal]:
    made = Terminal(80)
    yield made
    made.close()


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


@pytest.mark.anyio
async def test_a_resized_window_is_noticed_at_the_next_batch(tty: Terminal) -> None:
    sink = Console(tty.fd, {"TERM": "xterm-256color", "NO_COLOR": "1"})
    await sink.open()
    await sink.write([record(1, text=LONG)])
    wide = max(map(len, tty.read().splitlines()[1:]))
    tty.resize(50)
    await sink.write([record(2, text=LONG)])
    narrow = max(map(len, tty.read().splitlines()))
    assert 50 <= wide < 80
    assert narrow < 50
    await sink.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("environ", "coloured", "plain"),
    [
        ({"TERM": "xterm-256color"}, True, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, True),
    ],
)
async def test_colours_and_layout_by_the_environment(
    tty: Terminal, environ: dict[str, str], coloured: bool, plain: bool
) -> None:
    sink = Console(tty.fd, environ)
    await sink.write([record(1, text=LONG)])
    text = tty.read()
    assert ("\x1b[" in text) is coloured
    assert ("\t" in text) is plain
    assert (text.count("\n") == 1) is plain
    await sink.aclose()


@pytest.mark.anyio
async def test_interim_results_are_dim_where_asked_for(tty: Terminal) -> None:
    sink = Console(tty.fd, {"TERM": "xterm"})
    await sink.write([record(1, text="hel", final=False), record(2, text="hello")])
    text = tty.read()
    assert "\x1b[2mhel\x1b[0m\n" in text
    assert "  hello\n" in text
    await sink.aclose()


@pytest.mark.anyio
async def test_an_event_of_another_version_is_refused_alone() -> None:
    with pytest.raises(RowsRejected) as caught:
        await Console(1, {}).write([record(1), Record(2, "utterance", b'{"kind":"utterance","spoken_at":"noon"}')])
    assert caught.value.reasons == {2: "not an event of this version"}
