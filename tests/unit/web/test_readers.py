from __future__ import annotations

import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import apsw
import pytest
from starlette.exceptions import HTTPException

from genscribe.web import readers
from genscribe.web.cards import known_to
from genscribe.web.readers import Readers
from tests.unit.web.serving import filled

pytestmark = pytest.mark.anyio


async def test_slow_searches_delay_no_list(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await filled(path, "hello")
    go_on = threading.Event()
    asked: list[int] = []

    async def slow(pool: Readers, number: int) -> None:
        await pool.slow.ask(lambda db: go_on.wait(30))
        asked.append(number)

    async def unwanted() -> bool:
        return False

    with Readers(path) as pool, anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for number in range(readers.SLOW + 3):
                tasks.start_soon(slow, pool, number)
            await anyio.lowlevel.checkpoint()
            assert await pool.quick.ask(known_to) == 1
            assert not asked
            go_on.set()
        assert sorted(asked) == list(range(readers.SLOW + 3))
        with pytest.raises(HTTPException):
            await pool.slow.ask(known_to, wanted=unwanted)


async def test_nothing_is_held_after_an_answer_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await filled(path, "hello")

    def broken(db: apsw.Connection) -> None:
        db.execute("select seq from journal").fetchone()
        raise ValueError

    def resting(db: apsw.Connection) -> bool:
        return db.txn_state() == apsw.SQLITE_TXN_NONE

    with Readers(path) as pool, anyio.fail_after(20):
        for _ in range(readers.QUICK * 3):
            with pytest.raises(ValueError):
                await pool.quick.ask(broken)
            assert await pool.quick.ask(resting)
    pool.close()
