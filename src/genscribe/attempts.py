"""The only loop that sleeps between tries, the pace at which it and the supervisor try, and what ends a wait early.

Errors say by their class what they want (`errors.Verdict`): wait and try again, get a new token first, or stop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from genscribe import clock
from genscribe.core.retry import Budget, backoff, patience
from genscribe.errors import GenscribeError, Passing, Verdict

T = TypeVar("T")


class Pace:
    """When the next try may begin. One per thing that is tried: one link, one token endpoint, one sink.

    A try begins with `await turn()`. When it fails, `await pause(error)` waits as long as the error and the backoff
    ask. `reset()` belongs to the moment at which the thing has proved that it works, not to the one at which it opened.

    Args:
        budget: How many tries are allowed in a time; the default is what a link of ours may do to a server.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = Budget() if budget is None else budget
        self.failures = 0
        """Failures since the last `reset`."""
        self._reauthorized = False

    def reset(self) -> None:
        """It has proved itself: the backoff begins anew. The budget does not forget."""
        self.failures = 0
        self._reauthorized = False

    def next_delay(self, error: GenscribeError | None = None) -> float:
        """Counts a failure and draws the seconds until the next try may begin.

        `Retry-After` wins over the backoff; a refused access token is followed at once by a try with a new one, but
        only once until `reset`; the budget bounds them all. `None` is a failure that has no error of its own.
        """
        now = anyio.current_time()
        delay = self._asked(error)
        self.failures += 1
        return delay + self.budget.wait(now + delay)

    def _asked(self, error: GenscribeError | None) -> float:
        if isinstance(error, Passing) and error.retry_after_s:
            return patience(error.retry_after_s, clock.uniform)
        if error is not None and error.verdict is Verdict.REAUTHORIZE and not self._reauthorized:
            self._reauthorized = True
            return 0.0
        return backoff(self.failures, clock.uniform)

    async def pause(self, error: GenscribeError | None = None) -> None:
        """Sleeps for `next_delay(error)`."""
        await anyio.sleep(self.next_delay(error))

    async def turn(self) -> None:
        """Waits until the budget has room, then counts a try that begins now."""
        now = anyio.current_time()
        begins = now + self.budget.wait(now)
        self.budget.take(begins)  # before the wait: two who wait at once share what room there is
        await anyio.sleep_until(begins)


async def keep_trying(
    attempt: Callable[[], Awaitable[T]],
    *,
    pace: Pace | None = None,
    on_retry: Callable[[Passing, float], Any] | None = None,
    reauthorize: Callable[[], Awaitable[object]] | None = None,
    deadline_s: float | None = None,
) -> T:
    """Calls `attempt` until it succeeds or an error says that trying again cannot help.

    Args:
        attempt: One try. Only errors of our own tree are judged; a foreign one passes through.
        pace: Backoff and budget; pass one that outlives the call where the same thing is tried again later.
        on_retry: Told the error and the seconds until the next try, before the wait.
        reauthorize: Called after an error that asks for another access token, before the wait.
        deadline_s: Give up when the next try could not begin within this many seconds from now; `None` = never.

    Returns:
        What `attempt` returned.

    Raises:
        GenscribeError: The error of the last try.
    """
    pace = Pace() if pace is None else pace
    end = None if deadline_s is None else anyio.current_time() + deadline_s
    while True:
        await pace.turn()
        try:
            return await attempt()
        except Passing as error:
            delay = pace.next_delay(error)
            if end is not None and anyio.current_time() + delay > end:
                raise
            if on_retry is not None:
                on_retry(error, delay)
            if error.verdict is Verdict.REAUTHORIZE and reauthorize is not None:
                await reauthorize()
        await anyio.sleep(delay)


async def unless(event: anyio.Event, work: Callable[[], Awaitable[T]]) -> T | None:
    """The work's result, or `None` if the event came first. Raises what the work raises, not a group of it."""
    result: T | None = None
    error: GenscribeError | None = None

    async def watch() -> None:
        await event.wait()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            result = await work()
        except GenscribeError as raised:
            error = raised
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error
    return result
