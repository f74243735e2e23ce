"""What happens between a source and the journal."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry.base import Counters


@dataclass(frozen=True)
class GapRecorded:
    """A time without hearing has ended and is in the journal."""

    room: ClassVar[str] = "ingest"
    level: ClassVar[int] = logging.WARNING

    started_at: str
    ended_at: str
    reason: str

    def count(self, counters: Counters) -> None:
        counters.gaps += 1

    def __str__(self) -> str:
        return f"gap recorded: {self.started_at} to {self.ended_at} ({self.reason}); what was said then was not heard."


@dataclass(frozen=True)
class UnreadableKept:
    """Things that could not be read were kept verbatim: told at most once a minute, for junk may come in floods."""

    room: ClassVar[str] = "ingest"
    level: ClassVar[int] = logging.WARNING

    reason: str
    kept: int

    def count(self, counters: Counters) -> None:
        """Ingest counts each as it comes."""

    def __str__(self) -> str:
        return (
            f"kept {self.kept} frames or lines that could not be read, the last for: {self.reason}. Nothing is lost: "
            "see the table `unreadable` of the store."
        )
