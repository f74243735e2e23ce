"""What commands say of the live page: where it is, and the token that was made for it, once."""

from __future__ import annotations

import os
import sys

import click

from genscribe.errors import ConfigError
from genscribe.pipeline import Page
from genscribe.settings import Settings, WebAddress
from genscribe.store.files import companion

DEFAULT = WebAddress("127.0.0.1", 8765)
"""Where the page of `demo` and `serve` is unless `--web` names another place."""


def tell_page(page: Page | None, chosen: Settings) -> None:
    """Shows, on standard error, where the page is and which token it asks for where one was made.

    Where standard error is no terminal, somebody may keep what it says (systemd, Docker, a file): then the token goes
    into a file beside the store, for this user alone.

    Raises:
        ConfigError: That file cannot be written.
    """
    if page is None:
        return
    if page.made_token is None:
        click.echo(f"genscribe: the live page is at {page.url}", err=True)
        return
    token = page.made_token.reveal()
    if chosen.log_format == "text" and sys.stderr.isatty():
        click.echo(f"genscribe: the live page is at {page.url} and asks for this token: {token}", err=True)
        return
    path = companion(chosen.store, ".page-token")
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token + "\n")
    except OSError as error:
        raise ConfigError(
            f"the page's token cannot be written to {path}: {error.strerror}.", advice="Give one: --web-token-file."
        ) from None
    click.echo(f"genscribe: the live page is at {page.url}; the token that it asks for is in {path}", err=True)
