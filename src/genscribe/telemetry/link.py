"""What happens to connections."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry.base import Counters


@dataclass(frozen=True)
class _OfLink:
    room: ClassVar[str] = "link"
    level: ClassVar[int] = logging.INFO

    source: str

    def count(self, counters: Counters) -> None:
        """Most happenings of a link move no counter."""


@dataclass(frozen=True)
class LinkOpened(_OfLink):
    """We hear. `missed_since` is the time from which we did not, `None` at the very first start."""

    missed_since: str | None

    def __str__(self) -> str:
        if self.missed_since is None:
            return f"connected to {self.source}."
        return f"connected to {self.source}; what was said since {self.missed_since} may be missing: a gap is recorded."


@dataclass(frozen=True)
class LinkLost(_OfLink):
    """We no longer hear. `why` is the error's line, `since` the last moment we were known to hear."""

    level: ClassVar[int] = logging.WARNING

    why: str
    since: str
    reason: str
    retry_in_s: float

    def count(self, counters: Counters) -> None:
        counters.reconnects[self.reason] += 1

    def __str__(self) -> str:
        return (
            f"lost {self.source}: {self.why} Since {self.since} nothing is heard; what is stored is safe; nothing to "
            f"do: reconnecting in {self.retry_in_s:.1f} s."
        )


@dataclass(frozen=True)
class LinkRefused(_OfLink):
    """A dial failed and will be tried again."""

    level: ClassVar[int] = logging.WARNING

    why: str
    retry_in_s: float
    attempt: int

    def __str__(self) -> str:
        return (
            f"not connected to {self.source} (attempt {self.attempt}): {self.why} Next try in {self.retry_in_s:.1f} s."
        )


@dataclass(frozen=True)
class HandoverBegun(_OfLink):
    """A new connection replaces a live one."""

    why: str

    def __str__(self) -> str:
        return f"moving {self.source} to a new connection before the old one ends: {self.why}."


@dataclass(frozen=True)
class HandoverDone(_OfLink):
    """The new connection is live and the old one closed, without a gap."""

    def count(self, counters: Counters) -> None:
        counters.reconnects["handover"] += 1

    def __str__(self) -> str:
        return f"{self.source} moved to its new connection without a gap."


@dataclass(frozen=True)
class HandoverFailed(_OfLink):
    """The new connection could not be opened; the old one still serves."""

    level: ClassVar[int] = logging.WARNING

    why: str
    retry_in_s: float

    def __str__(self) -> str:
        next_try = f"Next try in {self.retry_in_s:.1f} s."
        return f"the new connection to {self.source} failed, the old one still serves: {self.why} {next_try}"


@dataclass(frozen=True)
class SourceChosen(_OfLink):
    """`--source auto` decided."""

    why: str

    def __str__(self) -> str:
        return f"source {self.source}: {self.why}."


@dataclass(frozen=True)
class ProbeUndecided(_OfLink):
    """The question of `--source auto` got no answer that decides it."""

    level: ClassVar[int] = logging.WARNING

    why: str
    retry_in_s: float

    def __str__(self) -> str:
        return (
            f"source not chosen yet: {self.why} Asking again in {self.retry_in_s:.1f} s; nothing is heard until then."
        )
