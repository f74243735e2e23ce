"""The source `transcripts` against the emulator, in one loop: what the fault tests are written on."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from genscribe.emulator import Emulator
from genscribe.errors import GenscribeError
from genscribe.genesys.api import USER_AGENT, HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.regions import Hosts
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.sources.transcripts import Filters, Transcripts
from genscribe.sources.websocket import Dialer
from genscribe.telemetry import Telemetry
from genscribe.testing import MemoryInlet


@dataclass
class Rig:
    """One run of the source. `ended` is how it ended, once it has."""

    platform: Emulator
    heard: MemoryInlet
    source: Transcripts
    telemetry: Telemetry
    tokens: TokenManager
    done: anyio.Event = field(default_factory=anyio.Event)
    ended: GenscribeError | None = None

    async def hears(self, text: str) -> None:
        """Waits for the line."""
        await self.heard.until(lambda: text in self.heard.texts, within_s=300)

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
        made = Rig(platform, MemoryInlet(), source, telemetry, tokens)
        tasks.start_soon(tokens.run)
        tasks.start_soon(made.run)
        yield made
        source.stop()
        with anyio.fail_after(30):
            await made.done.wait()
        tasks.cancel_scope.cancel()
