from __future__ import annotations

from genscribe.emulator.limits import Limits, Window


def test_a_minute_has_so_many_requests_and_begins_with_the_first() -> None:
    limits = Limits(allowed=3)
    taken = [limits.take("a", now) for now in (10.0, 10.2, 69.0, 69.9)]
    assert [one.refused for one in taken] == [False, False, False, True]
    assert [one.count for one in taken] == [1, 2, 3, 3]
    assert [one.reset_s for one in taken] == [60, 60, 1, 1]
    assert not limits.take("a", 70.0).refused, "the next minute"


def test_each_token_has_a_minute_of_its_own() -> None:
    limits = Limits(allowed=1)
    assert [limits.take(token, 0).refused for token in ("a", "b", "a", "b")] == [False, False, True, True]
    assert list(limits.windows) == [Window("a", 0, 1, 1), Window("b", 0, 1, 1)]


def test_the_headers_say_how_things_stand() -> None:
    limits = Limits(allowed=180)
    assert limits.take("a", 0).headers == (
        ("inin-ratelimit-count", "1"),
        ("inin-ratelimit-allowed", "180"),
        ("inin-ratelimit-reset", "60"),
    )


def test_the_limit_may_be_changed() -> None:
    limits = Limits(allowed=0)
    assert limits.take("a", 0).refused
    limits.allowed = 1
    assert not limits.take("a", 0).refused
