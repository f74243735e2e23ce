"""`genscribe stream`: connect, commit and deliver, until stopped."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import click

from genscribe import settings
from genscribe.cli import logs
from genscribe.cli.options import Command, config_option, settings_options
from genscribe.cli.page import tell_page
from genscribe.cli.run import Runnable, Signals, run
from genscribe.errors import UsageError
from genscribe.settings.layers import unknown_variables
from genscribe.settings.sinks import has_password
from genscribe.settings.values import unknown_media_types

_log = logging.getLogger("genscribe.settings")


@click.command(
    cls=Command,
    examples=[
        ("genscribe stream", "Show what is said on this terminal, and commit it to the store."),
        ("genscribe stream --to calls=jsonl:/var/log/calls.jsonl --keep 7d", "Also write JSON Lines; keep a week."),
        ("genscribe stream --media-types all --config /etc/genscribe.toml", "Every kind of conversation."),
        ("genscribe stream --source notifications --queues 'Sales*'", "Only the queues whose name begins with Sales."),
    ],
)
@settings_options("stream")
@config_option
def command(**given: object) -> None:
    """Connect to the platform, commit what is said to the store, and deliver it to sinks, until stopped.

    Credentials come from GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET or GENESYS_CLIENT_SECRET_FILE, never from the
    command line. Every option below is also a variable, GENSCRIBE_ and its name (GENSCRIBE_KEEP), and a key of the
    configuration file. Ctrl-C or SIGTERM stops within 10 seconds; SIGHUP reopens files that sinks write.
    """
    signals = Signals()
    chosen = settings.load(given, terminal=sys.stdout.isatty())
    logs.set_up(chosen.log_level, chosen.log_format)
    chosen.require_credentials()
    refuse_later(chosen)
    for line in [*warnings(given, os.environ), *unknown_media_types(chosen.media_types or ())]:
        _log.warning("%s", line)

    from genscribe.assemble import open_pipeline
    from genscribe.telemetry.base import Telemetry

    @asynccontextmanager
    async def opened() -> AsyncIterator[Runnable]:
        async with open_pipeline(chosen, telemetry=Telemetry()) as pipeline:
            tell_page(pipeline.page, chosen)
            yield pipeline

    run(opened, signals, for_s=chosen.for_s)


def refuse_later(chosen: settings.Settings) -> None:
    """Refuses what cannot be done: leaving it out silently would record more, or show less, than asked.

    Raises:
        UsageError: `--queues` or `--exclude-queues` was given together with the source `transcripts`.
    """
    if chosen.source == "transcripts" and (chosen.queues or chosen.exclude_queues):
        raise UsageError(
            "--queues and --exclude-queues need the source notifications: the transcripts endpoint tells no queue.",
            advice="Use --source notifications, or choose conversations with --conversation-ids.",
        )


def warnings(given: Mapping[str, object], environ: Mapping[str, str]) -> list[str]:
    """What is allowed but hardly meant: passwords that every user of the machine can read, misspelt variables."""
    lines = unknown_variables(settings.OPTIONS, environ)
    for key in ("to", "proxy"):
        value = given.get(key) or ()
        urls = [value] if isinstance(value, str) else value
        if isinstance(urls, (list, tuple)) and any(has_password(str(url)) for url in urls):
            lines.append(
                f"--{key} holds a password, which every user of this machine can read: write ${{VARIABLE}} in its "
                f"place, or give GENSCRIBE_{key.upper()}"
            )
    return lines
