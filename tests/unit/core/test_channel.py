"""A channel's life: the table as drawn, the timers, and what a lost channel is told from."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core import channel
from genscribe.core.channel import (
    HEARTBEAT_LATE_S,
    LIFE_S,
    LONGEST_WAIT_S,
    NOTHING,
    PAST_S,
    PONG_S,
    PROVED_S,
    QUICKLY_S,
    SOONEST_S,
    TABLE,
    Action,
    Cause,
    ChannelLife,
    Decision,
    Happened,
    State,
    replace_after_s,
)
from genscribe.events import Gap

DAY_S = 86_400.0


def no_jitter(low: float, high: float) -> float:
    return low


def most_jitter(low: float, high: float) -> float:
    return high


def life(expires_in_s: float | None = DAY_S, **known) -> ChannelLife:
    return ChannelLife(0.0, expires_in_s=expires_in_s, uniform=no_jitter, **known)


def opened(expires_in_s: float | None = DAY_S, **known) -> ChannelLife:
    one = life(expires_in_s, **known)
    assert one.on(Happened.OPENED, 0.0) == NOTHING
    assert one.state is State.OPEN
    return one


def doubted() -> ChannelLife:
    one = opened()
    assert one.on(Happened.TIMER, HEARTBEAT_LATE_S).action is Action.PING
    return one


# The table.


def drawn() -> dict[tuple[State, str], str]:
    """The fields of the table in the module's docstring that are not empty."""
    rows = [line.split("|") for line in (channel.__doc__ or "").splitlines() if "|" in line]
    states = [State[name.strip()] for name in rows[0][1:]]
    return {
        (state, row[0].strip()): field.strip()
        for row in rows[1:]
        for state, field in zip(states, row[1:], strict=True)
        if field.strip()
    }


def test_the_table_is_as_drawn():
    assert drawn() == {
        (state, cause.value): " ".join(
            filter(None, (rule.state.name, rule.decision.action.value, rule.decision.gap_reason))
        )
        for state, rules in TABLE.items()
        for cause, rule in rules.items()
    }


def test_every_state_has_its_row_and_every_cause_can_come():
    assert set(TABLE) == set(State)
    met = {cause for rules in TABLE.values() for cause in rules}
    assert met == {*Happened, *Cause} - {Happened.TIMER, Happened.GONE}


def decisions() -> list[Decision]:
    return [rule.decision for rules in TABLE.values() for rule in rules.values() if rule.decision != NOTHING]


def test_whatever_is_to_do_says_why_and_only_what_is_lost_is_a_gap():
    for decision in decisions():
        assert decision.why
        sentence = decision.why[0].isupper() and decision.why[-1] in ".?"
        assert sentence is (decision.action is not Action.REPLACE)
        if decision.action in (Action.PING, Action.REPLACE):
            assert decision.gap_reason == ""
        if decision.action is Action.RECONNECT:
            assert decision.gap_reason in ("disconnected", "silent")
        if decision.action is Action.RENEW:
            assert decision.gap_reason in ("disconnected", "evicted", "")


def test_the_reasons_are_the_contracts_words():
    words = re.findall(r"`([a-z ]+)`", (Gap.__doc__ or "").split("reason:")[1].split("conversation_ids")[0])
    assert {decision.gap_reason for decision in decisions()} - {""} <= set(words)


def test_what_is_dead_stays_dead():
    dead = opened()
    assert dead.on(Happened.TAKEN, 1.0).action is Action.RENEW
    for happened in Happened:
        assert dead.on(happened, 2.0 * DAY_S) == NOTHING
    assert dead.state is State.DEAD
    assert dead.due(2.0 * DAY_S) == LONGEST_WAIT_S


# The heartbeat.


def test_a_late_heartbeat_is_asked_for_and_a_missing_pong_means_a_new_connection():
    one = opened()
    assert one.due(0.0) == HEARTBEAT_LATE_S
    one.on(Happened.FRAME, 30.0)
    assert one.due(30.0) == HEARTBEAT_LATE_S
    assert one.on(Happened.TIMER, 65.9) == NOTHING
    assert one.on(Happened.TIMER, 66.0).action is Action.PING
    assert one.state is State.DOUBTED
    assert one.due(66.0) == PONG_S
    assert one.on(Happened.TIMER, 75.9) == NOTHING
    decision = one.on(Happened.TIMER, 76.0)
    assert (decision.action, decision.gap_reason, one.state) == (Action.RECONNECT, "silent", State.NEW)
    assert "silent for 36 s" in decision.why
    assert one.on(Happened.CLOSED, 76.1) == NOTHING


