from __future__ import annotations

import base64
import hashlib
import re
import socket
import ssl
from html import unescape
from ipaddress import ip_network
from pathlib import Path

import anyio
import httpx2
import pytest
import trustme

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.page import PageSetting
from genscribe.settings.values import WebAddress
from genscribe.web import connections, server
from genscribe.web.app import PAGE
from tests.unit.web.serving import HERE, filled, serving

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-many-letters"


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    await filled(path, "hello there", "<script>alert(1)</script>")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path, ssl.SSLContext]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return cert, key, context


def client(page: server.Page, *, verify: ssl.SSLContext | bool = False) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=page.url, trust_env=False, verify=verify)


async def test_every_answer_is_dressed(store: Path) -> None:
    async with serving(store) as page, client(page) as ask:
        paths = [
            "/",
            "/search?q=x",
            "/health",
            "/conversations/a%2Fb",
            "/page/app.mjs",
            "/api/page",
            "/healthz",
            "/nothing",
        ]
        for path in paths:
            answer = await ask.get(path)
            assert answer.status_code == (404 if path == "/nothing" else 200), path
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "server" not in answer.headers


async def test_what_is_not_there(store: Path) -> None:
    async with serving(store) as page, client(page) as ask:
        for path in ("/api/nothing", "/page/none.mjs", "/page/../server.py", "/page/%2e%2e/server.py", "/metricsx"):
            answer = await ask.get(path)
            assert answer.status_code == 404, path
            assert answer.json()["error"]["what"]
        assert (await ask.post("/api/page")).status_code == 405


async def test_another_name_and_another_origin(store: Path) -> None:
    async with serving(store) as page, client(page) as ask:
        assert (await ask.get("/", headers={"host": "evil.example"})).status_code == 421
        assert (await ask.get("/api/page", headers={"origin": "http://evil.example"})).status_code == 403
        assert (await ask.get("/healthz", headers={"host": "10.0.0.7:8765"})).status_code == 200


async def test_over_tls_with_a_token_that_was_made(store: Path, pair: tuple[Path, Path, ssl.SSLContext]) -> None:
    cert, key, context = pair
    setting = PageSetting(WebAddress("0.0.0.0", 0), cert, key)
    async with serving(store, setting) as page:
        assert page.made_token is not None
        port = page.url.rsplit(":", 1)[1].strip("/")
        async with httpx2.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False) as ask:
            assert (await ask.get("/healthz")).status_code == 200
            for path in ("/", "/page/app.mjs", "/api/page", "/api/events", "/metrics", "/nothing"):
                assert (await ask.get(path)).status_code == 401, path
            bearer = {"authorization": f"Bearer {page.made_token.reveal()}"}
            assert (await ask.get("/api/page", headers=bearer)).status_code == 200
            answer = await ask.post("/api/session", json={"token": page.made_token.reveal()})
            assert answer.status_code == 204
            cookie = answer.headers["set-cookie"].lower()
            assert all(word in cookie for word in ("httponly", "secure", "samesite=lax", "path=/"))
            assert page.made_token.reveal().lower() not in cookie
            assert (await ask.get("/api/page")).status_code == 200, "the cookie lets in"
            assert (await ask.delete("/api/session")).status_code == 204
            assert (await ask.get("/api/page")).status_code == 401


