"""Which proxy leads to a host, in the spelling that every library takes."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from genscribe.errors import ConfigError


def of_environment(host: str, port: int) -> str | None:
    """The proxy that `HTTPS_PROXY` or `ALL_PROXY` names for a host reached by TLS; `None` = none, or `NO_PROXY`.

    The same rule as the HTTP client has. A `SOCKS_PROXY` that a desktop sets for all its programs is not for us.

    Raises:
        ConfigError: It is no address of an HTTP proxy.
    """
    if proxy_bypass(f"{host}:{port}"):
        return None
    known = getproxies()
    found = known.get("https") or known.get("all")
    return spelled_out(found) if found else None


def spelled_out(proxy: str) -> str:
    """A proxy's address with what people leave out: `http://`, and the colon of a user without a password.

    Raises:
        ConfigError: It is no address of an HTTP proxy. The message does not show it, for it may hold a password.
    """
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        right = bool(parts.hostname and parts.scheme in ("http", "https") and parts.port != 0)
        bare_user = parts.username and parts.password is None
    except ValueError:
        right = bare_user = False
    if not right:
        raise ConfigError(
            "The proxy's address cannot be used.", advice="Set --proxy or HTTPS_PROXY to http://HOST:PORT."
        )
    return url.replace("@", ":@", 1) if bare_user else url
