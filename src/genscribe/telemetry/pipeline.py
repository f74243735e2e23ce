"""A run's beginning and end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry.base import Counters, counted


@dataclass(frozen=True)
class _OfPipeline:
    room: ClassVar[str] = "pipeline"
    level: ClassVar[int] = logging.INFO

    def count(self, counters: Counters) -> None:
        """Neither beginning nor end moves a counter."""


@dataclass(frozen=True)
class RunStarted(_OfPipeline):
    """The first line of every log: what is kept where, and for how long."""

    version: str
    store: str
    keep: str
    source: str
    sinks: tuple[str, ...]

    def __str__(self) -> str:
        sinks = ", ".join(self.sinks) or "none (utterances stay in the store; see --to)"
        return (
            f"genscribe {self.version}: store {self.store}, kept for {self.keep} (--keep); source {self.source}; "
            f"sinks: {sinks}."
        )


@dataclass(frozen=True)
class PageServed(_OfPipeline):
    """The live page listens."""

    url: str

    def __str__(self) -> str:
        return f"the live page is at {self.url}"


@dataclass(frozen=True)
class ControlMissing(_OfPipeline):
    """The socket for commands cannot be made; everything else works."""

    level: ClassVar[int] = logging.WARNING

    path: str
    why: str

    def __str__(self) -> str:
        return (
            f"no socket at {self.path}: {self.why}. `genscribe sinks pause`, `replay` and the like do not reach this "
            "process; nothing else is concerned."
        )


@dataclass(frozen=True)
class RunEnded(_OfPipeline):
    """The last line of a clean log."""

    utterances: int
    gaps: int
    pending: int

    def __str__(self) -> str:
        waiting = f" {self.pending} events wait in the store for sinks." if self.pending else ""
        done = f"{counted(self.utterances, 'utterance')} and {counted(self.gaps, 'gap')}"
        return f"stopped: {done} committed in this run.{waiting}"
