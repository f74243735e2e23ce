"""A sink that is down for a day costs disk, not memory. Time is virtual; the journal and its threads are real."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from genscribe.core.batches import MAX_EVENTS
from genscribe.delivery import Delivery, Shape
from genscribe.events import DELIVERED_KINDS, Record, Utterance, encode
from genscribe.sinks.base import SinkUnavailable
from genscribe.store.journal import TAIL_BYTES, Journal
from genscribe.telemetry import Telemetry
from tests.memory import held
from tests.virtual_time import VIRTUAL, move_wall_clock

HOURS, A_HOUR = 24, 600
SETTLED = 8
"""After so many hours the journal's tail is full."""
TEXT = "so " * 800


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


class Down:
    """Takes nothing until it is `up`; then says when it has taken `last`."""

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, last: int) -> None:
        self.last = last
        self.up = False
        self.tries = 0
        self.seqs: list[int] = []
        self.whole = anyio.Event()

    async def open(self) -> None:
        pass

    async def write(self, batch: Sequence[Record]) -> None:
        if not self.up:
            self.tries += 1
            raise SinkUnavailable("The destination does not answer.")
        self.seqs += [row.seq for row in batch]
        if self.last in self.seqs[-len(batch) :]:
            self.whole.set()

    async def aclose(self) -> None:
        pass


def said(seq: int) -> tuple[str, bytes, None]:
    return "utterance", encode(Utterance[str](f"k{seq}", 1, f"c{seq % 50}", text=TEXT)), None


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.parametrize("shape", [Shape(), Shape(hold_s=3.0)], ids=["straight", "holding"])
async def test_a_day_without_a_sink_costs_disk_not_memory(tmp_path: Path, shape: Shape, traced: None) -> None:
    count = HOURS * A_HOUR
    sink = Down(count)
    async with await Journal.open(tmp_path / "s.db", telemetry=Telemetry()) as journal:
        delivery = Delivery("warehouse", sink, journal, Telemetry(), shape=shape)
        settled = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.run)
            for hour in range(HOURS):
                for begin in range(hour * A_HOUR + 1, (hour + 1) * A_HOUR + 1, 100):
                    journal.append([said(seq) for seq in range(begin, begin + 100)])
                    await journal.flush()
                await anyio.sleep(3600)
                assert journal._tail._size <= TAIL_BYTES
                if hour == SETTLED:
                    assert journal._tail._size > 0.9 * TAIL_BYTES
                    settled = held(__file__)
                    assert settled > journal._tail._size, "it sees the tail"
            assert count * len(TEXT) > 4 * TAIL_BYTES, "it would not fit"
            assert held(__file__) - settled < 2 << 20
            assert delivery._feed.read_to <= 2 * MAX_EVENTS
            assert sink.tries >= HOURS * 60, "somebody looked, every minute"
            state = delivery.state()
            assert (state.status, state.lag_events, sink.seqs) == ("retrying", count, [])
            sink.up = True
            await sink.whole.wait()
            while delivery.cursor < count:
                await anyio.sleep(1)
            assert sink.seqs == list(range(1, count + 1))
            assert delivery.tally.delivered == delivery.tally.total == count
            tasks.cancel_scope.cancel()
        await journal.flush()
        assert journal.cursor("warehouse") == count
