"""How many requests a token may make. Pure; `now` is any monotonic time in seconds.

The platform's default is 300 a minute a token; it says how things stand in the headers `inin-ratelimit-count`,
`-allowed` and `-reset` (seconds) of every answer. That the minute begins with the first request is assumed.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

PER_S = 60.0


@dataclass
class Window:
    """One minute of one token.

    Attributes:
        count: Requests that were let through; `refused` those that were not.
    """

    token: str = field(repr=False)
    began_at: float
    count: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Standing:
    """How things stand after a request. `reset_s` is whole seconds until the window ends."""

    count: int
    allowed: int
    reset_s: int
    refused: bool

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """As every answer of the API has them."""
        return (
            ("inin-ratelimit-count", str(self.count)),
            ("inin-ratelimit-allowed", str(self.allowed)),
            ("inin-ratelimit-reset", str(self.reset_s)),
        )


@dataclass
class Limits:
    """Counts requests by token.

    Attributes:
        allowed: Requests a minute and token; may be changed at any time.
        windows: Where every minute of every token is written down, oldest first.
    """

    allowed: int = 300
    windows: deque[Window] = field(default_factory=deque)
    _current: dict[str, Window] = field(default_factory=dict, repr=False)

    def take(self, token: str, now: float) -> Standing:
        """Counts one request."""
        window = self._current.get(token)
        if window is None or now >= window.began_at + PER_S:
            self._current = {known: one for known, one in self._current.items() if now < one.began_at + PER_S}
            window = self._current[token] = Window(token, now)
            self.windows.append(window)
        refused = window.count >= self.allowed
        if refused:
            window.refused += 1
        else:
            window.count += 1
        reset_s = max(1, math.ceil(window.began_at + PER_S - now))
        return Standing(window.count, self.allowed, reset_s, refused)
