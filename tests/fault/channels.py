"""The source `notifications` against the emulator, in one loop: what its fault tests are written on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from genscribe.emulator import Emulator
from genscribe.errors import GenscribeError
from genscribe.events import Conversation, Participant, Record, Utterance, encode
from genscribe.genesys.api import USER_AGENT, ApiClient, HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.tls import tls_context
from genscribe.sources.notifications import Notifications, Wanted
from genscribe.sources.websocket import Dialer
from genscribe.telemetry import Telemetry
from genscribe.testing import MemoryInlet

EVERYTHING = Wanted()


@dataclass(frozen=True)
class Begun:
    """What `unended` gives."""

    conversation_id: str


@dataclass
class MemoryJournal:
    """What the source keeps in the store, in memory: channels, a cursor, and the events of an inlet."""

    heard: MemoryInlet
    remembered_channels: list[tuple[str, int]] = field(default_factory=list)
    queues: dict[str, str] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)

    def remember_channel(self, digest: str, ends_at_ms: int) -> None:
        self.kept[digest] = ends_at_ms

    def forget_channel(self, digest: str) -> None:
        self.kept.pop(digest, None)

    async def unended(self) -> Sequence[Begun]:
        return [Begun(each) for each in self.left]

    async def wait_beyond(self, seq: int) -> int:
        await self.heard.until(lambda: len(self.heard.events) > seq, within_s=float("inf"))
        return len(self.heard.events)

    async def read(self, after: int, limit: int) -> list[Record]:
        events = self.heard.events[after : after + limit]
        return [Record(seq, event.kind, encode(event)) for seq, event in enumerate(events, after + 1)]

    def cursor(self, name: str) -> int | None:
        return self.cursors.get(name)

    async def save_cursor(self, name: str, seq: int) -> None:
        self.cursors[name] = seq


@dataclass
class ChannelRig:
    """One run of the source. `ended` is how it ended, once it has."""

    platform: Emulator
    heard: MemoryInlet
    source: Notifications
    telemetry: Telemetry
    tokens: TokenManager
    memory: MemoryJournal
    done: anyio.Event = field(default_factory=anyio.Event)
    ended: GenscribeError | None = None

    async def run(self) -> None:
        try:
            await self.source.run(self.heard)
        except GenscribeError as error:
            self.ended = error
        self.done.set()

    async def hears(self, text: str) -> Utterance[str]:
        """Waits for the line and returns it."""
        await self.heard.until(lambda: text in self.heard.texts, within_s=600)
        return next(event for event in self.heard.events if isinstance(event, Utterance) and event.text == text)

    async def listens(self) -> None:
        """Waits until it says that it hears."""
        await self.heard.until(lambda: self.heard.connected, within_s=600)

    async def call(self, conversation: str, **more: object) -> str:
        """Begins a call and waits until it is subscribed."""
        identity = self.platform.begin(conversation, **more)  # type: ignore[arg-type]
        await self.platform.wait_subscribed(identity, within_s=600)
        return identity

    def states(self, conversation: str) -> list[str]:
        """What was told of a conversation: `started`, `ended`."""
        return [e.state for e in self.heard.events if isinstance(e, Conversation) and e.conversation_id == conversation]

    def participants(self, conversation: str) -> list[Participant[str]]:
        """What was told of its participants."""
        return [e for e in self.heard.events if isinstance(e, Participant) and e.conversation_id == conversation]

    def logged(self) -> str:
        """The warnings, in one text."""
        return "\n".join(line for _, line in self.telemetry.recent)


@asynccontextmanager
async def channel_rig(
    platform: Emulator,
    *,
    wanted: Wanted = EVERYTHING,
    memory: MemoryJournal | None = None,
    stop: bool = True,
) -> AsyncIterator[ChannelRig]:
    """The token manager and the source running against an emulator that listens."""
    telemetry = Telemetry()
    context = tls_context()
    async with HttpClient(context, trust_env=False) as http, anyio.create_task_group() as tasks:
        tokens = TokenManager(
            http,
            login_url=platform.url,
            client_id=platform.client_id,
            secret=platform.client_secret,
            telemetry=telemetry,
        )
        heard = MemoryInlet() if memory is None else memory.heard
        memory = memory or MemoryJournal(heard)
        source = Notifications(
            wanted=wanted,
            tokens=tokens,
            api=ApiClient(http, platform.url, tokens=tokens, telemetry=telemetry),
            dialer=Dialer(context, None, USER_AGENT),
            memory=memory,
            telemetry=telemetry,
        )
        rig = ChannelRig(platform, heard, source, telemetry, tokens, memory)
        tasks.start_soon(tokens.run)
        tasks.start_soon(rig.run)
        yield rig
        if stop:
            source.stop()
            await rig.done.wait()
        tasks.cancel_scope.cancel()