async def test_the_form_needs_no_script(store: Path) -> None:
    async with serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page, client(page) as ask:
        assert page.made_token is None
        answer = await ask.get("/conversations/c1")
        assert answer.status_code == 401
        assert '<form method="post" action="/api/session">' in answer.text
        assert "<script" not in answer.text
        answer = await ask.post("/api/session", data={"token": "wrong-" + TOKEN})
        assert answer.status_code == 401
        assert "That is not the token" in answer.text
        answer = await ask.post("/api/session", data={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "secure" not in answer.headers["set-cookie"].lower(), "over plain http the browser would drop it"
        assert (await ask.get("/conversations/c1")).status_code == 200


@pytest.mark.parametrize("view", ["/conversations/a%2Fb%22?line=k%261", "/search?q=%C3%A9t%C3%A9+x", "/"])
async def test_after_a_wrong_token_one_still_gets_to_where_one_wanted(store: Path, view: str) -> None:
    async with serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page, client(page) as ask:
        asked_at = page.url.rstrip("/") + view
        fields = {"token": "wrong-" + TOKEN}
        for _ in range(3):
            answer = await ask.post("/api/session", data=fields, headers={"referer": asked_at})
            assert answer.status_code == 401
            asked_at = str(answer.url)  # where the browser shows the form again
            hidden = re.search(r'<input type="hidden" name="view" value="([^"]*)">', answer.text)
            fields = {"token": "wrong-" + TOKEN, **({"view": unescape(hidden[1])} if hidden else {})}
        answer = await ask.post("/api/session", data={**fields, "token": TOKEN}, headers={"referer": asked_at})
        assert (answer.status_code, answer.headers["location"]) == (303, view)


@pytest.mark.parametrize(
    "view",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "/x\r\nSet-Cookie: a=b",
        "evil.example",
        "javascript:alert(1)",
        "/api/session",
        "/page/app.mjs",
        "/\u00e9",
        "/" + "x" * 2000,
    ],
)
async def test_a_form_leads_nowhere_but_to_views(store: Path, view: str) -> None:
    async with serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page, client(page) as ask:
        answer = await ask.post("/api/session", data={"token": TOKEN, "view": view})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        answer = await ask.post("/api/session", data={"token": "wrong", "view": '/"><script>'})
        assert "<script" not in answer.text


async def test_a_person_who_goes_astray_gets_a_page_and_a_program_json(store: Path) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with serving(store) as page, client(page) as ask:
        answer = await ask.get("/nothing?<script>", headers=browser)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "<h1>There is nothing here.</h1>" in answer.text
        assert '<a href="/">' in answer.text
        assert "<script" not in answer.text
        style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy = answer.headers["content-security-policy"]
        assert f"style-src 'self' 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for path in ("/api/nothing", "/page/nothing.mjs", "/api/conversations/nothing"):
            assert (await ask.get(path, headers=browser)).json()["error"]["what"]
        assert (await ask.get("/nothing")).json()["error"]["what"]
        answer = await ask.get("/", headers={**browser, "host": "evil.example"})
        assert (answer.status_code, answer.headers["content-type"]) == (421, "text/html; charset=utf-8")
        assert "<a " not in answer.text, "it would lead to where one just came from"


async def test_the_pages_files_are_small_on_their_way(store: Path) -> None:
    async with serving(store) as page, client(page) as ask:
        plain = await ask.get("/page/app.mjs", headers={"accept-encoding": "identity"})
        packed = await ask.get("/page/app.mjs", headers={"accept-encoding": "br, gzip;q=0.5"})
        assert plain.content == packed.content == (PAGE / "app.mjs").read_bytes()
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
        for answer in (plain, packed):
            assert answer.headers["vary"] == "Accept-Encoding"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        refusing = await ask.get("/page/app.mjs", headers={"accept-encoding": "gzip; q=0"})
        assert "content-encoding" not in refusing.headers
        style = await ask.get("/page/base.css", headers={"accept-encoding": "gzip"})
        assert (style.headers["content-encoding"], style.headers["content-type"]) == ("gzip", "text/css; charset=utf-8")
        assert (await ask.get("/")).headers["content-type"] == "text/html; charset=utf-8"
        assert (await ask.get("/page/icon.svg")).headers["content-type"] == "image/svg+xml"


async def test_what_was_said_is_never_compressed(tmp_path: Path) -> None:
    """Its length would tell who may write into a call what others said there."""
    await filled(tmp_path / "s.db", *["hello " * 300] * 5)
    async with serving(tmp_path / "s.db") as page, client(page) as ask:
        for path in (
            "/api/conversations",
            "/api/conversations/c1",
            "/api/conversations/c1?format=txt",
            "/api/search?q=hello",
        ):
            answer = await ask.get(path, headers={"accept-encoding": "gzip"})
            assert "hello" in answer.text
            assert "content-encoding" not in answer.headers


async def test_guessing_is_slow(store: Path) -> None:
    async with serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page, client(page) as ask:
        for number in range(10):
            assert (await ask.post("/api/session", json={"token": f"guess {number}"})).status_code == 401
        assert (await ask.post("/api/session", json={"token": TOKEN})).status_code == 429
        assert (await ask.get("/api/page", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200
        for number in range(10):
            bearer = {"authorization": f"Bearer guess {number}"}
            assert (await ask.get("/api/page", headers=bearer)).status_code == 401
        assert (await ask.get("/api/page", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 429


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"token":7}', b'{"token":"\\ud800"}', b"\xff", b"[" * 4000, b"x" * 100_000]
)
async def test_a_session_asked_for_with_nonsense(store: Path, body: bytes) -> None:
    async with serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page, client(page) as ask:
        assert (await ask.post("/api/session", content=body)).status_code == 401


async def test_without_a_token_there_is_no_session(store: Path) -> None:
    async with serving(store) as page, client(page) as ask:
        assert (await ask.post("/api/session", json={"token": TOKEN})).status_code == 404


async def test_behind_a_proxy_nobody_else_is_answered(store: Path) -> None:
    setting = PageSetting(HERE, proxies=(ip_network("10.0.0.0/8"),), token=Secret(TOKEN))
    bearer = {"authorization": f"Bearer {TOKEN}"}
    async with serving(store, setting) as page, client(page) as ask:
        assert (await ask.get("/", headers=bearer)).status_code == 403
        spoofed = {**bearer, "x-forwarded-for": "10.0.0.1"}
        assert (await ask.get("/", headers=spoofed)).status_code == 403
    setting = PageSetting(HERE, proxies=(ip_network("127.0.0.0/8"),), token=Secret(TOKEN))
    async with serving(store, setting) as page, client(page) as ask:
        assert (await ask.get("/", headers={**bearer, "host": "calls.example"})).status_code == 200


async def test_an_address_that_is_taken(store: Path) -> None:
    async with serving(store) as page:
        taken = WebAddress("127.0.0.1", int(page.url.rsplit(":", 1)[1].strip("/")))
        with pytest.raises(ConfigError, match="cannot listen on") as caught:
            async with serving(store, PageSetting(taken)):
                pass
        assert "--web" in str(caught.value)


async def test_addresses_that_are_not_ours(store: Path) -> None:
    for host in ("192.0.2.1", "no.such.host.invalid"):
        with pytest.raises(ConfigError, match="cannot listen on"):
            async with serving(store, PageSetting(WebAddress(host, 0), proxies=(ip_network("10.0.0.0/8"),))):
                pass


async def test_certificates_that_do_not_do(
    store: Path, pair: tuple[Path, Path, ssl.SSLContext], tmp_path: Path
) -> None:
    cert, key, _ = pair
    (tmp_path / "junk.pem").write_text("no certificate")
    for one, other in ((tmp_path / "none.pem", key), (tmp_path / "junk.pem", key), (cert, cert)):
        with pytest.raises(ConfigError, match="cannot be used") as caught:
            async with serving(store, PageSetting(HERE, one, other)):
                pass
        assert "\n" not in str(caught.value)


async def test_a_renewed_certificate_is_taken_up(store: Path, pair: tuple[Path, Path, ssl.SSLContext]) -> None:
    cert, key, _ = pair
    renewed = trustme.CA()
    context = ssl.create_default_context()
    renewed.configure_trust(context)
    async with serving(store, PageSetting(HERE, cert, key)) as page:
        cert.write_text("half a fi")
        page.reopen()
        async with client(page, verify=pair[2]) as ask:
            assert (await ask.get("/healthz")).status_code == 200, "what cannot be read leaves the old one in use"
        issued = renewed.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(str(cert))
        issued.private_key_pem.write_to_path(str(key))
        page.reopen()
        async with client(page, verify=context) as ask:
            assert (await ask.get("/healthz")).status_code == 200


async def test_who_connects_and_says_nothing_is_let_go(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    async with serving(store) as page:
        port = int(page.url.rsplit(":", 1)[1].strip("/"))
        async with await anyio.connect_tcp("127.0.0.1", port) as silent:
            await silent.send(b"GET / HTTP/1.1\r\nHost: local")
            with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
                await silent.receive()


async def test_a_head_without_end_is_refused(store: Path) -> None:
    async with serving(store) as page:
        port = int(page.url.rsplit(":", 1)[1].strip("/"))
        async with await anyio.connect_tcp("127.0.0.1", port) as flood:
            await flood.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
            with anyio.fail_after(10):
                assert b" 400 " in await flood.receive()


async def test_open_streams_do_not_hold_up_the_end(store: Path) -> None:
    with anyio.fail_after(10):
        async with serving(store) as page:
            port = int(page.url.rsplit(":", 1)[1].strip("/"))
            stream = await anyio.connect_tcp("127.0.0.1", port)
            await stream.send(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in await stream.receive()
    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
        for _ in range(100):
            await stream.receive()
    await stream.aclose()
    with socket.socket() as again:
        again.settimeout(5)
        assert again.connect_ex(("127.0.0.1", port)), "nobody listens there any more"


async def test_what_breaks_inside_tells_nothing_of_what_was_said(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: object, request: object) -> None:
        raise ValueError("somebody said a secret")

    monkeypatch.setattr("genscribe.web.conversation.OneConversation.one", broken)
    async with serving(store) as page, client(page) as ask:
        answer = await ask.get("/api/conversations/an-id-of-a-customer")
        assert answer.status_code == 500
        assert "secret" not in answer.text
    assert "ValueError" in caplog.text
    assert "secret" not in "".join(record.getMessage() for record in caplog.records if record.levelname != "DEBUG")
    assert "customer" not in "".join(record.getMessage() for record in caplog.records if record.levelname != "DEBUG")
