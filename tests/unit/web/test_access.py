from __future__ import annotations

from ipaddress import ip_network

import pytest

from genscribe.secrets import Secret
from genscribe.settings.page import PageSetting
from genscribe.settings.values import WebAddress
from genscribe.web.access import (
    SESSION_S,
    Access,
    Asked,
    asked_of,
    cookies,
    host_name,
    machine_names,
    make_access,
)
from genscribe.web.guesses import MOST_CALLERS, TRIES, TRIES_S, Guesses

TOKEN = Secret("a-token-of-many-letters")
NOW = 1_800_000_000.0
OURS = frozenset({"localhost", "127.0.0.1", "[::1]"})


def asked(
    path: str = "/", *, method: str = "GET", peer: str = "127.0.0.1", secure: bool = False, **headers: str
) -> Asked:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(method, path, peer, secure, {"host": "localhost:8765", **named})


def status(access: Access, request: Asked, now: float = NOW) -> int | None:
    refusal = access.refusal(request, now)
    return None if refusal is None else refusal.status


def test_on_this_machine_nothing_is_asked_for() -> None:
    assert status(Access(None, OURS), asked()) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8765", "", "[::1", "a:b:c"]
)
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    """DNS rebinding: another site's name that leads to 127.0.0.1."""
    assert status(Access(None, OURS), asked(host=host)) == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8765", "[::1]:8765", "localhost."])
def test_our_names(host: str) -> None:
    assert status(Access(None, OURS), asked(host=host)) is None


def test_probes_need_no_name_no_token_and_no_proxy() -> None:
    access = Access(TOKEN, OURS, (ip_network("10.0.0.0/8"),))
    for path in ("/healthz", "/readyz"):
        assert status(access, asked(path, host="10.1.2.3:80", peer="192.168.1.1")) is None
    assert status(access, asked("/metrics", peer="10.0.0.1")) == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost:8765", "http://localhost:1"])
def test_another_sites_page_may_not_ask(origin: str) -> None:
    assert status(Access(None, OURS), asked("/api/page", origin=origin)) == 403
    assert status(Access(None, OURS), asked("/api/session", method="POST", origin=origin)) == 403


def test_our_own_page_may() -> None:
    assert status(Access(None, OURS), asked("/api/page", origin="http://localhost:8765")) is None
    assert status(Access(None, OURS), asked("/api/page", secure=True, origin="https://localhost:8765")) is None


def test_a_browser_says_who_asks_where_there_is_no_origin() -> None:
    assert status(Access(None, OURS), asked("/api/events", sec_fetch_site="cross-site")) == 403
    assert status(Access(None, OURS), asked("/conversations/1", sec_fetch_site="cross-site")) is None, (
        "a link to a line"
    )


def test_the_token_as_a_bearer() -> None:
    access = Access(TOKEN, OURS)
    assert status(access, asked()) == 401
    assert status(access, asked(authorization=f"Bearer {TOKEN.reveal()}")) is None
    assert status(access, asked(authorization=f"bearer  {TOKEN.reveal()} ")) is None
    for wrong in (f"Basic {TOKEN.reveal()}", "Bearer", "Bearer x", f"Bearer {TOKEN.reveal()}x", "Bearer ÿ"):
        assert status(access, asked(authorization=wrong)) == 401


def test_a_ticket_is_good_for_its_time_and_its_token_only() -> None:
    access = Access(TOKEN, OURS)
    ticket = access.ticket(NOW)
    assert TOKEN.reveal() not in ticket
    assert status(access, asked(cookie=f"other=1; genscribe={ticket}")) is None
    assert status(access, asked(cookie=f"genscribe={ticket}"), NOW + SESSION_S + 1) == 401
    assert status(Access(Secret("another-token-of-letters"), OURS), asked(cookie=f"genscribe={ticket}")) == 401
    until, _, seal = ticket.partition(".")
    for forged in (
        f"{int(until) + 9}.{seal}",
        f"{until}.",
        f"{until}",
        "",
        "x.y",
        f"{until}.{seal}0",
        f"9{until}.{seal}",
    ):
        assert status(access, asked(cookie=f"genscribe={forged}")) == 401


