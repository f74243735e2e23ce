"""A store that comes back from a backup, against a destination that did not: real journals, nothing missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from genscribe.delivery import Delivery
from genscribe.events import Utterance, encode
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
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
