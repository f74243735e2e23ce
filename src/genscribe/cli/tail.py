"""`genscribe tail`: what is being said, as it is committed."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import click
import msgspec

from genscribe.cli import output
from genscribe.cli.filters import filter_options, given, lets_through
from genscribe.cli.options import Command, config_option, settings_options
from genscribe.core.batches import Choice
from genscribe.events import Record, decode
from genscribe.sinks.console import Lines
from genscribe.store.queries import EVERYTHING, Filters
from genscribe.store.reader import Reader

LOOK_S = 0.5

WANTED = Choice(frozenset({"utterance", "gap"}))


@click.command(
    cls=Command,
    examples=[
        ("genscribe tail", "Everything, live, until Ctrl-C."),
        ("genscribe tail -n 0 --conversation 3f9a1c", "One conversation, from now on."),
        ("genscribe tail --json | jq -r .text", "For programs."),
    ],
)
@click.option(
    "-n", "--lines", type=click.IntRange(0, 100_000), default=10, show_default=True, help="Begin so far back."
)
@filter_options()
@settings_options("tail")
@config_option
def command(lines: int, as_json: bool, **options: Any) -> None:
    """Show what is said as it is committed, and what could not be recorded, until Ctrl-C.

    It only reads: start `genscribe stream` to record.
    """
    with output.open_store(options) as reader:
        filters = given(options).resolve(reader)
        show = show_json if as_json else Shown()
        anyio.run(until_ended, lambda: follow(reader, filters, lines, show))


async def until_ended(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Works until Ctrl-C, SIGTERM, or until nobody reads: in a silent hour nothing else would tell of a closed pipe."""
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(sys.stdout.fileno(), 0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        tasks.start_soon(_cancelled_by_signal, tasks.cancel_scope)
        while not poll.poll(0):
            await anyio.sleep(LOOK_S)
        tasks.cancel_scope.cancel()


async def _cancelled_by_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def follow(reader: Reader, filters: Filters, lines: int, show: Callable[[Record], None]) -> None:
    """Shows the last lines, then all that comes, without end."""
    newest = reader.search("", EVERYTHING, limit=1)
    last = reader.search("", filters, limit=lines) if lines else []
    for record in reversed(last):
        show(record)
    shown = {record.seq for record in last}
    # What is searchable lags the journal, so the journal is read on from the newest that was.
    async for record in reader.follow(newest[0].seq if newest else 0):
        if record.seq not in shown and WANTED.wants(record) and lets_through(filters, record):
            show(record)


def show_json(record: Record) -> None:
    """As the contract's JSON."""
    output.write_json([record.json()])


class Shown:
    """As lines for people; a resized window is noticed at the next."""

    def __init__(self) -> None:
        self._lines = Lines(output.screen())

    def __call__(self, record: Record) -> None:
        """Shows one record."""
        self._lines.screen = output.screen()
        with suppress(msgspec.MsgspecError):  # of a newer version
            output.write(self._lines.draw(decode(record.body)))
