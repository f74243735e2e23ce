"""What a replay leaves to the live delivery: what a sink has not got yet comes to it once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from genscribe.control import commands
from genscribe.control.protocol import Answer, Request
from genscribe.core.shape import AS_THEY_COME, Shape
from genscribe.delivery import Delivery
from genscribe.errors import ConfigError, Fatal
from genscribe.events import Utterance, encode
from genscribe.sinks.base import SinkUnavailable
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from tests.fakes import MemorySink

AT = "2026-03-21T01:00:00.000Z"
REPLAY = Request("replay", "sink", since="2026-03-21T00:00:00.000Z")

pytestmark = pytest.mark.anyio


def said(*numbers: int) -> list[tuple[str, bytes, None]]:
    return [("utterance", encode(Utterance[str](f"k{n}", 1, "c", text="so", received_at=AT)), None) for n in numbers]


@asynccontextmanager
async def delivering(
    path: Path, sink: MemorySink, shape: Shape = AS_THEY_COME
) -> AsyncIterator[tuple[Journal, Delivery]]:
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        journal.append(said(1, 2, 3))
        await journal.flush()
        delivery = Delivery("sink", sink, journal, Telemetry(), shape=shape)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.run)
            with anyio.fail_after(20):
                yield journal, delivery
            tasks.cancel_scope.cancel()


async def told(journal: Journal, delivery: Delivery) -> list[Answer]:
    return [answer async for answer in commands.redo(journal, [delivery], REPLAY)]


async def until(sink: MemorySink, seqs: list[int]) -> None:
    while sink.seqs != seqs:
        await anyio.sleep(0.01)


async def test_what_a_sink_has_is_written_again_and_what_it_lacks_once(tmp_path: Path) -> None:
    sink = MemorySink()
    async with delivering(tmp_path / "s.db", sink) as (journal, delivery):
        await until(sink, [1, 2, 3])
        sink.faults = [SinkUnavailable("Down.")]
        journal.append(said(4, 5))
        await journal.flush()
        await anyio.sleep(0)
        last = (await told(journal, delivery))[-1]
        while sink.seqs.count(5) == 0:
            await anyio.sleep(0.01)
    assert (last.done, last.total, last.delivered) == (3, 3, 3)
    assert sorted(sink.seqs) == [1, 1, 2, 2, 3, 3, 4, 5]


async def test_a_sink_that_has_nothing_yet_is_not_replayed_to(tmp_path: Path) -> None:
    sink = MemorySink([SinkUnavailable("Down.")])
    async with delivering(tmp_path / "s.db", sink) as (journal, delivery):
        with pytest.raises(ConfigError, match=r"sink has not got these events yet.* come by themselves"):
            await told(journal, delivery)
        await until(sink, [1, 2, 3])


async def test_where_documents_are_made_the_cursor_says_nothing_of_what_was_written(tmp_path: Path) -> None:
    async with delivering(tmp_path / "s.db", MemorySink(), Shape(per_conversation=True)) as (_, delivery):
        assert delivery.cursor < 3
        assert delivery.got(3) == 3


async def test_a_replay_that_the_end_cuts_short_says_how_far_it_got_and_what_to_do(tmp_path: Path) -> None:
    sink = MemorySink()
    async with delivering(tmp_path / "s.db", sink) as (journal, delivery):
        await until(sink, [1, 2, 3])
        sink.faults = [SinkUnavailable("Down.")] * 100
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.drain, 0.5)
            await anyio.sleep(0)
            with pytest.raises(Fatal, match=r"ended before all was written: 0 of 3 events\. It does not go on"):
                await told(journal, delivery)
