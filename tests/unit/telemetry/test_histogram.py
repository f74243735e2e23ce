"""The histogram."""

from __future__ import annotations

import pytest

from genscribe.telemetry.histogram import Histogram


def test_a_value_is_counted_where_it_falls() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.observe(value)
    assert histogram.counts == [2, 1, 1]
    assert histogram.total == pytest.approx(10.0)


@pytest.mark.parametrize(("share", "bound"), [(0.5, 1.0), (0.75, 2.0), (1.0, float("inf"))])
def test_the_bound_below_which_a_share_lies(share: float, bound: float) -> None:
    assert Histogram((1.0, 2.0), [2, 1, 1]).within(share) == bound


def test_nothing_is_said_of_no_values() -> None:
    assert Histogram().within(0.95) is None