@pytest.mark.parametrize("life_sign", [Happened.FRAME, Happened.PONG])
def test_any_sign_of_life_ends_the_doubt(life_sign: Happened) -> None:
    one = doubted()
    assert one.on(life_sign, 40.0) == NOTHING
    assert one.state is State.OPEN
    assert one.due(40.0) == HEARTBEAT_LATE_S
    assert one.on(Happened.TIMER, 50.0) == NOTHING


def test_the_longest_silence_is_noticed_within_a_minute():
    assert HEARTBEAT_LATE_S + PONG_S < 60.0


def test_a_timer_that_comes_late_by_a_stalled_loop_asks_before_it_gives_up():
    one = opened()
    assert one.on(Happened.TIMER, 500.0).action is Action.PING
    assert one.on(Happened.TIMER, 500.0) == NOTHING
    assert one.on(Happened.TIMER, 510.0).action is Action.RECONNECT


def test_the_watch_begins_anew_with_each_connection():
    one = doubted()
    one.on(Happened.TIMER, 46.0)
    assert one.due(46.0) == LONGEST_WAIT_S
    one.on(Happened.OPENED, 100.0)
    assert one.due(100.0) == HEARTBEAT_LATE_S
    assert one.on(Happened.TIMER, 135.0) == NOTHING


# Its age.


@pytest.mark.parametrize(
    ("expires_in_s", "latest", "soonest"),
    [
        (None, LIFE_S - 300, LIFE_S - 3_900),
        (math.nan, LIFE_S - 300, LIFE_S - 3_900),
        (DAY_S, DAY_S - 300, DAY_S - 3_900),
        (3_600, 3_300, 2_940),
        (3_000, 2_700, 2_400),
        (1_000, 900, 800),
        (10, 9, 8),
        (6, 5.4, 5),
        (1, SOONEST_S, SOONEST_S),
        (0, PAST_S, PAST_S),
        (-DAY_S, PAST_S, PAST_S),
        (-math.inf, PAST_S, PAST_S),
        (10 * 365 * DAY_S, 10 * 365 * DAY_S - 300, 10 * 365 * DAY_S - 3_900),
        (math.inf, math.inf, math.inf),
    ],
)
def test_expires_is_obeyed_whatever_it_says(expires_in_s: float | None, latest: float, soonest: float) -> None:
    assert replace_after_s(expires_in_s, no_jitter) == pytest.approx(latest)
    assert replace_after_s(expires_in_s, most_jitter) == pytest.approx(soonest)


def run(one: ChannelLife, until: float, *, every: float) -> tuple[list[tuple[float, Action]], int]:
    """Obeys the timers, with a heartbeat every so often; what was decided when, and how many timers it took."""
    now, beat, timers = 0.0, every, 0
    seen: list[tuple[float, Action]] = []
    while now < until:
        due = now + one.due(now)
        if beat <= due:
            now, beat = beat, beat + every
            one.on(Happened.FRAME, now)
            continue
        now, timers = due, timers + 1
        decision = one.on(Happened.TIMER, now)
        if decision != NOTHING:
            seen.append((now, decision.action))
    return seen, timers


@given(st.one_of(st.none(), st.floats(-1e9, 1e9), st.sampled_from([0.0, 1.0, 10.0, math.inf, -math.inf, math.nan])))
def test_a_healthy_channel_is_replaced_once_and_its_timers_never_spin(expires_in_s: float | None) -> None:
    until = 7_200.0
    seen, timers = run(opened(expires_in_s), until, every=30.0)
    after = replace_after_s(expires_in_s, no_jitter)
    assert seen == ([(pytest.approx(after), Action.REPLACE)] if after < until else [])
    assert timers <= 3 + until / LONGEST_WAIT_S


