"""How long to wait: every rule holds for every draw of chance."""

from __future__ import annotations

from email.utils import format_datetime
from random import Random  # seeds of its own

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genscribe.core.retry import (
    RETRY_AFTER_CAP_S,
    Budget,
    ProvenLink,
    Window,
    backoff,
    patience,
    retry_after,
)

NOW_MS = 1_774_000_000_000
SERVER_DATE = "Fri, 20 Mar 2026 09:46:40 GMT"  # the same moment


@pytest.mark.parametrize(
    ("attempt", "most"), [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (10_000, 60), (-1, 1)]
)
def test_backoff_is_full_jitter_from_one_second_doubling_to_sixty(attempt, most):
    assert backoff(attempt, lambda low, high: high) == most
    assert backoff(attempt, lambda low, high: low) == 0


def test_backoff_uses_the_whole_range():
    draws = [backoff(4, Random(seed).uniform) for seed in range(500)]
    assert min(draws) < 1
    assert max(draws) > 15
    assert len(set(draws)) > 400


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("3600", 3600),
        ("3601", 3600),
        ("1e9", 3600),
        ("1000000000", 3600),
        ("9" * 20, 3600),
        (None, None),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1_0", None),
        ("٧", None),
        ("7 s", None),
        ("soon", None),
        ("9" * 5000, None),
        ("Fri, 20 Mar 2026 09:47:40 GMT", 60),
        ("Friday, 20-Mar-26 09:47:40 GMT", 60),
        ("Fri Mar 20 09:47:40 2026", 60),
        ("Fri, 20 Mar 2026 11:47:40 +0200", 60),
        ("Fri, 20 Mar 2026 09:46:40 GMT", None),
        ("Fri, 20 Mar 2026 09:00:00 GMT", None),
        ("Wed, 20 Mar 2126 09:46:40 GMT", 3600),
        ("Fri, 99 Mar 2026 09:46:40 GMT", None),
    ],
)
@pytest.mark.parametrize("date", [None, SERVER_DATE], ids=["our clock", "server's clock"])
def test_retry_after(value, seconds, date):
    assert retry_after(value, now_ms=NOW_MS, date=date) == seconds


def test_a_date_is_measured_against_the_servers_own_date():
    # Our clock is a day behind; the server wants a minute.
    ours = NOW_MS - 86_400_000
    assert retry_after("Fri, 20 Mar 2026 09:47:40 GMT", now_ms=ours, date=SERVER_DATE) == 60
    assert retry_after("Fri, 20 Mar 2026 09:47:40 GMT", now_ms=NOW_MS, date="nonsense") == 60


@given(value=st.text() | st.floats().map(str) | st.datetimes().map(format_datetime), date=st.none() | st.text())
@example(value="Mon, 01 Jan 0001 00:00:00 +2359", date=None)
@example(value="Fri, 31 Dec 9999 23:59:59 -2359", date=None)
@example(value="0000 00 00", date="1 1 1")
def test_no_header_breaks_it(value, date):
    seconds = retry_after(value, now_ms=NOW_MS, date=date)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_CAP_S


def test_patience_is_never_shorter_than_asked_and_at_most_a_fifth_longer():
    assert patience(10, lambda low, high: low) == 10
    assert patience(10, lambda low, high: high) == pytest.approx(12)
    assert patience(3600, lambda low, high: high) == 3600, "an hour is as long as anybody makes us wait"


@pytest.mark.parametrize(
    ("heard_at", "now", "proved"),
    [(None, 0, False), (None, 59.9, False), (None, 60, True), (0.5, 9.9, False), (0.5, 10, True), (30, 30, True)],
)
def test_a_link_has_proved_itself_after_an_event_and_10_s_or_after_60_s(heard_at, now, proved):
    link = ProvenLink(opened_at=100)
    if heard_at is not None:
        link.heard(100 + heard_at)
        link.heard(100 + heard_at + 1000)
    assert link.proved(100 + now) is proved
    assert link.first_event_at == (None if heard_at is None else 100 + heard_at)


def most_in(times, seconds):
    """The most attempts in any closed span of so many seconds."""
    return max(sum(1 for other in times if start <= other <= start + seconds) for start in times)


def attempts_at_a_server_that_closes_at_once(uniform, until_s):
    budget, now, times, failures = Budget(), 0.0, [], 0
    while now <= until_s:
        budget.take(now)
        times.append(now)
        delay = backoff(failures, uniform)
        failures += 1
        now += delay + budget.wait(now + delay)
    return times


@pytest.mark.parametrize("seed", range(20))
def test_full_jitter_alone_draws_what_the_budget_must_stop(seed):
    times = attempts_at_a_server_that_closes_at_once(Random(seed).uniform, 600)
    assert most_in(times, 20) <= 8
    assert most_in(times, 60) <= 12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@example([0.0])
def test_at_most_8_attempts_in_20_s_and_12_in_60_s_whatever_chance_draws(draws):
    endless = iter(draws * 1000)
    times = attempts_at_a_server_that_closes_at_once(lambda low, high: low + (high - low) * next(endless), 300)
    assert most_in(times, 20) <= 8
    assert most_in(times, 60) <= 12


def test_an_empty_budget_asks_for_no_wait():
    assert Budget().wait(0.0) == 0


def test_a_budget_opens_when_the_oldest_attempt_leaves_the_window():
    budget = Budget((Window(2, 10.0),))
    budget.take(0.0)
    assert budget.wait(1.0) == 0
    budget.take(1.0)
    assert budget.wait(1.0) == 9
    assert budget.wait(10.0) == 0
    budget.take(10.0)
    assert budget.wait(10.0) == 1


def test_a_budget_remembers_no_more_than_it_needs():
    budget = Budget((Window(2, 10.0), Window(3, 30.0)))
    for now in range(1000):
        budget.take(float(now))
    assert len(budget._taken) == 3


def test_each_window_counts_back_from_the_last_attempt():
    budget = Budget((Window(2, 10.0), Window(5, 11.0)))
    for now in (0.0, 9.0, 10.0):
        budget.take(now)
    assert budget.wait(10.0) == 9
