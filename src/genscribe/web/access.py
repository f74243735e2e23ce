"""Who may ask for what: decided from a request's head alone.

A page with a token is for whoever has it; one without is for programs on this machine, so a request must name this
machine, or any page of the web could have a browser ask in its user's name (DNS rebinding). What proxies say of a
request (`X-Forwarded-*`) counts only where there is one.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from starlette.types import Scope

from genscribe.secrets import Secret
from genscribe.settings.page import Network, PageSetting, is_loopback
from genscribe.web.guesses import Guesses

PROBES = frozenset({"/healthz", "/readyz"})
"""Answered to everybody who reaches us, as the programs that ask have no names and no secrets."""
SESSION = "/api/session"
PARTS = ("/api/", "/page/", "/metrics")
"""What only our own page and programs ask for; all else is a view, to which others may link."""
SECURELY = "__Host-"
"""Before a cookie's name it has browsers take it only over TLS and from this very host."""
_READING = ("GET", "HEAD")
_BETWEEN = {"cookie": "; "}
SESSION_S = 7 * 86400
"""How long a browser stays let in."""


@dataclass(frozen=True)
class Asked:
    """What a request says of itself.

    Attributes:
        peer: The address at the other end of the connection; `None` = not known.
        secure: It came over our own TLS.
        headers: By lower-case name; one that came twice is both, so that it is nothing that we would let in.
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
        cookie: The name of a browser's cookie. Ports of a host share their cookies, so each page has its own name.
    """

    token: Secret | None
    hosts: frozenset[str] | None
    proxies: tuple[Network, ...] = ()
    cookie: str = "genscribe"
    bearers: Guesses = field(default_factory=Guesses, compare=False, repr=False)
    """Wrong tokens of programs, apart from those of people: a program that goes wrong must not keep them out."""

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
        if origin is not None and origin.lower() not in self.origins(asked):
            return Refusal(403, "Another site's page may not ask here.")
        # Another port of this host is another site to us. Links that lead to a view are welcome.
        if site in ("cross-site", "same-site") and (asked.path.startswith(PARTS) or asked.method not in _READING):
            return Refusal(403, "Another site's page may not ask here.")
        return None

    def origins(self, asked: Asked) -> set[str]:
        """What a browser calls the page that it shows."""
        host = asked.headers.get("host", "").lower()
        if not self.proxies:
            return {f"{'https' if asked.secure else 'http'}://{host}"}
        # The proxy may have kept the browser's host, or say what it was; the browser speaks TLS with it, or does not.
        names = {host, asked.headers.get("x-forwarded-host", "").lower()} - {""}
        return {f"{scheme}://{name}" for scheme in ("https", "http") for name in names}

    def _unknown(self, asked: Asked, now_s: float) -> Refusal | None:
        if self.token is None or asked.path == SESSION:
            return None
        header = asked.headers.get("cookie", "")
        names = (self.cookie, f"{SECURELY}{self.cookie}")
        if any(self._let_in(value, now_s) for name in names for value in cookies(header, name)):
            return None
        scheme, _, given = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tried(given.strip(), asked, self.bearers, now_s)
        return Refusal(401, "A token is asked for here.", "It was printed when genscribe started, or is in web_token.")

    def tried(self, given: str, asked: Asked, guesses: Guesses, now_s: float) -> Refusal | None:
        """Why somebody is not let in by what he gave; `None` = it is the token."""
        who = self.caller(asked)
        if guesses.spent(who, now_s):
            return Refusal(429, "Too many wrong tokens.", "Wait a minute.")
        assert self.token is not None
        if hmac.compare_digest(given.encode("utf-8", "replace"), self.token.reveal().encode()):
            return None
        guesses.note(who, now_s)
        return Refusal(401, "That is not the token.")

    def caller(self, asked: Asked) -> str:
        """Whose guesses are counted together: an address, or the half of an IPv6 one that is given to a household."""
        # What the nearest proxy has seen stands last; the rest anybody may have written.
        said = asked.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() if self.proxies else ""
        for text in (said, asked.peer or ""):
            try:
                address = ip_address(text.partition("%")[0])
            except ValueError:
                continue
            mapped = getattr(address, "ipv4_mapped", None)
            return str(mapped or (address if address.version == 4 else ip_network(f"{address}/64", strict=False)))
        return ""

    def secure(self, asked: Asked) -> bool:
        """Whether the browser speaks TLS, with us or with the proxy."""
        said = asked.headers.get("x-forwarded-proto", "") if self.proxies else ""
        return asked.secure or said.partition(",")[0].strip().lower() == "https"

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


def make_access(setting: PageSetting, token: Secret | None, page: str = "") -> Access:
    """The rules that settings make. May take as long as a question to DNS.

    Args:
        setting: The settings.
        token: The one given, or made.
        page: What no other page on this host is, and this one is after a restart, too.
    """
    any_name = bool(setting.proxies) and not setting.hosts
    names = None if any_name else frozenset({*machine_names(setting.address.host), *setting.hosts})
    cookie = f"genscribe-{hashlib.sha256(page.encode()).hexdigest()[:10]}"
    return Access(token if setting.wants_token else None, names, setting.proxies, cookie)


def machine_names(host: str) -> set[str]:
    """The names by which a page that listens at `host` is asked for."""
    host = host.partition("%")[0]
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


def asked_of(scope: Scope) -> Asked:
    """What a request says of itself, from what the server made of it."""
    headers: dict[str, str] = {}
    for raw_name, raw in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw.decode("latin-1")
        headers[name] = value if name not in headers else f"{headers[name]}{_BETWEEN.get(name, ', ')}{value}"
    client = scope.get("client")
    return Asked(scope["method"], scope["path"], client[0] if client else None, scope["scheme"] == "https", headers)


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
