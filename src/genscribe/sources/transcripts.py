"""The mission's transcripts endpoint: one WebSocket, the token and the filters in its query.

`wss://api.<domain>/api/v2/interactions/conversations/transcripts?access_token=…&mediaTypes=…&conversationIds=…`

The endpoint is in no official document of the platform; `notifications` is what works on real organisations today.
A token in a URL is a leak waiting to happen (RFC 9700 §4.3.2), so the URL is a `Secret` that never leaves the dialer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote, urlencode

import anyio

from genscribe import clock
from genscribe.attempts import Pace
from genscribe.core import verdicts
from genscribe.core.decode import transcripts
from genscribe.core.retry import PROOF_BY_AGE_S, Budget
from genscribe.errors import GenscribeError, Unauthorized
from genscribe.genesys.oauth import Token, TokenManager
from genscribe.secrets import Secret
from genscribe.sources.base import Binary, Frame, Inlet
from genscribe.sources.supervisor import Supervisor
from genscribe.sources.websocket import Dialer, Socket
from genscribe.telemetry import Telemetry

PATH = "/api/v2/interactions/conversations/transcripts"
IDLE_HANDOVER_S = 15 * 60.0
"""Without data for this long the connection is replaced: pongs may go on while the stream behind them has stalled."""


@dataclass(frozen=True)
class Filters:
    """What to ask the endpoint for; `None` asks for everything."""

    media_types: tuple[str, ...] | None = None
    conversation_ids: tuple[str, ...] | None = None


def endpoint(websocket_url: str, token: Secret, filters: Filters) -> Secret:
    """The URL to dial. `websocket_url` is the base, such as `wss://api.mypurecloud.com`."""
    query = [("access_token", token.reveal())]
    if filters.media_types is not None:
        query.append(("mediaTypes", ",".join(filters.media_types)))
    if filters.conversation_ids is not None:
        query.append(("conversationIds", ",".join(filters.conversation_ids)))
    return Secret(f"{websocket_url}{PATH}?{urlencode(query, quote_via=quote, safe='')}")


@dataclass(eq=False)
class TranscriptsLink:
    """One connection and the token that opened it."""

    socket: Socket
    token: Token
    tokens: TokenManager
    again: bool
    """The link before this one was `refused`."""
    refused: bool = field(default=False, init=False)
    """It was closed with 1008 so soon after opening that this speaks of us, not of a token that has grown old."""
    opened_at: float = field(default_factory=anyio.current_time, init=False)
    _data_at: float = field(default_factory=anyio.current_time, init=False)

    @property
    def heard_at(self) -> int:
        """Epoch milliseconds of the last byte heard."""
        return self.socket.heard_at

    async def receive(self) -> list[Frame]:
        """The next frames; a refused token is dropped on the way out."""
        try:
            frames = await self.socket.receive()
        except Unauthorized:
            self.tokens.drop(self.token)
            self.refused = anyio.current_time() - self.opened_at < PROOF_BY_AGE_S
            if self.again and self.refused:
                raise verdicts.of_close_code(1008, again=True) from None
            raise
        self._data_at = anyio.current_time()
        return frames

    async def keepalive(self) -> None:
        """Watches for silence."""
        await self.socket.keepalive()

    async def ping(self) -> None:
        """One ping and its pong."""
        await self.socket.ping()

    async def aclose(self) -> None:
        """Closes with 1000."""
        await self.socket.aclose()

    async def handover_due(self) -> str:
        """Waits for the first of: the token was renewed; no data for 15 minutes."""
        reason = "the access token was renewed"
        fatal: GenscribeError | None = None

        async def idle() -> None:
            nonlocal reason
            while (left := self._data_at + IDLE_HANDOVER_S - anyio.current_time()) > 0:
                await anyio.sleep(left)
            reason = f"nothing was said for {IDLE_HANDOVER_S / 60:.0f} minutes, so the stream may have stalled"
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(idle)
            try:
                await self.tokens.renewed(self.token)
            except GenscribeError as error:  # raised here it would leave as a group
                fatal = error
            tasks.cancel_scope.cancel()
        if fatal is not None:
            raise fatal
        return reason


class Transcripts:
    """The source.

    Args:
        websocket_url: Base URL, `wss://api.<domain>`; `ws://` only towards loopback.
        filters: What to ask for.
        tokens: Where access tokens come from; its renewal makes the live connection move, without a gap.
        dialer: Opens the connection.
        telemetry: Where happenings go.
    """

    name: ClassVar[str] = "transcripts"

    def __init__(
        self, *, websocket_url: str, filters: Filters, tokens: TokenManager, dialer: Dialer, telemetry: Telemetry
    ) -> None:
        self._websocket_url = websocket_url
        self._filters = filters
        self._tokens = tokens
        self._dialer = dialer
        self._telemetry = telemetry
        self._supervisor: Supervisor | None = None
        self._last: TranscriptsLink | None = None
        self._stopped = False

    async def run(self, inlet: Inlet) -> None:
        """Feeds the inlet until `stop()`; raises `Fatal`."""
        dials = Budget()
        self._inlet = inlet
        self._supervisor = Supervisor(
            source=self.name,
            dial=self._dial,
            hear=self._hear,
            inlet=inlet,
            make_pace=lambda: Pace(dials),
            telemetry=self._telemetry,
        )
        if self._stopped:
            self._supervisor.stop()
        await self._supervisor.run()

    def stop(self) -> None:
        """Soft stop."""
        self._stopped = True
        if self._supervisor is not None:
            self._supervisor.stop()

    async def _dial(self) -> TranscriptsLink:
        token = await self._tokens.token()
        try:
            socket = await self._dialer.dial(endpoint(self._websocket_url, token.value, self._filters))
        except Unauthorized:
            self._tokens.drop(token)
            raise
        again = self._last is not None and self._last.refused
        self._last = TranscriptsLink(socket, token, self._tokens, again)
        return self._last

    def _hear(self, frames: list[Frame]) -> int:
        counters = self._telemetry.counters
        received_at = clock.now()
        events: list[transcripts.Heard] = []
        for frame in frames:
            decoded = transcripts.decode(frame, binary=isinstance(frame, Binary), received_at=received_at)
            counters.empty += decoded.empty
            counters.system += decoded.system
            events += decoded.events
        counters.frames += len(frames)
        self._inlet.accept(events)
        return len(events)
