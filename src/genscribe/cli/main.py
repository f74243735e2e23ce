"""The group `genscribe`. Commands are imported when they are run, so that help and version answer at once."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

import genscribe


class Entry(NamedTuple):
    """One command: `module` of this package has it under the name `command`."""

    heading: str
    module: str
    summary: str


COMMANDS = {
    "demo": Entry("Begin", "demo", "Try it: the whole way on a bundled emulator, without credentials or network."),
    "check": Entry("Begin", "check", "See whether settings, network, credentials, permissions and sinks are right."),
    "stream": Entry("Record", "stream", "Connect, commit and deliver, until stopped."),
    "status": Entry("Record", "status", "Connected or not, since when, why, what is being missed."),
    "sinks": Entry("Operate", "sinks", "List sinks and what they lack; pause, resume or remove one."),
    "dead-letters": Entry("Operate", "dead_letters", "List what sinks refused; try it again, or drop it."),
    "replay": Entry("Operate", "replay", "Send stored events through a sink once more."),
    "backup": Entry("Operate", "backup", "Copy the store into one file, also while it is written."),
    "serve": Entry("Read", "serve", "Show a store as a page, without streaming."),
    "tail": Entry("Read", "tail", "Show what is said, as it is committed."),
    "search": Entry("Read", "search", "Find what was said."),
    "show": Entry("Read", "show", "Show one conversation."),
    "conversations": Entry("Read", "conversations", "List conversations."),
    "export": Entry("Read", "export", "Write what was said as JSON Lines, CSV or Parquet."),
    "emulate": Entry("Build", "emulate", "The emulator alone, to develop against."),
    "schema": Entry("Build", "schema", "Print the JSON Schema of the events, or PostgreSQL's tables."),
}


COMPLETION = "_GENSCRIBE_COMPLETE"
"""Set by the shell when somebody presses Tab: `eval "$(_GENSCRIBE_COMPLETE=bash_source genscribe)"`."""


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        name = f"genscribe.cli.{entry.module}"
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise click.UsageError(f"this version has no {cmd_name} yet", ctx) from None
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command where there is none of that name."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from genscribe.settings.nearest import nearest  # with all settings, which `--help` does not need

            near = nearest(args[0], COMMANDS)
            if near is not None:
                raise click.UsageError(f"no such command '{args[0]}'; did you mean {near}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands under headings, from the table: nothing is imported."""
        headings = list(dict.fromkeys(entry.heading for entry in COMMANDS.values()))
        width = max(map(len, COMMANDS))
        for heading in headings:
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), e.summary) for name, e in COMMANDS.items() if e.heading == heading]
                )


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `genscribe demo`. `genscribe COMMAND --help` says more about each.",
)
@click.version_option(genscribe.__version__, prog_name="genscribe", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Write down every word of every live Genesys Cloud conversation, as it is spoken, into your own systems."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Args:
        arguments: Without the program's name; `None` = this process's.
    """
    _open_standard_streams()
    if COMPLETION in os.environ:
        cli.main(prog_name="genscribe")
    try:
        # Not `cli.main`: it turns a closed pipe into an exit code of its own and answers Ctrl-C with an empty line.
        with cli.make_context("genscribe", list(sys.argv[1:] if arguments is None else arguments)) as context:
            cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except BaseException as error:  # noqa: BLE001 - the one place where everything ends, as a code and a line
        from genscribe.cli import failure

        return failure.tell(error)
    return 0


def _open_standard_streams() -> None:
    """A parent may have closed 0, 1 or 2. The next files opened would get these numbers, and be written over."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:  # noqa: PERF203
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
