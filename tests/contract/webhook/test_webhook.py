"""The webhook sink against the receiver of the examples, and behind a delivery against one that is down or refuses."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import importlib.util
import json
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from genscribe.delivery import Delivery
from genscribe.events import Record
from genscribe.settings.sinks import sink_setting
from genscribe.sinks.base import Means, SinkMisconfigured
from genscribe.sinks.conformance import utterances
from genscribe.sinks.registry import make_sink
from genscribe.telemetry import Telemetry
from genscribe.testing import check_sink
from tests.fakes import MemoryJournal
from tests.http_stub import Asked, HttpStub, Reply
from tests.servers.trouble import trouble

pytestmark = pytest.mark.anyio

MEANS = Means("hook", "store", tls=ssl.create_default_context)
NEW, OLD = "whsec_bmV3LXNlY3JldC12YWx1ZQ==", "an-old-secret"


def load_example() -> ModuleType:
    file = Path(__file__).parents[3] / "examples" / "webhook_receiver.py"
    spec = importlib.util.spec_from_file_location("webhook_receiver", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load_example()


class Receiver:
    """The example, in a thread."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.server = example.server("127.0.0.1", 0, secrets=(NEW, OLD), database=str(database))
        self.server.daemon_threads = False  # so that closing waits for them
        self.url = f"http://127.0.0.1:{self.server.server_port}/calls"
        self.said: list[str] = []
        handler: Any = self.server.RequestHandlerClass
        handler.log_message = lambda _, text, *rest: self.said.append(text % rest)
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def events(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.database)) as db:
            return [json.loads(row[0]) for row in db.execute("select event from events order by rowid")]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path / "calls.db")
    yield made
    made.stop()


def webhook(url: str) -> Any:
    return make_sink(sink_setting(f"hook={url}", lambda what: what), MEANS)


async def test_the_conformance_suite_against_the_example(receiver: Receiver) -> None:
    async def delivered() -> list[int]:
        return [event["seq"] for event in receiver.events()]

    port = receiver.server.server_port
    async with trouble(port, asks=b"POST /calls", answers=b"HTTP/1.") as there:
        url = f"http://127.0.0.1:{there.port}/calls?secret={NEW}"
        await check_sink(lambda: webhook(url), delivered=delivered, **there.hooks)
        assert (there.lost, there.tears) == (2, 2)
    assert sum(text.startswith("refused") for text in receiver.said) <= there.tears, "what was torn, and nothing else"


@pytest.mark.parametrize("query", [f"secret={NEW}", f"secret={OLD}", f"secret=newest&secret-old={OLD}"])
async def test_the_example_knows_any_of_its_secrets(receiver: Receiver, query: str) -> None:
    sink = webhook(f"{receiver.url}?{query}")
    await sink.open()
    await sink.write(utterances(0, 2))
    await sink.write(utterances(0, 2))
    await sink.aclose()
    assert [event["seq"] for event in receiver.events()] == [1, 2]


@pytest.mark.parametrize("query", ["secret=another", ""])
async def test_the_example_refuses_others(receiver: Receiver, query: str) -> None:
    sink = webhook(f"{receiver.url}?{query}")
    await sink.open()
    with pytest.raises(SinkMisconfigured, match="401"):
        await sink.write(utterances(0, 2))
    await sink.aclose()
    assert not receiver.database.exists()


def signed(body: bytes, *, secret: str = OLD, at: int = 1000) -> dict[str, str]:
    digest = hmac.new(secret.encode(), b"m.%d.%b" % (at, body), hashlib.sha256).digest()
    return {
        "webhook-id": "m",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ({"webhook-id": "n"}, 1000),
        ({"webhook-timestamp": "1001"}, 1000),
        ({"webhook-timestamp": "-1000"}, 1000),
        ({"webhook-timestamp": "²"}, 1000),
        ({"webhook-signature": ""}, 1000),
        ({"webhook-signature": "v1,ü"}, 1000),
        ({"webhook-signature": "v2," + signed(b"[]")["webhook-signature"][3:]}, 1000),
        (signed(b"[ ]"), 1000),
        ({}, 1301),
        ({}, 699),
    ],
)
def test_the_example_sees_what_was_changed_or_is_old(change: dict[str, str], now: int) -> None:
    example.verify(signed(b"[]"), b"[]", (NEW, OLD), 1000)
    with pytest.raises(example.Refused):
        example.verify({**signed(b"[]"), **change}, b"[]", (NEW, OLD), now)


