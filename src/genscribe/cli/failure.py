"""How a command ends: an exit code and at most one line on standard error, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress

import click

from genscribe.cli.logs import masked, place
from genscribe.cli.stderr import Outlet
from genscribe.errors import Fatal, GenscribeError
from genscribe.terminal import safe

LAST_WORDS_S = 1.0
"""How long the last line waits for a standard error that nobody reads."""

UNEXPECTED = 1
USAGE = 2
INTERRUPTED = 130


def exit_code(error: BaseException) -> int:
    """The process's exit code for what a command raised, once `line` has said it."""
    error = cause(error)
    if isinstance(error, click.ClickException):
        return USAGE
    if isinstance(error, GenscribeError):
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return 0
    return UNEXPECTED


def line(error: BaseException) -> str | None:
    """What to tell a person; `None` = nothing: whoever closed the pipe or pressed Ctrl-C knows."""
    error = cause(error)
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, GenscribeError):
        return str(error)
    if isinstance(error, (KeyboardInterrupt, click.Abort, BrokenPipeError)):
        return None
    return (
        f"unexpected failure ({place(error)}). What was committed is safe in the store. Run again with "
        "--log-level debug to see the traceback, and report it."
    )


def tell(error: BaseException) -> int:
    """Writes the one line to standard error, at debug level the traceback to the log; returns the exit code."""
    if exit_code(error) == UNEXPECTED:
        logging.getLogger("genscribe.cli").debug("unexpected failure", exc_info=error)
    text = line(error)
    if text is not None:
        with suppress(OSError, ValueError):  # standard error may be closed
            Outlet(sys.stderr).write(f"genscribe: {safe(masked(text))}", patience_s=LAST_WORDS_S)
    if isinstance(cause(error), BrokenPipeError):
        _silence_stdout()
    return exit_code(error)


def cause(error: BaseException) -> BaseException:
    """The one error that matters of a group that task groups made: a fatal one of ours, else ours, else the first."""
    leaves = list(_leaves(error))
    for kind in (Fatal, GenscribeError):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    parts = getattr(error, "exceptions", None)  # ExceptionGroup, which Python 3.10 does not have
    if isinstance(parts, tuple) and parts:
        for part in parts:
            yield from _leaves(part)
    else:
        yield error


def _usage(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        from genscribe.settings.nearest import is_near  # with all settings, which other commands do not need

        name = error.option_name
        near = [each for each in error.possibilities if is_near(name.lstrip("-"), each.lstrip("-"))]
        error = click.NoSuchOption(name, possibilities=near, ctx=error.ctx)
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else "genscribe"
    message = error.format_message().rstrip(".")
    end = "" if message.endswith("?") else "."
    return f"{message[:1].lower() + message[1:]}{end} See `{path} --help`."


def _silence_stdout() -> None:
    """Python flushes standard output once more at exit and would complain about the closed pipe."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
