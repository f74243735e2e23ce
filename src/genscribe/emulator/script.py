"""What is played and when: an endless, seeded script of the bundled dialogues, or calls from elsewhere in slots."""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251 - seeded: the same seed plays the same script
from typing import Protocol

import anyio

from genscribe import clock
from genscribe.emulator.calls import Call, Utterance
from genscribe.emulator.dialogue import Dialogue, bundled
from genscribe.emulator.pacing import spoken, typed
from genscribe.emulator.staging import Scene, scenes

LIVE = 6
"""Conversations at once when nobody says otherwise: as many as a person can follow on a screen."""

PAUSE_MS = (500, 6_000)
"""Between the end of one call and the next one in its slot."""

STAGGER_MS = (400, 1_500)
"""Between the first calls of a script."""

EMPTY = 0.004
"""How often an utterance is followed by an empty line, as the endpoint's format allows."""


def performance(dialogue: Dialogue, chance: Random) -> Call:
    """One call after this dialogue, its names, numbers, times and id drawn."""
    lines = dialogue.perform(chance)
    voice = dialogue.media_type == "voice"
    said = spoken(lines, chance, dialogue.language) if voice else typed(lines, chance)
    conversation = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    lines_said = _with_empty_lines(said, chance)
    return Call(conversation, lines_said, dialogue.media_type, dialogue.topic, language=dialogue.language)


def schedule(seed: int = 0, live: int = LIVE) -> Iterator[Call]:
    """The bundled dialogues, endless, in order of `starts_ms`: no topic twice before all were played.

    One of the first `live` calls begins with the script, the others are in progress, so that much is said at once.
    """
    chance = Random(seed)
    calls = _performances(chance)
    first = [next(calls)]
    for call in (next(calls) for _ in range(live - 1)):
        joined_ms = round(call.duration_ms * chance.uniform(0.1, 0.8))
        rest = tuple(said for said in call.utterances if said.due_ms > joined_ms)
        first.append(replace(call, utterances=rest, starts_ms=-joined_ms))
    yield from _in_slots(first, calls, chance)


def arrange(calls: Iterable[Call], live: int = LIVE, seed: int = 0) -> Iterator[Call]:
    """These calls, each once and whole, about `live` of them at a time, in order of `starts_ms`."""
    chance = Random(seed)
    waiting = iter(calls)
    first: list[Call] = []
    start = 0
    for _, call in zip(range(max(1, live)), waiting, strict=False):
        first.append(replace(call, starts_ms=start))
        start += chance.randint(*STAGGER_MS)
    return _in_slots(first, waiting, chance)


def _in_slots(first: Sequence[Call], more: Iterator[Call], chance: Random) -> Iterator[Call]:
    """The first calls, then one of `more` whenever one has ended."""
    yield from sorted(first, key=lambda call: call.starts_ms)
    free = [_free_at(call, chance) for call in first]
    heapq.heapify(free)
    for call in more:
        placed = replace(call, starts_ms=heapq.heappop(free))
        heapq.heappush(free, _free_at(placed, chance))
        yield placed


def _free_at(call: Call, chance: Random) -> int:
    return call.starts_ms + call.duration_ms + chance.randint(*PAUSE_MS)


def _performances(chance: Random) -> Iterator[Call]:
    while True:
        for dialogue in chance.sample(bundled(), len(bundled())):
            yield performance(dialogue, chance)


def _with_empty_lines(said: Sequence[Utterance], chance: Random) -> tuple[Utterance, ...]:
    lines: list[Utterance] = []
    for one in said:
        lines.append(one)
        if chance.random() < EMPTY:
            lines.append(replace(one, text="", offset_ms=one.offset_ms + one.duration_ms, duration_ms=0))
    return tuple(lines)


class Stage(Protocol):
    """What a script is played on: the emulator."""

    def say(
        self,
        text: str | None,
        *,
        conversation: str,
        speaker: str | None,
        media_type: str,
        at: int | None,
        type: str | None,  # noqa: A002 - the endpoint's word
        duration_ms: int,
    ) -> object:
        """One line, now."""

    def end(self, conversation: str) -> None:
        """The conversation is over."""


@dataclass(frozen=True, order=True)
class _Cue:
    """The next thing to happen; `said` is `None` for the end of the call, a scene for what happens around it."""

    due_ms: int
    number: int
    call: Call
    said: Utterance | Scene | None


Act = Callable[[Call, Scene, int], None]
"""Lets a scene happen; the last argument is when, epoch milliseconds."""


_RINGING = ("begin", "enqueue")
"""The scenes of a call before anybody speaks."""


async def play(
    stage: Stage, calls: Iterable[Call], speed: float = 1.0, act: Act | None = None, *, ring_s: float = 0.0
) -> None:
    """Plays calls in real time, `speed` times faster than life, until there are no more.

    Args:
        stage: Where they are said.
        calls: In order of `starts_ms`; may be endless, it is read as it is needed.
        speed: How many times faster than life.
        act: Also lets the scenes of each call happen, before what is said at the same time; `None` plays only words.
            The scene that ends a call comes before its last words are sent, `stage.end` after them.
        ring_s: For so long each call only rings, whatever the speed: who listens call by call needs a moment before
            the first word.
    """
    began, began_ms = anyio.current_time(), clock.wall_ms()
    for cue in _cues(calls, staged=act is not None, ring_ms=round(ring_s * 1000 * speed)):
        await anyio.sleep_until(began + cue.due_ms / 1000 / speed)
        call, said = cue.call, cue.said
        if isinstance(said, Scene):
            assert act is not None
            rung_ms = 0 if said.act in _RINGING else ring_s * 1000
            act(call, said, began_ms + round((call.starts_ms + said.at_ms) / speed + rung_ms))
            continue
        if said is None:
            stage.end(call.id)
            continue
        stage.say(
            said.text,
            conversation=call.id,
            speaker=said.speaker,
            media_type=call.media_type,
            at=began_ms + round((call.starts_ms + said.offset_ms) / speed + ring_s * 1000),
            type=said.type,
            duration_ms=round(said.duration_ms / speed),
        )


def _cues(calls: Iterable[Call], *, staged: bool = False, ring_ms: int = 0) -> Iterator[_Cue]:
    """Everything that happens, in order of time, with never more calls in hand than are live."""
    waiting: list[_Cue] = []
    number = 0
    for call in calls:
        while waiting and waiting[0].due_ms < call.starts_ms:
            yield heapq.heappop(waiting)
        for said in (*(scenes(call) if staged else ()), *call.utterances, None):
            rung_ms = 0 if isinstance(said, Scene) and said.act in _RINGING else ring_ms
            heapq.heappush(waiting, _Cue(call.starts_ms + _due_ms(call, said) + rung_ms, number, call, said))
            number += 1
    while waiting:
        yield heapq.heappop(waiting)


def _due_ms(call: Call, said: Utterance | Scene | None) -> int:
    if said is None:
        return call.duration_ms + 1
    return said.at_ms if isinstance(said, Scene) else said.due_ms