def test_a_ticket_outlives_a_restart_with_the_same_token() -> None:
    ticket = Access(TOKEN, OURS).ticket(NOW)
    assert status(Access(Secret(TOKEN.reveal()), OURS), asked(cookie=f"genscribe={ticket}")) is None


def test_the_session_itself_needs_none() -> None:
    assert status(Access(TOKEN, OURS), asked("/api/session", method="POST", origin="http://localhost:8765")) is None


def test_behind_a_proxy_only_the_proxy_may_ask() -> None:
    access = Access(None, None, (ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
    assert status(access, asked(peer="10.9.8.7", host="calls.example")) is None
    assert status(access, asked(peer="::ffff:10.9.8.7")) is None
    assert status(access, asked(peer="fd00::1")) is None
    for peer in ("11.0.0.1", "127.0.0.1", "", "no address"):
        assert status(access, asked(peer=peer)) == 403
    assert access.refusal(Asked("GET", "/", None, False), NOW) is not None


def test_behind_a_proxy_the_origin_is_the_browsers() -> None:
    access = Access(None, None, (ip_network("10.0.0.0/8"),))
    request = {"peer": "10.0.0.1", "host": "upstream:8765", "x_forwarded_host": "calls.example"}
    assert status(access, asked("/api/page", origin="https://calls.example", **request)) is None
    assert status(access, asked("/api/page", origin="https://evil.example", **request)) == 403


def test_rules_of_settings() -> None:
    here = PageSetting(WebAddress("127.0.0.1", 1))
    made = make_access(here, None, "a page")
    assert made == Access(None, frozenset({"localhost", "127.0.0.1", "[::1]"}), (), made.cookie)
    assert make_access(PageSetting(WebAddress("::1", 1), token=TOKEN), TOKEN).token == TOKEN
    proxied = PageSetting(WebAddress("0.0.0.0", 1), proxies=(ip_network("10.0.0.0/8"),))
    assert proxied.wants_token
    assert make_access(proxied, TOKEN).hosts is None
    named = make_access(PageSetting(WebAddress("0.0.0.0", 1), hosts=("calls.example",)), TOKEN)
    assert named.hosts is not None
    assert "calls.example" in named.hosts


def test_names_of_a_machine_on_the_network() -> None:
    assert {"192.168.7.7", "localhost"} <= machine_names("192.168.7.7")
    assert "[fd00::7]" in machine_names("fd00::7")


def test_host_headers() -> None:
    assert host_name("A.example:80") == "a.example"
    assert host_name("a:b") == ""
    assert host_name("[fd00::1]x") == ""


def test_cookies() -> None:
    assert list(cookies("a=1; genscribe=2;genscribe=3 ; genscribex=4", "genscribe")) == ["2", "3"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_and_other_ports_may_link_to_views_and_no_more(site: str) -> None:
    """Another port of this host is `same-site`, and may be anybody's."""
    access = Access(None, OURS)
    for path in ("/api/page", "/api/conversations/1?format=txt", "/page/app.mjs", "/metrics"):
        assert status(access, asked(path, sec_fetch_site=site)) == 403, path
    assert status(access, asked("/conversations/1", method="POST", sec_fetch_site=site)) == 403
    assert status(access, asked("/conversations/1", sec_fetch_site=site)) is None
    for own in ("same-origin", "none"):
        assert status(access, asked("/api/page", sec_fetch_site=own)) is None


@pytest.mark.parametrize(
    "origin", ["null", "file://", "chrome-extension://abcdef", "http://localhost:8765.evil.example"]
)
def test_origins_that_are_no_page_of_ours(origin: str) -> None:
    for method, path in (
        ("POST", "/api/session"),
        ("DELETE", "/api/session"),
        ("OPTIONS", "/api/session"),
        ("GET", "/"),
    ):
        assert status(Access(TOKEN, OURS), asked(path, method=method, origin=origin)) == 403


def test_headers_that_come_twice_let_nobody_in() -> None:
    def of(*headers: tuple[str, str]) -> Asked:
        raw = [(name.encode(), value.encode()) for name, value in headers]
        return asked_of({"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": raw})

    assert status(Access(None, OURS), of(("host", "localhost"), ("host", "evil.example"))) == 421
    assert status(Access(None, OURS), of(("host", "evil.example"), ("host", "localhost"))) == 421
    origins = ("origin", "http://evil.example"), ("origin", "http://localhost")
    assert status(Access(None, OURS), of(("host", "localhost"), *origins)) == 403
    access = Access(TOKEN, OURS)
    ticket = ("cookie", f"genscribe={access.ticket(NOW)}")
    assert status(access, of(("host", "localhost"), ticket, ("cookie", "other=1"))) is None, "proxies split cookies"
    bearer = ("authorization", f"Bearer {TOKEN.reveal()}")
    assert status(access, of(("host", "localhost"), bearer, bearer)) == 401


def test_a_cookie_that_another_program_of_this_host_has_set_does_not_matter() -> None:
    access = make_access(PageSetting(WebAddress("127.0.0.1", 1), token=TOKEN), TOKEN, "a page")
    other = make_access(PageSetting(WebAddress("127.0.0.1", 2), token=TOKEN), TOKEN, "another page")
    assert access.cookie != other.cookie
    ticket = access.ticket(NOW)
    for header in (f"{access.cookie}={ticket}", f"__Host-{access.cookie}={ticket}"):
        assert status(access, asked(cookie=f"{access.cookie}=tossed; {header}; {access.cookie}=")) is None
    assert status(access, asked(cookie=f"genscribe={ticket}; {other.cookie}={ticket}")) == 401


def test_who_guesses_locks_out_nobody_else() -> None:
    access = Access(TOKEN, OURS)
    wrong, right = "Bearer wrong", f"Bearer {TOKEN.reveal()}"
    for _ in range(TRIES):
        assert status(access, asked(peer="192.0.2.1", authorization=wrong)) == 401
    for peer in ("192.0.2.1", "::ffff:192.0.2.1"):
        assert status(access, asked(peer=peer, authorization=right)) == 429
    assert status(access, asked(peer="192.0.2.2", authorization=right)) is None
    cookie = f"genscribe={access.ticket(NOW)}"
    assert status(access, asked(peer="192.0.2.1", cookie=cookie)) is None, "who is in stays in"
    assert status(access, asked(peer="192.0.2.1", authorization=right), NOW + TRIES_S) is None


def test_whose_guesses_are_counted_together() -> None:
    direct, proxied = Access(TOKEN, OURS), Access(TOKEN, OURS, (ip_network("10.0.0.0/8"),))
    spoofed = {"x_forwarded_for": "198.51.100.7, 192.0.2.9"}
    assert direct.caller(asked(peer="10.0.0.1", **spoofed)) == "10.0.0.1", "nobody but a proxy may say so"
    assert proxied.caller(asked(peer="10.0.0.1", **spoofed)) == "192.0.2.9", "the last is what the proxy has seen"
    assert proxied.caller(asked(peer="10.0.0.1", x_forwarded_for="unknown")) == "10.0.0.1"
    assert direct.caller(asked(peer="2001:db8::1")) == direct.caller(asked(peer="2001:db8::2%eth0")) == "2001:db8::/64"
    assert direct.caller(asked(peer="")) == ""


def test_what_a_proxy_says_of_tls_counts_only_behind_one() -> None:
    direct, proxied = Access(TOKEN, OURS), Access(TOKEN, OURS, (ip_network("10.0.0.0/8"),))
    assert not direct.secure(asked(x_forwarded_proto="https"))
    assert direct.secure(asked(secure=True, x_forwarded_proto="http"))
    assert proxied.secure(asked(x_forwarded_proto="HTTPS, http"))
    assert not proxied.secure(asked())
    origin = "https://calls.example"
    assert status(direct, asked("/api/page", origin=origin, x_forwarded_host="calls.example")) == 403


def test_guesses_are_remembered_for_a_while_and_of_so_many() -> None:
    guesses = Guesses()
    for _ in range(TRIES):
        assert not guesses.spent("a", NOW)
        guesses.note("a", NOW)
    assert guesses.spent("a", NOW + TRIES_S - 1)
    assert not guesses.spent("a", NOW + TRIES_S)
    assert not guesses.spent("a", NOW - 3600), "the clock was put back"
    for number in range(MOST_CALLERS):
        guesses.note(str(number), NOW)
    assert not guesses.spent("a", NOW)


def test_a_zone_is_no_part_of_a_name() -> None:
    assert "[fe80::1]" in machine_names("fe80::1%eth0")
