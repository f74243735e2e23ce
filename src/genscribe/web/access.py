"""Who may ask for what: decided from a request's head alone.

A page with a token is for whoever has it; one without is for programs on this machine, so a request must name this
machine, or any page of the web could have a browser ask in its user's name (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from genscribe.secrets import Secret
from genscribe.settings.page import Network, PageSetting, is_loopback

PROBES = frozenset({"/healthz", "/readyz"})
"""Answered to everybody who reaches us, as the programs that ask have no names and no secrets."""
SESSION = "/api/session"
SESSION_S = 7 * 86400
"""How long a browser stays let in."""


@dataclass(frozen=True)
class Asked:
    """What a request says of itself.

    Attributes:
        peer: The address at the other end of the connection; `None` = not known.
        secure: It came over our own TLS.
        headers: By lower-case name; of one that came twice the last.
    """

    method: str
    path: str
    peer: str | None
    secure: bool
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A request that is not answered: HTTP status, what is wrong, what to do."""

    status: int
    what: str
    do: str = ""


@dataclass(frozen=True)
class Access:
    """The rules of one page.

    Attributes:
        token: What must be given; `None` = nothing.
        hosts: Names of this machine, in lower case; `None` = any name will do, as the proxy has judged it.
        proxies: Networks from which alone requests are answered; empty = all.
    """

    token: Secret | None
    hosts: frozenset[str] | None
    proxies: tuple[Network, ...] = ()

    def refusal(self, asked: Asked, now_s: float) -> Refusal | None:
        """Why the request is not answered; `None` = it is."""
        if asked.path in PROBES:
            return None
        return self._stranger(asked) or self._foreign(asked) or self._unknown(asked, now_s)

    def _stranger(self, asked: Asked) -> Refusal | None:
        """Not from the proxy, or not meant for us."""
        if self.proxies and not _within(asked.peer, self.proxies):
            return Refusal(403, "Only the reverse proxy may ask here.", "Go through it.")
        if self.hosts is not None and host_name(asked.headers.get("host", "")) not in self.hosts:
            return Refusal(421, "This is not the host that was asked for.", "Name it with --web-host.")
        return None

    def _foreign(self, asked: Asked) -> Refusal | None:
        """Asked by another site's page."""
        origin = asked.headers.get("origin")
        site = asked.headers.get("sec-fetch-site")
        if origin is not None and origin.lower() not in self._origins(asked):
            return Refusal(403, "Another site's page may not ask here.")
        if site == "cross-site" and (asked.path.startswith("/api/") or asked.method not in ("GET", "HEAD")):
            return Refusal(403, "Another site's page may not ask here.")
        return None

    def _origins(self, asked: Asked) -> set[str]:
        host = asked.headers.get("host", "").lower()
        if not self.proxies:
            return {f"{'https' if asked.secure else 'http'}://{host}"}
        # The proxy may have kept the browser's host, or say what it was; the browser speaks TLS with it, or does not.
        names = {host, asked.headers.get("x-forwarded-host", "").lower()} - {""}
        return {f"{scheme}://{name}" for scheme in ("https", "http") for name in names}

    def _unknown(self, asked: Asked, now_s: float) -> Refusal | None:
        if self.token is None or asked.path == SESSION:
            return None
        scheme, _, given = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.fits(given.strip()):
            return None
        if any(self._let_in(value, now_s) for value in cookies(asked.headers.get("cookie", ""), COOKIE)):
            return None
        return Refusal(401, "A token is asked for here.", "It was printed when genscribe started, or is in web_token.")

    def fits(self, given: str) -> bool:
        """Whether somebody has given the token."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.reveal().encode())

    def ticket(self, now_s: float) -> str:
        """What a browser keeps in its cookie once it has given the token; good until a time that it names."""
        until = str(int(now_s) + SESSION_S)
        return f"{until}.{self._seal(until)}"

    def _let_in(self, ticket: str, now_s: float) -> bool:
        until, _, seal = ticket.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 12 and now_s < int(until)):
            return False
        return hmac.compare_digest(seal.encode(), self._seal(until).encode())

    def _seal(self, until: str) -> str:
        assert self.token is not None
        # Of the token itself nothing is kept in browsers, and it outlives our restarts where it is the same again.
        return hmac.new(self.token.reveal().encode(), f"genscribe page {until}".encode(), hashlib.sha256).hexdigest()


COOKIE = "genscribe"


def make_access(setting: PageSetting, token: Secret | None) -> Access:
    """The rules that settings make; `token` is the one given, or made."""
    any_name = bool(setting.proxies) and not setting.hosts
    names = None if any_name else frozenset({*machine_names(setting.address.host), *setting.hosts})
    return Access(token if setting.wants_token else None, names, setting.proxies)


def machine_names(host: str) -> set[str]:
    """The names by which a page that listens at `host` is asked for."""
    if is_loopback(host):
        return {"localhost", "127.0.0.1", "[::1]", bracketed(host)}
    names = {bracketed(host).lower(), socket.gethostname().lower(), socket.getfqdn().lower(), "localhost", "127.0.0.1"}
    return {*names, *_own_addresses()}


def _own_addresses() -> set[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return set()
    return {bracketed(str(one[4][0]).partition("%")[0]) for one in found}


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def host_name(header: str) -> str:
    """The name in a `Host` header, without port, in lower case; empty when it is none."""
    text = header.lower()
    if text.startswith("["):
        name, bracket, port = text.partition("]")
        name += bracket
    else:
        name, colon, port = text.partition(":")
        port = colon + port
    right = port == "" or (port[0] == ":" and port[1:].isdigit())
    return name.rstrip(".") if right else ""


def cookies(header: str, name: str) -> Iterable[str]:
    """The values that a `Cookie` header has under a name."""
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            yield value


def _within(peer: str | None, networks: Iterable[Network]) -> bool:
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any(one in network for one in (address, mapped) if one is not None for network in networks)
