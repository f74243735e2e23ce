"""In-memory stand-ins: a journal, a sink, and events to put into them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import anyio

from genscribe.events import DELIVERED_KINDS, Conversation, Gap, Message, Position, Record, Utterance, encode


def record(seq: int, *, text: str = "", conversation: str = "c", kind: str = "utterance", final: bool = True) -> Record:
    """A record of the kind, for tests that do not care about the rest."""
    at = f"2026-03-21T01:09:{seq % 60:02d}.000Z"
    body = {
        "utterance": lambda: Utterance[str](
            key=f"k{seq}",
            revision=int(final),
            conversation_id=conversation,
            media_type="voice",
            speaker="agent",
            text=text or f"text {seq}",
            is_final=final,
            spoken_at=at,
            received_at=at,
            source="test",
        ),
        "conversation": lambda: Conversation[str](
            key=f"{conversation}:started", revision=1, conversation_id=conversation, state="started", at=at
        ),
        "gap": lambda: Gap[str](key=f"g{seq}", revision=1, started_at=at, ended_at=at, reason="disconnected"),
        "message": lambda: Message[str](key=f"m{seq}", revision=1, conversation_id=conversation, message_id=f"{seq}"),
    }[kind]()
    return Record(seq, kind, encode(body))


class MemoryJournal:
    """`delivery.Backlog` in memory."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = list(records)
        self.head = self.records[-1].seq if self.records else 0
        self.cursors: dict[str, int] = {}
        self.dead: dict[tuple[str, int], str] = {}
        self.store_id = "store"
        self.mistrusted = 0
        self.names: dict[str, str] = {}
        self.reads = 0
        self._moved = anyio.Event()

    def commit(self, *records: Record) -> None:
        self.records.extend(records)
        self.head = self.records[-1].seq
        self._moved.set()
        self._moved = anyio.Event()

    def say(self, count: int) -> None:
        """Commits that many utterances."""
        self.commit(*(record(self.head + 1 + n) for n in range(count)))

    def purge(self, upto: int) -> None:
        self.records = [row for row in self.records if row.seq > upto]

    async def wait_beyond(self, seq: int) -> int:
        while self.head <= seq:
            await self._moved.wait()
        return self.head

    async def read(self, after: int, limit: int) -> list[Record]:
        self.reads += 1
        return [row for row in self.records if row.seq > after][:limit]

    def cursor(self, name: str) -> int | None:
        return self.cursors.get(name)

    async def save_cursor(self, name: str, seq: int, *, at_once: bool = False) -> None:
        assert seq >= self.cursors.get(name, 0), "a cursor never goes back"
        assert seq <= self.head, "a cursor never passes the head"
        self.cursors[name] = seq

    async def dead_letter(self, sink: str, seq: int, reason: str) -> None:
        self.dead[sink, seq] = reason

    async def forget_dead_letter(self, sink: str, seq: int) -> None:
        self.dead.pop((sink, seq), None)

    async def position(self, seq: int) -> Position:
        crc = next((f"{zlib.crc32(row.body):08x}" for row in self.records if row.seq == seq), None)
        return Position(self.store_id, seq, crc)

    async def trusted(self, name: str, at: Position) -> int:
        here = await self.position(at.seq)
        fits = at.store_id == self.store_id and at.seq <= self.head and (here.crc is None or here.crc == at.crc)
        self.mistrusted += not fits
        return at.seq if fits else 0

    async def told(self, conversation_id: str, known_to: int) -> list[Record]:
        assert known_to <= self.head
        return [row for row in self.records if row.kind == "gap" or f'"{conversation_id}"'.encode() in row.body]

    queues: dict[str, str] = {}

    async def queue_names(self) -> dict[str, str]:
        return self.names


class MemorySink:
    """A sink whose misbehaviour is written down beforehand.

    Args:
        faults: What each call of `write` does before it takes the batch: an exception is raised, a function is
            called with the batch and may raise, `None` is no fault. Once used up all goes well.
        open_faults: The same for `open`.
        poison: The `seq` it refuses. `tells` says whether it says which.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(
        self,
        faults: Sequence[Exception | Callable[[Sequence[Record]], None] | None] = (),
        *,
        open_faults: Sequence[Exception | None] = (),
        poison: Sequence[int] = (),
        tells: bool = True,
    ) -> None:
        self.faults = list(faults)
        self.open_faults = list(open_faults)
        self.poison = set(poison)
        self.tells = tells
        self.batches: list[list[int]] = []
        self.opened = 0
        self.closed = 0
        self.tries = 0
        self.wrote = anyio.Event()
        self.tried = anyio.Event()

    @property
    def seqs(self) -> list[int]:
        """What it has taken, in order, repetitions included."""
        return [seq for batch in self.batches for seq in batch]

    async def open(self) -> None:
        self.opened += 1
        if self.open_faults and (fault := self.open_faults.pop(0)) is not None:
            self.tried.set()
            raise fault

    async def write(self, batch: Sequence[Record]) -> None:
        from genscribe.sinks.base import RowsRejected

        assert batch
        self.tries += 1
        await anyio.lowlevel.checkpoint()
        self.tried.set()
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            fault(batch)
        bad = {row.seq: "poison" for row in batch if row.seq in self.poison}
        if bad:
            raise RowsRejected(bad if self.tells else {}, "refused")
        self.batches.append([row.seq for row in batch])
        self.wrote.set()

    async def aclose(self) -> None:
        self.closed += 1


class Destination:
    """A database: rows by key, and a place, written together."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.position: Position | None = None


class KeepingSink(MemorySink):
    """A sink that keeps its position in the destination."""

    guarantee: ClassVar[str] = "exactly-once"

    def __init__(
        self, destination: Destination, *args: Any, asked_faults: Sequence[Exception] = (), **rest: Any
    ) -> None:
        super().__init__(*args, **rest)
        self.destination = destination
        self.asked = 0
        self.asked_faults = list(asked_faults)

    async def position(self) -> Position | None:
        assert self.opened, "the destination is asked once it is open"
        self.asked += 1
        if self.asked_faults:
            raise self.asked_faults.pop(0)
        return self.destination.position

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        await super().write(batch)
        for row in batch:
            self.destination.rows[json.loads(row.body)["key"]] = row.body
        self.destination.position = position

    async def write(self, batch: Sequence[Record]) -> None:
        raise AssertionError("its position would be lost")
