from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.emulator import Call, Utterance, arrange, play, schedule
from genscribe.emulator.dialogue import bundled


def call(name: str, *dues: int, starts_ms: int = 0) -> Call:
    return Call(name, tuple(Utterance("agent", f"{name}{due}", due, 0, 0) for due in dues), starts_ms=starts_ms)


class Recorder:
    """A stage that remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.at: list[int] = []

    def say(self, text: str | None, *, at: int | None, **_: Any) -> None:
        self.heard.append(str(text))
        self.at.append(at or 0)

    def end(self, conversation: str) -> None:
        self.heard.append(f"{conversation} ended")


def test_the_same_seed_plays_the_same_script() -> None:
    assert list(islice(schedule(7), 40)) == list(islice(schedule(7), 40))
    assert list(islice(schedule(7), 40)) != list(islice(schedule(8), 40))


def test_a_schedule_never_ends_and_repeats_no_topic_too_soon() -> None:
    calls = list(islice(schedule(3), 3 * len(bundled())))
    by_start = [one.topic for one in calls]
    assert sorted(by_start[: len(bundled())]) == sorted(dialogue.topic for dialogue in bundled())
    assert len({one.id for one in calls}) == len(calls)


@pytest.mark.parametrize("live", [1, 6, 20])
def test_about_as_many_calls_are_live_as_asked(live: int) -> None:
    calls = list(islice(schedule(1, live), 300))
    last = calls[-1].starts_ms
    changes = sorted(change for one in calls for change in ((one.starts_ms, 1), (one.starts_ms + one.duration_ms, -1)))
    busy = now = most = 0
    for (at, step), (following, _) in pairwise(changes):
        now += step
        most = max(most, now)
        busy += now * max(0, min(following, last) - max(at, 0))
    assert most == live
    assert 0.9 * live < busy / last <= live


def test_calls_come_in_order_of_their_start() -> None:
    for calls in (list(islice(schedule(5), 200)), list(arrange([call(str(n), n) for n in range(50)], live=4))):
        assert all(one.starts_ms <= other.starts_ms for one, other in pairwise(calls))


def test_a_schedule_begins_in_the_middle_of_life() -> None:
    first = list(islice(schedule(2, 6), 6))
    assert [one.starts_ms == 0 for one in first].count(True) == 1
    assert all(said.due_ms + one.starts_ms > 0 for one in first for said in one.utterances)
    soon = [said for one in first for said in one.utterances if said.due_ms + one.starts_ms < 10_000]
    assert len(soon) >= 5


def test_arranged_calls_are_whole_and_played_once() -> None:
    calls = [call(str(n), 0, 10_000) for n in range(20)]
    placed = list(arrange(iter(calls), live=3))
    assert [(one.id, one.utterances) for one in placed] == [(one.id, one.utterances) for one in calls]
    assert list(arrange([], live=3)) == []
    assert len(list(arrange(calls, live=0))) == 20
    assert [one.id for one in arrange(calls[:2], live=3)] == ["0", "1"]


def test_a_script_has_rare_empty_and_system_lines() -> None:
    said = [line for one in islice(schedule(1), 200) for line in one.utterances]
    empty = sum(line.text == "" for line in said) / len(said)
    system = sum(line.type == "system" for line in said) / len(said)
    assert 0 < empty < 0.02
    assert 0 < system < 0.02


@pytest.mark.anyio
async def test_calls_are_played_in_order_of_time_and_ended() -> None:
    stage = Recorder()
    calls = [call("a", 0, 300, 100), call("b", 0, 10, starts_ms=150)]
    await play(stage, calls, speed=100)
    assert stage.heard == ["a0", "a100", "b0", "b10", "b ended", "a300", "a ended"]


@pytest.mark.anyio
async def test_speed_scales_time_and_the_times_said() -> None:
    stage = Recorder()
    began, began_ms = anyio.current_time(), clock.wall_ms()
    await play(stage, [call("a", 0, 1000)], speed=10)
    assert 0.1 <= anyio.current_time() - began < 2
    assert stage.at[1] - stage.at[0] == 100
    assert abs(stage.at[0] - began_ms) < 1000


@pytest.mark.anyio
async def test_an_endless_script_is_read_as_it_is_needed() -> None:
    read: list[int] = []

    def endless() -> Iterator[Call]:
        number = 0
        while True:
            read.append(number)
            yield call(str(number), 0, starts_ms=1000 * number)
            number += 1

    stage = Recorder()
    with anyio.move_on_after(0.05):
        await play(stage, endless(), speed=1)
    assert stage.heard == ["00", "0 ended"]
    assert len(read) <= 3
