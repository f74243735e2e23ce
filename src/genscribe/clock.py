"""Wall time and chance enter by this door; monotonic time and sleeping are the running event loop's.

Call these through the module (`clock.wall_ms()`), never `from genscribe.clock import wall_ms`: a test or a
simulation replaces them here and the whole program moves.
"""

from __future__ import annotations

import random
import secrets as _entropy
import time
from datetime import datetime, timezone

_chance = random.Random(_entropy.randbits(64))


def wall_ms() -> int:
    """Milliseconds since 1970-01-01 UTC, by the machine's wall clock."""
    return time.time_ns() // 1_000_000


def uniform(low: float, high: float) -> float:
    """A random number between `low` and `high`, for jitter."""
    return _chance.uniform(low, high)


def seed(value: int) -> None:
    """Make chance repeatable: tests, simulations, `--seed`."""
    _chance.seed(value)


def fresh_id() -> str:
    """A random id of 32 hexadecimal digits that no other machine makes."""
    return _entropy.token_hex(16)


def iso(epoch_ms: int) -> str:
    """`2026-03-21T01:09:55.225Z`: the form of every time that genscribe stores or sends."""
    seconds, ms = divmod(epoch_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc).isoformat()[:19]}.{ms:03d}Z"


def now() -> str:
    """The wall clock's time in the form of `iso`."""
    return iso(wall_ms())
