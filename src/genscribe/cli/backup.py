"""`genscribe backup`: the store as one file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from genscribe import settings, terminal
from genscribe.cli import output
from genscribe.cli.options import Command, HeadedOption, config_option, settings_options
from genscribe.store.backup import back_up


@click.command(
    cls=Command,
    examples=[('genscribe backup "/backup/genscribe-$(date +%F).db"', "Every night, from cron, while it runs.")],
)
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, cls=HeadedOption, heading="How to show it", help="One JSON object.")
@settings_options("backup")
@config_option
def command(file: str, force: bool, as_json: bool, **options: Any) -> None:
    """Copy the store into one file, also while it is written.

    FILE (mode 0600) is a whole store as it was at one moment. It appears when it is complete and on disk; until then
    there is nothing of that name. Every command takes it as --store. Put back in the store's place, sinks that keep
    their place notice, and get again what they may have missed.
    """
    store: Path = settings.store_path({"store": options.pop("store", None), "config": options.pop("config", None)})
    target = Path(file).expanduser()
    watched = sys.stderr.isatty()

    def tell(done: int, total: int) -> None:
        if watched:
            click.echo(f"\r{done / max(total, 1):.0%}", nl=False, err=True)

    size = back_up(store, target, force=force, tell=tell)
    if watched:
        click.echo("\r\x1b[K", nl=False, err=True)
    if as_json:
        output.write(json.dumps({"file": str(target.absolute()), "bytes": size}) + "\n")
    else:
        output.write(f"{terminal.safe(str(target))}: {size / 1e6:.1f} MB\n")
