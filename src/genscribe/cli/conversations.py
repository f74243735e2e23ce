"""`genscribe conversations`: a table of them, the last that began first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

import click
import msgspec

from genscribe import terminal
from genscribe.cli import output
from genscribe.cli.filters import filter_options, given
from genscribe.cli.options import Command, config_option, settings_options
from genscribe.sinks.console import DIM, TAG_CELLS
from genscribe.store.views import Conversation
from genscribe.terminal import Screen


@click.command(
    cls=Command,
    examples=[
        ("genscribe conversations", "The last fifty."),
        ("genscribe conversations --live", "Those that go on now."),
        ("genscribe conversations --since today --json | jq -r .conversation_id", "For programs."),
    ],
)
@click.option("--live", is_flag=True, help="Only those that go on; none where nothing runs.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="At most so many.")
@filter_options()
@settings_options("conversations")
@config_option
def command(live: bool, limit: int, as_json: bool, **options: Any) -> None:
    """List conversations; the last that began first."""
    with output.open_store(options) as reader:
        found = reader.conversations(given(options).resolve(reader), live=live, limit=limit)
    if as_json:
        output.write_json(msgspec.json.encode(conversation) for conversation in found)
    elif found:
        output.write(table(found, output.screen()))
    else:
        click.echo("No conversation goes on." if live else "No conversations.", err=True)


class Column(NamedTuple):
    """One column: its title, what it shows, and what a pipe gets instead."""

    title: str
    shown: Callable[[Conversation[str]], str]
    plain: Callable[[Conversation[str]], str]


def table(found: Sequence[Conversation[str]], screen: Screen) -> str:
    """Columns as wide as what is in them on a terminal; elsewhere tab-separated, ids and times in full, no title."""
    if screen.columns is None:
        rows = [[terminal.safe(column.plain(one)) or "-" for column in COLUMNS] for one in found]
        return "".join("\t".join(row) + "\n" for row in rows)
    shown = [[terminal.safe(column.shown(one)) for column in COLUMNS] for one in found]
    columns = [column for column in zip([column.title for column in COLUMNS], *shown, strict=True) if any(column[1:])]
    widths = [max(map(terminal.width, column)) for column in columns]
    lines = [
        terminal.fit("  ".join(map(terminal.fit, row, widths)).rstrip(), screen.columns - 1).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return "".join(line + "\n" for line in [screen.paint(lines[0], DIM), *lines[1:]])


def _began(one: Conversation[str]) -> str | None:
    return one.started_at or one.first_spoken_at


def _local(text: str | None, form: str) -> str:
    return f"{_at(text).astimezone():{form}}" if text else ""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def _lasted(one: Conversation[str]) -> str:
    began, ended = _began(one), one.ended_at or one.last_spoken_at
    if not began or not ended:
        return ""
    seconds = max(round((_at(ended) - _at(began)).total_seconds()), 0)
    return f"{seconds // 60}:{seconds % 60:02d}"


def _state(one: Conversation[str]) -> str:
    return "ended" if one.ended_at else "open" if one.started_at else ""


COLUMNS = (
    Column("id", lambda one: one.conversation_id[:TAG_CELLS], lambda one: one.conversation_id),
    Column("began", lambda one: _local(_began(one), "%Y-%m-%d %H:%M:%S"), lambda one: _began(one) or ""),
    Column("lasted", _lasted, lambda one: one.ended_at or one.last_spoken_at or ""),
    Column("lines", lambda one: str(one.utterance_count), lambda one: str(one.utterance_count)),
    Column("medium", lambda one: one.media_type or "", lambda one: one.media_type or ""),
    Column("direction", lambda one: one.direction or "", lambda one: one.direction or ""),
    Column("state", _state, _state),
    Column("queue", lambda one: one.queue_name or one.queue_id or "", lambda one: one.queue_name or one.queue_id or ""),
)
