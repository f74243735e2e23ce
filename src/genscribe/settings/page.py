"""The live page's settings: where it listens, for whom, and what together is not allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Union
from urllib.parse import urlsplit

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings import values
from genscribe.settings.files import read_secret
from genscribe.settings.options import Many, option
from genscribe.settings.values import BadValue, WebAddress

if TYPE_CHECKING:
    from genscribe.settings.model import Settings

Network = Union[IPv4Network, IPv6Network]

LEAST_TOKEN = 16
"""Characters. A shorter token could be guessed by whoever may try for a year."""

_GROUP = "Live page"
_COMMANDS = ("stream", "demo", "serve")
_ID = "{conversation_id}"


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`."""
    try:
        return tuple(ip_network(text, strict=False) for text in values.names(texts))
    except ValueError:
        raise BadValue("is not a network: write 10.0.0.0/8, or an address") from None


def host_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Names of hosts as a browser sends them, in lower case, without a port."""
    names = values.names([text.lower().rstrip(".") for text in texts])
    for name in names:
        if not re.fullmatch(r"[a-z0-9_.:\[\]-]+", name):
            raise BadValue("is not the name of a host, such as calls.example.com")
    return names


def token(text: str) -> Secret:
    """What a person has to give before he sees a transcript."""
    if len(text) < LEAST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise BadValue(f"is not a token: at least {LEAST_TOKEN} printable ASCII characters without blanks")
    return Secret(text)


def link(text: str) -> str:
    """A template of an https URL with `{conversation_id}` in it."""
    url = urlsplit(text)
    if url.scheme != "https" or not url.hostname or _ID not in text.split("//", 1)[1].partition("/")[2]:
        raise BadValue(f"is not an https URL with {_ID} behind the host")
    return text


WEB = option(
    "web",
    values.web_address,
    "Where the live page listens, with its API, /healthz, /readyz and /metrics. Addresses but this machine's own need "
    "--web-cert and --web-key, or --web-behind-proxy.",
    metavar="HOST:PORT",
    group=_GROUP,
    commands=_COMMANDS,
    shown_default="nowhere; demo and serve: 127.0.0.1:8765",
)
CERT = option(
    "web-cert",
    values.path,
    "The page's TLS certificate and its chain (PEM).",
    metavar="FILE",
    group=_GROUP,
    commands=_COMMANDS,
)
KEY = option(
    "web-key",
    values.path,
    "The private key of --web-cert (PEM).",
    metavar="FILE",
    group=_GROUP,
    commands=_COMMANDS,
)
BEHIND_PROXY = option(
    "web-behind-proxy",
    networks,
    "The networks of a reverse proxy that speaks TLS to browsers; nobody else is answered.",
    metavar="CIDR",
    group=_GROUP,
    commands=_COMMANDS,
    many=Many.COMMAS,
)
HOSTS = option(
    "web-host",
    host_names,
    "A name by which browsers reach the page.",
    metavar="NAME",
    group=_GROUP,
    commands=_COMMANDS,
    many=Many.COMMAS,
    shown_default="this machine's names and addresses; behind a proxy any",
)
TOKEN = option(
    "web-token",
    token,
    f"What the page asks for, {LEAST_TOKEN} characters or more. Everywhere but on this machine alone it asks for one, "
    "and makes one if none is given.",
    metavar="TOKEN",
    group=_GROUP,
    commands=_COMMANDS,
    flag=False,
    confidential=True,
)
TOKEN_FILE = option(
    "web-token-file",
    values.path,
    "A file, mode 0600, that holds the page's token.",
    metavar="FILE",
    group=_GROUP,
    commands=_COMMANDS,
)
LINK = option(
    "web-link",
    link,
    "Where “Open in Genesys” leads: an https URL with {conversation_id} in it.",
    metavar="URL",
    group=_GROUP,
    commands=_COMMANDS,
    shown_default="no such link",
)


@dataclass(frozen=True)
class PageSetting:
    """How the page is served.

    Attributes:
        address: Where it listens.
        cert, key: Its TLS certificate and key; `None` = plain HTTP.
        proxies: Who may ask at all; empty = anybody.
        hosts: Names by which it may be asked for beside those of this machine.
        token: What it asks for; `None` = one is made where one is needed.
        link: Template of a conversation's URL in Genesys; `None` = no link.
    """

    address: WebAddress
    cert: Path | None = None
    key: Path | None = None
    proxies: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    token: Secret | None = None
    link: str | None = None

    @property
    def private(self) -> bool:
        """Only programs on this machine can ask."""
        return is_loopback(self.address.host) and not self.proxies

    @property
    def wants_token(self) -> bool:
        """Whether a token is asked for."""
        return self.token is not None or not self.private


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, for programs on it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def page_setting(chosen: Settings) -> PageSetting | None:
    """The page's settings; `None` when there is to be no page.

    Raises:
        ConfigError: They contradict each other, or would show transcripts to whoever listens on the network.
    """
    if chosen.web is None:
        return None
    if (chosen.web_cert is None) != (chosen.web_key is None):
        raise ConfigError("of --web-cert and --web-key one is missing.", advice="Give both, or none.")
    if chosen.web_token is not None and chosen.web_token_file is not None:
        raise ConfigError("there is a web_token and a web_token_file.", advice="Keep one of them.")
    setting = PageSetting(
        chosen.web, chosen.web_cert, chosen.web_key, chosen.web_behind_proxy, chosen.web_host, _token(chosen),
        chosen.web_link,
    )  # fmt: skip
    if not setting.private and setting.cert is None and not setting.proxies:
        raise ConfigError(
            f"the live page would send transcripts over the network in the clear from {setting.address}.",
            advice="Give --web-cert and --web-key, or --web-behind-proxy, or listen on 127.0.0.1.",
        )
    return setting


def _token(chosen: Settings) -> Secret | None:
    if chosen.web_token_file is None:
        return chosen.web_token
    try:
        return token(read_secret(chosen.web_token_file).reveal())
    except BadValue as error:
        raise ConfigError(f"what {chosen.web_token_file} holds {error}.") from None
