"""A seeded share of the fuzz: no exception, no lost neighbour, flat memory."""

from __future__ import annotations

import tracemalloc
from itertools import islice

import pytest

from genscribe.core.decode import transcripts
from tests.memory import held

from .checks import RECEIVED, check
from .frames import Case, cases

FRAMES = 20_000


@pytest.mark.parametrize("seed", range(4))
def test_hostile_frames_raise_nothing_and_lose_nothing(seed: int) -> None:
    outcomes = {"utterance": 0, "unreadable": 0, "empty": 0, "system": 0}
    for number, case in enumerate(islice(cases(seed), FRAMES // 4)):
        try:
            decoded = check(case)
        except Exception as error:
            raise AssertionError(f"seed {seed}, case {number}: {error!r} for {case.payload[:2000]!r}") from error
        outcomes["empty"] += decoded.empty
        outcomes["system"] += decoded.system
        for event in decoded.events:
            outcomes[event.kind] += 1
    assert min(outcomes.values()) > FRAMES // 1_000, "the fuzz has gone tame"


def test_the_same_seed_gives_the_same_frames() -> None:
    assert list(islice(cases(7), 200)) == list(islice(cases(7), 200))


def test_a_frame_decodes_the_same_each_time() -> None:
    for case in islice(cases(8), 1_000):
        assert check(case) == check(case)


def test_a_lost_neighbour_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="neighbour"):
        check(Case('{"transcript":[{"text":"other"}]}', binary=False, good=("hello",)))


def test_memory_is_flat() -> None:
    def run() -> None:
        for case in islice(cases(9), 1_000):
            transcripts.decode(case.payload, binary=case.binary, received_at=RECEIVED)

    run()
    tracemalloc.start()
    try:
        before = held()
        run()
        grown = held() - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000
