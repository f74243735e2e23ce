"""The supervisor against links that are scripts, in virtual time: order, counts and gaps, to the millisecond."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.attempts import Pace
from genscribe.core.retry import Budget
from genscribe.errors import Disconnected, GenscribeError, NotPermitted, Throttled, Unreachable
from genscribe.events import Event
from genscribe.sources.base import Frame
from genscribe.sources.supervisor import OVERLAP_S, PORTION_BYTES, Supervisor
from genscribe.sources.websocket import Silent
from genscribe.telemetry import Telemetry
from tests.virtual_time import EPOCH_MS, VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


@dataclass
class Diary:
    """An inlet that writes down what it is told, with the second at which it was told."""

    lines: list[str] = field(default_factory=list)
    full: bool = False

    def accept(self, events: Sequence[Event[str]]) -> None:
        raise AssertionError("these tests hear through `hear`")

    async def room(self) -> None:
        while self.full:
            await anyio.sleep(0.1)

    def hearing(self, *, heard_at: int) -> None:
        self.lines.append(f"hearing {(heard_at - EPOCH_MS) / 1000:g}")

    def deaf(self, *, since: int, reason: str) -> None:
        self.lines.append(f"deaf since {(since - EPOCH_MS) / 1000:g}: {reason}")

    @property
    def gaps(self) -> list[str]:
        return [line for line in self.lines if line.startswith("deaf")]


class ScriptedLink:
    """A link that lives `life_s`, says a frame every `every_s`, and then ends with `error`."""

    def __init__(
        self,
        *,
        life_s: float = 1e9,
        every_s: float | None = None,
        error: GenscribeError | None = None,
        due_s: float | None = None,
        answers: bool = True,
        last_byte_s: float | None = None,
    ) -> None:
        self.opened_s = anyio.current_time()
        self.ends_s = self.opened_s + life_s
        self.every_s = every_s
        self.error = error or Disconnected("gone.", code=1006)
        self.due_s = due_s
        self.answers = answers
        self.last_byte_s = last_byte_s
        self.closed_s: float | None = None
        self._closed = anyio.Event()

    @property
    def heard_at(self) -> int:
        if self.last_byte_s is not None:
            return EPOCH_MS + round((self.opened_s + self.last_byte_s) * 1000)
        return clock.wall_ms()

    async def receive(self) -> list[Frame]:
        left = self.ends_s - anyio.current_time()
        wait = left if self.every_s is None else min(left, self.every_s)
        with anyio.move_on_after(max(wait, 0)):
            await self._closed.wait()
        if self._closed.is_set() or anyio.current_time() >= self.ends_s:
            raise self.error
        return [b"frame"]

    async def keepalive(self) -> None:
        await anyio.sleep_forever()

    async def handover_due(self) -> str:
        if self.due_s is None:
            await anyio.sleep_forever()
        await anyio.sleep(self.opened_s + (self.due_s or 0) - anyio.current_time())
        return "a test wants it"

    async def ping(self) -> None:
        if not self.answers:
            await anyio.sleep_forever()

    async def aclose(self) -> None:
        if self.closed_s is None:
            self.closed_s = anyio.current_time()
        self._closed.set()


@dataclass
class World:
    """A platform whose answers to dials are a script; the last one repeats."""

    script: list[Callable[[], ScriptedLink] | GenscribeError]
    dials: list[float] = field(default_factory=list)
    links: list[ScriptedLink] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    diary: Diary = field(default_factory=Diary)

    async def dial(self) -> ScriptedLink:
        self.dials.append(anyio.current_time())
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, GenscribeError):
            raise answer
        self.links.append(answer())
        return self.links[-1]

    def hear(self, frames: list[Frame]) -> int:
        self.heard += [anyio.current_time()] * len(frames)
        return len(frames)

    async def run(self, seconds: float) -> Supervisor:
        budget = Budget()
        supervisor = Supervisor(
            source="test",
            dial=self.dial,
            hear=self.hear,
            inlet=self.diary,
            make_pace=lambda: Pace(budget),
            telemetry=Telemetry(),
        )
        stop = asyncio.get_running_loop().call_later(seconds, supervisor.stop)
        try:
            await supervisor.run()
        finally:
            stop.cancel()
        return supervisor


async def test_a_lost_link_is_a_gap_from_its_last_byte_and_hearing_again_ends_it() -> None:
    world = World([lambda: ScriptedLink(life_s=30, last_byte_s=28.5), ScriptedLink])
    await world.run(100)
    gap = world.diary.lines.index("deaf since 28.5: disconnected")
    again = next(line for line in world.diary.lines[gap + 1 :] if line.startswith("hearing"))
    assert float(again.split()[1]) == pytest.approx(world.dials[1], abs=0.001)
    assert len(world.diary.gaps) == 1


async def test_a_clean_close_is_a_disconnection_like_any_other() -> None:
    world = World([lambda: ScriptedLink(life_s=0, error=Disconnected("bye.", code=1000))])
    await world.run(20)
    assert 3 <= len(world.dials) <= 8, "a server that closes at once sees at most 8 attempts in 20 s"


async def test_a_server_that_closes_at_once_is_dialled_ever_more_rarely() -> None:
    world = World([lambda: ScriptedLink(life_s=0)])
    await world.run(3600)
    assert len(world.dials) < 3600 / 20
    for start in world.dials:
        assert sum(start <= dial < start + 60 for dial in world.dials) <= 12


async def test_events_without_life_do_not_reset_the_backoff() -> None:
    world = World([lambda: ScriptedLink(life_s=1, every_s=0.5)])
    await world.run(3600)
    assert len(world.dials) < 3600 / 20


async def test_a_link_that_proved_itself_resets_the_backoff() -> None:
    world = World([*[Unreachable("no.")] * 8, lambda: ScriptedLink(life_s=15, every_s=1), ScriptedLink])
    await world.run(2000)
    assert world.dials[9] - world.links[0].ends_s <= 1.0


async def test_retry_after_wins_over_the_backoff() -> None:
    world = World([Throttled("slow down.", retry_after_s=90), ScriptedLink])
    await world.run(200)
    assert 90 <= world.dials[1] <= 90 * 1.2


async def test_silence_is_told_as_silence() -> None:
    world = World([lambda: ScriptedLink(life_s=50, last_byte_s=8, error=Silent("dead.")), ScriptedLink])
    await world.run(100)
    assert world.diary.gaps == ["deaf since 8: silent"]


async def test_a_fatal_verdict_ends_the_run() -> None:
    world = World([NotPermitted("403.")])
    with pytest.raises(NotPermitted):
        await world.run(100)
    assert len(world.dials) == 1


async def test_a_fatal_close_ends_the_run() -> None:
    world = World([lambda: ScriptedLink(life_s=5, error=NotPermitted("1008 again."))])
    with pytest.raises(NotPermitted):
        await world.run(100)


async def test_a_handover_overlaps_and_leaves_no_gap() -> None:
    world = World([lambda: ScriptedLink(due_s=30, every_s=1), lambda: ScriptedLink(every_s=1)])
    await world.run(60)
    old, new = world.links
    assert old.closed_s is not None
    assert old.closed_s - new.opened_s >= OVERLAP_S
    assert world.diary.gaps == []


async def test_the_old_link_serves_while_the_new_one_cannot_be_opened() -> None:
    world = World([lambda: ScriptedLink(due_s=30, every_s=1), *[Unreachable("no.")] * 5, ScriptedLink])
    await world.run(400)
    assert len(world.dials) == 7
    assert world.links[0].closed_s > world.links[1].opened_s
    assert world.diary.gaps == []


async def test_a_new_link_that_answers_no_ping_is_not_taken() -> None:
    world = World([lambda: ScriptedLink(due_s=30), lambda: ScriptedLink(answers=False), ScriptedLink])
    await world.run(200)
    first, mute, third = world.links
    assert mute.closed_s < third.opened_s < first.closed_s
    assert world.diary.gaps == []


async def test_losing_the_old_link_during_the_overlap_is_no_gap() -> None:
    world = World([lambda: ScriptedLink(due_s=30, life_s=31), ScriptedLink])
    await world.run(100)
    assert len(world.links) == 2
    assert world.diary.gaps == []


async def test_an_old_link_that_was_dead_before_its_successor_was_open_is_a_gap() -> None:
    """Nobody had noticed yet; handed over, it would be forgotten."""
    dead = ScriptedLink
    world = World([lambda: dead(last_byte_s=1, due_s=30, answers=False), lambda: ScriptedLink(every_s=1)])
    await world.run(60)
    assert world.diary.gaps == ["deaf since 1: silent"]
    after = world.diary.lines[world.diary.lines.index("deaf since 1: silent") :]
    assert after[1] == "hearing 30"
    before = world.diary.lines[1 : -len(after)]
    assert set(before) == {"hearing 1"}, "a crash before it was told would begin the gap there too"


async def test_losing_the_only_link_while_its_successor_is_dialled_is_a_gap() -> None:
    world = World([lambda: ScriptedLink(due_s=30, life_s=40), *[Unreachable("no.")] * 6, ScriptedLink])
    await world.run(400)
    assert world.diary.gaps == ["deaf since 40: disconnected"]


async def test_stop_closes_the_link_and_tells_no_gap() -> None:
    world = World([lambda: ScriptedLink(every_s=1)])
    await world.run(10.5)
    assert world.links[0].closed_s == pytest.approx(10.5)
    assert world.diary.gaps == []
    assert world.diary.lines[-1] == "hearing 10.5", "what was heard until the stop bounds the next gap"


async def test_stop_ends_a_wait_between_dials() -> None:
    world = World([Throttled("later.", retry_after_s=3000)])
    with anyio.fail_after(11):
        await world.run(10)


async def test_stop_during_a_handover_leaves_no_link_open() -> None:
    world = World([lambda: ScriptedLink(due_s=10), lambda: ScriptedLink(answers=False)])
    await world.run(12)
    assert all(link.closed_s is not None for link in world.links)


async def test_until_when_we_heard_is_told_at_least_every_ten_seconds() -> None:
    world = World([ScriptedLink])
    await world.run(100)
    told = [float(line.split()[1]) for line in world.diary.lines]
    assert max(b - a for a, b in itertools.pairwise(told)) <= 10


async def test_room_is_asked_for_within_what_one_wake_up_brought() -> None:
    """A wake-up may bring megabytes, and each of them tens of thousands of events."""
    world = World([lambda: ScriptedLink(every_s=1)])
    heard: list[int] = []
    at: list[float] = []

    async def receive(self: ScriptedLink) -> list[Frame]:
        if heard:
            await self._closed.wait()
            raise self.error
        return [b"x" * PORTION_BYTES] * 4

    def hear(frames: list[Frame]) -> int:
        heard.append(len(frames))
        at.append(anyio.current_time())
        world.diary.full = True
        return len(frames)

    world.hear = hear  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedLink, "receive", receive)
        await world.run(30)
    assert at == [pytest.approx(0), pytest.approx(30)]
    assert heard == [2, 2], "two make a portion; the rest waits for room, or as here for the stop"
    assert set(world.diary.lines[:-1]) == {"hearing 0"}, "what waits is not heard yet"


async def test_reading_waits_while_there_is_no_room() -> None:
    world = World([lambda: ScriptedLink(every_s=1)])

    async def fill() -> None:
        await anyio.sleep(5.5)
        world.diary.full = True
        await anyio.sleep(20)
        world.diary.full = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill)
        await world.run(40)
    assert not [second for second in world.heard if 6.5 < second < 25]
    assert [second for second in world.heard if second > 26]
