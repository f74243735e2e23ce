"""How many REST requests may go, and whose: the platform refuses what is above its limit a minute and token.

Subscriptions go first, for what is said before its topic is confirmed is lost. So the minute is cut in three parts:

- **burst**, a third: for subscriptions alone, all at once if need be;
- **steady**, a third: one request every `3 * 60 / allowed` s; a subscription's before anybody else's, so a storm of
  calls is never stuck behind its own burst;
- **rest**, what remains below 95 %: texts and sweeps, each of which leaves some of it to the other.

Pure: `now` is any clock in seconds that only goes forward. One budget serves all tokens of the process, though the
platform counts by token: while one token replaces another, that errs on the safe side.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

DEFAULT_ALLOWED = 300
"""Requests a minute and token, until a header says otherwise. [facts, section 8]"""

WINDOW_S = 61.0
"""The platform's minute, and a second for what the network pushes together."""

CEILING = 0.95
"""Of what is allowed we use this much."""

STORM = 0.8
"""From so much of the burst on, the steady part is for subscriptions alone."""

UNTOLD_S = 3.0
"""How long a 429 without `Retry-After` holds everybody: the official SDKs' default. [facts, section 8]"""

_NUMBER = re.compile(r"\d{1,7}", re.ASCII)


class Share(enum.Enum):
    """What a request is for; in this order they go."""

    SUBSCRIBE = "subscriptions"
    """Channels and their topics."""
    TEXT = "texts"
    """The texts of messages."""
    SWEEP = "sweeps"
    """Looking for conversations, queues and names: at most a third, and only of the rest while a subscription waits."""


class Parts(NamedTuple):
    """How many requests in any `WINDOW_S`.

    Attributes:
        total: Of all shares.
        third: Of the burst, of the steady part, and of sweeps.
        rest: Of what texts and sweeps have for themselves.
        one: Of `rest`, that one of these two may use.
    """

    total: int
    third: int
    rest: int
    one: int


