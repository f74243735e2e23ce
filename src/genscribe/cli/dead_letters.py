"""`genscribe dead-letters`: what sinks refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from genscribe.cli import control, output
from genscribe.cli.options import Command, HeadedOption, config_option, settings_options
from genscribe.cli.tabular import moment, table
from genscribe.control import commands
from genscribe.control.protocol import Request
from genscribe.events import Utterance, decode
from genscribe.store import hands
from genscribe.store.reader import Reader
from genscribe.terminal import Screen

TITLES = ("sink", "seq", "kind", "conversation", "refused at", "reason", "text")
SHOWN = 8
"""So many characters of a conversation's id are shown on a terminal."""


class Letter(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that a sink refused.

    Attributes:
        kind: What it is; `None` when the store no longer has it.
        text: What was said; only when asked for.
    """

    sink: str
    seq: int
    reason: str
    at: str
    kind: str | None = None
    conversation_id: str | None = None
    text: str | None = None


@click.command(
    cls=Command,
    examples=[
        ("genscribe dead-letters", "What was refused, by whom, why; not what was said."),
        ("genscribe dead-letters retry --sink warehouse", "After it was put right: once more."),
        ("genscribe dead-letters drop --sink warehouse --seq 4711", "Give one up."),
    ],
)
@click.argument("action", type=click.Choice(["list", "retry", "drop"]), default="list", metavar="[ACTION]")
@click.option("--sink", metavar="NAME", cls=HeadedOption, heading="Which", help="Only of this sink.")
@click.option(
    "--seq", "seqs", type=click.IntRange(min=1), multiple=True, metavar="N", cls=HeadedOption, heading="Which",
    help="Only this event.  [repeatable]",
)  # fmt: skip
@click.option(
    "--show-text", is_flag=True, cls=HeadedOption, heading="How to show it",
    help="Also show what was said, which is left out otherwise.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, cls=HeadedOption, heading="How to show it", help="JSON Lines.")
@settings_options("dead-letters")
@config_option
def command(
    action: str, sink: str | None, seqs: tuple[int, ...], show_text: bool, as_json: bool, **options: Any
) -> None:
    """List what sinks refused; try it again, or drop it.

    ACTION is list (the default), retry or drop. retry has the sink write these events once more; what it takes is
    taken from the list. Where no process runs on the store, the sinks must be in the settings given here. drop takes
    events from the list only: they stay in the store, and `replay` can still send them.
    """
    request = Request(action, sink, seqs)
    if action == "retry":
        control.redo(options, request, as_json=as_json)
        return
    if action == "drop":
        control.Shown(as_json=as_json)(control.change(options, request))
        return
    given = dict(options)
    with output.open_store(options) as reader:
        if sink is not None:
            commands.check(sink, control.known_sinks(given, reader))
        found = listed(reader, request, show_text=show_text)
    if as_json:
        output.write_json(map(msgspec.json.encode, found))
    elif found:
        output.write(drawn(found, output.screen()))
    else:
        click.echo(commands.NO_LETTERS, err=True)


def listed(reader: Reader, request: Request, *, show_text: bool) -> list[Letter]:
    """The dead letters that are asked for, oldest first."""
    rows = reader.ask(lambda db: hands.letters(db, request.sink, request.seqs))
    return [_letter(reader, *row, show_text=show_text) for row in rows]


def _letter(reader: Reader, sink: str, seq: int, reason: str, at: str, *, show_text: bool) -> Letter:
    records = [each for each in reader.read(seq - 1, 1) if each.seq == seq]
    if not records:
        return Letter(sink, seq, reason, at)
    event = decode(records[0].json())
    text = event.text if show_text and isinstance(event, Utterance) else None
    return Letter(sink, seq, reason, at, records[0].kind, getattr(event, "conversation_id", None), text)


def drawn(letters: Sequence[Letter], screen: Screen) -> str:
    """A table on a terminal, with as much of an id as `genscribe show` needs; elsewhere tab-separated, no titles."""
    shown = None if screen.columns is None else SHOWN
    rows = [
        (
            each.sink,
            str(each.seq),
            each.kind or "",
            (each.conversation_id or "")[:shown],
            moment(each.at, screen),
            each.reason,
            each.text or "",
        )
        for each in letters
    ]
    return table(TITLES, rows, screen)
