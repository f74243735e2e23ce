"""In line for the budget: in order within a share, subscriptions first, and nobody is forgotten."""

from __future__ import annotations

import anyio
import pytest

from genscribe.core.limits import RestBudget, Share
from genscribe.genesys.turns import Turns
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio
SUBSCRIBE, TEXT, SWEEP = Share.SUBSCRIBE, Share.TEXT, Share.SWEEP


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


class Went:
    """Who went, in order, and when."""

    def __init__(self, turns):
        self.turns = turns
        self.order = []
        self.at = {}

    async def go(self, name, share):
        await self.turns.turn(share)
        self.order.append(name)
        self.at[name] = anyio.current_time()


def held(seconds=10.0, allowed=300):
    budget = RestBudget(allowed)
    budget.refused(seconds, anyio.current_time())
    return Turns(budget)


async def test_a_turn_that_is_free_waits_for_nothing():
    turns = Turns(RestBudget())
    assert await turns.turn(SWEEP) == 0
    assert turns.budget.used(0.0) == 1


async def test_subscriptions_go_first_then_texts_in_the_order_they_came():
    turns = held()
    went = Went(turns)
    async with anyio.create_task_group() as tasks:
        for name, share in (
            ("sweep", SWEEP),
            ("text1", TEXT),
            ("text2", TEXT),
            ("sub1", SUBSCRIBE),
            ("sub2", SUBSCRIBE),
        ):
            tasks.start_soon(went.go, name, share)
            await anyio.wait_all_tasks_blocked()
        assert turns.waiting(SUBSCRIBE) == 2
    assert went.order.index("sub1") < went.order.index("sub2")
    assert went.order.index("text1") < went.order.index("text2")
    assert set(went.at.values()) == {10}


async def test_a_sweep_takes_nothing_that_a_subscription_waits_for():
    turns = Turns(RestBudget(30))
    went = Went(turns)
    async with anyio.create_task_group() as tasks:
        for number in range(14):
            tasks.start_soon(went.go, f"sub{number}", SUBSCRIBE)
        for number in range(5):
            tasks.start_soon(went.go, f"sweep{number}", SWEEP)
    assert went.at["sub10"] == 0, "ten of the burst and the steady one"
    assert went.at["sweep3"] == 0, "four of the rest"
    assert 0 < went.at["sub13"] < went.at["sweep4"]


async def test_one_who_gives_up_holds_up_nobody():
    turns = held()
    went = Went(turns)
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(3):
            await turns.turn(SUBSCRIBE)
        tasks.start_soon(went.go, "sweep", SWEEP)
    assert went.at == {"sweep": 10}
    assert turns.waiting(SUBSCRIBE) == 0
    assert turns.budget.used(10.0) == 1, "who gave up is not counted"


async def test_the_second_in_line_moves_up_when_the_first_gives_up():
    turns = held()
    went = Went(turns)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(went.go, "first", SUBSCRIBE)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(went.go, "second", SUBSCRIBE)
        await anyio.wait_all_tasks_blocked()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as inner:
                inner.start_soon(turns.turn, SUBSCRIBE)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
    assert went.at == {"first": 10, "second": 10}


async def test_whoever_waits_looks_again_when_the_budget_has_changed():
    turns = held(3600.0)
    went = Went(turns)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(went.go, "sub", SUBSCRIBE)
        await anyio.wait_all_tasks_blocked()
        turns.budget.held_until = 0.0
        turns.changed()
    assert went.at == {"sub": 0}


async def test_a_thousand_in_line_go_at_the_pace_of_the_budget():
    turns = Turns(RestBudget())
    went = Went(turns)
    async with anyio.create_task_group() as tasks:
        for number in range(1000):
            tasks.start_soon(went.go, number, SUBSCRIBE)
    assert went.order == sorted(went.order)
    times = list(went.at.values())
    assert max(sum(1 for other in times if start <= other <= start + 60) for start in times) <= 200
    assert times[-1] == pytest.approx(1000 / 200 * 61, rel=0.2)
