"""Requests that mean the page's server ill: odd ones, too many, too slow ones."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from genscribe.secrets import Secret
from genscribe.settings.page import PageSetting
from genscribe.web import connections, door, login
from tests.unit.web.raw import (
    GONE,
    HOST,
    LAST_CHUNK,
    PATIENCE_S,
    answer,
    assert_dressed,
    first,
    get,
    never_reads,
    port,
    rest,
    status,
)
from tests.unit.web.serving import HERE, filled, serving

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-many-letters"


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
    (get(b"/page/app.mjs", b"Range: bytes=9999999-"), 200),
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


async def test_who_asks_for_the_head_alone_gets_the_same_headers(store: Path) -> None:
    async with serving(store) as page:
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
    monkeypatch.setattr(connections, "HEAD_S", 10 * PATIENCE_S)
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

    caplog.set_level(logging.DEBUG, logger="genscribe.web")
    monkeypatch.setattr("genscribe.web.downloads._text", broken)
    async with serving(store) as page:
        answered = await answer(page, get(b"/api/conversations/c1?format=txt"))
        assert b"the beginning" in answered
        assert not answered.endswith(LAST_CHUNK)
    assert "ValueError" in caplog.text
    assert "test_attacks.py" in caplog.text, "at debug level it says where"
    assert "secret" not in caplog.text.replace('raise ValueError("somebody said a secret")', "")


async def test_what_many_ask_for_and_nobody_takes_is_bounded(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_HELD", 3 << 19)
    async with serving(big) as page, AsyncExitStack() as opened:
        request = get(b"/api/conversations/c1?format=txt")  # pieces of about 1 MB
        seen: set[object] = set()
        for _ in range(4):
            await opened.enter_async_context(never_reads(page, request))
            with anyio.fail_after(PATIENCE_S):
                while not (came := {each for each in page._app._inside if each.held} - seen):
                    await anyio.sleep(0.02)
                seen |= came
                while len(page._app._inside) > 1:
                    await anyio.sleep(0.02)
            assert set(page._app._inside) == came, "the one before was cut"
