"""Reads a call's lines and looks for words in them."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from genscribe.web import bounds, cards, wire
from genscribe.web.asking import Filters
from genscribe.web.matching import Matcher

HITS_SHOWN = 5
"""Of one call."""
MOST_LINES = 3000
"""Of one call, the newest; what is longer is no call but a channel."""
FIRST_SLICE, LARGEST_SLICE = 16, 256

_SEQS = "select seq from utterance_rows where conversation_id = ?1"


class Trial:
    """What of a search stands in a call.

    Args:
        wanted: All of it must be there, in lines that filters let through.
        unwanted: None of it may be there, in any line.
    """

    def __init__(self, db: apsw.Connection, wanted: Matcher, unwanted: Matcher, filters: Filters) -> None:
        self._db = db
        self._wanted = wanted
        self._unwanted = unwanted
        self._filters = filters
        self._loose = bounds.loosened(filters)
        self._all = frozenset(range(len(wanted.patterns)))

    def matching(self, conversation_id: str, before: int) -> list[wire.Line]:
        """The lines before a seq that have all words and none that is unwanted."""
        seqs = [seq for seq in self._seqs(conversation_id) if seq < before]
        return [line for line in self._lines(seqs) if self._fits(line) and self._matches(line.text)]

    def _matches(self, text: str) -> bool:
        return self._wanted.present(text) == self._all and not self._unwanted.present(text)

    def together(self, conversation_id: str, after: int) -> list[wire.Line] | None:
        """The first lines with any of the words; `None` when one is missing, or all was said up to a seq."""
        seqs = self._seqs(conversation_id)
        if not seqs or seqs[-1] <= after or self._at_another_time(seqs):
            return None
        missing = set(self._all)
        shown: list[wire.Line] = []
        for line in self._lines(seqs):
            if self._unwanted.patterns and self._unwanted.present(line.text):
                return None
            if not self._fits(line):
                continue
            present = self._wanted.present(line.text)
            missing -= present
            if present or not self._all:
                shown.append(line)
            if not missing and len(shown) >= HITS_SHOWN and not self._unwanted.patterns:
                break
        return None if missing or not shown else shown[:HITS_SHOWN]

    def _at_another_time(self, seqs: list[int]) -> bool:
        """By its first and its last line: most calls need no closer look when a time was asked for."""
        since, until = self._loose.since, self._loose.until
        if since is None and until is None:
            return False
        times = cards.spoken_at(self._db, {seqs[0], seqs[-1]})
        first, last = times.get(seqs[0]), times.get(seqs[-1])
        too_early = since is not None and last is not None and last < since
        return too_early or (until is not None and first is not None and first >= until)

    def _seqs(self, conversation_id: str) -> list[int]:
        return sorted(row[0] for row in self._db.execute(_SEQS, (conversation_id,)))[-MOST_LINES:]

    def _lines(self, seqs: list[int]) -> Iterator[wire.Line]:
        """Final lines, read a few at a time: often the first ones decide."""
        begin, size = 0, FIRST_SLICE
        while begin < len(seqs):
            for record in cards.rows(self._db, seqs[begin : begin + size]):
                if record.kind == "utterance":
                    line = wire.line(record)
                    if line.revision > 0:
                        yield line
            begin, size = begin + size, min(size * 4, LARGEST_SLICE)

    def _fits(self, line: wire.Line) -> bool:
        asked = self._filters
        return (
            (asked.speakers is None or line.speaker in asked.speakers)
            and (asked.media_types is None or line.media_type in asked.media_types)
            and bounds.within(line.spoken_at, asked)
        )
