from __future__ import annotations

import pytest

from genscribe.core import watchdogs
from genscribe.core.watchdogs import (
    LAGS,
    LAST_CALLS,
    SAY_AGAIN_S,
    SILENT_AFTER_S,
    HeardAgain,
    Late,
    MidCall,
    Prompt,
    Silent,
    Watch,
)


def live(watch: Watch, name: str, queue: str | None, now: float) -> None:
    watch.connected(name, queue, now)
    watch.subscribed(name, now)


def heard_call(watch: Watch, name: str, queue: str | None, now: float) -> None:
    live(watch, name, queue, now)
    watch.heard(name, None, now + 1)


# Silence.


def test_a_call_without_a_message_for_two_minutes_is_silent() -> None:
    watch = Watch()
    live(watch, "a", "sales", 0)
    assert watch.look(SILENT_AFTER_S - 0.1) == []
    assert watch.silent == 0
    assert watch.look(SILENT_AFTER_S) == [Silent("sales", 1)]
    assert watch.silent == 1
    assert watch.look(SILENT_AFTER_S + 1) == [], "each thing is told once"


def test_both_must_have_been_so_for_two_minutes() -> None:
    watch = Watch()
    watch.connected("a", "sales", 0)
    assert watch.look(1000) == []
    watch.subscribed("a", 1000)
    assert watch.look(1000 + SILENT_AFTER_S - 0.1) == []
    assert watch.look(1000 + SILENT_AFTER_S) != []
    other = Watch()
    other.subscribed("a", 0)
    assert other.look(1000) == []
    other.connected("a", "sales", 1000)
    assert other.look(1000 + SILENT_AFTER_S - 0.1) == []
    assert other.look(1000 + SILENT_AFTER_S) != []


def test_what_is_told_again_does_not_begin_anew() -> None:
    watch = Watch()
    live(watch, "a", "sales", 0)
    live(watch, "a", "sales", 100)
    assert watch.look(SILENT_AFTER_S) == [Silent("sales", 1)]


def test_a_status_message_is_enough() -> None:
    watch = Watch()
    heard_call(watch, "a", "sales", 0)
    assert watch.look(1000) == []
    assert watch.silent == 0


def test_the_last_queue_of_a_call_is_the_one_that_is_named() -> None:
    watch = Watch()
    live(watch, "a", "care", 0)
    watch.connected("a", "sales", 50)
    assert watch.look(SILENT_AFTER_S) == [Silent("sales", 1)]


def test_one_silent_call_among_heard_ones_is_counted_and_not_alarmed() -> None:
    watch = Watch()
    heard_call(watch, "a", "sales", 0)
    live(watch, "b", "sales", 0)
    assert watch.look(1000) == []
    assert watch.silent == 1


def test_a_queue_that_was_heard_is_named_when_none_of_the_last_calls_was() -> None:
    watch = Watch()
    heard_call(watch, "0", "sales", 0)
    for number in range(1, LAST_CALLS):
        live(watch, str(number), "sales", 0)
    assert watch.look(1000) == []
    heard_call(watch, "heard", "sales", 1000)
    for number in range(LAST_CALLS):
        live(watch, f"again {number}", "sales", 1001)
    assert watch.look(2000) == [Silent("sales", LAST_CALLS)], "the heard one in between began the count anew"


def test_a_queue_is_named_at_most_once_an_hour() -> None:
    watch = Watch()
    live(watch, "a", "sales", 0)
    assert watch.look(SILENT_AFTER_S) == [Silent("sales", 1)]
    for number in range(10):
        live(watch, f"b{number}", "sales", 200)
    assert watch.look(SILENT_AFTER_S + SAY_AGAIN_S - 1) == []
    live(watch, "c", "sales", SAY_AGAIN_S)
    assert watch.look(SAY_AGAIN_S + SILENT_AFTER_S) == [Silent("sales", 12)]


