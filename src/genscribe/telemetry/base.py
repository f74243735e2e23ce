"""A happening is a type: emitting it writes one log line and moves one counter, so neither is ever forgotten.

Hot paths do not emit happenings: they add to the plain integers of `Counters`, which the metrics page reads.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from genscribe import clock
from genscribe.telemetry.histogram import COMMIT_SECONDS, SPEECH_SECONDS, Histogram

RECENT = 50
"""How many warnings `status` and the page can show."""


@dataclass
class Counters:
    """Plain integers, owned by the pipeline, read by `/metrics` and `status`; they start at 0 with the process."""

    frames: int = 0
    utterances: Counter[str] = field(default_factory=Counter)
    """Accepted utterances by source."""
    duplicates: int = 0
    empty: int = 0
    """Lines with empty text."""
    system: int = 0
    """Lines of type `system`."""
    unreadable: int = 0
    gaps: int = 0
    reconnects: Counter[str] = field(default_factory=Counter)
    """By reason word."""
    token_requests: int = 0
    dropped: int = 0
    """Lines of queues that are excluded, or not chosen."""
    texts_fetched: int = 0
    """Texts of messages that were asked for by their ids."""
    forbidden: int = 0
    """Topics that the platform forbids us."""
    rest_refused: int = 0
    """REST calls that the platform refused for being too many (429)."""
    unknown_topics: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    """By name; what the platform sends and nobody here knows."""
    subscribe_seconds: Histogram = field(default_factory=Histogram)
    """From a conversation's first look to its topic's confirmation."""
    commit_seconds: Histogram = field(default_factory=lambda: Histogram(COMMIT_SECONDS))
    """From an event's reading to its commit; the slowest of each append."""
    speech_seconds: Histogram = field(default_factory=lambda: Histogram(SPEECH_SECONDS))
    """From the end of speech to its arrival; of what is accepted at once, the last."""


class Happening(Protocol):
    """Something a person would act on. Implementations are frozen dataclasses, one file a room."""

    level: ClassVar[int]
    room: ClassVar[str]

    def __str__(self) -> str:
        """One line: what happened, since when, what is being missed, what to do. No transcript text, no secret."""

    def count(self, counters: Counters) -> None:
        """Moves its counter, if it has one."""


@dataclass
class Telemetry:
    """Where happenings go: the log of their room, their counter, and the last warnings for people."""

    counters: Counters = field(default_factory=Counters)
    recent: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    """(time, line) of the last warnings and errors, oldest first."""
    gauges: dict[str, float] = field(default_factory=dict)
    """What a source says of itself now, by name, such as `channels`, `topics`, `waiting_s`."""
    trouble: str | None = None
    """The last warning or error about the connection or its token: while nothing is heard, this is why."""

    def emit(self, happening: Happening) -> None:
        """Logs, counts and, from warning level on, remembers."""
        happening.count(self.counters)
        logging.getLogger(f"genscribe.{happening.room}").log(happening.level, "%s", happening)
        if happening.level >= logging.WARNING:
            self.recent.append((clock.now(), str(happening)))
            if happening.room in ("link", "oauth"):
                self.trouble = str(happening)


def counted(number: int, thing: str, many: str = "") -> str:
    """`1 topic`, `2,000 topics`."""
    return f"{number:,} {thing if number == 1 else many or thing + 's'}"
