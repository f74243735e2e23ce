from __future__ import annotations

import itertools
import json
import random  # seeded
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from genscribe.events import Record, Utterance, encode
from genscribe.web import hub as hubs
from genscribe.web.hub import Hub

pytestmark = pytest.mark.anyio


class Committed:
    """A feed that a test fills."""

    def __init__(self, *texts: str) -> None:
        self.records: list[Record] = []
        self.head = 0
        self.moved = anyio.Event()
        self.say(*texts)

    def say(self, *texts: str, kind: str = "utterance") -> None:
        for text in texts:
            self.head += 1
            event: Utterance[str] = Utterance(key=f"k{self.head}", revision=1, text=text)
            self.records.append(Record(self.head, kind, encode(event)))
        moved, self.moved = self.moved, anyio.Event()
        moved.set()

    async def wait_beyond(self, seq: int) -> int:
        while self.head <= seq:
            await self.moved.wait()
        return self.head

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        return [record for record in self.records if record.seq > after][:limit]


def parsed(stream: bytes) -> list[tuple[str, Any, int | None]]:
    """What `EventSource` makes of it: name, data, id."""
    found = []
    for block in stream.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"]), int(fields["id"]) if "id" in fields else None))
    return found


class Browser:
    """Follows, and checks that it gets everything after what it has, in order and once."""

    def __init__(self, feed: Committed, at: int | None) -> None:
        self.feed = feed
        self.at = at
        self.seqs: list[int] = []
        self.names: list[str] = []
        self.resets = 0

    def take(self, message: bytes) -> None:
        for name, data, number in parsed(message):
            self.names.append(name)
            if name == "hello" and self.at is None:
                self.at = data["head"]
            elif name == "reset":
                self.at, self.resets = data["head"], self.resets + 1
            elif name == "events":
                assert self.at is not None
                assert number is not None
                told = [r.seq for r in self.feed.records if r.kind == "utterance" and self.at < r.seq <= number]
                assert [event["seq"] for event in data] == told != []
                self.at = number
                self.seqs += told

    async def follow(self, hub: Hub, until: Callable[[], bool], store: str | None = None) -> None:
        async with aclosing(hub.follow(self.at, store)) as messages:
            async for message in messages:
                self.take(message)
                if until():
                    return


async def settle(turns: int = 20) -> None:
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "BATCH_S", 0)
    monkeypatch.setattr(hubs, "RESET_S", 0)


@asynccontextmanager
async def following(feed: Committed) -> AsyncIterator[Hub]:
    hub = Hub(feed, "store-1")
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hub.run)
            await settle()
            yield hub
            tasks.cancel_scope.cancel()
    assert hub.browsers == 0


async def test_from_now_on() -> None:
    feed = Committed("before")
    browser = Browser(feed, None)

    def until() -> bool:
        if browser.names == ["hello"]:
            feed.say("now", "and now")
        return len(browser.seqs) == 2

    async with following(feed) as hub:
        await browser.follow(hub, until)
    assert browser.seqs == [2, 3]


async def test_the_first_words_of_a_new_call_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what follows at once is gathered; what comes after a silence is sent when it comes."""
    monkeypatch.setattr(hubs, "BATCH_S", 1e9)
    monkeypatch.setattr(hubs, "LOOK_S", 1e9)
    feed = Committed("before")
    browser = Browser(feed, None)

    def until() -> bool:
        if browser.names == ["hello"]:
            feed.say("now")
        return browser.seqs == [2]

    async with following(feed) as hub:
        await browser.follow(hub, until)


@pytest.mark.parametrize("after", range(12))
async def test_one_goes_on_from_anywhere(after: int) -> None:
    """Also from within a batch, and from before our start: a server that comes back goes on."""
    feed = Committed(*"abcdef")
    browser = Browser(feed, after)
    async with following(feed) as hub:
        feed.say(*"ghijk")
        await settle()
        feed.say("l")
        await browser.follow(hub, lambda: browser.at == 12)
    assert browser.seqs == list(range(after + 1, 13))
    assert not browser.resets


@pytest.mark.parametrize(("after", "store"), [(99, None), (-1, None), (3, "another")])
async def test_who_was_elsewhere_begins_anew(after: int, store: str | None) -> None:
    feed = Committed(*"abcdef")
    browser = Browser(feed, after)
    async with following(feed) as hub:
        await browser.follow(hub, lambda: browser.resets == 1, store)
    assert browser.at == 6


async def test_a_reset_goes_on_from_a_little_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that is loaded anew shows what was indexed, which is a little behind what is committed."""
    monkeypatch.setattr(hubs, "RESET_S", 1000)
    feed = Committed(*"abc")
    browser = Browser(feed, 99)
    async with following(feed) as hub:
        feed.say(*"def")
        await settle()
        await browser.follow(hub, lambda: browser.at == 6)
    assert browser.resets == 1
    assert browser.seqs == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seed", range(30))
