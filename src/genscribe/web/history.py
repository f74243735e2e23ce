"""The last half hour in numbers, one sample every few seconds: what the health view draws."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from genscribe.telemetry import Counters
from genscribe.telemetry.histogram import Histogram

EVERY_S = 5.0
SAMPLES = 360
MINUTE = 12
"""Samples."""


@dataclass(frozen=True)
class Sample:
    """A few seconds.

    Attributes:
        events: Committed.
        commit: How long they took from the socket to the disk; `None` where the run is not in this process.
        speech: How long after they were spoken they came.
    """

    events: int
    commit: Histogram | None = None
    speech: Histogram | None = None


@dataclass
class History:
    """Samples, oldest first.

    Args:
        head: The last committed seq at the beginning.
        counters: The run's; `None` where it is not in this process.
    """

    head: int
    counters: Counters | None
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _commit: Histogram | None = None
    _speech: Histogram | None = None

    def __post_init__(self) -> None:
        if self.counters is not None:
            self._commit, self._speech = self.counters.commit_seconds.copy(), self.counters.speech_seconds.copy()

    def take(self, head: int) -> None:
        """Takes a sample of what came since the last."""
        events, self.head = max(0, head - self.head), head
        if self.counters is None or self._commit is None or self._speech is None:
            self.samples.append(Sample(events))
            return
        commit, speech = self.counters.commit_seconds.copy(), self.counters.speech_seconds.copy()
        self.samples.append(Sample(events, commit.since(self._commit), speech.since(self._speech)))
        self._commit, self._speech = commit, speech

    @property
    def events_per_s(self) -> float:
        """Of the last sample; 0 before the first."""
        return round(self.samples[-1].events / EVERY_S, 1) if self.samples else 0.0

    @property
    def speech_s(self) -> float | None:
        """Half of the last minute's lines came within that time after they were spoken; `None` without lines."""
        lines = [one.speech for one in list(self.samples)[-MINUTE:] if one.speech is not None]
        if not lines:
            return None
        counts = [sum(column) for column in zip(*(one.counts for one in lines), strict=True)]
        return _rounded(Histogram(lines[0].bounds, counts).quantile(0.5), 1)

    def series(self) -> dict[str, list[float | None]]:
        """What is drawn: events a second, the slow commits in milliseconds, the usual lag of speech in seconds."""
        commits = [None if one.commit is None else one.commit.quantile(0.99) for one in self.samples]
        return {
            "events_per_s": [round(one.events / EVERY_S, 1) for one in self.samples],
            "commit_ms": [None if value is None else round(value * 1000, 1) for value in commits],
            "speech_s": [_rounded(None if one.speech is None else one.speech.quantile(0.5), 1) for one in self.samples],
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
