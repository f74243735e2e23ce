"""kill -9 of ours in the middle of batches, and stores that are not what they were yesterday.

`GENSCRIBE_TEST_KILLS=100 pytest tests/contract/postgresql/test_postgresql_kill.py` kills as often as the promise says.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
import pytest

from genscribe.delivery import Delivery
from genscribe.events import Utterance, encode
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from genscribe.telemetry.store import CursorMistrusted
from tests.contract.postgresql.making import sink
from tests.servers.postgres import Database

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

CYCLES = int(os.environ.get("GENSCRIBE_TEST_KILLS", "6"))


def seen(database: Database) -> int:
    try:
        return len(database.rows("select 1 from utterances"))
    except Exception:  # noqa: BLE001  # there is no table yet
        return 0


async def test_killed_at_random_moments_each_line_is_there_once(database: Database) -> None:
    chance = random.Random(20261122)
    writer = [sys.executable, "-m", "tests.contract.postgresql.writer", database.url]
    killed_in_mid_way = 0
    for _ in range(CYCLES):
        before = seen(database)
        process = subprocess.Popen([*writer, "1000000"])
        while seen(database) == before:
            assert process.poll() is None
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
        process.wait()
        killed_in_mid_way += 1
        # What was sent before the kill may still be on its way: the cursor never says less, or more, than is there.
        ((count, cursor),) = database.rows(
            "select (select count(*) from utterances), (select seq from genscribe_cursors)"
        )
        assert count == cursor
    total = seen(database) + 500
    subprocess.run([*writer, str(total)], check=True, timeout=120)
    assert killed_in_mid_way == CYCLES
    assert database.seqs() == list(range(1, total + 1))
    assert database.rows("select sum(utterance_count)::int from conversations") == [(total,)]


class Listening(Telemetry):
    def __init__(self) -> None:
        super().__init__()
        self.mistrusted = 0

    def emit(self, happening: Any) -> None:
        self.mistrusted += isinstance(happening, CursorMistrusted)


def rows(numbers: Iterable[int]) -> list[tuple[str, bytes, None]]:
    return [
        ("utterance", encode(Utterance[str](key=f"k{n}", revision=1, conversation_id=f"c{n % 3}", text=f"{n}")), None)
        for n in numbers
    ]


async def run(path: Path, database: Database, numbers: Iterable[int]) -> int:
    """A day of a store: hears these, delivers all that it has. Returns how often its place was mistrusted."""
    telemetry = Listening()
    journal = await Journal.open(path, telemetry=telemetry)
    journal.append(rows(numbers))
    await journal.flush()
    delivery = Delivery("pg", sink(database.url, store=journal.store_id), journal, telemetry)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        with anyio.fail_after(60):
            while delivery.cursor < journal.head or delivery.state().status == "new":
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await journal.aclose()
    return telemetry.mistrusted


async def test_yesterdays_store_against_todays_database(tmp_path: Path, database: Database) -> None:
    """A store restored from a backup counts on from where it was: what it hears now has numbers that are taken."""
    path = tmp_path / "s.db"
    assert await run(path, database, range(1, 101)) == 0
    shutil.copy(path, tmp_path / "yesterday.db")
    assert await run(path, database, range(101, 301)) == 0
    for left in tmp_path.glob("s.db*"):
        left.unlink()
    shutil.copy(tmp_path / "yesterday.db", path)
    assert await run(path, database, range(1001, 1501)) == 1, "it says so"
    keys = {key for (key,) in database.rows("select key from utterances")}
    assert keys == {f"k{n}" for n in (*range(1, 301), *range(1001, 1501))}
    assert database.rows("select sum(utterance_count)::int from conversations") == [(800,)]
    assert await run(path, database, range(1501, 1601)) == 0, "from then on it goes on as ever"
    assert len(database.seqs()) == 900


async def test_a_store_that_was_replaced_brings_what_it_has_and_keys_absorb_it(
    tmp_path: Path, database: Database
) -> None:
    await run(tmp_path / "old.db", database, range(1, 201))
    await run(tmp_path / "new.db", database, range(101, 301))
    assert len(database.rows("select 1 from utterances")) == 300
    assert database.rows("select count(*) from genscribe_cursors") == [(2,)]


async def test_a_database_restored_from_yesterday_gets_what_it_lacks(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "s.db"
    await run(path, database, range(1, 101))
    database.run("create table y as table utterances; create table c as table genscribe_cursors")
    await run(path, database, range(101, 301))
    database.run(
        "truncate utterances, genscribe_cursors, conversations; insert into utterances table y;"
        "insert into genscribe_cursors table c"
    )
    await run(path, database, range(301, 311))
    assert len(database.seqs()) == 310
