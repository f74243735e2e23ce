"""Sinks that each break one promise, in the order of the scenarios that notice it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import anyio

from genscribe.events import Position, Record
from genscribe.sinks.base import RowsRejected, SinkMisconfigured, SinkUnavailable
from tests.contract.destination import Good, Once


class Boastful(Good):
    guarantee = "always"


class Unknown(Good):
    kinds = frozenset({"smell"})


class Nothing(Good):
    kinds = frozenset()


class Hasty(Good):
    """Closes what it has not opened."""

    async def open(self) -> None:
        self.line = "open"

    async def aclose(self) -> None:
        assert self.line


class Presumptuous(Once):
    async def position(self) -> Position | None:
        return Position(self.store, 0, None)


class Meddling(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        assert isinstance(batch, list)
        batch.clear()


class Fussy(Good):
    """Some text is not to its taste."""

    async def write(self, batch: Sequence[Record]) -> None:
        if any(b"drop table" in record.body for record in batch):
            raise RowsRejected({}, "no")
        await super().write(batch)


class Subjects(Good):
    """Thinks that ids are words."""

    async def write(self, batch: Sequence[Record]) -> None:
        if any(b'"conversation_id":" a b "' in record.body for record in batch):
            raise ValueError("a subject with spaces")
        await super().write(batch)


class Unique(Good):
    """Takes a repetition for a mistake."""

    async def write(self, batch: Sequence[Record]) -> None:
        again = self.there.known.intersection(record.seq for record in batch)
        if again and len(batch) == 3:
            raise RowsRejected(dict.fromkeys(again, "duplicate key"))
        await super().write(batch)
        self.there.known |= {record.seq for record in batch}


class OpensOnce(Good):
    opened = False

    async def open(self) -> None:
        if self.opened:
            raise RuntimeError("already open")
        self.opened = True


class Wedged(Good):
    """Does not tidy up behind a cancelled write."""

    busy = False

    async def write(self, batch: Sequence[Record]) -> None:
        if self.busy:
            raise RuntimeError("busy")
        self.busy = True
        await super().write(batch)
        self.busy = False


class Locks(Good):
    """Gives its lock back only if it wrote."""

    async def open(self) -> None:
        if self.there.owner not in (None, self):
            raise SinkUnavailable("another process writes there.")
        self.there.owner = self

    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        self.wrote = True

    async def aclose(self) -> None:
        if getattr(self, "wrote", False):
            self.there.owner = None


class Small(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        if sum(len(record.body) for record in batch) > 500_000 and len(batch) > 1:
            raise RowsRejected({}, "too large")
        await super().write(batch)


class LeavesATask(Good):
    async def open(self) -> None:
        self.beats = asyncio.create_task(asyncio.sleep(60), name="heartbeat")


class LeavesAThread(Good):
    async def open(self) -> None:
        threading.Thread(target=threading.Event().wait, args=[5], name="flusher", daemon=True).start()


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


class Wordy(Good):
    async def open(self) -> None:
        if not self.there.running:
            raise SinkUnavailable("nobody\nis\nthere.")


class OneByOne(Good):
    """Rows in single writes; what it does about a failure after the first is for its children."""

    async def write(self, batch: Sequence[Record]) -> None:
        for place, record in enumerate(batch):
            try:
                await self.there.take([record])
            except SinkUnavailable:
                if not place:
                    raise
                self.failed()

    def failed(self) -> None:
        """Goes on as if nothing had been."""


class Surprised(OneByOne):
    def failed(self) -> None:
        raise KeyError("line")


class Shrugs(OneByOne):
    pass


class Overtakes(OneByOne):
    """Tells of a failure once it has sent what comes behind it."""

    async def write(self, batch: Sequence[Record]) -> None:
        self.lost = False
        await super().write(batch)
        if self.lost:
            raise SinkUnavailable("something was lost.")

    def failed(self) -> None:
        self.lost = True


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
        with anyio.CancelScope(shield=True), anyio.move_on_after(3):
            await super().write(batch)


class Blames(Good):
    """Takes a lost answer for a refusal."""

    async def write(self, batch: Sequence[Record]) -> None:
        swallowing = self.there.swallowing
        try:
            await super().write(batch)
        except SinkUnavailable:
            if swallowing:
                raise RowsRejected({}, "no answer") from None
            raise


class Despairs(Good):
    """Takes a torn line for a wrong setting."""

    async def write(self, batch: Sequence[Record]) -> None:
        torn = self.there.room is not None
        try:
            await super().write(batch)
        except SinkUnavailable:
            if torn:
                raise SinkMisconfigured("that server is none.") from None
            raise


class Doubtful(Good):
    """Says exactly once and relies on answers."""

    guarantee = "exactly-once"

    async def write(self, batch: Sequence[Record]) -> None:
        await super().write([record for record in batch if record.seq not in self.there.known])
        self.there.known |= {record.seq for record in batch}


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


class Silent(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        bad = {record.seq: "" for record in batch if b"poison" in record.body}
        if bad:
            raise RowsRejected(bad)
        await super().write(batch)


class Forgetful(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch[:20])


class Backwards(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch[::-1])


class Repeats(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        for _ in range(2):
            await super().write(batch)


class Twice(Good):
    guarantee = "exactly-once"


class Inventive(Good):
    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        self.there.rows.append(10**6)


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
        if "conformance" in self.store:
            self.there.places[self.store] = Position(self.store, batch[-1].seq, None)


class Without(Good):
    """Keeps no position at all."""


BROKEN: list[tuple[type[Good], str, str]] = [
    (Boastful, "what it says of itself", "no such guarantee: 'always'"),
    (Unknown, "what it says of itself", "no such kinds: .*smell"),
    (Nothing, "what it says of itself", "no kind of event"),
    (Hasty, "closed unopened", "aclose raises AttributeError"),
    (Presumptuous, "an empty destination", "a position before anything was written"),
    (Meddling, "events of every kind", "changed the batch"),
    (Fussy, "events of every kind", "raises RowsRejected: no"),
    (Subjects, "ids that mean harm", "write raises ValueError, which is none of .*: a subject with spaces"),
    (Unique, "the same batch again", "raises RowsRejected"),
    (OpensOnce, "opened again", "open raises RuntimeError"),
    (Wedged, "cancelled", "write raises RuntimeError"),
    (Locks, "ended after a step", "does not work again within 2 s"),
    (Small, "what is huge", "raises RowsRejected: too large"),
    (LeavesATask, "left behind", "still running: the task 'heartbeat'"),
    (LeavesAThread, "left behind", "still running: the thread 'flusher'"),
    (GivesUp, "down at start", "raises SinkMisconfigured, not SinkUnavailable: there is no server"),
    (Pretends, "down at start", "it says that it has written"),
    (Wordy, "down at start", "an error is one line"),
    (NeverAgain, "down at start", "does not work again"),
    (Untranslated, "died and returned", "write raises ConnectionRefusedError"),
    (Hangs, "died and returned", "write hangs: it took longer than 2 s"),
    (Chatty, "died and returned", "holds what was said"),
    (Surprised, "died during a write", "write raises KeyError"),
    (Impatient, "slow", "has not answered, and it says"),
    (Stubborn, "cancelled while slow", "cancelled while the destination is slow hangs"),
    (Blames, "answer lost", "raises RowsRejected: no answer"),
    (Despairs, "torn in the middle", "raises SinkMisconfigured"),
    (Swallower, "poison", "are said to be written"),
    (BlamesAll, "poison", "good events are refused with it"),
    (Quotes, "poison", "holds what was said"),
    (Silent, "poison", "without a reason"),
    (Early, "position", "moved without its batch"),
    (Common, "position", "position of another store"),
    (Onwards, "position", "goes back"),
    (Presumes, "position", "made up a position"),
    (Without, "position", "does not keep a position"),
    (Shrugs, "what has arrived", r"did not arrive, the first is event \d+ \(died during a write\)"),
    (Overtakes, "what has arrived", r"\(torn in the middle\) was overtaken by event"),
    (Doubtful, "what has arrived", "is there twice, and the sink says exactly-once"),
    (Forgetful, "what has arrived", r"did not arrive, the first is event \d+ \(events of every kind\)"),
    (Backwards, "what has arrived", "overtaken"),
    (Repeats, "what has arrived", "is there 2 times and was written 1 times"),
    (Twice, "what has arrived", "is there twice, and the sink says exactly-once"),
    (Inventive, "what has arrived", "never sent"),
]

OUTWAITED = frozenset({Locks, LeavesATask, LeavesAThread, NeverAgain, Hangs, Stubborn})
"""Those that are known by what does not happen, so that each costs its check the whole wait."""
