"""What happens between a source and the journal."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry.base import Counters


@dataclass(frozen=True)
class GapRecorded:
    """A time without hearing has ended and is in the journal.

    Attributes:
        conversations: How many it concerns; `None` = all.
        more: Gaps of some conversations that were recorded since the last line and not told one by one.
    """

    room: ClassVar[str] = "ingest"
    level: ClassVar[int] = logging.WARNING

    started_at: str
    ended_at: str
    reason: str
    conversations: int | None = None
    more: int = 0

    def count(self, counters: Counters) -> None:
        counters.gaps += 1

    def __str__(self) -> str:
        count = self.conversations
        where = "" if count is None else f" in {count} conversation{'' if count == 1 else 's'}"
        also = f" So were {self.more} more of single calls before it." if self.more else ""
        return (
            f"gap recorded: {self.started_at} to {self.ended_at} ({self.reason}); "
            f"what was said then{where} was not heard.{also}"
        )


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