def test_the_timers_of_a_silent_channel_never_spin():
    seen, timers = run(opened(), 3_600.0, every=1e9)
    assert seen == [(HEARTBEAT_LATE_S, Action.PING), (HEARTBEAT_LATE_S + PONG_S, Action.RECONNECT)]
    assert timers <= 4


def test_a_channel_without_a_socket_grows_old_too():
    assert life(10.0).on(Happened.TIMER, 9.0).action is Action.REPLACE


def test_the_wait_is_never_longer_than_an_hour_or_below_zero():
    one = life(DAY_S)
    assert one.due(0.0) == LONGEST_WAIT_S
    assert one.due(DAY_S) == 0.0


# Planned replacement.

WARNINGS = {
    Happened.CLOSING: "socket_closing",
    Happened.RENEWED: "access token",
}


@pytest.mark.parametrize("make", [opened, doubted])
@pytest.mark.parametrize("warning", WARNINGS)
def test_a_warning_leads_to_one_replacement_without_a_gap(warning: Happened, make) -> None:
    one = make()
    state = one.state
    decision = one.on(warning, 40.0)
    assert decision.action is Action.REPLACE
    assert WARNINGS[warning] in decision.why
    assert (one.state, one.leaving) == (state, True)
    for again in (*WARNINGS, *WARNINGS):
        assert one.on(again, 41.0) == NOTHING
    assert one.on(Happened.TIMER, DAY_S).action is not Action.REPLACE


def test_a_channel_that_is_left_is_still_watched():
    one = opened()
    one.on(Happened.CLOSING, 1.0)
    assert one.on(Happened.TIMER, 36.0).action is Action.PING
    assert one.on(Happened.TIMER, 46.0).gap_reason == "silent"


def test_a_channel_that_closes_before_its_successor_is_there_is_connected_to_again():
    one = opened()
    one.on(Happened.CLOSING, 1.0)
    assert one.on(Happened.CLOSED, 60.0)[::2] == (Action.RECONNECT, "disconnected")


@pytest.mark.parametrize("open_again", [False, True])
def test_a_replacement_that_the_loss_of_the_connection_cut_short_is_asked_for_again_once_it_is_open(open_again) -> None:
    one = opened(10.0)
    assert one.on(Happened.TIMER, 9.0).action is Action.REPLACE
    one.on(Happened.CLOSED, 9.1)
    if open_again:
        one.on(Happened.OPENED, 9.2)
        assert one.due(9.2) == 0.0
    decision = one.on(Happened.TIMER, 9.2)
    assert decision.action is (Action.REPLACE if open_again else Action.NONE)
    assert one.on(Happened.RENEWED, 9.3) == NOTHING


def test_once_replaced_its_end_is_nothing():
    one = opened()
    one.on(Happened.CLOSING, 1.0)
    assert one.on(Happened.REPLACED, 2.0) == NOTHING
    assert one.on(Happened.CLOSED, 3.0) == NOTHING


# Losses.


@pytest.mark.parametrize(
    ("happened", "code", "at", "action", "reason", "says"),
    [
        (Happened.CLOSED, 1000, 500, Action.RECONNECT, "disconnected", "connected to again"),
        (Happened.CLOSED, 1001, 500, Action.RECONNECT, "disconnected", "connected to again"),
        (Happened.CLOSED, 1006, 500, Action.RECONNECT, "disconnected", "connected to again"),
        (Happened.CLOSED, 1012, 500, Action.RECONNECT, "disconnected", "connected to again"),
        (Happened.CLOSED, 4000, 500, Action.RECONNECT, "disconnected", "connected to again"),
        (Happened.CLOSED, None, 500, Action.RECONNECT, "disconnected", "connected to again"),
        (Happened.CLOSED, 1008, 500, Action.RENEW, "disconnected", "1008"),
        (Happened.CLOSED, 1008, 5, Action.RECONNECT, "disconnected", "connected to again"),
        (Happened.REVOKED, None, 500, Action.RENEW, "disconnected", "token_revoked"),
        (Happened.TAKEN, None, 500, Action.RENEW, "evicted", "no_longer_subscribed"),
        (Happened.GONE, None, 500, Action.RENEW, "evicted", "more than 20 channels"),
        (Happened.GONE, 404, 500, Action.RENEW, "evicted", "more than 20 channels"),
        (Happened.GONE, 410, 500, Action.RENEW, "evicted", "more than 20 channels"),
        (Happened.GONE, 401, 500, Action.RENEW, "disconnected", "access token"),
        (Happened.GONE, 404, 999, Action.RENEW, "evicted", "more than 20 channels"),
        (Happened.GONE, 404, 1_000, Action.RENEW, "disconnected", "access token"),
        (Happened.GONE, 404, DAY_S, Action.RENEW, "disconnected", "access token"),
    ],
)
def test_what_a_loss_means(happened, code, at, action, reason, says) -> None:
    one = opened(token_ends_in_s=1_000.0)
    decision = one.on(happened, at, code=code)
    assert (decision.action, decision.gap_reason) == (action, reason)
    assert says in decision.why
    assert one.state is (State.NEW if action is Action.RECONNECT else State.DEAD)


