"""Those who look at the live page: plain clients of its stream of events, and Chromium with an onlooker in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anyio
from playwright.async_api import Browser, Page, ViewportSize

from genscribe import clock

SETTLE_S = 8
"""From a start to what is measured: names are asked, strips are loaded."""
SCRIPT = Path(__file__).with_name("page.js")
VIEW: ViewportSize = {"width": 1920, "height": 1080}

Result = TypeVar("Result")


async def follow(port: int) -> None:
    """A plain client of the stream of events; reads until cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
        while await reader.read(1 << 16):
            pass
        raise RuntimeError("the server ended a stream")
    finally:
        writer.close()


@dataclass
class Seen:
    """What a page told, see `page.js`; times in epoch milliseconds."""

    arrived: list[tuple[int, float]]
    shown: list[tuple[str, str, float]]
    drawn: list[tuple[str, float, float]]
    long: list[float]
    """Milliseconds of each task over `LONG_MS`, by the clock."""
    tasks: list[float]
    """Milliseconds of processor time of each task of the main thread."""


class Load(NamedTuple):
    """A first load: when the cards were drawn, when their list was asked for and there (ms), its bytes; the longest
    task of the main thread (ms of processor time)."""

    drawn: float
    asked: float
    there: float
    size: int
    longest: float


async def drawn(page: Page) -> None:
    """Returns once cards are shown. The page's own rules forbid `wait_for_function`."""
    with anyio.fail_after(60):
        while not await page.evaluate("Boolean(__bench.first && __bench.asked)"):
            await asyncio.sleep(0.1)


async def load(browser: Browser, url: str) -> Load:
    """Opens the wall in a browser that knows nothing of it."""
    context = await browser.new_context(viewport=VIEW)
    try:
        await context.add_init_script(path=SCRIPT)
        page = await context.new_page()
        async with tracing(browser, page) as tasks:
            await page.goto(url)
            await drawn(page)
            await asyncio.sleep(1.5)
        told = await page.evaluate("__bench.told()")
        asked, there, size = told["asked"]
        return Load(told["first"], asked, there, int(size), max(tasks))
    finally:
        await context.close()


async def watch(browser: Browser, url: str, meanwhile: Awaitable[Result]) -> tuple[Seen, Result]:
    """Has a page on the wall; what it told of the time in which `meanwhile` was awaited, and what that gave."""
    context = await browser.new_context(viewport=VIEW)
    await context.add_init_script(path=SCRIPT)
    page = await context.new_page()
    await page.goto(url)
    await drawn(page)
    await asyncio.sleep(SETTLE_S)
    began = clock.wall_ms()
    async with tracing(browser, page) as tasks:
        result = await meanwhile
    told = await page.evaluate("__bench.told()")
    await context.close()
    long = [ms for start, ms in told["long"] if start >= began]
    return Seen(told["arrived"], told["shown"], told["drawn"], long, tasks), result


@contextlib.asynccontextmanager
async def tracing(browser: Browser, page: Page) -> AsyncIterator[list[float]]:
    """Milliseconds of processor time of each task of the page's main thread; filled when the block ends."""
    tasks: list[float] = []
    told: list[dict[str, Any]] = []
    complete = asyncio.Event()
    tool = await browser.new_browser_cdp_session()
    tool.on("Tracing.dataCollected", lambda data: told.extend(data["value"]))
    tool.on("Tracing.tracingComplete", lambda _: complete.set())
    chosen = {"includedCategories": ["toplevel", "blink.user_timing"], "excludedCategories": ["*"]}
    await tool.send("Tracing.start", {"traceConfig": chosen, "transferMode": "ReportEvents"})
    yield tasks
    await page.evaluate("performance.mark('the page')")
    await tool.send("Tracing.end")
    with anyio.fail_after(60):
        await complete.wait()
    main = next((one["pid"], one["tid"]) for one in told if one["name"] == "the page")
    tasks += [
        one["tdur"] / 1000
        for one in told
        if one["name"] == "ThreadControllerImpl::RunTask" and (one["pid"], one["tid"]) == main and "tdur" in one
    ]
