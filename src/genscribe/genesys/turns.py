"""Whose request goes next: one line for each share of the budget, subscriptions first."""

from __future__ import annotations

from collections import deque

import anyio

from genscribe.core.limits import RestBudget, Share

LEAST_WAIT_S = 0.001
"""Timers may fire a hair early: not to be asked again for nothing."""


class _Waiter:
    """One request in line."""

    def __init__(self) -> None:
        self.look = anyio.Event()


class Turns:
    """Lets requests through as the budget allows: in order within a share, and none past a subscription that waits.

    Args:
        budget: The platform's limit. Whoever tells it of answers and refusals calls `changed` then.
    """

    def __init__(self, budget: RestBudget) -> None:
        self.budget = budget
        self._lines: dict[Share, deque[_Waiter]] = {share: deque() for share in Share}

    async def turn(self, share: Share) -> float:
        """Waits until a request of this share may go, and counts it. Returns the seconds waited."""
        came = anyio.current_time()
        line, me = self._lines[share], _Waiter()
        line.append(me)
        try:
            while (wait_s := self._wait(share) if line[0] is me else float("inf")) > 0:
                with anyio.move_on_after(max(wait_s, LEAST_WAIT_S)):
                    await me.look.wait()
                me.look = anyio.Event()
            now = anyio.current_time()
            self.budget.take(share, now)
            return now - came
        finally:
            line.remove(me)
            self.changed()

    def changed(self) -> None:
        """The first of each line looks again."""
        for line in self._lines.values():
            if line:
                line[0].look.set()

    def waiting(self, share: Share) -> int:
        """How many of a share wait now."""
        return len(self._lines[share])

    def _wait(self, share: Share) -> float:
        behind = share is not Share.SUBSCRIBE and bool(self._lines[Share.SUBSCRIBE])
        return self.budget.wait(share, anyio.current_time(), subscribe_waits=behind)
