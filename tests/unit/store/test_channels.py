from __future__ import annotations

from pathlib import Path

import pytest

from genscribe import clock
from genscribe.store.channels import LONG_ENDED_MS
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry

pytestmark = pytest.mark.anyio


async def opened(path: Path) -> Journal:
    return await Journal.open(path, telemetry=Telemetry())


async def test_channels_are_remembered_until_forgotten(tmp_path: Path) -> None:
    now = clock.wall_ms()
    async with await opened(tmp_path / "s.db") as journal:
        assert journal.remembered_channels == []
        journal.remember_channel("a", now + 2000)
        journal.remember_channel("b", now)
        await journal.flush()
        journal.remember_channel("b", now + 1000)
        journal.remember_channel("c", now)
        journal.forget_channel("c")
        journal.forget_channel("never seen")
    async with await opened(tmp_path / "s.db") as journal:
        assert journal.remembered_channels == [("b", now + 1000), ("a", now + 2000)]
        journal.forget_channel("a")
    async with await opened(tmp_path / "s.db") as journal:
        assert journal.remembered_channels == [("b", now + 1000)]


async def test_those_that_ended_long_ago_are_forgotten(tmp_path: Path) -> None:
    now = clock.wall_ms()
    async with await opened(tmp_path / "s.db") as journal:
        journal.remember_channel("long gone", now - LONG_ENDED_MS - 1000)
        journal.remember_channel("gone", now - LONG_ENDED_MS + 60_000)
    async with await opened(tmp_path / "s.db") as journal:
        assert journal.remembered_channels == [("gone", now - LONG_ENDED_MS + 60_000)]


async def test_a_channel_is_on_disk_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genscribe.store.writer.LINGER_S", 3600.0)
    async with await opened(tmp_path / "s.db") as journal:
        journal.remember_channel("a", 1)
        while journal._noted_done < journal._noted:
            await journal._next_report()
