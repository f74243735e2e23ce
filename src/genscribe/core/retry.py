"""How long to wait before the next try: pure functions of what happened, `now` and a source of chance.

Three rules work together, each for a peer that the others would let us hurt:

- **Backoff** with full jitter spreads many clients that lost the same server.
- **A link must prove itself** before the backoff begins anew; a server that accepts and then closes proves nothing.
- **A budget** bounds the rate whatever chance draws. Full jitter may draw near nothing several times in a row, so
  no backoff alone keeps "at most 8 attempts in 20 s"; counting the attempts does.

All times are seconds; `now` is any clock that only goes forward.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

BACKOFF_CAP_S = 60.0
RETRY_AFTER_CAP_S = 3600.0
"""A peer may ask for more; an hour is as long as we believe it."""

PATIENCE_JITTER = 1.2
"""After `Retry-After` we wait up to this many times what was asked, so that not all clients come back at once."""

_SECONDS = re.compile(r"\d{1,20}(\.\d{0,20})?([eE]\+?\d{1,2})?", re.ASCII)


def backoff(attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Full jitter: a random time between 0 and `min(60, 2 ** attempt)` seconds; `attempt` counts from 0."""
    return uniform(0.0, min(BACKOFF_CAP_S, 2.0 ** max(0, min(attempt, 6))))


def retry_after(value: str | None, *, now_ms: int, date: str | None) -> float | None:
    """The seconds that a `Retry-After` header asks for, at most 3600.

    Args:
        value: The header: seconds, whole or not, or an HTTP date. `None` when there is none.
        now_ms: Our wall clock, epoch milliseconds; used for a date only when the server does not give its own.
        date: The `Date` header of the same answer. A date is measured against it: the two clocks may disagree.

    Returns:
        `None` where the header makes no sense: missing, negative, past, NaN, anything else. Then our own backoff holds.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_CAP_S)
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(date) or datetime.fromtimestamp(now_ms / 1000, timezone.utc)
    seconds = (until - now).total_seconds()
    return min(seconds, RETRY_AFTER_CAP_S) if seconds > 0 else None


def _http_date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        parsed = parsedate_to_datetime(text)
        # The oldest form of HTTP dates names no zone; RFC 9110 section 5.6.7 says it is UTC.
        return parsed.replace(tzinfo=timezone.utc) if parsed.tzinfo is None else parsed.astimezone(timezone.utc)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def patience(asked_s: float, uniform: Callable[[float, float], float]) -> float:
    """The wait after a peer asked for `asked_s` seconds: that long, up to a fifth more, and never above an hour."""
    return min(asked_s * uniform(1.0, PATIENCE_JITTER), RETRY_AFTER_CAP_S)


PROOF_WITH_EVENT_S = 10.0
PROOF_BY_AGE_S = 60.0


@dataclass
class ProvenLink:
    """Whether a connection has shown that it works, which alone resets the backoff.

    Opening proves nothing: a server that accepts and closes would be dialled without a pause.

    Attributes:
        opened_at: When the connection was ready.
        first_event_at: When the first event came; `None` until then.
    """

    opened_at: float
    first_event_at: float | None = None

    def heard(self, now: float) -> None:
        """An event came."""
        if self.first_event_at is None:
            self.first_event_at = now

    def proved(self, now: float) -> bool:
        """After an event and 10 s of life, or after 60 s of life."""
        age = now - self.opened_at
        return age >= PROOF_BY_AGE_S or (self.first_event_at is not None and age >= PROOF_WITH_EVENT_S)


@dataclass
class Window:
    """At most `attempts` in any `seconds`."""

    attempts: int
    seconds: float


# A second more than promised: the peer counts when the attempts arrive, and the network may push two together.
ATTEMPTS = (Window(8, 21.0), Window(12, 61.0))
"""What one link, or one token endpoint, is dialled at most: 8 times in any 20 s, 12 times in any 60 s."""


@dataclass
class Budget:
    """Counts attempts in sliding windows and says how long the next one has to wait."""

    windows: tuple[Window, ...] = ATTEMPTS
    _taken: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Seconds from `now` until every window has room for one more attempt; 0 when it has."""
        return max(0.0, *(self._opens(window) - now for window in self.windows))

    def take(self, now: float) -> None:
        """An attempt is made at `now`."""
        self._taken.append(now)
        while len(self._taken) > max(window.attempts for window in self.windows):
            self._taken.popleft()

    def _opens(self, window: Window) -> float:
        if len(self._taken) < window.attempts:
            return float("-inf")
        return self._taken[-window.attempts] + window.seconds
