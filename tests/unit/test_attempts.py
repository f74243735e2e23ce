"""The only loop that sleeps between tries, under virtual time."""

from __future__ import annotations

import anyio
import pytest

from genscribe import clock
from genscribe.attempts import Pace, keep_trying
from genscribe.errors import BadAnswer, Disconnected, NotPermitted, Throttled, Unauthorized, Unreachable
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


@pytest.fixture
def most(monkeypatch):
    """Chance always draws the most."""
    monkeypatch.setattr(clock, "uniform", lambda low, high: high)


@pytest.fixture
def least(monkeypatch):
    monkeypatch.setattr(clock, "uniform", lambda low, high: low)


class Script:
    """Raises or returns one item after the other and remembers when."""

    def __init__(self, *items):
        self.items = list(items)
        self.at = []

    async def __call__(self):
        self.at.append(anyio.current_time())
        item = self.items.pop(0) if len(self.items) > 1 else self.items[0]
        if isinstance(item, BaseException):
            raise item
        return item


async def test_success_returns_at_once():
    attempt = Script("done")
    assert await keep_trying(attempt) == "done"
    assert attempt.at == [0]


async def test_what_passes_is_tried_again_with_doubling_backoff(most):
    attempt = Script(*[Unreachable("no")] * 5, "done")
    assert await keep_trying(attempt) == "done"
    assert attempt.at == [0, 1, 3, 7, 15, 31]


async def test_what_cannot_heal_is_raised_at_once():
    attempt = Script(NotPermitted("no"))
    with pytest.raises(NotPermitted):
        await keep_trying(attempt)
    assert len(attempt.at) == 1


async def test_a_foreign_error_passes_through():
    attempt = Script(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await keep_trying(attempt)
    assert len(attempt.at) == 1


@pytest.mark.parametrize("seed", range(5))
async def test_retry_after_wins_over_the_backoff_with_up_to_a_fifth_more(seed):
    clock.seed(seed)
    attempt = Script(Throttled("wait", retry_after_s=100), BadAnswer("wait", retry_after_s=5), "done")
    await keep_trying(attempt)
    assert 100 <= attempt.at[1] <= 120
    assert 5 <= attempt.at[2] - attempt.at[1] <= 6


async def test_retry_after_zero_means_our_own_backoff(most):
    attempt = Script(Throttled("now", retry_after_s=0.0), Throttled("now", retry_after_s=0.0), "done")
    await keep_trying(attempt)
    assert attempt.at == [0, 1, 3]


async def test_a_refused_token_is_followed_at_once_by_a_try_with_another_but_only_once(most):
    fetched = []

    async def reauthorize():
        fetched.append(anyio.current_time())

    attempt = Script(Unauthorized("no"), Unauthorized("no"), Unauthorized("no"), "done")
    await keep_trying(attempt, reauthorize=reauthorize)
    assert attempt.at == [0, 0, 2, 6]
    assert fetched == [0, 0, 2]


async def test_every_retry_is_told_before_the_wait(most):
    told = []
    attempt = Script(Unreachable("one"), Unreachable("two"), "done")
    await keep_trying(attempt, on_retry=lambda error, delay: told.append((anyio.current_time(), str(error), delay)))
    assert told == [(0, "one", 1), (1, "two", 2)]


async def test_a_deadline_raises_the_last_error_instead_of_a_wait_beyond_it(most):
    attempt = Script(Unreachable("one"), Unreachable("two"), Unreachable("three"), "done")
    with pytest.raises(Unreachable, match="three"):
        await keep_trying(attempt, deadline_s=6)
    assert attempt.at == [0, 1, 3]
    assert anyio.current_time() == 3


async def test_a_thousand_failures_are_a_loop_and_no_recursion():
    attempt = Script(*[Throttled("wait", retry_after_s=1)] * 3000, "done")
    assert await keep_trying(attempt) == "done"
    assert len(attempt.at) == 3001


async def test_cancelling_ends_the_wait():
    attempt = Script(Throttled("wait", retry_after_s=3600))
    with anyio.move_on_after(10) as scope:
        await keep_trying(attempt)
    assert scope.cancelled_caught
    assert anyio.current_time() == 10


async def test_luck_cannot_outrun_the_budget(least):
    attempt = Script(*[Disconnected("closed", code=1000)] * 200, "done")
    await keep_trying(attempt)
    for start in attempt.at:
        assert sum(start <= at <= start + 20 for at in attempt.at) <= 8
        assert sum(start <= at <= start + 60 for at in attempt.at) <= 12


async def test_the_budget_of_a_pace_outlives_its_reset(least):
    pace = Pace()
    for _ in range(8):
        await pace.turn()
        pace.reset()
    assert anyio.current_time() == 0
    await pace.turn()
    assert anyio.current_time() > 20


async def test_two_who_wait_for_a_turn_at_once_do_not_share_one(least):
    pace, at = Pace(), []

    async def wait():
        await pace.turn()
        at.append(anyio.current_time())

    async with anyio.create_task_group() as group:
        for _ in range(16):
            group.start_soon(wait)
    assert sum(when <= 20 for when in at) == 8
    assert sum(when <= 60 for when in at) == 12


async def test_reset_begins_the_backoff_anew(most):
    pace = Pace()
    assert [pace.next_delay(Unreachable("no")) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    pace.reset()
    assert pace.next_delay(Unreachable("no")) == 1


async def test_reset_allows_one_more_try_at_once_after_a_refused_token(most):
    pace = Pace()
    assert pace.next_delay(Unauthorized("no")) == 0
    assert pace.next_delay(Unauthorized("no")) == 2
    pace.reset()
    assert pace.next_delay(Unauthorized("no")) == 0


async def test_the_delay_that_is_told_includes_the_budgets_wait(least):
    pace = Pace()
    for _ in range(8):
        await pace.turn()
    assert pace.next_delay(None) == 21


async def test_pause_sleeps_as_long_as_it_says(most):
    pace = Pace()
    await pace.pause(Unreachable("no"))
    await pace.pause()
    assert anyio.current_time() == 3
