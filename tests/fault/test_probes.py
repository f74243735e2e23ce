"""`/healthz` and `/readyz` of a whole run against the emulator, while things go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from genscribe import settings
from genscribe.assemble import open_pipeline
from genscribe.emulator import Emulator
from genscribe.pipeline import Pipeline
from genscribe.telemetry import Telemetry
from genscribe.web import probes

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
WITHIN_S = 60


class Run:
    """A run and its probes."""

    def __init__(self, pipeline: Pipeline, ask: httpx2.AsyncClient) -> None:
        self.pipeline = pipeline
        self._ask = ask

    async def says(self, path: str) -> tuple[int, str]:
        answer = await self._ask.get(path)
        return answer.status_code, answer.text.strip()

    async def becomes(self, status: int, reason: str) -> None:
        """Waits until `/readyz` says so; the run lives all the while."""
        with anyio.fail_after(WITHIN_S):
            while (found := await self.says("/readyz")) != (status, reason):
                assert found[0] == (200 if found[1] == "ok" else 503)
                assert await self.says("/healthz") == (200, "ok"), "not ready is no reason to restart"
                await anyio.sleep(0.02)

    async def limit_store(self, extra_pages: int | None) -> None:
        """The store may grow by so many pages, as on a disk that is nearly full; `None` lifts it."""
        db = self.pipeline.journal._writer.opened.db
        pages = db.execute("pragma page_count").get
        assert isinstance(pages, int)
        db.execute(f"pragma max_page_count = {1 << 30 if extra_pages is None else pages + extra_pages}").fetchall()


@asynccontextmanager
async def running(platform: Emulator, store: Path, source: str) -> AsyncIterator[Run]:
    given = {"web": "127.0.0.1:0", "store": store, "source": source}
    chosen = settings.load(given, environ=platform.settings())
    async with open_pipeline(chosen, telemetry=Telemetry()) as pipeline, anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run)
        assert pipeline.page is not None
        async with httpx2.AsyncClient(base_url=pipeline.page.url, trust_env=False) as ask:
            yield Run(pipeline, ask)
        pipeline.stop()


@pytest.mark.parametrize("source", ["transcripts", "notifications"])
async def test_ready_while_connected(tmp_path: Path, source: str) -> None:
    transcripts = source == "transcripts"
    place = "handshake" if transcripts else "channels"
    async with Emulator(transcripts=transcripts) as platform:
        platform.fault("503", at=place, times=None, retry_after=1)
        async with running(platform, tmp_path / "s.db", source) as run:
            await run.becomes(503, "connecting")
            platform.lift()
            await run.becomes(200, "ok")
            platform.fault("503", at=place, times=None, retry_after=1)
            if not transcripts:
                platform.fault("channel-gone", close=True)
                platform.fault("503", at="handshake", times=None, retry_after=1)
            platform.fault("drop")
            await run.becomes(503, "disconnected")
            platform.lift()
            await run.becomes(200, "ok")


async def test_not_ready_before_the_first_sweep(tmp_path: Path) -> None:
    async with Emulator(transcripts=False) as platform:
        platform.fault("503", at="analytics", times=None, retry_after=1)
        async with running(platform, tmp_path / "s.db", "notifications") as run:
            await platform.wait_connected()
            for _ in range(20):
                assert await run.says("/readyz") == (503, "connecting")
                await anyio.sleep(0.01)
            platform.lift()
            await run.becomes(200, "ok")


async def test_not_ready_while_a_call_waits_for_its_topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "WAITING_S", 0.2)
    async with Emulator(transcripts=False) as platform, running(platform, tmp_path / "s.db", "notifications") as run:
        await run.becomes(200, "ok")
        platform.fault("503", at="subscriptions", times=None, retry_after=1)
        platform.begin("c1")
        await run.becomes(503, "waiting")
        platform.lift()
        await run.becomes(200, "ok")
        await platform.wait_subscribed("c1")


async def test_not_ready_while_the_disk_is_full(tmp_path: Path) -> None:
    async with Emulator() as platform, running(platform, tmp_path / "s.db", "transcripts") as run:
        await run.becomes(200, "ok")
        await run.limit_store(0)
        platform.say("x" * 100_000)
        await run.becomes(503, "store-full")
        await run.limit_store(None)
        await run.becomes(200, "ok")
