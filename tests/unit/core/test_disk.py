from __future__ import annotations

import pytest

from genscribe.core.disk import LOW_BYTES, DiskWatch, hours_left
from genscribe.telemetry.store import DiskLow

GB = 10**9


@pytest.mark.parametrize(
    ("before", "free", "seconds", "hours"),
    [(2 * GB, GB, 3600, 1.0), (2 * GB, GB, 1800, 0.5), (GB, GB, 3600, None), (GB, 2 * GB, 3600, None), (GB, 0, 60, 0)],
)
def test_hours_left(before: int, free: int, seconds: float, hours: float | None) -> None:
    assert hours_left(before, free, seconds) == hours


def test_it_counts_down_at_the_pace_of_the_last_hour_at_most_hourly() -> None:
    watch = DiskWatch()
    told = []
    free = 3 * GB
    for minute in range(60 * 12):
        found = watch.look(minute * 60.0, free)
        if found is not None:
            told.append((minute, *found))
        free -= GB * 4 // 600 // 2 if minute < 600 else 0  # 200 MB an hour
    assert [minute for minute, _, _ in told] == list(range(told[0][0], 720, 60))
    assert told[0][1] < LOW_BYTES
    hours = [round(each[2]) for each in told[:4]]
    assert hours == [10, 9, 8, 7]
    assert told[-1][2] is None, "the pace is that of the last hour"


def test_with_room_it_says_nothing_and_a_young_process_waits_for_a_pace() -> None:
    watch = DiskWatch()
    assert watch.look(0, LOW_BYTES) is None
    assert watch.look(60, LOW_BYTES - 1) is None
    assert watch.look(299, LOW_BYTES - 1) is None
    assert watch.look(300, LOW_BYTES - 1) is not None


@pytest.mark.parametrize(
    ("hours", "words"),
    [(None, "has not become less"), (0.4, "less than an hour"), (1.2, "in 1 hour,"), (7.9, "in 7 hours,")],
)
def test_what_it_says(hours: float | None, words: str) -> None:
    line = str(DiskLow("/s.db", GB, hours))
    assert words in line
    assert "953 MB" in line
