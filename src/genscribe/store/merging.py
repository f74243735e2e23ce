"""Keeps the full-text table's segments few, in steps that nobody notices.

Every slice of the archive leaves a small segment. FTS5 by itself merges them within the commit that makes one too
many, which then takes ten times as long as the others (measured: p99 8 to 23 ms against 2). So its own merging is off,
and this chore does it between commits, a few pages at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import apsw

from genscribe.store.archive import FAR_BEHIND, Archive

_MERGE = "insert into utterance_words (utterance_words, rank) values ('merge', 4)"
"""So many pages a step; nothing happens while fewer than 16 segments of one size wait (`usermerge` in schema.sql)."""

_ROWS = 320
"""So many rows make 16 segments, when slices are full."""


class Merging:
    """The chore that merges what the archive left."""

    in_transaction: ClassVar[bool] = True
    report: Callable[[object], None]
    """It has nothing to report."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._looked_at = archive.done
        self._more = True

    def wait(self, now: float, head: int, *, closing: bool) -> float | None:
        """Due when there may be something to merge; catching up and closing go first."""
        if closing or self._archive.behind(head) >= FAR_BEHIND:
            return None
        return 0 if self._more or self._archive.done - self._looked_at >= _ROWS else None

    def step(self, db: apsw.Connection, now: float, head: int) -> None:
        """Merges a few pages."""
        before = db.total_changes()
        db.execute(_MERGE)
        # FTS5 documents this sign: a merge that did something changes at least two rows.
        self._more = db.total_changes() - before >= 2
        if not self._more:
            self._looked_at = self._archive.done

    def slices(self, head: int) -> int:
        """One."""
        return 1

    def undone(self) -> None:
        """What was merged is merged again when there is time."""
        self._more = True
