"""How long the disk lasts."""

from __future__ import annotations

from collections import deque

LOW_BYTES = 2 * 10**9
"""With less than this left, people are told."""
PACE_S = 3600.0
"""The pace is that of so many seconds; a younger process takes what it has, but not less than `YOUNG_S`."""
YOUNG_S = 300.0
AGAIN_S = 3600.0
"""At most so often."""
LOOK_S = 60.0


class DiskWatch:
    """Says when the disk is going to be full, once it is low. It counts what is left: others fill a disk as well."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()
        self._told_at: float | None = None

    def look(self, now: float, free: int) -> tuple[int, float | None] | None:
        """What to tell: the bytes left and the hours that they last (`None` = no telling); `None` = nothing.

        Args:
            now: Seconds on a clock that does not jump.
            free: Bytes left.
        """
        self._looks.append((now, free))
        while self._looks[0][0] < now - PACE_S:
            self._looks.popleft()
        if free >= LOW_BYTES:
            return None
        if self._told_at is not None and now - self._told_at < AGAIN_S:
            return None
        began, before = self._looks[0]
        if now - began < YOUNG_S:
            return None  # soon there is a pace to tell
        self._told_at = now
        return free, hours_left(before, free, now - began)


def hours_left(before: int, free: int, seconds: float) -> float | None:
    """The hours until nothing is left, when so many seconds took `before` down to `free`; `None` when it is no less."""
    used = before - free
    return free / used * seconds / 3600 if used > 0 and seconds > 0 else None
