"""`core/decode/times.py`: every spelling of a time gives one form, and garbage gives none."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.decode import times

MOMENT = "2026-03-21T01:09:55.225Z"
EPOCH_MS = 1774055395225


@pytest.mark.parametrize(
    "spelling",
    [
        MOMENT,
        "2026-03-21T01:09:55.225000Z",
        "2026-03-21T01:09:55.225000000Z",
        "2026-03-21t01:09:55.225z",
        "2026-03-21T01:09:55.225",
        "2026-03-21 01:09:55.225",
        "2026-03-21 01:09:55.225 Z",
        " 2026-03-21T01:09:55.225Z\n",
        "2026-03-21T01:09:55,225Z",
        "2026-03-21T01:09:55.225+00:00",
        "2026-03-21T03:09:55.225+02:00",
        "2026-03-21T03:09:55.225+0200",
        "2026-03-21T03:09:55.225+02",
        "2026-03-20T19:39:55.225-05:30",
        EPOCH_MS,
        float(EPOCH_MS),
        1774055395.225,
    ],
)
def test_every_spelling_of_an_instant_is_read_as_the_same_time(spelling: str | float) -> None:
    assert times.read(spelling) == (MOMENT, MOMENT)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-21T01:09Z", "2026-03-21T01:09:00.000Z"),
        ("2026-03-21T01:09:55Z", "2026-03-21T01:09:55.000Z"),
        ("2026-03-21T01:09:55.Z", "2026-03-21T01:09:55.000Z"),
        ("2026-03-21T01:09:55.2Z", "2026-03-21T01:09:55.200Z"),
        ("2026-03-21T01:09:55.2259999Z", "2026-03-21T01:09:55.225Z"),
        ("2026-03-21T01:09:59.9999Z", "2026-03-21T01:09:59.999Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("2024-02-29T12:00:00.000Z", "2024-02-29T12:00:00.000Z"),
        ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (1774055395, "2026-03-21T01:09:55.000Z"),
        (99_999_999_999, "5138-11-16T09:46:39.000Z"),
        (100_000_000_000, "1973-03-03T09:46:40.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (EPOCH_MS + 0.5, "2026-03-21T01:09:55.225Z"),
        (1e-7, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_the_time_is_cut_to_milliseconds(value: str | float, expected: str) -> None:
    assert times.read(value)[0] == expected


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "yesterday",
        "2026-03-21",
        "2026-02-29T01:09:55.225Z",
        "2026-13-01T01:09:55.225Z",
        "2026-03-21T24:00:00.000Z",
        "2026-03-21T01:60:55.225Z",
        "2026-03-21T01:09:61.225Z",
        "2026-03-21T01:09:55.225+24:00",
        "2026-W12-6T01:09:55.225Z",
        "0000-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00.000+01:00",
        "9999-12-31T23:59:59.999-01:00",
        "٢٠٢٦-03-21T01:09:55.225Z",
        "2026-03-21T01:09:55.22５Z",
        -1,
        253_402_300_800_000,
        2**70,
        pytest.param(10**5000, id="huge"),
        float("nan"),
        float("inf"),
        1e300,
    ],
)
def test_garbage_is_no_time_but_keeps_an_identity(garbage: str | float) -> None:
    time, identity = times.read(garbage)
    assert time is None
    assert identity or garbage == ""


def test_no_time_has_no_identity() -> None:
    assert times.read(None) == (None, "")


def test_garbage_that_differs_has_identities_that_differ() -> None:
    identities = [times.read(value)[1] for value in ("yesterday", "today", -1, -2, 10**5000, 10**5000 + 1, 1e300)]
    assert len(set(identities)) == len(identities)


def test_instants_less_than_a_millisecond_apart_have_identities_that_differ() -> None:
    first, second = times.read("2026-03-21T01:09:55.2251Z"), times.read("2026-03-21T01:09:55.2258Z")
    assert first[0] == second[0] == MOMENT
    assert first[1] != second[1]


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),
    st.timedeltas(min_value=timedelta(hours=-23), max_value=timedelta(hours=23)),
)
def test_agrees_with_the_standard_library(moment: datetime, offset: timedelta) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset // timedelta(minutes=1))))
    utc = aware.astimezone(timezone.utc)
    expected = utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    assert times.read(aware.isoformat())[0] == expected


@given(st.one_of(st.text(), st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), st.floats(), st.integers()))
def test_is_total_and_keeps_what_it_wrote_itself(value: str | float) -> None:
    time, _ = times.read(value)
    if time is not None:
        assert times.read(time) == (time, time)
        datetime.fromisoformat(time[:-1])


# Milliseconds


def test_the_zero_that_is_negative_is_zero() -> None:
    assert times.read(-0.0) == times.read(0)


@pytest.mark.parametrize("value", [MOMENT, EPOCH_MS, float(EPOCH_MS), "2026-03-21T03:09:55.2259+02:00"])
def test_a_time_as_milliseconds(value: str | float) -> None:
    assert times.to_ms(value) == EPOCH_MS


@pytest.mark.parametrize("value", [None, "", "yesterday", -1, 1e300, "2026-02-30T00:00:00.000Z"])
def test_what_is_no_time_has_no_milliseconds(value: str | float | None) -> None:
    assert times.to_ms(value) is None


@pytest.mark.parametrize("ms", [EPOCH_MS, EPOCH_MS + 0.9])
def test_milliseconds_as_a_time(ms: float) -> None:
    assert times.from_ms(ms) == MOMENT


@pytest.mark.parametrize("ms", [-1, -0.5, 253_402_300_800_000, 2**70, 1e300, float("inf"), float("nan")])
def test_milliseconds_of_no_four_digit_year_are_no_time(ms: float) -> None:
    assert times.from_ms(ms) is None


@given(st.integers(0, 253_402_300_799_999))
def test_milliseconds_come_back(ms: int) -> None:
    text = times.from_ms(ms)
    assert text is not None
    assert times.to_ms(text) == ms
