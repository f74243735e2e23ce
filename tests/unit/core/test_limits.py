"""The budget of REST requests: never above the platform's limit, subscriptions first, sweeps at most a third."""

from __future__ import annotations

from itertools import chain, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genscribe.core.limits import UNTOLD_S, WINDOW_S, RestBudget, Share, parts_of

SUBSCRIBE, TEXT, SWEEP = Share.SUBSCRIBE, Share.TEXT, Share.SWEEP


def headers(allowed=300, count=1, reset=60):
    return {
        "inin-ratelimit-allowed": str(allowed),
        "inin-ratelimit-count": str(count),
        "inin-ratelimit-reset": str(reset),
    }


def take_all(budget, share, now, most=1000, **how):
    """Takes until the budget says wait; how many that were."""
    for taken in range(most):
        if budget.wait(share, now, **how):
            return taken
        budget.take(share, now)
    return most


def most_in(times, seconds=60.0):
    """The most in any closed span of so many seconds."""
    return max((sum(1 for other in times if start <= other <= start + seconds) for start in times), default=0)


def flood(budget, shares, until_s, now=0.0):
    """Everybody always wants to go, in the order of `shares`; when each went."""
    went = {share: [] for share in shares}
    while now <= until_s:
        waits = {}
        for share in shares:
            waits[share] = budget.wait(share, now, subscribe_waits=SUBSCRIBE in shares and share is not SUBSCRIBE)
            if waits[share] == 0:
                budget.take(share, now)
                went[share].append(now)
                break
        else:
            now += max(min(waits.values()), 1e-6)
    return went


@pytest.mark.parametrize("allowed", [1, 2, 3, 5, 10, 60, 180, 300, 1000])
def test_everybody_at_once_stays_below_the_limit_in_any_minute(allowed):
    went = flood(RestBudget(allowed), list(Share), 300)
    assert most_in(sorted(chain.from_iterable(went.values()))) <= max(1, 0.95 * allowed)
    assert most_in(went[SWEEP]) <= max(1, allowed / 3)
    assert most_in(went[SUBSCRIBE]) <= max(1, 2 * allowed / 3)


def test_a_storm_of_subscriptions_gets_two_thirds_and_never_waits_for_long():
    went = flood(RestBudget(300), [SUBSCRIBE], 600)[SUBSCRIBE]
    assert sum(1 for at in went if at == 0) == 101
    assert 198 <= most_in(went) <= 200
    assert len(went) == pytest.approx(200 * 600 / WINDOW_S, rel=0.15)
    assert max(later - sooner for sooner, later in pairwise(went)) <= 3 * WINDOW_S / 300 + 1e-6


def test_others_that_came_first_never_hold_up_a_storm_of_subscriptions():
    budget = RestBudget(300)
    flood(budget, [TEXT, SWEEP], 200)
    assert take_all(budget, SUBSCRIBE, 200.1) >= 100, "the burst is theirs alone"
    went = flood(budget, [SUBSCRIBE], 300, now=200.1)[SUBSCRIBE]
    assert max(later - sooner for sooner, later in pairwise(went)) <= 2 * 3 * WINDOW_S / 300


def test_texts_and_sweeps_go_on_in_a_storm_of_subscriptions():
    went = flood(RestBudget(300), list(Share), 600)
    assert len(went[TEXT]) >= 10 * 50
    assert len(went[SWEEP]) >= 10 * 28, "what texts leave of the rest"
    alone = flood(RestBudget(300), [SUBSCRIBE], 600)
    assert len(went[SUBSCRIBE]) == len(alone[SUBSCRIBE]), "of subscriptions they take nothing"


def test_neither_of_texts_and_sweeps_starves_the_other():
    for first, second in ((TEXT, SWEEP), (SWEEP, TEXT)):
        budget = RestBudget(300)
        taken = take_all(budget, first, 0.0)
        assert taken == 55, "54 of the rest, and the steady one"
        assert take_all(budget, second, 0.0) == 30


def test_alone_sweeps_take_a_third_and_no_more():
    assert most_in(flood(RestBudget(300), [SWEEP], 300)[SWEEP]) == 100


@pytest.mark.parametrize("share", [TEXT, SWEEP])
def test_while_a_subscription_waits_others_have_the_rest_alone(share):
    taken = take_all(RestBudget(300), share, 0.0, subscribe_waits=True)
    assert taken == 54, "the steady part is the subscription's"


@pytest.mark.parametrize("share", [TEXT, SWEEP])
def test_when_most_of_the_burst_is_used_others_leave_the_steady_part_alone(share):
    for subscriptions, taken in ((81, 55), (82, 54)):
        budget = RestBudget(300)
        for _ in range(subscriptions):
            budget.take(SUBSCRIBE, 0.0)
        assert budget.burst_used(0.0) == (subscriptions - 1) / 100
        assert take_all(budget, share, 1.0) == taken
    assert budget.burst_used(WINDOW_S) == 0


asking = st.lists(st.tuples(st.floats(0, 20), st.sampled_from(list(Share)), st.booleans()), max_size=120)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 400), asking, st.integers(1, 12))
@example(3, [(0.0, SUBSCRIBE, False)] * 20, 10)
def test_whoever_asks_in_whatever_order(allowed, asks, at_once):
    budget, now = RestBudget(allowed), 0.0
    went = {share: [] for share in Share}
    for step, share, waits in asks:
        now += step
        for _ in range(at_once):
            if budget.wait(share, now, subscribe_waits=waits) == 0:
                budget.take(share, now)
                went[share].append(now)
    assert most_in(sorted(chain.from_iterable(went.values()))) <= max(1, 0.95 * allowed)
    assert most_in(went[SWEEP]) <= max(1, allowed / 3)
    assert most_in(went[SUBSCRIBE]) <= max(1, 2 * allowed / 3)


