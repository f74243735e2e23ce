"""`genscribe emulate`: the emulator alone, to develop against."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import click

from genscribe import settings
from genscribe.cli import logs
from genscribe.cli.options import Command, HeadedOption, settings_options
from genscribe.cli.run import Runnable, Signals, run
from genscribe.errors import ConfigError

if TYPE_CHECKING:
    from genscribe.emulator.calls import Call

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FASTEST = 1000.0


def _speed(context: click.Context, param: click.Parameter, value: float) -> float:
    if not 0 < value <= FASTEST:
        raise click.BadParameter(f"a number above 0, at most {FASTEST:.0f}", context, param)
    return value


def playing_options(function: Decorated) -> Decorated:
    """`--calls` and `--speed`."""
    function = click.option(
        "--speed",
        type=float,
        default=1.0,
        callback=_speed,
        metavar="N",
        cls=HeadedOption,
        heading="What is said",
        help="How many times faster than life the calls are played.  [default: 1]",
    )(function)
    return click.option(
        "--calls",
        metavar="FILE",
        cls=HeadedOption,
        heading="What is said",
        help="Play these calls: JSON Lines, a call a line, gzipped if the name ends in .gz.  [default: invented "
        "dialogues without end]",
    )(function)


@click.command(
    cls=Command,
    examples=[
        ("genscribe emulate --port 8600", "Print the variables to set, and wait for a client."),
        ("genscribe emulate --calls calls.jsonl.gz --speed 10", "Play recorded calls, ten times faster than life."),
    ],
)
@playing_options
@click.option(
    "--seed",
    type=int,
    default=0,
    metavar="N",
    cls=HeadedOption,
    heading="What is said",
    help="The same seed plays the same calls.  [default: 0]",
)
@click.option(
    "--live",
    type=click.IntRange(1, 100_000),
    metavar="N",
    cls=HeadedOption,
    heading="What is said",
    help="Conversations at a time.  [default: 6]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="HOST",
    cls=HeadedOption,
    heading="Where",
    help="Address to listen on. genscribe itself speaks http to this machine only.  [default: 127.0.0.1]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    cls=HeadedOption,
    heading="Where",
    help="Port to listen on; 0 takes a free one.  [default: 0]",
)
@click.option(
    "--no-transcripts",
    is_flag=True,
    cls=HeadedOption,
    heading="What is said",
    help="Answer 404 at the transcripts endpoint, as a real organisation does: only notification channels are left.",
)
@settings_options("emulate")
def command(
    *,
    calls: str | None,
    speed: float,
    seed: int,
    live: int | None,
    host: str,
    port: int,
    no_transcripts: bool,
    **given: object,
) -> None:
    """Run the bundled emulator of the platform alone: OAuth, REST, the transcripts endpoint and notification channels
    on one port.

    It prints the variables that point a client at it, ready for a shell: eval "$(genscribe emulate ...)" would wait for
    its end, so copy them, or send them to a file. No client credentials but those are accepted.
    """
    signals = Signals()
    chosen = settings.load(given, environ={})
    logs.set_up(chosen.log_level, chosen.log_format)
    script = script_of(calls, seed=seed, live=live)
    run(
        lambda: _emulator(script, speed=speed, host=host, port=port, transcripts=not no_transcripts),
        signals,
        for_s=chosen.for_s,
    )


def script_of(calls: str | None, *, seed: int, live: int | None = None) -> Iterable[Call]:
    """What the emulator plays: a file's calls, or the bundled dialogues without end.

    Raises:
        ConfigError: The file cannot be read or is not of the form.
    """
    from genscribe.emulator import script
    from genscribe.emulator.recorded import load_calls

    live = script.LIVE if live is None else live
    if calls is None:
        return script.schedule(seed, live)
    return script.arrange(load_calls(settings.values.path(calls), seed=seed), live, seed)


class Waiting:
    """Runs until it is stopped; the emulator works beside it."""

    def __init__(self) -> None:
        self._stopped = anyio.Event()

    async def run(self) -> None:
        """Waits for `stop`."""
        await self._stopped.wait()

    def stop(self) -> None:
        """Lets `run` return."""
        self._stopped.set()

    def reopen(self) -> None:
        """There is nothing to open anew."""


@asynccontextmanager
async def _emulator(
    script: Iterable[Call], *, speed: float, host: str, port: int, transcripts: bool
) -> AsyncIterator[Runnable]:
    from genscribe.emulator.server import Emulator

    emulator = Emulator(host=host, port=port, script=script, speed=speed, transcripts=transcripts)
    try:
        await emulator.start()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {settings.files.reason(error)}.", advice="Choose another --port."
        ) from None
    try:
        for name, value in emulator.settings().items():
            click.echo(f"export {name}={shlex.quote(value)}")
        click.echo("genscribe: emulator ready; set these, then run `genscribe stream`. Ctrl-C stops.", err=True)
        yield Waiting()
    finally:
        await emulator.aclose()
