"""A run tells in time that the disk fills up. Time is virtual."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from genscribe import pipeline as module
from genscribe.core.disk import AGAIN_S, LOOK_S, LOW_BYTES, YOUNG_S
from genscribe.pipeline import Pipeline
from genscribe.telemetry import Telemetry
from genscribe.telemetry.store import DiskLow
from tests.virtual_time import VIRTUAL

GB = 10**9


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Told(Telemetry):
    def __init__(self) -> None:
        super().__init__()
        self.low: list[tuple[float, DiskLow]] = []

    def emit(self, happening: Any) -> None:
        if isinstance(happening, DiskLow):
            self.low.append((anyio.current_time(), happening))


async def watched(monkeypatch: pytest.MonkeyPatch, seconds: float, free: Any) -> list[tuple[float, DiskLow]]:
    """What a run tells in so many seconds, by the bytes that are left at each moment."""
    began = anyio.current_time()

    def usage(folder: Path) -> SimpleNamespace:
        assert folder == Path("/data")
        return SimpleNamespace(free=free(anyio.current_time() - began))

    monkeypatch.setattr(module.shutil, "disk_usage", usage)
    monkeypatch.setattr(Pipeline, "_encoded_status", lambda self: b"")

    async def nothing() -> None:
        pass

    async def hear(ingest: Any) -> None:
        await anyio.sleep(seconds)

    journal: Any = SimpleNamespace(
        path=Path("/data/s.db"), failed=None, failure=anyio.sleep_forever, flush=nothing, note_life=lambda **note: None
    )
    ingest: Any = SimpleNamespace(remember=nothing, turned=anyio.Event(), heard_until=None)
    source: Any = SimpleNamespace(run=hear)
    telemetry = Told()
    await Pipeline(source, ingest, journal, [], telemetry).run()
    return [(at - began, happening) for at, happening in telemetry.low]


@pytest.mark.anyio
async def test_a_disk_that_fills_up_is_told_with_the_hours_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def free(now: float) -> int:
        return round(LOW_BYTES + GB / 4 - now / 3600 * GB / 2)  # low after half an hour, full after four and a half

    told = await watched(monkeypatch, 2 * 3600, free)
    assert [at for at, _ in told] == pytest.approx([1800 + LOOK_S, 1800 + LOOK_S + AGAIN_S], abs=1)
    assert [round(happening.hours or 0, 1) for _, happening in told] == [4.0, 3.0]
    assert "it is full in 3 hours" in str(told[0][1])
    assert "/data/s.db" in str(told[0][1])


@pytest.mark.anyio
async def test_one_that_is_low_from_the_start_is_told_once_there_is_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    told = await watched(monkeypatch, 3600, lambda now: LOW_BYTES // 2)
    assert [(at, happening.hours) for at, happening in told] == [(pytest.approx(YOUNG_S, abs=1), None)]


@pytest.mark.anyio
async def test_nothing_is_told_while_there_is_plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await watched(monkeypatch, 24 * 3600, lambda now: LOW_BYTES + round(24 * 3600 - now)) == []


@pytest.mark.anyio
async def test_a_disk_that_cannot_be_asked_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def free(now: float) -> int:
        if now < 600:
            raise PermissionError
        return LOW_BYTES // 2

    assert [at for at, _ in await watched(monkeypatch, 1800, free)] == pytest.approx([600 + YOUNG_S], abs=1)