@settings(max_examples=200, deadline=None)
@given(st.integers(12, 400), asking, st.integers(1, 12))
def test_a_subscription_waits_for_nobody_below_the_burst(allowed, asks, at_once):
    budget, now, subscribed = RestBudget(allowed), 0.0, []
    for step, share, waits in asks:
        now += step
        for _ in range(at_once):
            wait_s = budget.wait(share, now, subscribe_waits=waits)
            if share is SUBSCRIBE:
                if sum(1 for at in subscribed if at > now - WINDOW_S) < allowed // 3:
                    assert wait_s == 0
                subscribed += [now] if wait_s == 0 else []
            if wait_s == 0:
                budget.take(share, now)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), asking)
def test_after_the_wait_one_may_go(allowed, asks):
    budget, now = RestBudget(allowed), 0.0
    for step, share, _ in asks:
        now += step
        now += budget.wait(share, now)
        assert budget.wait(share, now) <= 1e-6
        budget.take(share, now)


# What the platform says


def test_the_platform_says_how_many_are_allowed():
    budget = RestBudget()
    budget.learn(headers(allowed=60, count=0), 0.0)
    assert budget.allowed == 60
    assert take_all(budget, SUBSCRIBE, 0.0) == 21


def test_its_count_wins_where_others_use_the_same_token():
    budget = RestBudget()
    budget.take(SWEEP, 0.0)
    budget.learn(headers(count=201, reset=40), 0.0)
    assert (budget.others, budget.used(0.0)) == (200, 201)
    assert take_all(budget, SUBSCRIBE, 0.0) == parts_of(100).third + 1
    assert 0 < budget.wait(SUBSCRIBE, 0.0) <= 40
    assert budget.wait(SUBSCRIBE, 40.0) == 0
    assert budget.others == 0, "their minute is over"


def test_no_wait_is_longer_than_the_minute_of_the_others():
    budget = RestBudget()
    budget.learn(headers(count=200, reset=40), 0.0)
    assert len(flood(budget, [SWEEP], 38)[SWEEP]) == parts_of(100).third
    assert 0 < budget.wait(SWEEP, 39.0) <= 1, "a third of what they left is used up, but not of the whole"


def test_a_count_below_ours_says_nothing_of_others():
    budget = RestBudget()
    for _ in range(10):
        budget.take(SUBSCRIBE, 0.0)
    budget.learn(headers(count=7), 0.0)
    assert budget.others == 0
    budget.learn(headers(count=12), 0.0)
    budget.learn(headers(count=11), 0.0)
    assert budget.others == 2, "an answer that was overtaken takes nothing back"


def test_a_minute_that_is_used_up_holds_everybody_until_it_ends():
    budget = RestBudget()
    budget.learn(headers(count=300, reset=17), 100.0)
    assert {budget.wait(share, 100.0) for share in Share} == {17}
    assert {budget.wait(share, 117.0) for share in Share} == {0}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"inin-ratelimit-allowed": "0"},
        headers("x", "y", "z"),
        headers(-1, -1, -1),
        headers("1" * 5000, "1" * 5000, "1" * 5000),
        headers("³", "", " "),
    ],
)
def test_headers_that_make_no_sense_change_nothing(told):
    budget = RestBudget()
    budget.learn(told, 0.0)
    assert (budget.allowed, budget.others, budget.wait(SWEEP, 0.0)) == (300, 0, 0)


def test_a_count_without_an_end_is_not_believed():
    budget = RestBudget()
    budget.learn({"inin-ratelimit-count": "250"}, 0.0)
    assert budget.others == 0


def test_a_reset_of_hours_lasts_a_minute():
    budget = RestBudget()
    budget.learn(headers(count=300, reset=9999), 0.0)
    assert budget.wait(SUBSCRIBE, 0.0) == WINDOW_S


def test_after_a_429_nobody_goes_before_it_ends():
    budget = RestBudget()
    budget.refused(20.0, 0.0, SWEEP)
    assert {budget.wait(share, 5.0) for share in Share} == {15}
    budget.refused(1.0, 5.0, TEXT)
    assert budget.wait(SUBSCRIBE, 5.0) == 15, "the longer one holds"
    assert {budget.wait(share, 20.0) for share in Share} == {0}


def test_a_429_that_says_no_time_holds_for_a_moment():
    budget = RestBudget()
    budget.refused(None, 0.0)
    assert budget.wait(SUBSCRIBE, 0.0) == UNTOLD_S


def test_a_quota_of_hours_on_a_sweep_does_not_stop_subscriptions_for_hours():
    budget = RestBudget()
    budget.refused(3600.0, 0.0, SWEEP)
    assert budget.wait(SUBSCRIBE, 0.0) == budget.wait(TEXT, 0.0) == WINDOW_S
    assert budget.wait(SWEEP, 0.0) == 3600
    assert budget.wait(SUBSCRIBE, WINDOW_S) == 0
    assert budget.wait(SWEEP, 3600.0) == 0


def test_nothing_is_remembered_for_longer_than_needed():
    budget = RestBudget()
    for now in range(10_000):
        if budget.wait(TEXT, float(now)) == 0:
            budget.take(TEXT, float(now))
    assert sum(len(times) for times in (budget._all, budget._rest, budget._burst, budget._sweeps)) < 700
