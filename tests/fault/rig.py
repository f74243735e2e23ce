"""The source `transcripts` against the emulator, in one loop: what the fault tests are written on."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from genscribe import clock
from genscribe.emulator import Emulator
from genscribe.errors import GenscribeError
from genscribe.events import Event, Unreadable, Utterance
from genscribe.genesys.api import USER_AGENT, HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.regions import Hosts
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.sources.transcripts import Filters, Transcripts
from genscribe.sources.websocket import Dialer
from genscribe.telemetry import Telemetry


@dataclass
class Heard:
    """An inlet that keeps everything, and turns what it is told of hearing into gaps as the journal would."""

    events: list[Event[str]] = field(default_factory=list)
    gaps: list[tuple[int, int, str]] = field(default_factory=list)
    full: bool = False
    changed: anyio.Event = field(default_factory=anyio.Event)
    opened: int = 0
    open_gap: tuple[int, str] | None = None

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Utterance)]

    @property
    def unreadable(self) -> list[Unreadable[str]]:
        return [event for event in self.events if isinstance(event, Unreadable)]

    def accept(self, events: Sequence[Event[str]]) -> None:
        self.events += events
        self._tell()

    async def room(self) -> None:
        await self.until(lambda: not self.full)

    def hearing(self, *, heard_at: int) -> None:
        if self.open_gap is not None:
            self.gaps.append((self.open_gap[0], clock.wall_ms(), self.open_gap[1]))
            self.open_gap = None
        self.opened += 1
        self._tell()

    def deaf(self, *, since: int, reason: str) -> None:
        self.open_gap = (since, reason)
        self._tell()

    async def until(self, condition: Any, within_s: float = 300) -> None:
        with anyio.fail_after(within_s):
            while not condition():
                await self.changed.wait()

    def _tell(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


@dataclass
class Rig:
    """One run of the source. `ended` is how it ended, once it has."""

    platform: Emulator
    heard: Heard
    source: Transcripts
    telemetry: Telemetry
    tokens: TokenManager
    done: anyio.Event = field(default_factory=anyio.Event)
    ended: GenscribeError | None = None

    async def hears(self, text: str) -> None:
        """Waits for the line."""
        await self.heard.until(lambda: text in self.heard.texts)

    async def run(self) -> None:
        try:
            await self.source.run(self.heard)
        except GenscribeError as error:
            self.ended = error
        self.done.set()


@asynccontextmanager
async def rig(
    platform: Emulator,
    *,
    filters: Filters = Filters(),  # noqa: B008  # frozen
    tls: ssl.SSLContext | None = None,
    proxy: str | None = None,
    api_url: str | None = None,
) -> AsyncIterator[Rig]:
    """The emulator listening, the token manager and the source running."""
    telemetry = Telemetry()
    context = tls or tls_context()
    async with platform, HttpClient(context, trust_env=False) as http, anyio.create_task_group() as tasks:
        tokens = TokenManager(
            http,
            login_url=platform.url,
            client_id=platform.client_id,
            secret=platform.client_secret,
            telemetry=telemetry,
        )
        source = Transcripts(
            websocket_url=Hosts(platform.url, api_url or platform.url).websocket_url,
            filters=filters,
            tokens=tokens,
            dialer=Dialer(context, Secret(proxy) if proxy else None, USER_AGENT),
            telemetry=telemetry,
        )
        made = Rig(platform, Heard(), source, telemetry, tokens)
        tasks.start_soon(tokens.run)
        tasks.start_soon(made.run)
        yield made
        source.stop()
        with anyio.fail_after(30):
            await made.done.wait()
        tasks.cancel_scope.cancel()