def test_hearing_ends_an_alarm_and_does_not_shorten_the_hour() -> None:
    watch = Watch()
    live(watch, "a", "sales", 0)
    watch.look(SILENT_AFTER_S)
    watch.heard("a", None, 300)
    assert watch.silent == 0
    assert watch.look(300) == [HeardAgain("sales")]
    for number in range(LAST_CALLS):
        live(watch, f"b{number}", "sales", 400)
    assert watch.look(1000) == []
    assert watch.silent == LAST_CALLS


def test_silence_everywhere_is_one_line() -> None:
    watch = Watch()
    for number in range(400):
        live(watch, f"{number}", f"queue {number}", number)
    alarms = watch.look(1000)
    assert alarms == [Silent("queue 0", 1), Silent(None, 2, everywhere=True)]
    assert watch.silent == 400
    watch.heard("7", None, 1001)
    assert watch.look(1001) == [HeardAgain(None, everywhere=True)]


def test_where_other_queues_are_heard_each_silent_one_is_named() -> None:
    watch = Watch()
    heard_call(watch, "a", "sales", 0)
    live(watch, "b", "care", 0)
    live(watch, "c", "billing", 0)
    assert watch.look(1000) == [Silent("care", 1), Silent("billing", 1)]


def test_what_was_silent_before_something_was_heard_is_not_everywhere() -> None:
    watch = Watch()
    live(watch, "a", "care", 0)
    watch.look(1000)
    heard_call(watch, "b", "sales", 1000)
    for number in range(LAST_CALLS):
        live(watch, f"c{number}", "sales", 1010)
    assert watch.look(2000) == [Silent("sales", LAST_CALLS)]


def test_an_ended_call_is_expected_of_no_more() -> None:
    watch = Watch()
    live(watch, "a", "sales", 0)
    watch.ended("a")
    assert watch.look(1000) == []
    live(watch, "b", "sales", 1000)
    watch.look(2000)
    assert watch.silent == 1
    watch.ended("b")
    assert watch.silent == 0
    watch.ended("never seen")


def test_what_comes_after_the_end_is_remembered_by_nobody() -> None:
    watch = Watch()
    live(watch, "a", "sales", 0)
    watch.ended("a")
    watch.heard("a", 1.0, 10, into_s=500)
    watch.subscribed("a", 10)
    assert watch._calls == {}
    assert watch.look(1000) == []
    live(watch, "a", "sales", 1000)
    assert watch.look(2000) == [Silent("sales", 1)], "a conversation may go on after all"


def test_a_dropped_topic_is_expected_of_no_more_until_subscribed_again() -> None:
    watch = Watch()
    live(watch, "a", "sales", 0)
    watch.unsubscribed("a")
    watch.unsubscribed("never seen")
    assert watch.look(1000) == []
    watch.subscribed("a", 1000)
    assert watch.look(1000 + SILENT_AFTER_S - 0.1) == []
    assert watch.look(1000 + SILENT_AFTER_S) == [Silent("sales", 1)]
    watch.unsubscribed("a")
    assert watch.silent == 0


def test_a_call_heard_before_it_is_connected_counts_for_its_queue() -> None:
    watch = Watch()
    watch.subscribed("a", 0)
    watch.heard("a", None, 1)
    watch.connected("a", "sales", 2)
    live(watch, "b", "sales", 3)
    assert watch.look(1000) == []


def test_calls_fall_silent_in_the_order_in_which_they_began_to_wait() -> None:
    watch = Watch()
    watch.connected("late", "sales", 0)
    live(watch, "a", "care", 10)
    watch.subscribed("late", 60)
    assert watch.look(10 + SILENT_AFTER_S) == [Silent("care", 1)]
    assert [type(each) for each in watch.look(60 + SILENT_AFTER_S)] == [Silent]


# Lag.


def test_a_median_near_35_s_is_told_once_until_it_changes() -> None:
    watch = Watch()
    for number in range(LAGS - 1):
        watch.heard("a", 34.0, number)
    assert watch.look(100) == []
    assert watch.lag_s == 34.0
    watch.heard("a", 34.0, 100)
    assert watch.look(100) == [Late(34.0)]
    watch.heard("a", 35.0, 101)
    assert watch.look(101) == []
    for number in range(LAGS):
        watch.heard("a", 3.0, 200 + number)
    assert watch.look(300) == [Prompt(3.0)]
    assert watch.look(301) == []


