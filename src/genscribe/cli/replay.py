"""`genscribe replay`: stored events through a sink once more."""

from __future__ import annotations

from typing import Any

import click

from genscribe.cli import control
from genscribe.cli.filters import as_moment
from genscribe.cli.options import Command, HeadedOption, config_option, settings_options
from genscribe.control.protocol import Request
from genscribe.errors import UsageError

WHICH = "Which events"


@click.command(
    cls=Command,
    examples=[
        ("genscribe replay --to warehouse --since yesterday", "What the store took in since then, once more."),
        ("genscribe replay --to warehouse --since 2026-03-21T14:00Z --until 2026-03-21T15:00Z", "One hour of it."),
    ],
)
@click.option("--to", "name", required=True, metavar="NAME", cls=HeadedOption, heading=WHICH, help="The sink's name.")
@click.option(
    "--since", callback=as_moment, required=True, metavar="WHEN", cls=HeadedOption, heading=WHICH,
    help="What came in from then on: 2h (ago), today, yesterday, 14:30, 2026-03-21, 2026-03-21T14:30Z.",
)  # fmt: skip
@click.option(
    "--until", callback=as_moment, metavar="WHEN", cls=HeadedOption, heading=WHICH,
    help="What came in before then.  [default: now]",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, cls=HeadedOption, heading="How to show it", help="JSON Lines.")
@settings_options("replay")
@config_option
def command(name: str, since: str, until: str | None, as_json: bool, **options: Any) -> None:
    """Send stored events through a sink once more, with the same keys.

    The running process does it beside its live delivery, which goes on; ending this command ends the replay. What the
    sink's filters leave out is left out again, and what it has not got yet comes by itself, once. Where no process
    runs on the store, the sink must be in the settings given here, and gets what it still lacks as well.
    """
    if until is not None and until <= since:
        raise UsageError("--until is not after --since.")
    control.redo(options, Request("replay", name, since=since, until=until), as_json=as_json)