def parts_of(allowed: int) -> Parts:
    """The parts of so many requests a minute; none is below 1."""
    total = max(1, int(allowed * CEILING))
    third = max(1, allowed // 3)
    rest = max(1, total - 2 * third - 1)  # one for what rounding makes of the steady part
    return Parts(total, third, rest, max(1, rest - allowed // 10))


@dataclass
class RestBudget:
    """Counts requests and says when the next may go. Ask `wait`; when it says 0, `take` and send.

    Attributes:
        allowed: Requests a minute, as the platform said last.
        others: Requests that others make with the same token, as the platform counts them; until `others_end`.
        held_until: Nobody goes before: the platform refused a request or said that the minute is used up.
    """

    allowed: int = DEFAULT_ALLOWED
    others: int = 0
    others_end: float = float("-inf")
    held_until: float = float("-inf")
    _share_held_until: dict[Share, float] = field(default_factory=dict)
    _steady_at: float = float("-inf")
    _all: deque[float] = field(default_factory=deque)
    _burst: deque[float] = field(default_factory=deque)
    _rest: deque[float] = field(default_factory=deque)
    _rest_of: dict[Share, deque[float]] = field(default_factory=dict)
    _sweeps: deque[float] = field(default_factory=deque)

    def wait(self, share: Share, now: float, *, subscribe_waits: bool = False) -> float:
        """Seconds after which to ask again; 0 = go now.

        Args:
            share: What the request is for.
            now: The time.
            subscribe_waits: A subscription waits for its turn too, which this request must not take.
        """
        self._forget(now)
        parts = self._parts(now)
        opens = max(
            self.held_until,
            self._share_held_until.get(share, float("-inf")),
            _opens(self._all, parts.total),
            self._part_opens(share, parts, subscribe_waits=subscribe_waits),
        )
        if share is Share.SWEEP:
            opens = max(opens, _opens(self._sweeps, parts.third))
        if self.others and opens > now:
            opens = min(opens, max(self.others_end, self.held_until))
        return max(0.0, opens - now)

    def take(self, share: Share, now: float) -> None:
        """A request goes out at `now`."""
        self._forget(now)
        parts = self._parts(now)
        self._all.append(now)
        if share is Share.SWEEP:
            self._sweeps.append(now)
        if share is Share.SUBSCRIBE and self._steady_at > now:
            self._burst.append(now)
        elif share is not Share.SUBSCRIBE and self._rest_opens(share, parts) <= now:
            self._rest.append(now)
            self._rest_of.setdefault(share, deque()).append(now)
        else:
            self._steady_at = max(now, self._steady_at) + WINDOW_S / parts.third

    def learn(self, headers: Mapping[str, str], now: float) -> None:
        """Reads the `inin-ratelimit-*` headers of an answer; what makes no sense in them is passed over.

        Args:
            headers: By lower-case names: `-allowed`, `-count` and `-reset`, the last in seconds.
            now: The time.
        """
        self._forget(now)
        allowed = _number(headers.get("inin-ratelimit-allowed"))
        if allowed:
            self.allowed = allowed
        count = _number(headers.get("inin-ratelimit-count"))
        reset_s = _number(headers.get("inin-ratelimit-reset"))
        if count is None or reset_s is None:
            return
        end = now + min(float(reset_s), WINDOW_S)
        # Ours may be ahead of the platform's count, by requests under way and by those of its last minute.
        others = min(count, self.allowed) - len(self._all)
        if others > self.others:
            self.others, self.others_end = others, end
        if count >= self.allowed:
            self.held_until = max(self.held_until, end)

    def refused(self, retry_after_s: float | None, now: float, share: Share | None = None) -> None:
        """The platform refused a request with 429: nobody goes before `Retry-After` ends.

        A longer wait than the minute of the limit is about something else, such as a daily quota of one call; then the
        rest of it holds only the share whose request was refused, so that a sweep never stops subscriptions for hours.

        Args:
            retry_after_s: What it asks for, seconds; `None` = it did not say: `UNTOLD_S`.
            now: The time.
            share: Whose request it was; `None` = everybody's.
        """
        asked_s = UNTOLD_S if retry_after_s is None else retry_after_s
        held_s = asked_s if share is None else min(asked_s, WINDOW_S)
        self.held_until = max(self.held_until, now + held_s)
        if share is not None:
            self._share_held_until[share] = max(self._share_held_until.get(share, float("-inf")), now + asked_s)

    def burst_used(self, now: float) -> float:
        """How much of the burst the last `WINDOW_S` took, from 0 to 1: who can gather more into one request should."""
        self._forget(now)
        return min(1.0, len(self._burst) / self._parts(now).third)

    def used(self, now: float) -> int:
        """Requests of the last `WINDOW_S`, ours and, as far as known, those of others."""
        self._forget(now)
        return len(self._all) + self.others

    def _parts(self, now: float) -> Parts:
        return parts_of(max(1, self.allowed - self.others))

    def _part_opens(self, share: Share, parts: Parts, *, subscribe_waits: bool) -> float:
        if share is Share.SUBSCRIBE:
            return min(self._steady_at, _opens(self._burst, parts.third))
        if subscribe_waits or len(self._burst) > STORM * parts.third:  # what they took would be the burst's to replace
            return self._rest_opens(share, parts)
        return min(self._steady_at, self._rest_opens(share, parts))

    def _rest_opens(self, share: Share, parts: Parts) -> float:
        return max(_opens(self._rest, parts.rest), _opens(self._rest_of.get(share, ()), parts.one))

    def _forget(self, now: float) -> None:
        if now >= self.others_end:
            self.others = 0
        for times in (self._all, self._burst, self._rest, self._sweeps, *self._rest_of.values()):
            while times and times[0] + WINDOW_S <= now:
                times.popleft()


def _opens(times: deque[float] | tuple[()], limit: int) -> float:
    """When there is room for one more in `WINDOW_S`; `times` are those not yet forgotten."""
    return float("-inf") if len(times) < limit else times[-limit] + WINDOW_S


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text.strip()) else None
