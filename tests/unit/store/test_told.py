"""All that was told of one conversation, read from a real store, and made a document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.core import gathering
from genscribe.delivery import Delivery, Shape
from genscribe.events import Conversation, Event, Gap, Message, Participant, Record, Utterance, encode
from genscribe.store import told
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from tests.fakes import MemorySink

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def journal_of(path: Path, *events: Event[str]) -> AsyncIterator[Journal]:
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        add(journal, *events)
        await journal.flush()
        yield journal


def add(journal: Journal, *events: Event[str]) -> None:
    journal.append([(event.kind, encode(event), None) for event in events])


def said(key: str, conversation: str = "c", revision: int = 1, **fields: Any) -> Utterance[str]:
    return Utterance[str](key, revision, conversation, **{"text": key, **fields})


def gap(key: str) -> Gap[str]:
    return Gap[str](key, 1, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z", "disconnected")


async def test_the_last_revision_of_everything_in_order(tmp_path: Path) -> None:
    events = [
        Conversation[str]("c:started", 1, "c", "started"),
        said("u1", revision=0, is_final=False),
        said("u1", revision=1),
        said("other", "d"),
        gap("g"),
        Participant[str]("c:p:t", 1, "c"),
        Participant[str]("c:p:t", 2, "c", left_at="2026-01-01T00:00:00.000Z"),
        Message[str]("m", 1, "c", "m1"),
        said("u1", revision=2, text="better"),
        said("u2", revision=0, is_final=False),
    ]
    async with journal_of(tmp_path / "s.db", *events) as journal:
        found = await journal.told("c", journal.head)
        assert [(row.seq, row.kind) for row in found] == [
            (1, "conversation"),
            (5, "gap"),
            (7, "participant"),
            (9, "utterance"),
        ]
        assert [row.kind for row in await journal.told("nobody", 0)] == ["gap"]


async def test_it_waits_until_what_is_known_is_indexed(tmp_path: Path) -> None:
    async with journal_of(tmp_path / "s.db") as journal:
        add(journal, said("u1"))
        assert [row.seq for row in await journal.told("c", 1)] == [1]


async def test_the_last_gaps_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "_TOLD", told._TOLD.replace(f"limit {told.GAPS}", "limit 2"))
    async with journal_of(tmp_path / "s.db", gap("g1"), gap("g2"), gap("g3")) as journal:
        assert [row.seq for row in await journal.told("c", 3)] == [2, 3]


async def test_names_of_queues(tmp_path: Path) -> None:
    people = [
        Participant[str]("a:p:t", 1, "a", queue_id="q1", queue_name="Sales"),
        Participant[str]("b:p:t", 1, "b", queue_id="q2"),
        Participant[str]("d:p:t", 1, "d", queue_id="q1", queue_name="Sales EMEA"),
    ]
    async with journal_of(tmp_path / "s.db", *people) as journal:
        await journal.told("a", journal.head)  # so that all is indexed
        assert await journal.queue_names() == {"q1": "Sales EMEA"}


class Documents(MemorySink):
    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []

    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        self.bodies += [json.loads(row.json()) for row in batch]


async def test_documents_from_a_real_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LATE_S", "MARGIN_S"):
        monkeypatch.setattr(gathering, name, 0.01)
    sink = Documents()
    now = clock.iso(clock.wall_ms() - 1000)
    async with journal_of(tmp_path / "s.db", said("u1", received_at=now), said("u2", "d", received_at=now)) as journal:
        delivery = Delivery("s", sink, journal, Telemetry(), shape=Shape(per_conversation=True))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.run)
            add(journal, said("u3", received_at=now), Conversation[str]("c:ended", 1, "c", "ended", at=now))
            with anyio.fail_after(20):
                await sink.wrote.wait()
            assert await delivery.drain(5) is False
            tasks.cancel_scope.cancel()
        await journal.flush()
        assert journal.cursor("s") == 1, "the other conversation is open"
    (document,) = sink.bodies
    assert (document["key"], [line["key"] for line in document["lines"]]) == ("c:transcript", ["u1", "u3"])