def test_a_few_late_ones_say_nothing() -> None:
    watch = Watch()
    for number in range(LAGS):
        watch.heard("a", 60.0 if number % 3 == 0 else 2.0, number)
    assert watch.look(100) == []


def test_between_the_two_nothing_changes() -> None:
    watch = Watch()
    for lag in (30.0, 20.0):
        for number in range(LAGS):
            watch.heard("a", lag, number)
        watch.look(100)
    assert watch.lag_s == 20.0
    for number in range(LAGS):
        watch.heard("a", 30.0, number)
    assert watch.look(200) == [], "it was never prompt in between"


def test_messages_without_words_have_no_lag() -> None:
    watch = Watch()
    watch.heard("a", None, 0)
    watch.look(1)
    assert watch.lag_s is None


# Middle.


def test_words_from_the_middle_of_a_call_that_began_before_our_topic() -> None:
    watch = Watch()
    watch.subscribed("a", 100)
    watch.heard("a", 2.0, 110, into_s=90)
    assert watch.look(110) == [MidCall(1, "a", 90)]
    assert watch.mid_call == 1
    watch.heard("a", 2.0, 120, into_s=100)
    assert watch.mid_call == 1, "only its first words"


@pytest.mark.parametrize(
    ("subscribed", "into_s"),
    [
        pytest.param(0.0, 60.0, id="silence at the beginning, which we would have heard"),
        pytest.param(58.0, 60.0, id="subscribed a few seconds after its beginning"),
        pytest.param(109.0, 20.0, id="words soon after its beginning"),
    ],
)
def test_words_from_the_beginning(subscribed: float, into_s: float) -> None:
    watch = Watch()
    watch.subscribed("a", subscribed)
    watch.heard("a", 2.0, 112, into_s=into_s)
    assert watch.look(112) == []
    assert watch.mid_call == 0


def test_words_before_the_topic_was_confirmed() -> None:
    watch = Watch()
    watch.heard("a", 2.0, 110, into_s=90)
    assert watch.mid_call == 1


def test_many_from_the_middle_are_one_line_a_minute() -> None:
    watch = Watch()
    watch.subscribed("a", 100)
    watch.heard("a", 2.0, 110, into_s=90)
    watch.look(110)
    for name in "bcd":
        watch.subscribed(name, 100)
        watch.heard(name, 2.0, 120, into_s=91)
    assert watch.look(120) == []
    assert watch.look(170) == [MidCall(3, "d", 91)]
    assert watch.look(300) == []


# Bounds.


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdogs, "CALLS", 10)
    monkeypatch.setattr(watchdogs, "QUEUES", 5)
    watch = Watch()
    for number in range(100):
        live(watch, f"{number}", f"queue {number}", number)
        watch.look(number + SILENT_AFTER_S)
    assert (len(watch._calls), len(watch._queues), watch.silent) == (10, 5, 10)
    for number in range(100):
        watch.ended(f"{number}")
        live(watch, f"more {number}", None, 1000)
        watch.ended(f"more {number}")
    assert (len(watch._calls), len(watch._over), len(watch._waiting), watch.silent) == (0, 10, 0, 0)


def test_silent_calls_say_nothing_while_others_are_heard() -> None:
    watch = Watch()
    for call in range(20):
        watch.connected(f"quiet {call}", "sales" if call % 2 else "support", 0.0)
        watch.subscribed(f"quiet {call}", 0.0)
    for queue in ("sales", "support"):
        watch.connected(f"talking {queue}", queue, 0.0)
        watch.subscribed(f"talking {queue}", 0.0)
    for second in range(0, 125, 5):
        watch.heard("talking sales", 1.0, float(second))
        watch.heard("talking support", 1.0, float(second))
    assert watch.look(125.0) == []
    assert watch.silent == 20
