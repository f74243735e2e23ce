"""How often somebody may be wrong before nobody listens to him any more."""

from __future__ import annotations

from collections import deque

TRIES = 10
TRIES_S = 60.0
"""So many wrong tokens of one caller in that time; then none of his is looked at until the time is over."""
MOST_CALLERS = 1000
"""More are not remembered; who was wrong least recently is forgotten first."""


class Guesses:
    """Wrong tokens by caller: what one does locks out nobody else."""

    def __init__(self) -> None:
        self._wrong: dict[str, deque[float]] = {}

    def spent(self, who: str, now_s: float) -> bool:
        """Whether he has been wrong too often of late."""
        wrong = self._wrong.get(who)
        return wrong is not None and len(wrong) == TRIES and 0 <= now_s - wrong[0] < TRIES_S

    def note(self, who: str, now_s: float) -> None:
        """Remembers that he was wrong."""
        wrong = self._wrong.pop(who, None) or deque(maxlen=TRIES)
        wrong.append(now_s)
        self._wrong[who] = wrong
        if len(self._wrong) > MOST_CALLERS:
            del self._wrong[next(iter(self._wrong))]
