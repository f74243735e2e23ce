"""How often a value fell where: fixed bounds, plain integers, the form that Prometheus wants."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 10.0, 15.0, 30.0, 60.0, 300.0)


COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
SPEECH_SECONDS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 45.0, 60.0, 300.0)


@dataclass
class Histogram:
    """Counts of values up to each bound; the last count is of those above all.

    Attributes:
        bounds: Upper bounds, ascending.
        counts: One more than there are bounds.
        total: The sum of all values.
    """

    bounds: tuple[float, ...] = SECONDS
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def since(self, before: Histogram) -> Histogram:
        """What was counted after `before`, an earlier copy of this one."""
        counts = [now - then for now, then in zip(self.counts, before.counts, strict=True)]
        return Histogram(self.bounds, counts, self.total - before.total)

    def copy(self) -> Histogram:
        """As it is now."""
        return Histogram(self.bounds, list(self.counts), self.total)

    def quantile(self, share: float) -> float | None:
        """The value below which this share lies, as if values were spread evenly between two bounds; `None` without
        values, the last bound where it lies above them all.
        """
        wanted = share * sum(self.counts)
        seen, low = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and seen + count >= wanted:
                return low + (bound - low) * (wanted - seen) / count
            seen, low = seen + count, bound
        return low if wanted else None

    def within(self, share: float) -> float | None:
        """The bound below which this share of the values lies; infinity above all bounds, `None` without values."""
        wanted = share * sum(self.counts)
        if not wanted:
            return None
        seen = 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return bound
        return float("inf")
