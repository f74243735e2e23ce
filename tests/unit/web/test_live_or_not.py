"""Each conversation goes on or does not: in every state of a store it is in exactly one of the two lists."""

from __future__ import annotations

import json
import random  # seeded
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import apsw
import httpx2
import pytest
from starlette.requests import Request

from genscribe import clock
from genscribe.events import Event
from genscribe.store import archive, retention
from genscribe.store.journal import Journal
from genscribe.store.queries import FORGOTTEN_MS, QUIET_MS
from genscribe.store.views import NOT_RUNNING_MS
from genscribe.web import cards, conversation, livecards
from genscribe.web.conversations import Conversations
from genscribe.web.readers import Readers
from tests.unit.web.serving import client, serving
from tests.unit.web.test_api import got, ids, line, record, recording, turn

pytestmark = pytest.mark.anyio


class Now:
    """The wall clock, in a test's hands."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def iso(self, earlier_ms: int = 0) -> str:
        return clock.iso(self.ms - earlier_ms)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    found = Now()
    monkeypatch.setattr(clock, "wall_ms", lambda: found.ms)
    monkeypatch.setattr(archive, "LINGER_S", 0.0)
    return found


@contextmanager
def written(path: Path) -> Iterator[apsw.Connection]:
    """What time and other processes do to a store."""
    with closing(apsw.Connection(str(path))) as db:
        db.set_busy_timeout(10_000)
        db.execute("begin immediate")
        yield db
        db.execute("commit")


@pytest.fixture
async def store(tmp_path: Path, now: Now) -> AsyncIterator[Journal]:
    async with recording(
        tmp_path / "s.db", [turn("c1", "started", now.iso()), line("k", "hi", received_at=now.iso())]
    ) as journal:
        yield journal


async def listed(asked: Conversations, query: str) -> Any:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": query.encode()})
    return json.loads(bytes((await asked.newest(request)).body))


def happen(chance: random.Random, now: Now, number: int) -> Event[str]:
    """Something is told of one of a few conversations."""
    which = f"c{chance.randrange(8)}"
    told = now.iso(chance.choice((0, 0, 60_000, QUIET_MS + 1, FORGOTTEN_MS - 60_000, FORGOTTEN_MS + 1)))
    what = chance.choice(("started", "ended", "line", "line", "line", "interim"))
    if what in ("started", "ended"):
        return turn(which, what, told)
    final = what == "line"
    return line(
        f"k{number // 2}", "x", which, spoken_at=told, received_at=told, revision=int(final), is_final=final
    )  # fmt: skip


def pass_time(chance: random.Random, now: Now, db: apsw.Connection, head: int) -> None:
    """Time goes on or is put back, the store's clock makes a mark, old rows go, who writes lives or is gone."""
    now.ms += chance.choice((0, 1000, QUIET_MS // 2, QUIET_MS, 3_600_000, FORGOTTEN_MS // 2, -3_600_000))
    if chance.random() < 0.5:
        db.execute("insert or ignore into marks values (?, ?)", (head, now.ms))
    if chance.random() < 0.2:
        after = retention.trimmed_to(db)
        retention._remove(db, after, min(head, after + 4))
    at = now.ms - chance.choice((0, 0, NOT_RUNNING_MS + 1))
    db.execute("update life set at = ?, ended_at = ?", (at, chance.choice((None, None, at))))


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("seed", range(12))
async def test_it_is_in_one_list_and_not_in_the_other(store: Journal, now: Now, seed: int, streaming: bool) -> None:
    chance = random.Random(seed)
    counts = {"yes": 0, "no": 0}
    with Readers(store.path) as readers:
        asked = Conversations(readers, streaming=streaming)
        for step in range(25):
            events = [happen(chance, now, 40 * seed + step + n) for n in range(chance.randrange(4))]
            if events:
                await record(store, events)
            with written(store.path) as db:
                pass_time(chance, now, db, store.head)
            yes, no, every = [await listed(asked, f"limit=100{live}") for live in ("&live=yes", "&live=no", "")]
            assert sorted(ids(yes) + ids(no)) == sorted(ids(every)), f"step {step}"
            assert yes == await listed(Conversations(readers, streaming=streaming), "limit=100&live=yes"), (
                f"step {step}"
            )
            for one in every["conversations"]:
                whole = await conversation.read(readers.quick, one["id"], streaming=streaming)
                assert whole is not None
                assert whole.live == (one["id"] in ids(yes)), f"step {step}"
            assert yes["conversations"] == [one for one in every["conversations"] if one["id"] in set(ids(yes))]
            counts["yes"] += len(ids(yes))
            counts["no"] += len(ids(no))
    assert all(counts.values()), "both happen"


async def test_it_changes_lists_the_moment_it_ends(store: Journal, now: Now) -> None:
    """Whoever asks just before must not have others told of what was."""
    with Readers(store.path) as readers:
        asked = Conversations(readers, streaming=True)
        assert ids(await listed(asked, "live=yes")) == ["c1"]
        await record(store, [turn("c1", "ended", now.iso()), turn("c2", "started", now.iso())])
        assert ids(await listed(asked, "live=yes")) == ["c2"]
        assert ids(await listed(asked, "live=no")) == ["c1"]


async def test_only_what_changed_is_read_again(store: Journal, now: Now, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    completed = livecards._completed

    def noted(db: apsw.Connection, drafts: list[cards.Draft]) -> list[cards.Draft]:
        read.extend(draft.card.id for draft in drafts)
        return completed(db, drafts)

    monkeypatch.setattr(livecards, "_completed", noted)
    with Readers(store.path) as readers:
        asked = Conversations(readers, streaming=True)
        await listed(asked, "live=yes")
        await listed(asked, "live=yes")
        await record(store, [turn("c2", "started", now.iso())])
        assert ids(await listed(asked, "live=yes")) == ["c2", "c1"]
    assert read == ["c1", "c2"]


async def test_a_read_serves_all_who_asked_before_it_began(store: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look = livecards._look

    def counted(*rest: Any) -> Any:
        nonlocal looks
        looks += 1
        return look(*rest)

    monkeypatch.setattr(livecards, "_look", counted)
    with Readers(store.path) as readers:
        asked = Conversations(readers, streaming=True)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(listed, asked, "live=yes")
    assert looks <= 2, "the first one's, and one for all who came while it read"


@pytest.mark.parametrize(("query", "read"), [("live=yes", "unended"), ("live=no", "page"), ("", "page")])
async def test_a_head_is_never_newer_than_what_the_list_holds(
    store: Journal, now: Now, monkeypatch: pytest.MonkeyPatch, query: str, read: str
) -> None:
    """What is told while a list is read is in it or after its head: who listens from there on misses nothing."""
    before: Callable[..., Any] = getattr(cards, read)

    def meanwhile(*rest: Any) -> Any:
        found = before(*rest)
        anyio.from_thread.run(record, store, [turn("c9", "started", now.iso())])
        return found

    monkeypatch.setattr(cards, read, meanwhile)
    with Readers(store.path) as readers:
        head = store.head
        found = await listed(Conversations(readers, streaming=True), query)
    assert "c9" not in ids(found)
    assert (found["head"], store.head) == (head, head + 1)


async def test_a_store_that_nobody_writes_has_nothing_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    began = [turn("c1", "started", clock.now()), line("k", "hi", received_at=clock.now())]

    async def lists(ask: httpx2.AsyncClient) -> tuple[list[str], list[str]]:
        return ids(await got(ask, "conversations", live="yes")), ids(await got(ask, "conversations", live="no"))

    async with recording(path, began) as journal, serving(path) as page:  # noqa: SIM117  # it needs the page's URL
        async with client(page) as ask:
            assert await lists(ask) == (["c1"], []), "another process streams into it"
            with written(path) as db:  # killed: it could not say that it ended
                db.execute("update life set at = at - ?", (NOT_RUNNING_MS + 1000,))
            assert await lists(ask) == ([], ["c1"])
            journal.note_life()
            await record(journal, [line("k2", "here again", received_at=clock.now())])
            assert await lists(ask) == (["c1"], [])
            await journal.aclose()
            assert await lists(ask) == ([], ["c1"]), "stopped"