def test_a_channel_that_closes_and_is_then_unknown_was_evicted():
    one = opened()
    assert one.on(Happened.CLOSED, 500.0).gap_reason == "disconnected"
    decision = one.on(Happened.GONE, 501.0, code=404)
    assert (decision.action, decision.gap_reason, one.state) == (Action.RENEW, "evicted", State.DEAD)


@pytest.mark.parametrize(("expires_in_s", "at"), [(1_000.0, 1_000.0), (None, LIFE_S), (-5.0, 1.0)])
def test_a_channel_that_is_gone_at_its_time_was_not_evicted(expires_in_s: float | None, at: float) -> None:
    decision = opened(expires_in_s).on(Happened.GONE, at)
    assert (decision.action, decision.gap_reason) == (Action.RENEW, "disconnected")
    assert "time is over" in decision.why


def test_a_new_channel_that_is_gone_before_it_was_open_is_no_gap():
    decision = life().on(Happened.GONE, 1.0, code=404)
    assert (decision.action, decision.gap_reason) == (Action.RENEW, "")


def test_an_inherited_channel_that_is_gone_was_evicted_meanwhile():
    assert life(inherited=True).on(Happened.GONE, 1.0).gap_reason == "evicted"


# Another process on our channel.


def flap(one: ChannelLife, now: float, times: int, *, open_s: float = 1.0) -> list[Action]:
    actions = []
    for _ in range(times):
        one.on(Happened.OPENED, now)
        now += open_s
        actions.append(one.on(Happened.CLOSED, now).action)
        now += 1.0
    return actions


def test_a_channel_that_hears_for_long_and_then_is_closed_quickly_twice_is_left_to_the_other_process():
    one = opened()
    assert one.on(Happened.CLOSED, 500.0).action is Action.RECONNECT
    one.on(Happened.OPENED, 501.0)
    assert one.on(Happened.CLOSED, 502.0).action is Action.RECONNECT
    one.on(Happened.OPENED, 503.0)
    decision = one.on(Happened.CLOSED, 504.0)
    assert (decision.action, decision.gap_reason) == (Action.RENEW, "disconnected")
    assert "Another process has connected to our channel" in decision.why


def test_an_inherited_channel_may_have_another_user_from_the_start():
    assert flap(life(inherited=True), 0.0, 2) == [Action.RECONNECT, Action.RENEW]


def test_a_platform_that_closes_at_once_gets_no_channel_after_channel_of_us():
    assert set(flap(life(), 0.0, 50)) == {Action.RECONNECT}


def test_closes_that_are_not_quick_or_not_in_a_row_do_not_count():
    assert set(flap(life(inherited=True), 0.0, 5, open_s=QUICKLY_S)) == {Action.RECONNECT}
    one = life(inherited=True)
    for start in range(5):
        assert flap(one, 1_000.0 * start, 1) == [Action.RECONNECT]
        assert flap(one, 1_000.0 * start + 100, 1, open_s=PROVED_S) == [Action.RECONNECT]


def test_a_channel_has_proved_itself_by_one_connection_not_by_the_sum_of_them():
    assert set(flap(life(), 0.0, 20, open_s=PROVED_S / 4)) == {Action.RECONNECT}
    one = life()
    assert flap(one, 0.0, 1, open_s=PROVED_S) == [Action.RECONNECT]
    assert flap(one, 100.0, 2) == [Action.RECONNECT, Action.RENEW]
