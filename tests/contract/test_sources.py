"""The conformance suite on the sources that are here, and on one that breaks each promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from genscribe.emulator import Emulator
from genscribe.genesys.api import USER_AGENT, HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.regions import Hosts
from genscribe.genesys.tls import tls_context
from genscribe.sources.base import Source
from genscribe.sources.transcripts import Filters, Transcripts
from genscribe.sources.websocket import Dialer
from genscribe.telemetry import Telemetry
from genscribe.testing import check_source

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def transcripts(platform: Emulator) -> AsyncIterator[Source]:
    telemetry, tls = Telemetry(), tls_context()
    async with HttpClient(tls, trust_env=False) as http, anyio.create_task_group() as tasks:
        tokens = TokenManager(
            http,
            login_url=platform.url,
            client_id=platform.client_id,
            secret=platform.client_secret,
            telemetry=telemetry,
        )
        tasks.start_soon(tokens.run)
        yield Transcripts(
            websocket_url=Hosts(platform.url, platform.url).websocket_url,
            filters=Filters(),
            tokens=tokens,
            dialer=Dialer(tls, None, USER_AGENT),
            telemetry=telemetry,
        )
        tasks.cancel_scope.cancel()


async def test_transcripts_keeps_every_promise() -> None:
    await check_source(transcripts)


class Broken:
    """A source whose inlet is tampered with."""

    def __init__(self, source: Source, tamper: Any) -> None:
        self.source, self.tamper, self.name = source, tamper, source.name

    async def run(self, inlet: Any) -> None:
        self.tamper(inlet)
        await self.source.run(inlet)

    def stop(self) -> None:
        self.source.stop()


def twice(inlet: Any) -> None:
    accept = inlet.accept
    inlet.accept = lambda events: accept([*events, *events])


def no_gaps(inlet: Any) -> None:
    inlet.deaf = lambda *, since, reason: None


def late_gaps(inlet: Any) -> None:
    deaf = inlet.deaf
    inlet.deaf = lambda *, since, reason: deaf(since=since + 10_000, reason=reason)


def no_junk(inlet: Any) -> None:
    accept = inlet.accept
    inlet.accept = lambda events: accept([event for event in events if event.kind != "unreadable"])


def no_patience(inlet: Any) -> None:
    async def room() -> None:
        """Does not wait."""

    inlet.room = room


@pytest.mark.parametrize("tamper", [twice, no_gaps, late_gaps, no_junk, no_patience])
async def test_a_source_that_breaks_a_promise_is_told_so(tamper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genscribe.testing.WITHIN_S", 3.0)

    @asynccontextmanager
    async def broken(platform: Emulator) -> AsyncIterator[Source]:
        async with transcripts(platform) as source:
            yield Broken(source, tamper)  # type: ignore[misc]

    with pytest.raises(AssertionError):
        await check_source(broken)
