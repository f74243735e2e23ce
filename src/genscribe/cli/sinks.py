"""`genscribe sinks`: which there are, what they lack; pause, resume, remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from genscribe import terminal
from genscribe.cli import control, output
from genscribe.cli.options import Command, HeadedOption, config_option, settings_options
from genscribe.cli.tabular import moment, table
from genscribe.control.protocol import Request
from genscribe.errors import UsageError
from genscribe.store import hands
from genscribe.store.hands import Hold
from genscribe.store.reader import Reader
from genscribe.telemetry.status import SinkStatus
from genscribe.terminal import Screen


class Line(msgspec.Struct, frozen=True):
    """One sink.

    Attributes:
        state: `running`, `retrying`, `paused`, or `absent` where no process delivers to it.
        since: When that began; `None` = not known.
        lag_events: How many events of the store it has not passed yet.
        lag_seconds: How old the oldest of them is; `None` where no process delivers to it.
        dead_letters: How many events it refused that the store still has.
    """

    name: str
    state: str
    since: str | None
    lag_events: int
    lag_seconds: float | None
    dead_letters: int
    last_error: str | None


@click.command(
    cls=Command,
    examples=[
        ("genscribe sinks", "How they do."),
        ("genscribe sinks pause warehouse", "Its events wait in the store until `resume`, also over restarts."),
        ("genscribe sinks remove old-sink", "Its cursor is forgotten; retention waits for it no more."),
    ],
)
@click.argument("action", type=click.Choice(["list", "pause", "resume", "remove"]), default="list", metavar="[ACTION]")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--json", "as_json", is_flag=True, cls=HeadedOption, heading="How to show it", help="JSON Lines.")
@settings_options("sinks")
@config_option
def command(action: str, name: str | None, as_json: bool, **options: Any) -> None:
    """List sinks and what they lack; pause, resume or remove one.

    ACTION is list (the default), pause, resume or remove. A running process is asked through the socket beside its
    store; where none runs, the store is changed directly. A paused sink keeps its backlog in the store, whatever
    --keep says; a write in hand ends first. resume also has a sink tried at once that waits for its next try. remove
    ends delivery and forgets the cursor: what the sink lacks is kept for it no more, and if it is named again, it
    begins anew.
    """
    if (action == "list") != (name is None):
        raise UsageError(f"`genscribe sinks {action}` takes {'no' if action == 'list' else 'a'} NAME.")
    if action != "list":
        control.Shown(as_json=as_json)(control.change(options, Request(action, name)))
        return
    with output.open_store(options) as reader:
        lines = listed(reader)
    if as_json:
        output.write_json(map(msgspec.json.encode, lines))
    elif lines:
        output.write(drawn(lines, output.screen()))
    else:
        click.echo("No sinks.", err=True)


def listed(reader: Reader) -> list[Line]:
    """All sinks: what the running process says of them, and what the store knows."""
    return together(control.running(reader), reader.ask(hands.holds), reader.head)


def together(running: Sequence[SinkStatus], holds: Sequence[Hold], head: int) -> list[Line]:
    """The sinks that run, in their order, then those that do not."""
    held = {each.name: each for each in holds}
    lines = [_of_run(each, held.get(each.name)) for each in running]
    names = {each.name for each in running}
    return lines + [_absent(each, head) for each in holds if each.name not in names and _is_sink(each)]


def _is_sink(hold: Hold) -> bool:
    return hold.cursor is not None or hold.paused_at is not None


def _of_run(each: SinkStatus, hold: Hold | None) -> Line:
    letters = hold.dead_letters if hold is not None else 0
    seconds = round(each.lag_seconds, 1)
    return Line(each.name, each.state, each.since, each.lag_events, seconds, letters, each.last_error)


def _absent(each: Hold, head: int) -> Line:
    state = "absent" if each.paused_at is None else "paused"
    since = each.saved_at if each.paused_at is None else each.paused_at
    return Line(each.name, state, since, max(head - (each.cursor or 0), 0), None, each.dead_letters, None)


TITLES = ("sink", "state", "behind", "dead", "since")


def drawn(lines: Sequence[Line], screen: Screen) -> str:
    """A table on a terminal, what is wrong below it; elsewhere tab-separated, without titles, with all of it."""
    if screen.columns is None:
        return table(Line.__struct_fields__, [_cells(each) for each in lines], screen)
    rows = [
        (each.name, each.state, _behind(each), str(each.dead_letters), moment(each.since, screen)) for each in lines
    ]
    told = table(TITLES, rows, screen)
    for each in lines:
        if each.last_error:
            error = terminal.wrap(terminal.safe(f"{each.name}: {each.last_error}"), screen.columns - 1)
            told += "\n" + "".join(f"{part}\n" for part in error)
    return told


def _behind(each: Line) -> str:
    """How many events, and for how long the oldest waits."""
    return f"{each.lag_events:,} ({each.lag_seconds:.0f} s)" if each.lag_seconds else f"{each.lag_events:,}"


def _cells(each: Line) -> tuple[str, ...]:
    seconds = "" if each.lag_seconds is None else f"{each.lag_seconds:.0f}"
    counts = (str(each.lag_events), seconds, str(each.dead_letters))
    return each.name, each.state, each.since or "", *counts, each.last_error or ""
