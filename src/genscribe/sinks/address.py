"""The URL of a server, or of several of one cluster: `scheme://user:password@host:1,host:2/path?parameters`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from genscribe.secrets import Secret
from genscribe.sinks.base import SinkMisconfigured

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@\s]+)(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Address:
    """Where a sink's servers are.

    Attributes:
        hosts: Host and port of each server; IPv6 addresses without brackets.
        user: Login, `None` without one.
        password: `None` when there is only a user, or no login at all.
        path: What follows the first `/`, decoded; may be empty.
    """

    hosts: tuple[tuple[str, int], ...]
    user: str | None = field(repr=False)
    password: Secret | None
    path: str

    def servers(self) -> list[str]:
        """`host:port` of each server, with brackets where an IPv6 address needs them: for clients and messages."""
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts]

    def __str__(self) -> str:
        return ",".join(self.servers())


def parse_address(url: Secret, *, port: int) -> Address:
    """Reads a URL.

    Args:
        url: With login, path and parameters; these are not looked at.
        port: The port of a host that names none.

    Raises:
        SinkMisconfigured: A host is missing or no host; what stands in the URL is not repeated, for it may be secret.
    """
    rest = url.reveal().partition("://")[2]
    authority, _, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    login, at, servers = authority.rpartition("@")
    user, colon, password = login.partition(":")
    return Address(
        hosts=tuple(_host(text, port) for text in servers.split(",")),
        user=unquote(user) if at else None,
        password=Secret(unquote(password)) if colon else None,
        path=unquote(path),
    )


def _host(text: str, port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    number = int(match[2] or port) if match else 0
    if match is None or not 0 < number < 65536:
        raise SinkMisconfigured(
            "a sink's URL has no host, or a port that is none.", advice="Write scheme://host:port/name."
        )
    return match[1].strip("[]"), number
