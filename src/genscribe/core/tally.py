"""What became of the events at one sink, and how it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["new", "running", "retrying", "paused", "ended", "stopped"]
"""`ended`: the reader has gone for good, as `| head` does. `stopped`: we stopped."""


@dataclass
class Tally:
    """What became of the journal's events at one sink since the process began; they add up."""

    delivered: int = 0
    filtered: int = 0
    """Not asked for: another kind, interim, or what a filter leaves out."""
    dead_lettered: int = 0
    purged: int = 0
    """Gone from the journal before the cursor came there."""
    gathered: int = 0
    """Went into a document, beside the one event that the document counts for."""

    def passed(self, filtered: int, purged: int, gathered: int) -> None:
        """Counts what is not written."""
        self.filtered += filtered
        self.purged += purged
        self.gathered += gathered

    @property
    def total(self) -> int:
        """All events that the cursor has passed."""
        return self.delivered + self.filtered + self.dead_lettered + self.purged + self.gathered


@dataclass(frozen=True)
class DeliveryState:
    """A sink's state for `status`, metrics and the page.

    Attributes:
        since_ms: Epoch milliseconds since which it has this status.
        lag_events: Events between its cursor and the journal's head.
        lag_seconds: How long ago the oldest of them was received; 0 when there is none.
        last_error: The last failure in a line; `None` while all is well.
    """

    name: str
    status: Status
    since_ms: int
    cursor: int
    lag_events: int
    lag_seconds: float
    last_error: str | None
    tally: Tally
