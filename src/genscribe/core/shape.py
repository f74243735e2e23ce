"""In which form and order a sink gets its events."""

from __future__ import annotations

from dataclasses import dataclass

from genscribe.core.batches import Choice
from genscribe.core.documents import Documents
from genscribe.core.feeds import Feed, Holding, Straight
from genscribe.core.filters import Sieve
from genscribe.core.gathering import Gathering
from genscribe.settings.parameters import EVERYTHING, IDLE_S, SinkFilters


@dataclass(frozen=True)
class Shape:
    """What is asked for.

    Attributes:
        filters: What it leaves out, beside kinds.
        hold_s: Seconds for which events wait, to put a conversation's utterances in order; 0 = none.
        per_conversation: One document a conversation, after its end, in place of events.
        idle_s: For documents: seconds of silence after which a conversation is over whose start nobody told.
    """

    filters: SinkFilters = EVERYTHING
    hold_s: float = 0.0
    per_conversation: bool = False
    idle_s: float = IDLE_S


AS_THEY_COME = Shape()


class Shaping:
    """What brings events into that form.

    Args:
        shape: The form.
        choice: Which kinds.

    Attributes:
        sieve: What leaves events out.
        documents: What makes documents; `None` where events go as events.
    """

    def __init__(self, shape: Shape, choice: Choice) -> None:
        self._shape = shape
        self.sieve = Sieve(choice, shape.filters)
        self.documents = Documents(shape.filters, shape.idle_s) if shape.per_conversation else None

    def feed(self, after: int) -> Feed:
        """A new feed that begins at a cursor."""
        if self.documents is not None:
            return Gathering(after, self._shape.idle_s)
        if self._shape.hold_s:
            return Holding(self.sieve, after, self._shape.hold_s)
        return Straight(self.sieve, after)

    def learn(self, names: dict[str, str]) -> None:
        """What queues are called, by their ids."""
        self.sieve.learn(names)
        if self.documents is not None:
            self.documents.learn(names)
