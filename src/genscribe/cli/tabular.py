"""Rows for people and for pipes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from genscribe import terminal
from genscribe.sinks.console import DIM
from genscribe.terminal import Screen


def moment(text: str | None, screen: Screen) -> str:
    """A time of the store for people, in their own zone and to the second; in a pipe as it stands; empty for `None`."""
    if text is None or screen.columns is None:
        return text or ""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], screen: Screen) -> str:
    """Columns as wide as what is in them on a terminal, without empty ones; elsewhere tab-separated, no titles."""
    safe = [[terminal.safe(cell) for cell in row] for row in rows]
    if screen.columns is None:
        return "".join("\t".join(cell or "-" for cell in row) + "\n" for row in safe)
    columns = [column for column in zip(titles, *safe, strict=True) if any(column[1:])]
    widths = [max(map(terminal.width, column)) for column in columns]
    lines = [
        terminal.fit("  ".join(map(terminal.fit, row, widths)).rstrip(), screen.columns - 1).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return "".join(line + "\n" for line in [screen.paint(lines[0], DIM), *lines[1:]])
