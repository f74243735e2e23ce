"""`genscribe demo`: the same pipeline as `stream`, on the bundled emulator. No credentials, no network."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from genscribe import clock, settings
from genscribe.cli import logs
from genscribe.cli.emulate import playing_options, script_of
from genscribe.cli.options import Command, HeadedOption, settings_options
from genscribe.cli.page import DEFAULT, tell_page
from genscribe.cli.run import Runnable, Signals, run
from genscribe.cli.stream import refuse_later
from genscribe.errors import GenscribeError
from genscribe.events import Utterance, decode
from genscribe.settings import Settings
from genscribe.settings.sinks import CONSOLE
from genscribe.telemetry.base import counted
from genscribe.terminal import safe

if TYPE_CHECKING:
    from genscribe.emulator.calls import Call
    from genscribe.store.reader import Reader


RING_S = 2.0
"""How long the demo's calls ring: each is heard from its first word on, however fast they are played."""


@click.command(
    cls=Command,
    examples=[
        ("genscribe demo", "Agents and customers talk, line by line; Ctrl-C stops."),
        ("genscribe demo --for 60s --speed 5 --to jsonl:calls.jsonl", "A minute, five times faster, also to a file."),
    ],
)
@playing_options
@settings_options("demo")
@click.option("--no-web", is_flag=True, cls=HeadedOption, heading="Output", help="No live page.")
def command(*, calls: str | None, speed: float, no_web: bool, **given: object) -> None:
    """Try the whole way on this machine: an emulator of the platform, the pipeline, the store, the console.

    It reads no GENESYS_ or GENSCRIBE_ variable and no configuration file, so it can touch nothing of production. Its
    store is a fresh file in the temporary folder unless --store names another; it stays, to be searched afterwards.
    """
    signals = Signals()
    if given.get("log_level") is None:
        given["log_level"] = "warning"
    chosen = demo_settings(given, page=not no_web)
    logs.set_up(chosen.log_level, chosen.log_format)
    script = script_of(calls, seed=int(clock.uniform(0, 2**32)))
    what = "invented conversations" if calls is None else f"the conversations of {safe(calls)}"
    click.echo(f"genscribe demo: {what}; nothing leaves this machine. Store: {chosen.store}", err=True)
    anywhere = given.get("web") is None
    try:
        run(lambda: _demo(chosen, script, speed, page_anywhere=anywhere), signals, for_s=chosen.for_s)
    finally:
        if given.get("store") is None:
            with suppress(OSError):  # it is not empty, but for a start that was refused
                chosen.store.parent.rmdir()
    click.echo(summary(chosen.store))


def demo_settings(given: dict[str, object], *, page: bool = True) -> Settings:
    """Settings of the command line alone: the console is always there, the store is fresh.

    Args:
        given: What click parsed.
        page: Whether there is to be a live page.

    Raises:
        UsageError, ConfigError: An option is wrong; nothing has been made then.
    """
    chosen = settings.load(given, environ={})
    refuse_later(chosen)
    chosen = replace(chosen, web=(chosen.web or DEFAULT) if page else None)
    _ = chosen.page  # raises
    if not any(sink.scheme == "console" for sink in chosen.sinks):
        chosen = replace(chosen, sinks=(CONSOLE, *chosen.sinks))
    if given.get("store") is None:
        chosen = replace(chosen, store=Path(tempfile.mkdtemp(prefix="genscribe-demo-")) / "genscribe.db")
    return chosen


@asynccontextmanager
async def _demo(
    chosen: Settings, script: Iterable[Call], speed: float, *, page_anywhere: bool
) -> AsyncIterator[Runnable]:
    from genscribe.assemble import open_pipeline
    from genscribe.emulator.server import Emulator
    from genscribe.telemetry import Telemetry

    async def play_once_heard() -> None:
        await emulator.wait_connected(within_s=math.inf)
        await emulator.play(script, speed, ring_s=RING_S)
        click.echo("genscribe demo: all calls were played. Ctrl-C stops.", err=True)

    async with Emulator(transcripts=False) as emulator:
        platform = settings.load({}, environ=emulator.settings())
        pointed = replace(
            chosen, credentials=platform.credentials, login_url=platform.login_url, api_url=platform.api_url
        )
        opened = open_pipeline(pointed, telemetry=Telemetry(), page_anywhere=page_anywhere)
        async with opened as pipeline, anyio.create_task_group() as tasks:
            tasks.start_soon(play_once_heard)
            tell_page(pipeline.page, chosen)
            yield pipeline
            tasks.cancel_scope.cancel()


def summary(store: Path) -> str:
    """What the store holds now, and what to try next."""
    from genscribe.store.reader import Reader

    try:
        with Reader.open(store) as reader:
            return _summary(reader, store)
    except GenscribeError as error:
        return str(error)


def _summary(reader: Reader, store: Path) -> str:
    stats = reader.stats()
    counts = f"{counted(stats.utterances, 'utterance')} of {counted(stats.conversations, 'conversation')}"
    lines = ["", f"{counts} stored in {store}"]
    if stats.utterances:
        option = f"--store {shlex.quote(str(store))}"
        call = called()
        fullest = max(reader.conversations(limit=1000), key=lambda one: one.utterance_count)
        lines += [
            "Try next:",
            f"  {call} search {shlex.quote(_word(reader))} {option}",
            f"  {call} show {shlex.quote(fullest.conversation_id)} {option}",
            f"  {call} export --format jsonl {option}",
        ]
    return "\n".join(lines)


def called() -> str:
    """How to call genscribe from here: by its name where that is found, else as this one was called."""
    by_path = Path(sys.argv[0]).name == "genscribe" and shutil.which("genscribe") is None
    return shlex.quote(sys.argv[0]) if by_path else "genscribe"


def _word(reader: Reader) -> str:
    """A word that was said lately, long enough to be worth a search."""
    said = [event.text for record in reader.search("", limit=50) if isinstance(event := decode(record.body), Utterance)]
    words = [word for text in said for word in safe(text).split() if word.isascii() and word.isalpha()]
    return max(words, key=len, default="the").lower()
