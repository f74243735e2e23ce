"""A page over a store of this test's own, on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx2

from genscribe.events import Utterance, encode
from genscribe.settings.page import PageSetting
from genscribe.settings.values import WebAddress
from genscribe.store.journal import Journal
from genscribe.store.reader import Reader
from genscribe.telemetry import Telemetry
from genscribe.web.server import Page, open_page
from genscribe.web.watched import Stored

HERE = WebAddress("127.0.0.1", 0)


def said(
    text: str, key: str, *, conversation: str = "c1", at: str = "2026-11-23T08:00:00.000Z"
) -> tuple[str, bytes, None]:
    """A row of the journal: somebody said something."""
    event = Utterance[str](
        key=key, revision=1, conversation_id=conversation, media_type="voice", speaker="agent", text=text, spoken_at=at
    )
    return ("utterance", encode(event), None)


async def filled(path: Path, *texts: str) -> None:
    """Makes a store in which these were said."""
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        journal.append([said(text, f"k{number}") for number, text in enumerate(texts)])
        await journal.flush()


@asynccontextmanager
async def serving(path: Path, setting: PageSetting | None = None) -> AsyncIterator[Page]:
    """The page of a store, while the block lasts."""
    with Reader.open(path) as reader:
        async with open_page(setting or PageSetting(HERE), Stored(reader)) as page, anyio.create_task_group() as tasks:
            tasks.start_soon(page.run)
            await anyio.lowlevel.checkpoint()
            yield page
            tasks.cancel_scope.cancel()


def client(page: Page) -> httpx2.AsyncClient:
    """Asks a page in the clear; the system's certificates are not loaded, which would take longer than most tests."""
    return httpx2.AsyncClient(base_url=page.url, trust_env=False, verify=False)