async def test_a_later_revision_replaces_an_earlier_one(receiver: Receiver) -> None:
    sink = webhook(f"{receiver.url}?secret={OLD}")
    await sink.open()
    for seq, (revision, text) in enumerate([(1, b"one"), (2, b"two"), (1, b"one")], start=1):
        body = b'{"kind":"utterance","key":"k","revision":%d,"text":"%b"}' % (revision, text)
        await sink.write([Record(seq, "utterance", body)])
    await sink.aclose()
    assert [(event["revision"], event["text"]) for event in receiver.events()] == [(2, "two")]


class Destination:
    """A receiver with a hand on it: it can be down, hold its answers back, lose one, and refuses what is poison."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.names: dict[str, bytes] = {}
        self.lost = self.torn = False
        self._free = anyio.Event()
        self._free.set()
        self._stub = HttpStub(self._answer)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._stub.on_connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._stub.aclose()
        await self._server.wait_closed()

    async def hold(self) -> None:
        self._free = anyio.Event()

    async def release(self) -> None:
        self._free.set()

    async def swallow(self) -> None:
        self.lost = True

    async def tear(self) -> None:
        self.torn = True

    async def delivered(self) -> list[int]:
        return self.seen

    async def _answer(self, asked: Asked) -> Reply:
        events = json.loads(asked.body)
        body = self.names.setdefault(asked.headers["idempotency-key"], asked.body)
        assert body == asked.body, "the same batch has the same key, another another"
        if any(event.get("text") == "poison" for event in events):
            return Reply(422)
        if self.torn:
            self.torn = False
            self.seen.extend(event["seq"] for event in events[: len(events) // 2])
            return Reply(500)
        self.seen.extend(event["seq"] for event in events)
        await self._free.wait()
        if self.lost:
            self.lost = False
            return Reply(raw=b"")
        return Reply(204)


async def test_the_conformance_suite_with_all_its_troubles() -> None:
    there = Destination()
    await there.up()

    def poison(seq: int) -> Record:
        return Record(seq, "utterance", b'{"kind":"utterance","key":"p%d","revision":1,"text":"poison"}' % seq)

    await check_sink(
        lambda: webhook(f"http://127.0.0.1:{there.port}/?secret={NEW}"),
        delivered=there.delivered,
        down=there.down,
        up=there.up,
        hold=there.hold,
        release=there.release,
        swallow=there.swallow,
        tear=there.tear,
        poison=poison,
    )
    await there.down()
    assert len(there.names) > 10


async def test_a_delivery_bisects_and_dead_letters_with_the_status() -> None:
    there = Destination()
    await there.up()
    journal = MemoryJournal()
    bodies = [b'{"kind":"utterance","key":"k%d","revision":1,"text":"%b"}' % (n, b"fine") for n in range(7)]
    bodies[4] = bodies[4].replace(b"fine", b"poison")
    journal.commit(*(Record(seq, "utterance", body) for seq, body in enumerate(bodies, start=1)))
    delivery = Delivery("hook", webhook(f"http://127.0.0.1:{there.port}/"), journal, Telemetry())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        with anyio.fail_after(10):
            while delivery.cursor < 7:
                await anyio.sleep(0.01)
        assert await delivery.drain(5)
    await there.down()
    assert there.seen == [1, 2, 3, 4, 6, 7]
    assert journal.dead == {("hook", 5): "HTTP 422"}
