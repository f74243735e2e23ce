"""What the stand-in was asked and what it said, so that a test compares both sides. Plain records, no behaviour.

Times named `at_ms` are epoch milliseconds of the wall clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from genscribe.emulator.limits import Window

LIMIT = 100_000
"""Records of each sort that are kept by default; the oldest go first."""


@dataclass(frozen=True)
class TokenRequest:
    """One `POST /oauth/token`.

    Attributes:
        auth: How the client named itself: `basic`, `form`, or `none`.
        client_id: As sent, `None` when it was not.
        form: The form's fields without `client_secret`.
        status: The answer, 0 when none was given.
        issued: The access token that was given, `None` otherwise.
    """

    at_ms: int
    auth: str
    client_id: str | None
    form: Mapping[str, str]
    headers: Mapping[str, str]
    status: int
    issued: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Handshake:
    """One WebSocket upgrade request.

    Attributes:
        target: Path and query exactly as they stood in the request line.
        query: Its fields, percent-decoded, without `access_token`.
        status: 101 when it was accepted, 0 when it was not answered.
        connection: The number of the connection it became, from 1; `None` when refused.
        channel: It was for a notification channel.
    """

    at_ms: int
    target: str = field(repr=False)
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int
    connection: int | None = None
    access_token: str | None = field(default=None, repr=False)
    channel: bool = False


@dataclass(frozen=True)
class ApiRequest:
    """Any other request: of the API, the probe of the transcripts path, unknown paths."""

    at_ms: int
    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    status: int


@dataclass
class Emission:
    """One transcript line that was said.

    Attributes:
        number: From 1, in the order of saying.
        timestamp: The line's own time, ISO 8601 UTC.
        connections: Numbers of the connections that its bytes were written to; grows when a frame is held back and
            sent later. A line said to nobody has none: that is what a gap must cover.
        confirmed: A client had been told that it has the conversation's topic; such a line must be heard, or missed
            within a gap.
        communication_id, utterance_id: As the transcription topic has them; `None` for what is no speech.
        interim: It is not the final result.
    """

    number: int
    at_ms: int
    conversation_id: str
    media_type: str
    timestamp: str
    speaker: str | None
    text: str | None
    type: str | None
    connections: list[int] = field(default_factory=list)
    confirmed: bool = False
    communication_id: str | None = None
    utterance_id: str | None = None
    interim: bool = False


@dataclass(frozen=True)
class Closure:
    """The end of one connection.

    Attributes:
        by: `client` or `server`, whichever began it.
        code: The code of the Close frame that began it; `None` when there was none.
    """

    at_ms: int
    connection: int
    by: str
    code: int | None


@dataclass(frozen=True)
class ChannelEnd:
    """The end of a notification channel.

    Attributes:
        channel: Its number, from 1 in the order of making.
        reason: `evicted`, `expired`, `token expired`, `token revoked` or `gone`.
    """

    at_ms: int
    channel: int
    reason: str


@dataclass
class Ledger:
    """The records, oldest first, at most `limit` of each sort (`None` = no limit)."""

    limit: int | None = LIMIT
    token_requests: deque[TokenRequest] = field(init=False)
    handshakes: deque[Handshake] = field(init=False)
    requests: deque[ApiRequest] = field(init=False)
    emissions: deque[Emission] = field(init=False)
    closures: deque[Closure] = field(init=False)
    channel_ends: deque[ChannelEnd] = field(init=False)
    windows: deque[Window] = field(init=False)
    """Requests by minute and token, as the rate limit counts them."""
    token_count: int = field(init=False, default=0)
    """All token requests ever, also those that `limit` dropped."""
    handshake_count: int = field(init=False, default=0)
    emission_count: int = field(init=False, default=0)
    flooded: int = field(init=False, default=0)
    """Frames sent by `flood` and `send`, which are not listed one by one."""

    def __post_init__(self) -> None:
        self.token_requests = deque(maxlen=self.limit)
        self.handshakes = deque(maxlen=self.limit)
        self.requests = deque(maxlen=self.limit)
        self.emissions = deque(maxlen=self.limit)
        self.closures = deque(maxlen=self.limit)
        self.channel_ends = deque(maxlen=self.limit)
        self.windows = deque(maxlen=self.limit)

    def said(self, conversation: str | None = None) -> list[str]:
        """The texts that were said, in order, `system` and empty lines left out."""
        return [
            line.text
            for line in self.emissions
            if line.text and line.type != "system" and conversation in (None, line.conversation_id)
        ]

    def unheard(self) -> list[Emission]:
        """Lines that were written to no connection at all."""
        return [line for line in self.emissions if not line.connections]

    def missed(self) -> list[Emission]:
        """Lines that were said after their topic was confirmed, and were written to no connection."""
        return [line for line in self.emissions if line.confirmed and not line.connections]

    @property
    def rate_limited(self) -> int:
        """Requests that the rate limit refused."""
        return sum(window.refused for window in self.windows)

    @property
    def busiest_minute(self) -> int:
        """Requests of the API in the fullest minute of one token."""
        return max((window.count for window in self.windows), default=0)
