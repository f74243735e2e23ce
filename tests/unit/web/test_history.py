from __future__ import annotations

from genscribe.telemetry import Counters
from genscribe.telemetry.histogram import Histogram
from genscribe.web.history import EVERY_S, MINUTE, SAMPLES, History


def test_a_sample_is_what_came_since_the_last() -> None:
    counters = Counters()
    counters.commit_seconds.observe(9.0)
    history = History(100, counters)
    counters.commit_seconds.observe(0.004)
    counters.speech_seconds.observe(3.5)
    history.take(110)
    history.take(110)
    series = history.series()
    assert series["events_per_s"] == [10 / EVERY_S, 0]
    assert series["commit_ms"][0] is not None
    assert 2.5 < series["commit_ms"][0] <= 5.0
    assert series["commit_ms"][1] is None, "nothing came"
    assert history.events_per_s == 0


def test_the_usual_lag_is_that_of_the_last_minute() -> None:
    counters = Counters()
    history = History(0, counters)
    assert history.speech_s is None
    for _ in range(10):
        counters.speech_seconds.observe(33.0)
    history.take(10)
    assert history.speech_s is not None
    assert 30 < history.speech_s <= 35
    for _ in range(MINUTE):
        counters.speech_seconds.observe(3.5)
        history.take(11)
    assert 3 < history.speech_s <= 4


def test_only_half_an_hour_is_kept() -> None:
    history = History(0, None)
    for seq in range(SAMPLES + 5):
        history.take(seq)
    assert len(history.series()["events_per_s"]) == SAMPLES
    assert history.speech_s is None


def test_a_store_that_was_replaced_goes_back() -> None:
    history = History(100, None)
    history.take(3)
    assert history.series()["events_per_s"] == [0]


def test_quantiles_lie_between_their_bounds() -> None:
    histogram = Histogram((1.0, 2.0, 4.0))
    assert histogram.quantile(0.5) is None
    for value in (0.5, 1.5, 3.0, 3.0):
        histogram.observe(value)
    assert histogram.quantile(0.25) == 1.0
    assert histogram.quantile(0.5) == 2.0
    assert histogram.quantile(0.75) == 3.0
    histogram.observe(99.0)
    assert histogram.quantile(1.0) == 4.0
    assert histogram.since(histogram.copy()).quantile(0.5) is None
