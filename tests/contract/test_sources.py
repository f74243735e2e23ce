"""The conformance suite on the sources that are here, and on one that breaks each promise."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import msgspec
import pytest

from genscribe.emulator import Emulator
from genscribe.genesys.api import USER_AGENT, ApiClient, HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.regions import Hosts
from genscribe.genesys.tls import tls_context
from genscribe.sources.base import Source
from genscribe.sources.notifications import Notifications, Wanted
from genscribe.sources.transcripts import Filters, Transcripts
from genscribe.sources.websocket import Dialer
from genscribe.telemetry import Telemetry
from genscribe.testing import MakeSource, MemoryInlet, check_source
from tests.fault.channels import MemoryJournal

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Parts:
    """What both sources are made of."""

    http: HttpClient
    tokens: TokenManager
    dialer: Dialer
    telemetry: Telemetry


@asynccontextmanager
async def parts(platform: Emulator) -> AsyncIterator[Parts]:
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
        yield Parts(http, tokens, Dialer(tls, None, USER_AGENT), telemetry)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def transcripts(platform: Emulator) -> AsyncIterator[Source]:
    async with parts(platform) as made:
        yield Transcripts(
            websocket_url=Hosts(platform.url, platform.url).websocket_url,
            filters=Filters(),
            tokens=made.tokens,
            dialer=made.dialer,
            telemetry=made.telemetry,
        )


@asynccontextmanager
async def notifications(platform: Emulator) -> AsyncIterator[Source]:
    async with parts(platform) as made:
        yield Notifications(
            wanted=Wanted(),
            tokens=made.tokens,
            api=ApiClient(made.http, platform.url, tokens=made.tokens, telemetry=made.telemetry),
            dialer=made.dialer,
            memory=MemoryJournal(MemoryInlet()),
            telemetry=made.telemetry,
        )


@pytest.mark.parametrize("make_source", [transcripts, notifications])
async def test_a_source_keeps_every_promise(make_source: MakeSource) -> None:
    await check_source(make_source)


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


def other_keys(inlet: Any) -> None:
    accept, seen = inlet.accept, itertools.count()
    inlet.accept = lambda events: accept([msgspec.structs.replace(event, key=f"{next(seen)}") for event in events])


def partial_gaps(inlet: Any) -> None:
    deaf = inlet.deaf

    def both(*, since: int, reason: str) -> None:
        inlet.miss(["call-1"], since=since, reason=reason)
        deaf(since=since, reason=reason)

    inlet.deaf = both


TAMPERS = (twice, no_gaps, late_gaps, no_junk, no_patience, other_keys, partial_gaps)


@pytest.mark.parametrize(
    ("make_source", "tamper"),
    [*((transcripts, tamper) for tamper in TAMPERS), (notifications, twice), (notifications, other_keys)],
)
async def test_a_source_that_breaks_a_promise_is_told_so(
    make_source: MakeSource, tamper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genscribe.testing.WITHIN_S", 3.0)

    @asynccontextmanager
    async def broken(platform: Emulator) -> AsyncIterator[Source]:
        async with make_source(platform) as source:
            yield Broken(source, tamper)

    with pytest.raises(AssertionError):
        await check_source(broken)
