"""`core/gaps.py`: no two gaps begin at the same millisecond, memory has a bound, and it costs little."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.gaps import Starts


def key_of(at: int) -> str:
    return f"store:{at}"


def test_a_begin_that_is_taken_moves_back() -> None:
    starts = Starts(key_of)
    assert [starts.take(at) for at in (100, 100, 99, 100, 50)] == [
        (100, "store:100"),
        (99, "store:99"),
        (98, "store:98"),
        (97, "store:97"),
        (50, "store:50"),
    ]


def test_keys_of_earlier_are_taken() -> None:
    starts = Starts(key_of, ["store:100", "store:99", "other:98"])
    assert starts.take(100) == (98, "store:98")


@given(st.lists(st.integers(0, 40), max_size=60), st.sets(st.integers(-5, 40)))
def test_each_gets_the_last_free_one(wanted: list[int], known: set[int]) -> None:
    starts = Starts(key_of, map(key_of, known))
    free = set(range(-200, 41)) - known
    for since in wanted:
        expected = max(at for at in free if at <= since)
        assert starts.take(since) == (expected, key_of(expected))
        free.remove(expected)


def test_thousands_at_one_moment_cost_little() -> None:
    looks = 0

    def counted(at: int) -> str:
        nonlocal looks
        looks += 1
        return key_of(at)

    starts = Starts(counted)
    assert len({starts.take(1_000_000) for _ in range(6_000)}) == 6_000
    assert looks < 3 * 6_000


def test_the_oldest_are_forgotten_but_for_those_that_are_open() -> None:
    held = {"store:1000", "store:1010"}
    starts = Starts(key_of, held=held, capacity=5)
    for at in range(1000, 1100, 10):
        starts.take(at)
    assert len(starts) <= 5 + len(held)
    assert starts.take(1000)[0] != 1000
    assert starts.take(1010)[0] != 1010
    assert starts.take(1020)[0] == 1020, "forgotten"
