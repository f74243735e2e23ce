"""The life of a large organisation on the emulator: conversations begin, are answered, spoken in and end, without end.

Starts, words and ends are a Poisson process each, as in life, so that they come in bunches. Who ends is drawn from
all that were answered, and a new one begins as often: about as many are live all the time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random  # noqa: TID251
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from store import WORDS

from genscribe import clock
from genscribe.emulator import Emulator

QUEUES = 200
RING_S = (1.0, 8.0)
"""Until an agent answers."""
TRANSFERS = 0.08
SPOKEN_MS = 2_500
DELAY_MS = 1_500
"""From the end of the words to the platform's sending them."""
LAST_WORDS_S = (0.1, 0.9)
"""From the end of a conversation to its last words: before the word that the session has ended."""
LAST_WORDS = 0.5
"""The share of conversations that have some."""


class Callers:
    """Plays on `emulator`.

    Args:
        emulator: The platform.
        live: Conversations at a time.
        turnover: Starts a minute, and ends.
        words: Utterances a second, over all conversations.

    Attributes:
        begun: When each conversation began, epoch milliseconds, which is when its first event was sent.
        lags: Seconds by which each thing happened later than it should: the emulator's own slowness.
    """

    def __init__(self, emulator: Emulator, *, live: int, turnover: float, words: float, seed: int = 1) -> None:
        self.begun: dict[str, int] = {}
        self.lags: list[float] = []
        self._emulator, self._turnover, self._words = emulator, turnover, words
        self._chance = random.Random(seed)
        self._answered: list[str] = []
        self._place: dict[str, int] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        premises = emulator.organisation
        self._queues = [premises.add_queue(f"Queue {number}").id for number in range(QUEUES)]
        self._agents = itertools.cycle([premises.add_user(f"Agent {number}").id for number in range(live * 11 // 10)])
        for _ in range(live):
            age_ms = round(self._chance.expovariate(turnover / 60 / live) * 1000) if turnover else 60_000
            self._begin(clock.wall_ms() - min(age_ms, 3_600_000), connected=True)
        self.first = list(self.begun)

    async def run(self) -> None:
        """Plays until cancelled."""
        now = time.monotonic()
        self._later(now, self._start)
        self._later(now, self._speak)
        while True:
            while self._due and self._due[0][0] <= time.monotonic():
                due, _, act = heapq.heappop(self._due)
                self.lags.append(time.monotonic() - due)
                act()
            await asyncio.sleep(max(0.0, self._due[0][0] - time.monotonic()))

    def _later(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._order), act))

    def _start(self) -> None:
        now = time.monotonic()
        identity = self._begin(clock.wall_ms(), connected=False)
        self._later(now + self._chance.uniform(*RING_S), lambda: self._answer(identity))
        self._end(self._chance.choice(self._answered))
        self._later(now + self._chance.expovariate(self._turnover / 60), self._start)

    def _begin(self, at: int, *, connected: bool) -> str:
        identity = clock.fresh_id()
        identity = f"{identity[:8]}-{identity[8:12]}-4{identity[13:16]}-a{identity[17:20]}-{identity[20:]}"
        self.begun[identity] = at
        queue, agent = self._chance.choice(self._queues), next(self._agents)
        self._emulator.organisation.begin(identity, now=at, queue=queue, agent=agent, connected=connected)
        if connected:
            self._joined(identity)
        return identity

    def _answer(self, identity: str) -> None:
        self._emulator.connect(identity)
        self._joined(identity)

    def _joined(self, identity: str) -> None:
        self._place[identity] = len(self._answered)
        self._answered.append(identity)

    def _end(self, identity: str) -> None:
        place, last = self._place.pop(identity), self._answered.pop()
        if last != identity:
            self._answered[place], self._place[last] = last, place
        self._emulator.end(identity)
        if self._chance.random() < LAST_WORDS:
            self._later(time.monotonic() + self._chance.uniform(*LAST_WORDS_S), lambda: self._say(identity))

    def _speak(self) -> None:
        now = time.monotonic()
        identity = self._chance.choice(self._answered)
        if self._chance.random() < TRANSFERS * self._turnover / 60 / self._words:
            queue, agent = self._chance.choice(self._queues), next(self._agents)
            self._emulator.transfer(identity, queue=queue, agent=agent)
        self._say(identity)
        self._later(now + self._chance.expovariate(self._words), self._speak)

    def _say(self, identity: str) -> None:
        self._emulator.say(
            " ".join(self._chance.choices(WORDS, k=self._chance.randint(3, 20))),
            conversation=identity,
            speaker=self._chance.choice(("agent", "customer")),
            at=clock.wall_ms() - DELAY_MS - SPOKEN_MS,
            duration_ms=SPOKEN_MS,
        )