async def test_each_gets_every_event_once_in_order_or_is_told_that_not(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(hubs, "RING_BYTES", chance.choice((2_000, 20_000, 1 << 20)))
    monkeypatch.setattr(hubs, "PIECE_BYTES", chance.choice((500, 5_000)))
    feed = Committed(*["x" * chance.randrange(200)] * chance.randrange(30))
    browsers = [Browser(feed, chance.choice((None, 0, feed.head))) for _ in range(6)]

    async def watch(hub: Hub, browser: Browser) -> None:
        """Reads as slowly as it likes, falls asleep, comes back with the last id that it had."""
        sleepy = chance.choice((0, 3, 40))
        while True:
            stays = chance.randrange(1, 20)
            async with aclosing(hub.follow(browser.at)) as messages:
                async for message in messages:
                    browser.take(message)
                    await settle(chance.randrange(sleepy + 1))
                    stays -= 1
                    if not stays:
                        break
            await settle(chance.randrange(sleepy + 1))

    async with following(feed) as hub, anyio.create_task_group() as tasks:
        for browser in browsers:
            tasks.start_soon(watch, hub, browser)
        for _ in range(60):
            for _ in range(chance.randrange(8)):
                feed.say("x" * chance.randrange(400), kind=chance.choice(("utterance", "utterance", "message")))
            await settle(chance.randrange(6))
        feed.say("the end")
        while any(browser.at != feed.head for browser in browsers):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert all(browser.seqs == sorted(set(browser.seqs)) for browser in browsers)


async def test_what_browsers_are_not_told_of_only_counts() -> None:
    feed = Committed()
    browser = Browser(feed, 0)
    async with following(feed) as hub:
        feed.say("secret", kind="unreadable")
        feed.say("hello")
        await browser.follow(hub, lambda: browser.at == 2)
    assert browser.seqs == [2]


async def test_a_browser_that_catches_up_gets_pieces_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "PIECE_BYTES", 1000)
    feed = Committed(*["x" * 300] * 50)
    browser = Browser(feed, 0)
    sizes = []
    async with following(feed) as hub, aclosing(hub.follow(0)) as messages:
        async for message in messages:
            browser.take(message)
            sizes.append(len(message))
            if browser.at == 50:
                break
    assert len(browser.seqs) == 50
    assert max(sizes) < 3000


async def test_the_pulse_is_told_at_once_when_the_connection_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "LOOK_S", 0)
    monkeypatch.setattr(hubs, "PULSE_S", 1e9)
    state = {"connected": True, "missing_since": None, "running": True}
    asked = itertools.count()

    def pulse() -> bytes:
        next(asked)
        return json.dumps(state).encode()

    hub = Hub(Committed(), "store-1", pulse)
    told: list[Any] = []
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hub.run)
            await settle()
            assert next(asked) == 0, "nobody follows, so nobody is asked"
            async with aclosing(hub.follow(None)) as messages:
                async for message in messages:
                    told += [data for name, data, _ in parsed(message) if name == "status"]
                    if len(told) == 1:
                        state["connected"] = False
                    if len(told) == 2:
                        break
            tasks.cancel_scope.cancel()
    assert [one["connected"] for one in told] == [True, False]
