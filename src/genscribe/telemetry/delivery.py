"""What happens between the journal and its sinks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry.base import Counters


@dataclass(frozen=True)
class _OfDelivery:
    room: ClassVar[str] = "delivery"
    level: ClassVar[int] = logging.WARNING

    sink: str

    def count(self, counters: Counters) -> None:
        """Deliveries count for themselves: see `delivery.Tally`."""


@dataclass(frozen=True)
class SinkFailing(_OfDelivery):
    """A sink cannot take a batch and is tried again. `since`: when this began; `pending`: how many events behind."""

    why: str
    since: str
    pending: int

    def __str__(self) -> str:
        return (
            f"sink {self.sink}: {self.why} Nothing is delivered to it since {self.since}; {self.pending} events wait "
            "in the store and none is lost; trying again."
        )


@dataclass(frozen=True)
class SinkPaused(_OfDelivery):
    """A sink refuses us for what we are; somebody has to put it right."""

    level: ClassVar[int] = logging.ERROR

    why: str
    since: str
    pending: int
    again_in_s: float

    def __str__(self) -> str:
        return (
            f"sink {self.sink} is paused: {self.why} Nothing is delivered to it since {self.since}; {self.pending} "
            f"events wait in the store and none is lost; looking again every {self.again_in_s:.0f} s."
        )


@dataclass(frozen=True)
class SinkRecovered(_OfDelivery):
    """A sink takes batches again."""

    level: ClassVar[int] = logging.INFO

    since: str
    pending: int

    def __str__(self) -> str:
        return f"sink {self.sink} works again after failing since {self.since}; {self.pending} events to catch up with."


@dataclass(frozen=True)
class EventsRefused(_OfDelivery):
    """A sink refuses events for what they hold; `dead_letters` lists them. `seq` and `reason` are the first one's."""

    events: int
    seq: int
    reason: str

    def __str__(self) -> str:
        what = f"event {self.seq}" if self.events == 1 else f"{self.events} events from {self.seq} on"
        return f"sink {self.sink} refused {what} ({self.reason}); kept in the table dead_letters, the rest goes on."


@dataclass(frozen=True)
class DestinationForgot(_OfDelivery):
    """A destination that keeps the cursor has none, although we have: emptied, replaced, restored, or never written."""

    cursor: int

    def __str__(self) -> str:
        return (
            f"sink {self.sink} knows nothing of this store, though we stood at event {self.cursor}: it gets everything "
            "from the oldest event in the store on, and what it has already is not there twice."
        )


@dataclass(frozen=True)
class DestinationSetBack(_OfDelivery):
    """A destination that keeps the cursor came back with an older one: restored, or another replica."""

    cursor: int
    stands: int

    def __str__(self) -> str:
        return (
            f"sink {self.sink} was set back from event {self.cursor} to {self.stands} while it was away: it gets what "
            "came after once more, and what it has already is not there twice."
        )


@dataclass(frozen=True)
class ReaderGone(_OfDelivery):
    """Nobody reads this sink any more."""

    level: ClassVar[int] = logging.INFO

    def __str__(self) -> str:
        return f"sink {self.sink} has no reader any more and ends."


@dataclass(frozen=True)
class ChangedByHand(_OfDelivery):
    """Somebody asked for it with a command. `what`: such as `paused`."""

    level: ClassVar[int] = logging.INFO

    what: str

    def __str__(self) -> str:
        return f"sink {self.sink}: {self.what} by hand."


@dataclass(frozen=True)
class LeftBehind(_OfDelivery):
    """The stop did not wait for a sink to catch up."""

    level: ClassVar[int] = logging.INFO

    pending: int

    def __str__(self) -> str:
        return f"sink {self.sink} stops {self.pending} events behind; they are delivered after the next start."
