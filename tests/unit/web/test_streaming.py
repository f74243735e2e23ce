from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import anyio
import pytest

from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from genscribe.web import hub, streaming
from genscribe.web.server import Page
from tests.unit.web.serving import client, filled, said, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    await filled(path, "one", "two", "three")
    return path


def port(page: Page) -> int:
    return int(page.url.rsplit(":", 1)[1].strip("/"))


async def begun(page: Page, path: str, headers: dict[str, str] | None = None, until: str = "event: status") -> str:
    """The first of a stream."""
    got = ""
    async with client(page) as ask, ask.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for part in answer.aiter_text():
            got += part
            if until in got:
                break
    return got


async def test_a_browser_says_where_it_was(store: Path) -> None:
    async with serving(store) as page:
        with anyio.fail_after(20):
            assert '"seq":3' in await begun(page, "/api/events?after=2", until="three")
            assert '"seq":2' not in await begun(page, "/api/events?after=2", until="three")
            got = await begun(page, "/api/events?after=0", {"last-event-id": "2"}, until="three")
            assert '"seq":2' not in got, "where it was last counts, not where it began"
            assert "event: reset" in await begun(page, "/api/events?after=99", until="event: reset")
            assert "event: reset" in await begun(page, "/api/events", {"last-event-id": "x"}, until="event: reset")
            assert "event: reset" in await begun(page, "/api/events?after=2&store=other", until="event: reset")


async def test_bad_places_are_told(store: Path) -> None:
    async with serving(store) as page, client(page) as ask:
        for after in ("x", "-1", "1.5", "9" * 30, "٣"):
            answer = await ask.get("/api/events", params={"after": after})
            assert answer.status_code == 400
            assert answer.json()["error"]["what"] == "after must be a whole number."


async def test_there_may_not_be_too_many(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MOST_BROWSERS", 2)
    async with serving(store) as page, client(page) as ask:
        with anyio.fail_after(20):
            async with ask.stream("GET", "/api/events") as one, ask.stream("GET", "/api/events") as other:
                texts = [one.aiter_text(), other.aiter_text()]
                for text in texts:
                    assert "hello" in await text.__anext__()
                answer = await ask.get("/api/events")
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                assert answer.json()["error"]["what"]
            while (await ask.head("/api/events")).status_code == 503:
                await anyio.sleep(0.05)


async def test_a_browser_that_stops_to_read_is_dropped_and_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "SEND_S", 0.2)
    path = tmp_path / "s.db"
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        journal.append([said("x" * 4000, f"k{number}") for number in range(3000)])
        await journal.flush()
    async with serving(path) as page:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        with deaf, anyio.fail_after(30):
            await anyio.to_thread.run_sync(connect, deaf, port(page))
            deaf.sendall(b"GET /api/events?after=2000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not page._hub.browsers:
                await anyio.sleep(0.02)
            while page._hub.browsers:
                await anyio.sleep(0.02)
            with contextlib.suppress(ConnectionResetError):
                while await readable(deaf):
                    pass


async def readable(deaf: socket.socket) -> bytes:
    await anyio.wait_readable(deaf)
    return deaf.recv(1 << 20)


def connect(deaf: socket.socket, number: int) -> None:
    deaf.setblocking(True)
    deaf.connect(("127.0.0.1", number))
    deaf.setblocking(False)
