"""Stored events that go through a sink once more: a span of the journal, or events that it refused.

The delivery of that sink writes them, a slice at a time between what is new: one writer, one way to retry and to find
poison, and neither its cursor nor its tally moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import anyio

from genscribe.core.backlog import Backlog
from genscribe.core.batches import MAX_EVENTS, Batch
from genscribe.core.feeds import Feed, Moment, facts
from genscribe.core.gathering import Gathering
from genscribe.core.shape import Shaping
from genscribe.core.tally import Tally

MOST_DOCUMENTS = 50
"""So many conversations that a span ends amid are looked at in a slice: what is new does not wait for all of them."""

MakeMoment = Callable[[bool, bool], Moment]
"""What time it is, by whether more is to be read and whether it ends."""


class Redelivery(Protocol):
    """Work for a delivery.

    Attributes:
        tally: What became of the events.
        refused: The `seq` that the sink refused (again).
        ended: Set when it is finished or given up.
        begun: Whether `begin` was called.
        finished: Whether all of it was done.
    """

    tally: Tally
    refused: set[int]
    ended: anyio.Event
    begun: bool
    finished: bool

    @property
    def done(self) -> int:
        """How many events are dealt with. `total`: of how many."""

    @property
    def total(self) -> int:
        """How many events there are."""

    def begin(self, shaping: Shaping) -> None:
        """Takes the form in which the sink gets its events."""

    async def slice(self, journal: Backlog, moment: MakeMoment) -> list[Batch] | None:
        """What is to be written next; `None` when there is nothing more."""

    async def wrote(self, name: str, batch: Batch, journal: Backlog) -> None:
        """A batch is there, but for what was `refused`."""


class _Work:
    def __init__(self) -> None:
        self.tally = Tally()
        self.refused: set[int] = set()
        self.ended = anyio.Event()
        self.begun = self.finished = False


class Replay(_Work):
    """A span of the journal. Of conversations, those are written again that were heard in it and are over by now.

    Args:
        after: It begins with what follows this seq.
        upto: It ends with this one.
    """

    def __init__(self, after: int, upto: int) -> None:
        super().__init__()
        self._after = self._at = after
        self._upto = upto
        self._feed: Feed | None = None

    @property
    def done(self) -> int:
        """See `Redelivery`."""
        return self._at - self._after

    @property
    def total(self) -> int:
        """See `Redelivery`."""
        return max(self._upto - self._after, 0)

    def begin(self, shaping: Shaping) -> None:
        """See `Redelivery`: a feed of its own, so that nothing of the live one is mixed in."""
        self._feed, self.begun = shaping.feed(self._after), True

    async def slice(self, journal: Backlog, moment: MakeMoment) -> list[Batch] | None:
        """See `Redelivery`."""
        feed = self._feed
        assert feed is not None
        if feed.read_to >= self._upto:
            return (feed.rest(MOST_DOCUMENTS) if isinstance(feed, Gathering) else []) or None
        records = [each for each in await journal.read(feed.read_to, MAX_EVENTS) if each.seq <= self._upto]
        reached = records[-1].seq if records else self._upto
        more = reached < self._upto
        feed.add(records, reached, moment(more, False))
        ready = feed.ready(moment(True, not more))
        for batch in ready:
            self.tally.passed(batch.filtered, batch.purged, batch.gathered)
        return ready

    async def wrote(self, name: str, batch: Batch, journal: Backlog) -> None:
        """See `Redelivery`."""
        if self._feed is not None:
            self._at = max(self._at, min(batch.upto, self._upto))


class Letters(_Work):
    """Events that the sink refused.

    Args:
        seqs: Which, in order.
    """

    def __init__(self, seqs: Sequence[int]) -> None:
        super().__init__()
        self._left = list(seqs)
        self.total = len(self._left)
        self.missing: list[int] = []
        self._shaping: Shaping | None = None
        self._written = 0

    @property
    def done(self) -> int:
        """See `Redelivery`."""
        return self.total - len(self._left)

    def begin(self, shaping: Shaping) -> None:
        """See `Redelivery`."""
        self._shaping, self.begun = shaping, True

    async def slice(self, journal: Backlog, moment: MakeMoment) -> list[Batch] | None:
        """See `Redelivery`: one event, so that what is refused again is known."""
        assert self._shaping is not None
        if not self._left:
            return None
        seq = self._left.pop(0)
        found = [each for each in await journal.read(seq - 1, 1) if each.seq == seq]
        if not found:
            self.tally.purged += 1
            self.missing.append(seq)
            return []
        if self._shaping.documents is not None:
            name = facts(found[0].body).conversation_id
            return [Batch([], seq, in_order=False, ended=name, known_to=seq)] if name is not None else []
        taken = self._shaping.sieve.take(found[0])
        if taken is None:  # it was refused when the filters were others
            self.tally.filtered += 1
            return []
        return [Batch([taken], seq, in_order=False)]

    async def wrote(self, name: str, batch: Batch, journal: Backlog) -> None:
        """See `Redelivery`."""
        written, self._written = self._written, self.tally.delivered
        if self.tally.delivered > written and batch.upto not in self.refused:
            await journal.forget_dead_letter(name, batch.upto)
