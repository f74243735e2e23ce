"""The sink `console`: what is being said, line by line, for people.

On a terminal: time, conversation, speaker and text in columns, wrapped under the text column, colours that stay with
a conversation and with a kind of speaker. Anywhere else: one line an event, tab-separated, ids in full, no colour.
"""

from __future__ import annotations

import os
import re
import sys
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from typing import ClassVar

import anyio.lowlevel
import msgspec

from genscribe import clock, terminal
from genscribe.events import Conversation, Event, Gap, Participant, Record, Utterance, decode
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, RowsRejected
from genscribe.sinks.stdout import StandardOutput
from genscribe.terminal import Screen

TAG_CELLS = 6
SPEAKER_CELLS = 8
NARROW = 48
"""Below this many columns the text stands under its heading instead of beside it."""

WIDEST_RULE = 100

BOLD = "1"
DIM = "2"
YELLOW = "33"
SPEAKER_COLOURS = {"agent": "36", "customer": "32"}
OTHER_SPEAKER = "35"
TAG_COLOURS = {
    16: ("34", "35", "33", "31", "36", "32"),
    256: tuple(f"38;5;{n}" for n in (67, 72, 131, 136, 97, 103, 108, 138, 143, 168, 173, 66)),
}
"""Middle tones that can be read on a dark and on a light ground."""

GAP_REASONS = {
    "disconnected": "connection lost",
    "silent": "connection went silent",
    "stopped": "genscribe was not running",
    "crashed": "genscribe had crashed",
    "store full": "the disk was full",
    "evicted": "another client took the channel",
    "late": "subscribed too late",
    "limit": "a limit of the platform",
}

_SLICE = 64
"""Events drawn before the loop gets its turn: under 5 ms."""


class Lines:
    """Draws events as lines; what `console`, `show`, `tail` and `search` have in common.

    Args:
        screen: What to draw on; may be replaced between two lines, as when a window is resized.
        tagged: Whether each line says which conversation it belongs to.
        today: The local day for which no date need be shown; `None` shows every day's date.
        highlight: What to make bold in what was said.
    """

    def __init__(
        self,
        screen: Screen,
        *,
        tagged: bool = True,
        today: date | None = None,
        highlight: re.Pattern[str] | None = None,
    ) -> None:
        self.screen = screen
        self._tagged = tagged
        self._day = today
        self._highlight = highlight

    def draw(self, event: Event[datetime]) -> str:
        """One event, its line ends included; empty for what people need not see."""
        if isinstance(event, Utterance):
            return self.utterance(event)
        if isinstance(event, Gap):
            return self.gap(event)
        if isinstance(event, Conversation):
            media = f" ({event.media_type})" if event.media_type and event.state == "started" else ""
            return self._note(event.at, event.conversation_id, f"conversation {event.state}{media}")
        if isinstance(event, Participant):
            return self._note(event.left_at or event.joined_at, event.conversation_id, _participation(event))
        return ""

    def utterance(self, said: Utterance[datetime]) -> str:
        """What one speaker said."""
        at = said.spoken_at or said.emitted_at or said.received_at
        text = terminal.safe(said.text)
        if self.screen.columns is None:
            return _plain(at, said.conversation_id, said.speaker, text)
        speaker = terminal.fit(terminal.safe(said.speaker), SPEAKER_CELLS)
        colour = SPEAKER_COLOURS.get(said.speaker, OTHER_SPEAKER)
        head = [self.screen.paint(_clock(at), DIM)]
        if self._tagged:
            head.append(self._tag(said.conversation_id))
        head.append(self.screen.paint(speaker, colour))
        weight = "" if said.is_final else DIM
        return self._date(at) + self._beside("  ".join(head), text, weight)

    def gap(self, gap: Gap[datetime]) -> str:
        """A time that nobody wrote down, as a rule across the screen."""
        words = f"not recorded {_span(gap)} ({terminal.safe(GAP_REASONS.get(gap.reason, gap.reason))})"
        concerned = gap.conversation_ids
        if self.screen.columns is None:
            return _plain(gap.started_at, ",".join(concerned) if concerned else None, "gap", words)
        if concerned and self._tagged:
            words += " in " + ", ".join(terminal.safe(name)[:TAG_CELLS] for name in concerned[:3])
            words += f" and {len(concerned) - 3} more" if len(concerned) > 3 else ""
        return self._date(gap.ended_at or gap.started_at) + self._rule(words, YELLOW)

    def _beside(self, head: str, text: str, sgr: str) -> str:
        columns = self.screen.columns or 80
        indent = 8 + 2 + SPEAKER_CELLS + 2 + (TAG_CELLS + 2 if self._tagged else 0)
        if columns < NARROW:
            body = [self._said(line, sgr) for line in terminal.wrap(text, columns - 3)]
            return head.rstrip() + "\n" + "".join(f"  {line}\n" for line in body)
        # The last column stays free: some terminals wrap when it is written, others when it is passed.
        body = [self._said(line, sgr) for line in terminal.wrap(text, columns - indent - 1)]
        return f"{head}  " + f"\n{' ' * indent}".join(body) + "\n"

    def _said(self, line: str, sgr: str) -> str:
        if self._highlight is None:
            return self.screen.paint(line, sgr)
        return self._highlight.sub(lambda match: self.screen.paint(match[0], BOLD), line)

    def _tag(self, conversation_id: str | None) -> str:
        tag = terminal.fit(terminal.safe(conversation_id or "-")[:TAG_CELLS], TAG_CELLS)
        colours = TAG_COLOURS.get(self.screen.colours, ("",))
        return self.screen.paint(tag, colours[zlib.crc32((conversation_id or "").encode()) % len(colours)])

    def _note(self, at: datetime | None, conversation_id: str, words: str) -> str:
        words = terminal.safe(words)
        if self.screen.columns is None:
            return _plain(at, conversation_id, "-", words)
        tag = self._tag(conversation_id) + "  " if self._tagged else ""
        return self._date(at) + self.screen.paint(_clock(at), DIM) + f"  {tag}" + self.screen.paint(words, DIM) + "\n"

    def _rule(self, words: str, sgr: str) -> str:
        columns = min((self.screen.columns or 80) - 1, WIDEST_RULE)
        lines = terminal.wrap(words, columns - 3)
        lines[-1] += " " + "─" * max(columns - 4 - terminal.width(lines[-1]), 0)
        return "".join(
            self.screen.paint(("── " if n == 0 else "   ") + line, sgr) + "\n" for n, line in enumerate(lines)
        )

    def _date(self, at: datetime | None) -> str:
        """A rule with the date when it is another day than that of the line before."""
        day = at.astimezone().date() if at else None
        if day is None or day == self._day:
            return ""
        self._day = day
        return self._rule(f"{day:%A}, {day.day} {day:%B %Y}", DIM)


