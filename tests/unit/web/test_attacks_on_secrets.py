"""TLS, cookies, tokens and logs of the page, and those who are after what is said."""

from __future__ import annotations

import logging
import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx2
import pytest
import trustme

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.page import PageSetting
from genscribe.settings.values import WebAddress
from genscribe.web import connections, door, server
from tests.unit.web.raw import PATIENCE_S, answer, get, port, rest
from tests.unit.web.serving import HERE, client, filled, serving

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-many-letters"


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    await filled(path, "hello there")
    return path


# --- TLS --------------------------------------------------------------------------------------------------------------


class Papers:
    """Certificate and key of one authority."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.authority = trustme.CA()
        self.issue()

    def issue(self, *, cert: bool = True, key: bool = True) -> None:
        issued = self.authority.issue_cert("127.0.0.1")
        if cert:
            issued.cert_chain_pems[0].write_to_path(str(self.cert))
        if key:
            issued.private_key_pem.write_to_path(str(self.key))

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(tmp_path)


async def over_tls(page: server.Page, papers: Papers) -> int:
    async with httpx2.AsyncClient(base_url=page.url, verify=papers.trust(), trust_env=False) as ask:
        return (await ask.get("/healthz")).status_code


async def test_a_handshake_that_never_ends(
    store: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    async with serving(store, PageSetting(HERE, papers.cert, papers.key)) as page:
        caplog.clear()
        async with await anyio.connect_tcp("127.0.0.1", port(page)) as silent:
            await silent.send(b"\x16\x03\x01")
            assert await rest(silent) == b""
        assert not (await answer(page, get(b"/healthz"))).startswith(b"HTTP"), "no HTTP in the clear"
        assert not caplog.records
        assert await over_tls(page, papers) == 200


async def test_handshakes_make_room_for_a_probe(store: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(connections, "HEAD_S", 10 * PATIENCE_S)
    async with serving(store, PageSetting(HERE, papers.cert, papers.key)) as page, AsyncExitStack() as opened:
        streams = [
            await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", port(page))) for _ in range(50)
        ]
        assert await over_tls(page, papers) == 200
        assert await rest(streams[0]) == b""


async def test_old_tls_is_refused(store: Path, papers: Papers) -> None:
    async with serving(store, PageSetting(HERE, papers.cert, papers.key)) as page:
        assert page._tls is not None
        assert page._tls.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_half_of_a_renewal_leaves_the_old_certificate_in_use(
    store: Path, papers: Papers, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(store, PageSetting(HERE, papers.cert, papers.key)) as page:
        papers.issue(key=False)
        page.reopen()
        assert await over_tls(page, papers) == 200
        assert "the old certificate stays in use" in caplog.text
        papers.key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        page.reopen()
        assert await over_tls(page, papers) == 200


# --- cookies and tokens -----------------------------------------------------------------------------------------------


async def test_two_pages_on_one_host_do_not_log_each_other_out(tmp_path: Path) -> None:
    setting = PageSetting(HERE, token=Secret(TOKEN))
    for name in ("a.db", "b.db"):
        await filled(tmp_path / name, "hello")
    async with (
        serving(tmp_path / "a.db", setting) as one,
        serving(tmp_path / "b.db", setting) as other,
        serving(tmp_path / "b.db", setting) as same_store,
        httpx2.AsyncClient(trust_env=False) as browser,  # as browsers do, it shares cookies between ports
    ):
        pages = (one, other, same_store)
        for page in pages:
            assert (await browser.post(f"{page.url}api/session", json={"token": TOKEN})).status_code == 204
        for page in pages:
            assert (await browser.get(f"{page.url}api/page")).status_code == 200
        assert len(browser.cookies) == 3
        assert (await browser.delete(f"{one.url}api/session")).status_code == 204
        found = [(await browser.get(f"{page.url}api/page")).status_code for page in pages]
        assert found == [401, 200, 200]


async def test_over_tls_the_cookie_is_of_this_very_host(store: Path, papers: Papers) -> None:
    setting = PageSetting(HERE, papers.cert, papers.key, token=Secret(TOKEN))
    async with (
        serving(store, setting) as page,
        httpx2.AsyncClient(base_url=page.url, verify=papers.trust(), trust_env=False) as ask,
    ):
        headers = {"x-forwarded-proto": "http"}
        answered = await ask.post("/api/session", json={"token": TOKEN}, headers=headers)
        cookie = answered.headers["set-cookie"]
        assert cookie.startswith("__Host-genscribe-")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "domain" not in cookie.lower()
        assert (await ask.get("/api/page")).status_code == 200
        gone = (await ask.delete("/api/session")).headers["set-cookie"]
        assert gone.startswith("__Host-genscribe-")
        assert "Secure" in gone, "else browsers would keep it"


async def test_a_form_is_not_sent_as_from_nowhere(store: Path) -> None:
    """With `no-referrer` browsers send forms with `Origin: null`, which we refuse."""
    async with (
        serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page,
        client(page) as ask,
    ):
        assert (await ask.get("/")).headers["referrer-policy"] == "same-origin"
        sent = {"origin": "null", "sec-fetch-site": "cross-site"}
        assert (await ask.post("/api/session", data={"token": TOKEN}, headers=sent)).status_code == 403


@pytest.mark.parametrize(
    ("referer", "view"),
    [
        ("{page}conversations/a%2Fb?line=7", "/conversations/a%2Fb?line=7"),
        ("{page}/evil.example/", "/"),
        ("{page}\\evil.example/", "/"),
        ("{page}api/session", "/"),
        ("http://evil.example/search", "/"),
        ("", "/"),
    ],
)
async def test_who_was_given_a_link_comes_to_it_with_the_token(store: Path, referer: str, view: str) -> None:
    async with (
        serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page,
        client(page) as ask,
    ):
        headers = {"referer": referer.format(page=page.url)}
        answered = await ask.post("/api/session", data={"token": TOKEN}, headers=headers)
        assert (answered.status_code, answered.headers["location"]) == (303, view)


async def test_logs_hold_nothing_of_what_was_asked(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page,
        client(page) as ask,
    ):
        caplog.clear()
        bearer = {"authorization": f"Bearer {TOKEN}"}
        for path in ("/api/conversations/an-id", "/api/search?q=a-secret", "/conversations/an-id", "/an-id"):
            await ask.get(path, headers=bearer)
        await ask.post("/api/session", json={"token": TOKEN})
        await ask.post("/api/session", json={"token": "a-secret"})
        mine = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx2", "httpcore2"))]
        assert not [line for line in mine if any(word in line for word in ("an-id", "a-secret", TOKEN))]


def test_the_log_names_what_broke_without_ids() -> None:
    found = [door.route(path) for path in ("/api/conversations/an-id", "/conversations/an-id", "/\x1b[2J", "/")]
    assert found == ["/api/conversations", "/conversations", "a path", "/"]


async def test_a_localhost_that_is_not_this_machine(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def astray(*_: object, **__: object) -> object:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(server.anyio, "getaddrinfo", astray)
    with pytest.raises(ConfigError, match=r"takes localhost for 192\.0\.2\.1"):
        async with serving(store, PageSetting(WebAddress("localhost", 0))):
            pass
