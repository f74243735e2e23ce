"""`check_sink` with a hand on the destination: what is right passes, and each way of being wrong is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from genscribe.events import Position, Record, Utterance, encode
from genscribe.sinks import jsonl
from genscribe.sinks.base import RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.conformance_events import FULL, filled, long
from genscribe.sinks.jsonl import JsonLinesFile
from genscribe.testing import check_sink

pytestmark = pytest.mark.anyio


class Destination:
    """Rows by `seq` in order of arrival, and the ways in which a server is trouble."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.places: dict[str, Position] = {}
        self.running = True
        self.swallowing = False
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

    async def delivered(self) -> list[int]:
        return self.rows

    @property
    def hooks(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("delivered", "down", "up", "hold", "release", "swallow")} | {
            "poison": poison
        }

    def ask(self) -> None:
        if not self.running:
            raise SinkUnavailable("nobody is there.")

    async def take(self, batch: Sequence[Record], *, once: bool, at: Position | None = None) -> None:
        self.ask()
        await anyio.lowlevel.checkpoint()
        if any(b"poison" in record.body for record in batch):
            raise RowsRejected({}, "it is not to its taste")
        self.rows += [record.seq for record in batch if not (once and record.seq in self.rows)]
        if at is not None:
            self.places[at.store_id] = at
        await self.gate.wait()
        if self.swallowing:
            self.swallowing = False
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


async def test_what_keeps_the_contract_passes() -> None:
    there = Destination()
    await check_sink(lambda: Good(there), **there.hooks)
    assert there.running
    assert not there.swallowing
    there = Destination()
    await check_sink(lambda: Once(there), make_for_store=lambda store: Once(there, store), **there.hooks)
    assert set(there.places) == {"conformance-1", "conformance-2"}


class GivesUp(Good):
    async def open(self) -> None:
        if not self.there.running:
            raise SinkMisconfigured("there is no server.")