def _participation(event: Participant[datetime]) -> str:
    who = event.user_name or event.purpose or "somebody"
    return f"{who} {'left' if event.left_at else 'joined'}"


def _plain(at: datetime | None, conversation_id: str | None, speaker: str, text: str) -> str:
    when = at.astimezone().isoformat(timespec="seconds") if at else "-"
    return "\t".join((when, terminal.safe(conversation_id or "-"), terminal.safe(speaker) or "-", text)) + "\n"


def _today() -> date:
    return datetime.fromtimestamp(clock.wall_ms() / 1000, timezone.utc).astimezone().date()


def _clock(at: datetime | None) -> str:
    return f"{at.astimezone():%H:%M:%S}" if at else "--:--:--"


def _span(gap: Gap[datetime]) -> str:
    if gap.ended_at is None:
        return f"since {_clock(gap.started_at)}"
    start, end = gap.started_at.astimezone(), gap.ended_at.astimezone()
    if start.date() == end.date():
        return f"{start:%H:%M:%S}–{end:%H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} – {end:%Y-%m-%d %H:%M:%S}"


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


class Console:
    """Standard output for people.

    Args:
        fd: Where to write; 1 is standard output.
        environ: Where `TERM`, `NO_COLOR` and `COLORTERM` stand; `None` means the process's own.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset({"utterance", "gap"})

    def __init__(self, fd: int = 1, environ: Mapping[str, str] | None = None) -> None:
        self._fd = fd
        self._environ = os.environ if environ is None else environ
        self._out = StandardOutput(fd)
        self._lines = Lines(Screen(), today=_today())

    async def open(self) -> None:
        """Nothing can be wrong before the first line."""

    async def write(self, batch: Sequence[Record]) -> None:
        """Shows a batch. Raises `SinkEnded` once nobody reads any more."""
        self._lines.screen = terminal.screen(self._fd, self._environ)
        drawn: list[str] = []
        for position in range(0, len(batch), _SLICE):
            drawn.extend(map(self._draw, batch[position : position + _SLICE]))
            await anyio.lowlevel.checkpoint()
        await self._out.write("".join(drawn).encode(_encoding(), "replace"))

    def _draw(self, record: Record) -> str:
        try:
            return self._lines.draw(decode(record.body))
        except msgspec.MsgspecError:
            raise RowsRejected({record.seq: "not an event of this version"}) from None

    async def aclose(self) -> None:
        """Lets the writing thread end."""
        self._out.close()


def make(setting: SinkSetting, means: Means) -> Console:
    """The sink of a setting."""
    return Console()
