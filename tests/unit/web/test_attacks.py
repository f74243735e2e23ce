"""The page's server and those who mean it ill: on the network, in the user's browser, in the middle."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import httpx2
import pytest
import trustme

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.page import PageSetting
from genscribe.settings.values import WebAddress
from genscribe.web import connections, door, login, server
from tests.unit.web.serving import HERE, filled, serving

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-many-letters"
HOST = b"Host: localhost\r\n"
PATIENCE_S = 20
GONE = (anyio.EndOfStream, anyio.BrokenResourceError)
LAST_CHUNK = b"\r\n0\r\n\r\n"


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    await filled(path, "hello there")
    return path


@pytest.fixture
async def big(tmp_path: Path) -> Path:
    """A conversation of some 40 MB: more than a connection takes without being read."""
    path = tmp_path / "big.db"
    await filled(path, *["x" * 200_000] * 200)
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK_S", 0.05)
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    monkeypatch.setattr(connections, "TAKE_S", 0.6)


def port(page: server.Page) -> int:
    return int(page.url.rsplit(":", 1)[1].strip("/"))


def get(path: bytes, *more: bytes) -> bytes:
    return b"".join([b"GET ", path, b" HTTP/1.1\r\n", HOST, *(line + b"\r\n" for line in more), b"\r\n"])


async def rest(stream: anyio.abc.ByteReceiveStream) -> bytes:
    """All that comes until the other side ends it."""
    found = b""
    with anyio.fail_after(PATIENCE_S):
        try:
            while True:
                found += await stream.receive()
        except GONE:
            return found


async def answer(page: server.Page, request: bytes, *, last: bool = True) -> bytes:
    """What is answered to a request, on a connection that ends then: as the request has it, or (not `last`) must."""
    async with await anyio.connect_tcp("127.0.0.1", port(page)) as stream:
        await stream.send(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) if last else request)
        return await rest(stream)


async def first(page: server.Page, request: bytes, opened: AsyncExitStack) -> tuple[anyio.abc.SocketStream, bytes]:
    """A connection that stays open, and the beginning of what came on it."""
    stream = await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", port(page)))
    await stream.send(request)
    with anyio.fail_after(PATIENCE_S):
        return stream, await stream.receive()


def status(answered: bytes) -> int:
    return int(answered.split(b" ", 2)[1])


def assert_dressed(answered: bytes) -> None:
    head = answered.partition(b"\r\n\r\n")[0].lower()
    for header in (
        b"cache-control: no-store",
        b"x-content-type-options: nosniff",
        b"content-security-policy: default-src 'none'",
        b"x-frame-options: deny",
    ):
        assert head.count(header) == 1, (header, head)


# --- requests ---------------------------------------------------------------------------------------------------------


ODD: list[tuple[bytes, int]] = [
    (get(b"/page/%2e%2e%2fserver.py"), 404),
    (get(b"/page/%252e%252e/server.py"), 404),
    (get(b"/page/..%5c..%5cserver.py"), 404),
    (get(b"/page//etc/passwd"), 404),
    (get(b"/page/%00"), 404),
    (get(b"/page/app.mjs%00.txt"), 404),
    (get(b"/page/APP.mjs"), 404),
    (get(b"/page/"), 404),
    (get(b"/page/vendor"), 404),
    (get(b"/page"), 404),
    (get(b"/page/" + b"a" * 9000), 404),
    (get(b"/api/page/"), 404),
    (get(b"//api/page"), 404),
    (get(b"/api/conversations/%00%ff"), 404),
    (get(b"/api/conversations/x%0d%0aSet-Cookie:a=b?format=txt"), 404),
    (get(b"/api/search?q=%ff%fe%00"), 200),
    (get(b"/api/search?since=%0d%0a%22"), 400),
    (get(b"/page/app.mjs", b"Range: bytes=9999999-"), 416),
    (get(b"/page/app.mjs", b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(0, 2000, 2))), 200),
    (get(b"/" + b"a" * 20_000), 404),
    (get(b"/api/page", HOST.strip()), 400),
    (get(b"/api/page", b"Origin: http://localhost", b"Origin: http://evil.example"), 403),
    (get(b"/api/page", b"Upgrade: websocket", b"Connection: upgrade"), 200),
    (get(b"http://evil.example/api/page"), 404),
    (b"GET /api/page HTTP/1.0\r\n\r\n", 421),
    (b"GET /api/page HTTP/1.1\r\n\r\n", 400),
    (b"GET /api/page HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET /api/page HTTP/1.1\r\nHost: 0.0.0.0\r\n\r\n", 421),
    (b"GET /api/page HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", 421),
    (b"GET /api/page HTTP/1.1\r\nHost: localhost\x00\r\n\r\n", 400),
    (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    (b"OPTIONS /api/page HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (b"CONNECT localhost:22 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    (b"TRACE /api/page HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (b"PUT /page/app.mjs HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx", 405),
    (b"BREW /healthz HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
]


async def test_odd_requests(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(store) as page:
        caplog.clear()
        for request, expected in ODD:
            answered = await answer(page, request)
            assert status(answered) == expected, request
            assert_dressed(answered)
            assert b"\nset-cookie:" not in answered.lower()
            assert b"\nlocation:" not in answered.lower()
        assert not caplog.records, "whoever reaches the port could fill the log"


async def test_what_the_browser_has_is_said_with_the_same_headers(store: Path) -> None:
    async with serving(store) as page, httpx2.AsyncClient(base_url=page.url, trust_env=False) as ask:
        tag = (await ask.get("/page/app.mjs")).headers["etag"]
        unchanged = await answer(page, get(b"/page/app.mjs", b"If-None-Match: " + tag.encode()))
        assert status(unchanged) == 304
        assert_dressed(unchanged)
        for path in (b"/", b"/api/page", b"/api/events", b"/page/app.mjs"):
            only_head = await answer(page, get(path).replace(b"GET", b"HEAD", 1))
            assert status(only_head) == 200
            assert only_head.endswith(b"\r\n\r\n"), "no body"
            assert_dressed(only_head)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/session HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n",
    ],
)
async def test_no_request_is_smuggled_in_the_body_of_another(store: Path, head: bytes) -> None:
    async with serving(store) as page:
        answered = await answer(page, head + b"0\r\n\r\n" + get(b"/healthz"), last=False)
        assert status(answered) in (400, 501)
        assert answered.count(b"HTTP/1.1 ") == 1, "the connection ends with the first answer"


async def test_requests_in_a_row_are_answered_in_order(store: Path) -> None:
    async with serving(store) as page:
        answered = await answer(page, get(b"/healthz") * 50 + get(b"/nothing", b"Connection: close"), last=False)
        assert answered.count(b"HTTP/1.1 200") == 50
        assert b"HTTP/1.1 404" in answered.rpartition(b"ok\n")[2]


async def test_nonsense_in_the_midst_of_an_answer_ends_it_quietly(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(store) as page, AsyncExitStack() as opened:
        caplog.clear()
        stream, begun = await first(page, get(b"/api/events", b"Transfer-Encoding: chunked"), opened)
        assert status(begun) == 200
        await stream.send(b"no chunk\r\n")
        await rest(stream)
        answered = await answer(page, get(b"/api/events", b"Transfer-Encoding: chunked") + b"no chunk\r\n")
        assert status(answered) == 400
        assert status(await answer(page, get(b"/healthz"))) == 200
        assert not caplog.records


# --- how many, how slow -----------------------------------------------------------------------------------------------


async def test_who_says_nothing_makes_room_for_a_probe(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    async with serving(store) as page, AsyncExitStack() as opened:
        streams = [
            await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", port(page))) for _ in range(50)
        ]
        for _ in range(3):
            assert status(await answer(page, get(b"/healthz"))) == 200
        assert await rest(streams[0]) == b"", "the one that was silent for longest went"


async def test_probes_are_answered_when_too_many_ask_for_other_things(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_ANSWERED", 3)
    async with serving(store) as page, AsyncExitStack() as opened:
        for _ in range(3):
            _, begun = await first(page, get(b"/api/events"), opened)
            assert status(begun) == 200
        refused = await answer(page, get(b"/api/page"))
        assert status(refused) == 503
        assert_dressed(refused)
        assert b"retry-after" in refused.lower()
        for path in (b"/healthz", b"/readyz"):
            assert status(await answer(page, get(path))) == 200


def test_the_page_leaves_files_for_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (256, 1024))
    assert connections.most_connections() == 85
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    assert connections.most_connections() == 600
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (connections.resource.RLIM_INFINITY,) * 2)
    assert connections.most_connections() == 600


@pytest.mark.usefixtures("impatient")
async def test_half_a_second_request_is_not_waited_for(store: Path) -> None:
    async with serving(store) as page, AsyncExitStack() as opened:
        stream, _ = await first(page, get(b"/healthz"), opened)
        await stream.send(b"GET /healthz HTTP/1.1\r\n")
        await rest(stream)


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_nobody_asked_for_and_that_never_ends(store: Path) -> None:
    async with serving(store) as page, AsyncExitStack() as opened:
        stream, begun = await first(page, get(b"/healthz", b"Content-Length: 1000000"), opened)
        assert status(begun) == 200
        with anyio.fail_after(PATIENCE_S), pytest.raises(anyio.BrokenResourceError):
            while True:
                await stream.send(b"x")
                await anyio.sleep(0.02)


@pytest.mark.usefixtures("impatient")
async def test_a_stream_of_events_outlives_the_patience_with_silence(store: Path) -> None:
    async with serving(store) as page, AsyncExitStack() as opened:
        stream, _ = await first(page, get(b"/api/events"), opened)
        with anyio.move_on_after(1.5), pytest.raises(GONE):
            while True:
                await stream.receive()
                raise_if_ended = True
        assert raise_if_ended


async def test_a_token_that_comes_letter_by_letter_is_not_waited_for(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "BODY_S", 0.2)
    monkeypatch.setattr(login, "MOST_BODIES", 2)
    post = b"POST /api/session HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n{"
    async with serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page, AsyncExitStack() as opened:
        _, answered = await first(page, post, opened)
        assert status(answered) == 401
        monkeypatch.setattr(login, "BODY_S", PATIENCE_S)
        for _ in range(2):
            stream = await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", port(page)))
            await stream.send(post)
        for _ in range(100):
            _, answered = await first(page, post.replace(b"100", b"1"), opened)
            if status(answered) == 503:
                break
        assert status(answered) == 503


@asynccontextmanager
async def never_reads(page: server.Page, request: bytes) -> AsyncIterator[anyio.abc.SocketStream]:
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port(page)))
        raw.send(request)
        raw.setblocking(False)
        async with await anyio.abc.SocketStream.from_socket(raw.dup()) as stream:
            yield stream


@pytest.mark.usefixtures("impatient")
async def test_who_takes_nothing_of_a_download_is_let_go(big: Path) -> None:
    async with serving(big) as page, never_reads(page, get(b"/api/conversations/c1?format=txt")) as stream:
        with anyio.fail_after(PATIENCE_S):
            while page._app._inside:  # it holds nothing of us any more
                await anyio.sleep(0.02)
        found = await rest(stream)
        assert status(found) == 200
        assert not found.endswith(LAST_CHUNK)


async def test_a_download_that_is_cut_does_not_look_whole(big: Path) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with AsyncExitStack() as opened:
            async with serving(big) as page:
                stream = await opened.enter_async_context(never_reads(page, get(b"/api/conversations/c1?format=txt")))
                begun = await stream.receive()
                events, _ = await first(page, get(b"/api/events"), opened)
            assert status(begun) == 200
            assert not (begun + await rest(stream)).endswith(LAST_CHUNK)
            assert (b"\r\n" + await rest(events)).endswith(LAST_CHUNK), "a stream of events is whole wherever it ends"


async def test_what_breaks_in_the_midst_does_not_look_whole(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> AsyncIterator[bytes]:
        yield b"the beginning"
        raise ValueError("somebody said a secret")

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("genscribe.web.downloads._text", broken)
    async with serving(store) as page:
        answered = await answer(page, get(b"/api/conversations/c1?format=txt"))
        assert b"the beginning" in answered
        assert not answered.endswith(LAST_CHUNK)
    assert "ValueError" in caplog.text
    assert "test_attacks.py" in caplog.text, "at debug level it says where"
    assert "secret" not in caplog.text.replace('raise ValueError("somebody said a secret")', "")


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


@pytest.mark.usefixtures("impatient")
async def test_a_handshake_that_never_ends(
    store: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(store, PageSetting(HERE, papers.cert, papers.key)) as page:
        caplog.clear()
        async with await anyio.connect_tcp("127.0.0.1", port(page)) as silent:
            await silent.send(b"\x16\x03\x01")
            assert await rest(silent) == b""
        assert not status_or_none(await answer(page, get(b"/healthz"))), "no HTTP in the clear"
        assert not caplog.records
        assert await over_tls(page, papers) == 200


async def test_handshakes_make_room_for_a_probe(store: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    async with serving(store, PageSetting(HERE, papers.cert, papers.key)) as page, AsyncExitStack() as opened:
        streams = [
            await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", port(page))) for _ in range(50)
        ]
        assert await over_tls(page, papers) == 200
        assert await rest(streams[0]) == b""


def status_or_none(answered: bytes) -> int | None:
    return status(answered) if answered.startswith(b"HTTP") else None


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
        httpx2.AsyncClient(base_url=page.url, trust_env=False) as ask,
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
        httpx2.AsyncClient(base_url=page.url, trust_env=False) as ask,
    ):
        headers = {"referer": referer.format(page=page.url)}
        answered = await ask.post("/api/session", data={"token": TOKEN}, headers=headers)
        assert (answered.status_code, answered.headers["location"]) == (303, view)


async def test_logs_hold_nothing_of_what_was_asked(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        serving(store, PageSetting(HERE, token=Secret(TOKEN))) as page,
        httpx2.AsyncClient(base_url=page.url, trust_env=False) as ask,
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


async def test_what_many_ask_for_and_nobody_takes_is_bounded(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_HELD", 30 << 20)
    async with serving(big) as page, AsyncExitStack() as opened:
        request = get(b"/api/conversations/c1?format=txt")  # pieces of 20 MB
        for number in range(4):
            await opened.enter_async_context(never_reads(page, request))
            with anyio.fail_after(PATIENCE_S):
                while not any(answer.held for answer in page._app._inside) or len(page._app._inside) > 1:
                    await anyio.sleep(0.02)
            held = sum(answer.held for answer in page._app._inside)
            assert 0 < held <= 30 << 20, number
