"""A store that comes back from a backup, against a destination that did not: real journals, nothing missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from genscribe.core.batches import Choice
from genscribe.delivery import Delivery
from genscribe.events import Gap, Utterance, encode
from genscribe.redelivery import Replay
from genscribe.sinks.base import SinkUnavailable
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from genscribe.telemetry.delivery import DestinationSetBack
from genscribe.telemetry.store import CursorMistrusted
from tests.fakes import Destination, KeepingSink

pytestmark = pytest.mark.anyio


class Told(Telemetry):
    def __init__(self) -> None:
        super().__init__()
        self.happenings: list[object] = []

    def emit(self, happening: object) -> None:
        self.happenings.append(happening)


async def day(path: Path, destination: Destination, said: list[str], telemetry: Telemetry) -> KeepingSink:
    """One run: what was said is committed and delivered."""
    sink = KeepingSink(destination)
    async with await Journal.open(path, telemetry=telemetry) as journal:
        rows = [Utterance[str](key=key, revision=1, conversation_id="c", text=key) for key in said]
        journal.append([("utterance", encode(row), None) for row in rows])
        await journal.flush()
        delivery = Delivery("sink", sink, journal, telemetry)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.run)
            await anyio.sleep(0)
            assert await delivery.drain(10)
        await journal.flush()
    return sink


def keys(day: str, count: int) -> list[str]:
    return [f"{day}-{n}" for n in range(count)]


async def test_the_next_run_goes_on_where_the_destination_stands(tmp_path: Path) -> None:
    destination, telemetry = Destination(), Told()
    await day(tmp_path / "s.db", destination, keys("monday", 3), telemetry)
    sink = await day(tmp_path / "s.db", destination, keys("tuesday", 2), telemetry)
    assert sink.seqs == [4, 5]
    assert not [one for one in telemetry.happenings if isinstance(one, CursorMistrusted)]


@pytest.mark.parametrize("after", [0, 1, 4, 9], ids="{} events after the restore".format)
async def test_yesterdays_store_against_todays_destination(tmp_path: Path, after: int) -> None:
    destination, telemetry = Destination(), Told()
    path, backup = tmp_path / "s.db", tmp_path / "backup.db"
    await day(path, destination, keys("monday", 3), telemetry)
    shutil.copy(path, backup)
    await day(path, destination, keys("tuesday", 4), telemetry)
    shutil.copy(backup, path)
    await day(path, destination, keys("wednesday", after), telemetry)
    assert set(destination.rows) == {*keys("monday", 3), *keys("tuesday", 4), *keys("wednesday", after)}
    assert [type(one) for one in telemetry.happenings].count(CursorMistrusted) == 1, "and it is said"
    sink = await day(path, destination, keys("thursday", 1), telemetry)
    assert sink.seqs == [3 + after + 1], "from then on it is this store's place again"


async def test_a_store_that_was_replaced(tmp_path: Path) -> None:
    destination, telemetry = Destination(), Told()
    await day(tmp_path / "one.db", destination, keys("monday", 3), telemetry)
    sink = await day(tmp_path / "two.db", destination, keys("tuesday", 5), telemetry)
    assert sink.seqs == [1, 2, 3, 4, 5]
    assert len(destination.rows) == 8


def commit(journal: Journal, said: list[str]) -> None:
    rows = [Utterance[str](key=key, revision=1, conversation_id="c", text=key) for key in said]
    journal.append([("utterance", encode(row), None) for row in rows])


@pytest.mark.parametrize("kept", [0, 2], ids="{} rows in the backup".format)
@pytest.mark.parametrize("replaying", [False, True], ids=["", "while it replays"])
async def test_a_destination_that_is_set_back_while_we_run(tmp_path: Path, kept: int, *, replaying: bool) -> None:
    """A database restored from a backup, or a fail-over to a replica that lags: it comes back without its last rows."""
    destination, telemetry = Destination(), Told()
    sink = KeepingSink(destination)
    async with await Journal.open(tmp_path / "s.db", telemetry=telemetry) as journal:
        commit(journal, keys("monday", kept))
        await journal.flush()
        delivery = Delivery("sink", sink, journal, telemetry)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.run)
            while delivery.cursor < kept:
                await anyio.sleep(0.01)
            backup, place = dict(destination.rows), destination.position
            commit(journal, keys("tuesday", 4))
            while len(destination.rows) < kept + 4:
                await anyio.sleep(0.01)
            destination.rows, destination.position = backup, place
            sink.faults.append(SinkUnavailable("the connection is lost."))
            if replaying:
                delivery.redeliver(Replay(0, 1 << 40))
            commit(journal, keys("wednesday", 1))
            await journal.flush()
            while len(destination.rows) < kept + 5:
                await anyio.sleep(0.01)
            assert await delivery.drain(10)
    assert set(destination.rows) == {*keys("monday", kept), *keys("tuesday", 4), *keys("wednesday", 1)}
    assert destination.position is not None
    assert destination.position.seq == kept + 5
    said = [type(one) for one in telemetry.happenings]
    assert said.count(DestinationSetBack) == 1, "and it is said"


async def test_events_that_a_destination_never_gets_are_no_reason_to_go_back(tmp_path: Path) -> None:
    destination, telemetry = Destination(), Told()
    sink = KeepingSink(destination)
    async with await Journal.open(tmp_path / "s.db", telemetry=telemetry) as journal:
        delivery = Delivery("sink", sink, journal, telemetry, choice=Choice(frozenset({"utterance"})))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.run)
            commit(journal, ["one"])
            journal.append([("gap", encode(Gap[str]("g", 1, "2026-01-01", None, "silent")), None)])
            while delivery.cursor < 2:
                await anyio.sleep(0.01)
            sink.faults.append(SinkUnavailable("the connection is lost."))
            commit(journal, ["two"])
            while len(destination.rows) < 2:
                await anyio.sleep(0.01)
            assert await delivery.drain(10)
    assert DestinationSetBack not in [type(one) for one in telemetry.happenings]
    assert sink.seqs == [1, 3]
