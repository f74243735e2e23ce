"""`genscribe check`: would `stream` work here, and if not, why and what to do."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import click

from genscribe import loop, settings
from genscribe.cli import logs
from genscribe.cli.options import Command, HeadedOption, config_option, settings_options
from genscribe.cli.stream import refuse_later
from genscribe.settings import Settings
from genscribe.terminal import Screen, safe, screen

if TYPE_CHECKING:
    from genscribe.cli.finding import Finding

MARKS = {True: ("✓", "32"), False: ("✗", "31"), None: ("-", "2")}
WARNING = ("!", "33")
"""It works, and could work better."""
WIDTH = 22


@click.command(
    cls=Command,
    examples=[
        ("genscribe check", "Look at everything that `genscribe stream` would need."),
        ("genscribe check --hosts", "What a firewall must let through."),
        ("genscribe check --permissions", "What the OAuth client's role must hold, and why; asks nobody."),
    ],
)
@settings_options("check")
@config_option
@click.option("--hosts", is_flag=True, cls=HeadedOption, heading="Run", help="Only list what is dialled, and stop.")
@click.option(
    "--permissions",
    is_flag=True,
    cls=HeadedOption,
    heading="Run",
    help="Only list the permissions to grant in Genesys Cloud, and stop.",
)
@click.pass_context
def command(context: click.Context, /, *, hosts: bool, permissions: bool, **given: object) -> None:
    """Look at everything that a run needs, and say what is wrong, why, and what to do.

    Settings, network, clock, token, permissions, sources, store, live page and sinks. It asks the platform for one
    token and sends one plain request to each of its hosts and to the transcripts path. For the source notifications it
    walks the road of a run: queues, live conversations, topics, a channel, its WebSocket, transcription settings. A
    channel that it makes ends by itself. Sinks in a network are opened as by a run, which makes what is missing there,
    tables or a stream. No event is written. The exit code is 0 if all is well, else that of the first thing that is
    wrong.
    """
    if permissions:
        from genscribe.cli.permissions import table

        click.echo(table())
        return
    if given.get("log_level") is None:
        given["log_level"] = "error"
    chosen = settings.load(given, terminal=sys.stdout.isatty())
    refuse_later(chosen)
    logs.set_up(chosen.log_level, chosen.log_format)
    if hosts:
        for line in dialled(chosen):
            click.echo(line)
        return
    context.exit(anyio.run(_check, chosen, backend_options=loop.OPTIONS))


async def _check(chosen: Settings) -> int:
    """Shows findings as they come; returns the exit code."""
    from genscribe.cli import findings, findings_page

    on = screen(1, os.environ)
    codes = []

    def show(finding: Finding) -> None:
        codes.append(finding.exit_code)
        click.echo(drawn(finding, on))

    show(findings.of_settings(chosen))
    show(findings.of_credentials(chosen))
    await findings.of_platform(chosen, show)
    show(findings.of_store(chosen))
    if chosen.web is not None:
        show(await findings_page.of_page(chosen))
    await findings.of_sinks(chosen, show)
    return next((code for code in codes if code), 0)


def drawn(finding: Finding, on: Screen) -> str:
    """A finding's line; below it what to do, if something is wrong."""
    mark, sgr = WARNING if finding.ok is False and not finding.exit_code else MARKS[finding.ok]
    line = f"{on.paint(mark, sgr)} {safe(finding.what).ljust(WIDTH)} {safe(logs.masked(finding.text))}"
    if finding.ok is False and finding.advice:
        line += f"\n  {'':{WIDTH}} {safe(logs.masked(finding.advice))}"
    return line


def dialled(chosen: Settings) -> list[str]:
    """Every host and port that a run connects to, and for what.

    Raises:
        ConfigError: The region or a base URL is wrong.
    """
    from genscribe.genesys import regions

    hosts = regions.hosts(chosen.region, login_url=chosen.login_url, api_url=chosen.api_url)
    lines = [
        f"{_address(hosts.login_url)}  access tokens",
        f"{_address(hosts.api_url)}  REST and transcripts (WebSocket)",
    ]
    streaming = _streaming(hosts.api_url)
    if streaming is not None and chosen.source != "transcripts":
        lines.append(f"{streaming}  notifications (WebSocket); the platform names the host with each channel")
    for url in dict.fromkeys((hosts.login_url, hosts.api_url)):
        proxy = _proxy(chosen, url)
        if proxy is not None:
            lines.append(f"{proxy}  the proxy for {urlsplit(url).hostname}")
    return lines


def _streaming(api_url: str) -> str | None:
    """Where the channels of a region are, as far as public examples show; only to tell it, never to dial it."""
    host = urlsplit(api_url).hostname or ""
    return f"streaming.{host[len('api.') :]}:443" if host.startswith("api.") else None


def _proxy(chosen: Settings, url: str) -> str | None:
    """The proxy that stands before a URL, without its login."""
    if chosen.proxy is not None:
        return _address(chosen.proxy.reveal())
    parts = urlsplit(url)
    found = getproxies().get("https") if parts.scheme == "https" else None
    if not found or proxy_bypass(parts.hostname or ""):
        return None
    return _address(found if "://" in found else f"http://{found}")


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
