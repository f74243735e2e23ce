"""A destination in memory with a hand on it, and the two sinks that serve it well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import anyio.lowlevel

from genscribe.events import Position, Record, Utterance, encode
from genscribe.sinks.base import RowsRejected, SinkUnavailable

TEAR_AFTER = 5


class Destination:
    """Rows by `seq` in order of arrival, and the ways in which a server is trouble."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.places: dict[str, Position] = {}
        self.known: set[int] = set()
        self.owner: object = None
        self.running = True
        self.swallowing = False
        self.room: int | None = None
        self.gate = anyio.Event()
        self.gate.set()

    async def down(self) -> None:
        self.running = False

    async def up(self) -> None:
        self.running = True

    async def hold(self) -> None:
        self.gate = anyio.Event()

    async def release(self) -> None:
        self.gate.set()

    async def swallow(self) -> None:
        self.swallowing = True

    async def tear(self) -> None:
        self.room = TEAR_AFTER

    async def delivered(self) -> list[int]:
        return self.rows

    @property
    def hooks(self) -> dict[str, Any]:
        names = ("delivered", "down", "up", "hold", "release", "swallow", "tear")
        return {name: getattr(self, name) for name in names} | {"poison": poison}

    def ask(self) -> None:
        if not self.running:
            raise SinkUnavailable("nobody is there.")

    async def take(self, batch: Sequence[Record], *, once: bool = False, at: Position | None = None) -> None:
        self.ask()
        await anyio.lowlevel.checkpoint()
        self.ask()
        if any(b"poison" in record.body for record in batch):
            raise RowsRejected({}, "it is not to its taste")
        for record in batch:
            self._tear()
            if not (once and record.seq in self.rows):
                self.rows.append(record.seq)
        if at is not None:
            self.places[at.store_id] = at
        await self.gate.wait()
        if self.swallowing:
            self.swallowing = False
            raise SinkUnavailable("the connection broke.")

    def _tear(self) -> None:
        if self.room is not None:
            self.room -= 1
            if self.room < 0:
                self.room = None
                raise SinkUnavailable("the connection broke.")


def poison(seq: int) -> Record:
    return Record(seq, "utterance", encode(Utterance[str](key=f"p{seq}", revision=1, text="this is poison")))


class Good:
    guarantee = "at-least-once"
    kinds = frozenset({"utterance"})
    once = False

    def __init__(self, there: Destination, store: str = "s") -> None:
        self.there = there
        self.store = store

    async def open(self) -> None:
        self.there.ask()

    async def write(self, batch: Sequence[Record]) -> None:
        await self.there.take(batch, once=self.once)

    async def aclose(self) -> None:
        pass


class Once(Good):
    guarantee = "exactly-once"
    once = True

    async def position(self) -> Position | None:
        return self.there.places.get(self.store)

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        await self.there.take(batch, once=True, at=position)