class Untranslated(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        if not self.there.running:
            raise ConnectionRefusedError
        await super().write(batch)


class Hangs(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        while not self.there.running:
            await anyio.sleep(0.01)
        await super().write(batch)


class Pretends(Good):
    async def open(self) -> None:
        pass

    async def write(self, batch: Sequence[Record]) -> None:
        if self.there.running:
            await super().write(batch)


class NeverAgain(Good):
    broken = False

    async def open(self) -> None:
        self.broken = self.broken or not self.there.running
        if self.broken:
            raise SinkUnavailable("still nobody.")


class Chatty(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        if not self.there.running:
            raise SinkUnavailable(f"{batch[0].body.decode()} cannot be sent.")
        await super().write(batch)


class Impatient(Good):
    """Does not wait for the answer."""

    async def write(self, batch: Sequence[Record]) -> None:
        if self.there.gate.is_set():
            return await super().write(batch)
        self.there.rows += [record.seq for record in batch]
        return None


class Stubborn(Good):
    """Cannot be cancelled."""

    async def write(self, batch: Sequence[Record]) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await super().write(batch)


class Doubtful(Good):
    """Says exactly once and relies on answers."""

    guarantee = "exactly-once"

    def __init__(self, there: Destination) -> None:
        super().__init__(there)
        there.known = getattr(there, "known", set())  # type: ignore[attr-defined]

    async def write(self, batch: Sequence[Record]) -> None:
        known: set[int] = self.there.known  # type: ignore[attr-defined]
        await super().write([record for record in batch if record.seq not in known])
        known |= {record.seq for record in batch}


class Repeats(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        for _ in range(2):
            await super().write(batch)


class Swallower(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        await super().write([record for record in batch if b"poison" not in record.body])


class BlamesAll(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        try:
            await super().write(batch)
        except RowsRejected:
            raise RowsRejected({record.seq: "bad company" for record in batch}) from None


class Quotes(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        try:
            await super().write(batch)
        except RowsRejected:
            raise RowsRejected({}, f"refused: {batch[0].body.decode()}") from None


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (GivesUp, "raises SinkMisconfigured, not SinkUnavailable"),
        (Untranslated, "raises ConnectionRefusedError"),
        (Hangs, "the destination died hangs"),
        (Pretends, "down at start: it says that it has written"),
        (NeverAgain, "does not work again"),
        (Chatty, "holds what was said"),
        (Impatient, "has not answered, and it says"),
        (Stubborn, "cancelled while the destination is slow hangs"),
        (Doubtful, "is there twice"),
        (Repeats, "was written"),
        (Swallower, "are said to be written"),
        (BlamesAll, "good events are refused with it"),
        (Quotes, "holds what was said"),
    ],
)
async def test_what_does_not_is_told_why(kind: Any, complaint: str) -> None:
    there = Destination()
    with pytest.raises(AssertionError, match=complaint):
        await check_sink(lambda: kind(there), within_s=0.5, **there.hooks)


class Early(Once):
    """The position goes ahead of its batch."""

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        self.there.places[position.store_id] = position
        await super().write_at(batch, position)


class Common(Once):
    """One position for all stores."""

    async def position(self) -> Position | None:
        return next(iter(self.there.places.values()), None)


class Onwards(Once):
    """Never goes back."""

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        at = self.there.places.get(position.store_id)
        await super().write_at(batch, position if at is None or at.seq < position.seq else at)


class Presumes(Once):
    """Makes up a position of what it was given to write."""

    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        self.there.places[self.store] = Position(self.store, batch[-1].seq, None)


class Without(Good):
    pass


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Early, "moved without its batch"),
        (Common, "position of another store"),
        (Onwards, "goes back"),
        (Presumes, "made up a position"),
        (Without, "does not keep a position"),
    ],
)
async def test_a_position_that_is_none_is_noticed(kind: Any, complaint: str) -> None:
    there = Destination()
    with pytest.raises(AssertionError, match=complaint):
        await check_sink(lambda: kind(there), make_for_store=lambda store: kind(there, store), **there.hooks)


async def test_a_position_ahead_of_a_batch_that_was_cancelled_is_noticed() -> None:
    there = Destination()
    with pytest.raises(AssertionError, match="did not arrive"):
        await check_sink(
            lambda: Early(there), delivered=there.delivered, make_for_store=lambda store: Early(there, store)
        )


async def test_a_disk_that_is_full_and_is_not(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calls.jsonl"
    sync = jsonl._sync

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    async def down() -> None:
        monkeypatch.setattr(jsonl, "_sync", full)

    async def up() -> None:
        monkeypatch.setattr(jsonl, "_sync", sync)

    async def delivered() -> list[int]:
        return [int(line.split(b'"seq":')[1].split(b",")[0]) for line in path.read_bytes().splitlines()]

    await check_sink(lambda: JsonLinesFile(path), delivered=delivered, down=down, up=up)


async def test_half_of_a_pair_is_a_mistake_of_the_caller() -> None:
    there = Destination()
    for half in ("down", "up", "hold", "release"):
        with pytest.raises(ValueError, match="together"):
            await check_sink(lambda: Good(there), **{half: getattr(there, half)})


async def test_what_is_huge_is_as_large_as_delivery_makes_it() -> None:
    batch = filled(10)
    assert (len(batch), batch[0].seq) == (FULL, 11)
    assert 0.99 * 2**20 < sum(len(record.body) for record in batch) <= 2**20
    assert len(long(0).body) > 1_000_000


class TooLarge(Good):
    """Has a limit, and says so of the event that is over it."""

    async def write(self, batch: Sequence[Record]) -> None:
        if any(len(record.body) > 900_000 for record in batch):
            raise RowsRejected({}, "larger than it takes")
        await super().write(batch)


async def test_a_destination_may_refuse_a_megabyte_in_one_event() -> None:
    there = Destination()
    await check_sink(lambda: TooLarge(there), **there.hooks)
