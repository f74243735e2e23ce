"""Which hosts a region has. The table is that of the platform's SDKs (PureCloudRegionHosts), November 2026.

Hosts are `login.` and `api.` before the region's domain. The streaming host is never built: it comes with each
channel. The tutorial put `GENESYS_ENV` itself between the dots, which gave `api.api.mypurecloud.com`.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from genscribe.errors import ConfigError

DOMAINS = {
    "us-east-1": "mypurecloud.com",
    "us-east-2": "use2.us-gov-pure.cloud",
    "us-west-2": "usw2.pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
}
"""AWS region to platform domain."""

MISSION_NAMES = {"api": "mypurecloud.com", "api.eu": "mypurecloud.ie"}
"""What `GENESYS_ENV` holds in the mission."""

DEFAULT = "api"

_PLATFORM_DOMAIN = re.compile(
    r"[a-z0-9]{2,12}\.(?:[a-z0-9]{2,12}(?:-gov)?-)?pure\.cloud|mypurecloud\.(?:[a-z]{2,3}|com?\.[a-z]{2})", re.ASCII
)
"""What looks like a domain of the platform, so that a new region needs no new release. Credentials go nowhere else."""

_PREFIX = re.compile(r"(?:https?://)?(?:(?:api|login|apps|streaming)\.)?", re.ASCII)


@dataclass(frozen=True)
class Hosts:
    """Base URLs without a slash at the end. `region` is what was asked for, for messages."""

    login_url: str
    api_url: str
    region: str = ""

    @property
    def websocket_url(self) -> str:
        """`api_url` as a WebSocket address: `wss://`, or `ws://` where loopback is spoken to without TLS."""
        return "ws" + self.api_url.removeprefix("http")


def hosts(region: str | None = None, *, login_url: str | None = None, api_url: str | None = None) -> Hosts:
    """The hosts of a region.

    Args:
        region: `api`, `api.eu`, an AWS region, or a platform domain, also with `api.`, `login.` or `https://` before
            it; any case. `None` or empty = `api` (US East).
        login_url: `GENESYS_LOGIN_URL`; `None` = what the region gives.
        api_url: `GENESYS_API_URL`; `None` = what the region gives.

    Raises:
        ConfigError: An unknown region, with the nearest names; a URL that is not one, or not safe.
    """
    name = (region or "").strip() or DEFAULT
    domain = _domain(name)
    return Hosts(
        login_url=_base_url("GENESYS_LOGIN_URL", login_url) if login_url else f"https://login.{domain}",
        api_url=_base_url("GENESYS_API_URL", api_url) if api_url else f"https://api.{domain}",
        region=name,
    )


def _domain(name: str) -> str:
    asked = name.lower().rstrip("/")
    known = MISSION_NAMES.get(asked) or DOMAINS.get(asked)
    if known is not None:
        return known
    bare = asked[_PREFIX.match(asked).end() :]  # type: ignore[union-attr]  # it matches the empty string
    if bare in DOMAINS.values() or _PLATFORM_DOMAIN.fullmatch(bare):
        return bare
    shown = name[:60] if name.isprintable() else "that"
    near = difflib.get_close_matches(bare, [*MISSION_NAMES, *DOMAINS, *DOMAINS.values()], n=3, cutoff=0.5)
    raise ConfigError(
        f"{shown!r} is no region of Genesys Cloud that we know.",
        advice=f"Set GENESYS_ENV or --region to {', '.join(near or ['api', 'api.eu'])}, or to another AWS region or "
        "platform domain.",
    )


def _base_url(setting: str, value: str) -> str:
    url = value.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or not url.isascii() or not url.isprintable() or " " in url or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{setting} is not a web address.", advice="It looks like https://login.mypurecloud.com.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"{setting} must be a scheme, a host and at most a port and a path.", advice="Credentials stand elsewhere."
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"{setting} would send credentials to {host} without TLS.", advice="Use https://; http:// is for loopback."
        )
    return parts.geturl().rstrip("/")  # scheme in lower case


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by name or address: `localhost`, 127.0.0.0/8, `::1`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
