"""`genscribe serve`: a store as a page, without streaming."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import click

from genscribe import settings
from genscribe.cli import logs
from genscribe.cli.options import Command, config_option, settings_options
from genscribe.cli.page import DEFAULT, tell_page
from genscribe.cli.run import Runnable, Signals, run
from genscribe.pipeline import Page
from genscribe.settings import Settings


@click.command(
    cls=Command,
    examples=[
        ("genscribe serve", "Look at the default store in a browser."),
        ("genscribe serve --store copy.db --web 127.0.0.1:9000", "Look at a backup."),
    ],
)
@settings_options("serve")
@config_option
def command(**given: object) -> None:
    """Show a store as a page: its conversations, search, what was not recorded. Nothing is streamed or written.

    The store may be one that `genscribe stream` writes at the same time, or a copy of it.
    """
    signals = Signals()
    chosen = settings.load(given)
    chosen = replace(chosen, web=chosen.web or DEFAULT)
    logs.set_up(chosen.log_level, chosen.log_format)
    run(lambda: _serving(chosen), signals, for_s=chosen.for_s)


class Serving:
    """Serves until it is stopped."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Serves."""
        with self._scope:
            await self._page.run()

    def stop(self) -> None:
        """Ends `run`."""
        self._scope.cancel()

    def reopen(self) -> None:
        """Reads the certificate again."""
        self._page.reopen()


@asynccontextmanager
async def _serving(chosen: Settings) -> AsyncIterator[Runnable]:
    from genscribe.store.reader import Reader
    from genscribe.web.server import open_page
    from genscribe.web.watched import Stored

    setting = chosen.page
    assert setting is not None
    with Reader.open(chosen.store) as reader:
        async with open_page(setting, Stored(reader)) as page:
            tell_page(page, chosen)
            yield Serving(page)
