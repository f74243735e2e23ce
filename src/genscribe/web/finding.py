"""How lines are found: from the full-text table, newest first, in bounded time.

All words of a line are in the table's hands, which walks through the lists of two frequent words in nanoseconds a
line; what costs is to look at rows. So rows are looked at a few at a time, until there are enough or time is up; then
the answer says where to go on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import NamedTuple

import apsw

from genscribe.store.search import Terms
from genscribe.web import bounds, cards, wire
from genscribe.web.asking import Filters
from genscribe.web.cards import Draft
from genscribe.web.facets import Facets
from genscribe.web.matching import Matcher
from genscribe.web.trial import Trial

BUDGET_S = 0.2
"""What a search may take before it answers with what it has."""
FIRST_BATCH = 100
LARGEST_BATCH = 4000
FEW_CALLS = 100
"""When a filter leaves so few, their lines are read, and not all lines that have the words."""

_HITS = """
select rowid from utterance_words where utterance_words match ?1 and rowid < ?2 order by rowid desc limit ?3"""
_NEWEST = "select seq from utterance_rows where revision > 0 and seq < ?1 order by seq desc limit ?2"
_AMONG = """
select rowid from utterance_words where utterance_words match ?1 and rowid >= ?2 and rowid <= ?3"""
_ROWS = """
select u.seq, u.conversation_id, u.spoken_at
from json_each(?) w cross join utterance_rows u on u.seq = w.value"""


class Search(NamedTuple):
    """What is asked: terms, filters, and from where on; in the words' line, or with them anywhere in a call."""

    terms: Terms
    filters: Filters
    before: int
    limit: int
    anywhere: bool = False
    typed: bool = False

    @property
    def nothing_to_look_for(self) -> bool:
        """Something was typed, and there is no word in it: signs alone are in no index."""
        return self.typed and not self.terms.wanted and not self.terms.unwanted


class Result(NamedTuple):
    """A conversation and lines of it; a line that belongs to none has none."""

    draft: Draft | None
    lines: list[wire.Line]


class Found(NamedTuple):
    """An answer.

    Attributes:
        next: Where to go on; `None` at the end.
        complete: Nothing was left out between the question's `before` and `next`, and the page is full or the end is
            reached; else time was up.
    """

    results: list[Result]
    next: int | None
    complete: bool


class Deadline:
    """The end of the time that a search has."""

    def __init__(self, seconds: float = BUDGET_S) -> None:
        self._until = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Time is up."""
        return time.monotonic() > self._until


def with_cards(db: apsw.Connection, found: Found) -> Found:
    """Adds to an answer's conversations who took part, and from when to when something was said."""
    drafts = list({one.draft.card.id: one.draft for one in found.results if one.draft is not None}.values())
    cards.add_joined(db, drafts)
    cards.add_span(db, drafts)
    return found


def find_lines(db: apsw.Connection, search: Search, facets: Facets, deadline: Deadline) -> Found:
    """The lines that have all words, in the order of the journal, the last first."""
    low, high = bounds.seqs(db, search.filters.since, search.filters.until)
    search = search._replace(before=min(search.before, high))
    calls = facets.calls(db, search.filters)
    if calls is not None and len(calls) <= FEW_CALLS:
        return _of_few(db, search, calls)
    sieve = _Sieve(db, search.filters, calls)
    kept: list[tuple[_Row, wire.Line]] = []
    before: int | None = search.before
    size = max(FIRST_BATCH, search.limit + 1)
    while before is not None and before > low:
        seqs, before = _hits(db, search.terms, before, size)
        kept += sieve.sifted(seqs, search.limit + 1 - len(kept))
        if len(kept) > search.limit:
            del kept[search.limit :]
            return Found(sieve.results(kept), kept[-1][0].seq, complete=True)
        size = min(size * 4, LARGEST_BATCH)
        if before is not None and deadline.over:
            return Found(sieve.results(kept), before, complete=False)
    return Found(sieve.results(kept), None, complete=True)


def _hits(db: apsw.Connection, terms: Terms, before: int, size: int) -> tuple[list[int], int | None]:
    """The next lines with all the words and without the unwanted, newest first, and from where on there are more."""
    unwanted = " OR ".join(terms.unwanted)
    if terms.wanted:
        match = " AND ".join(terms.wanted)
        match = f"({match}) NOT ({unwanted})" if unwanted else match
        seqs = [row[0] for row in db.execute(_HITS, (match, before, size))]
    else:
        seqs = [row[0] for row in db.execute(_NEWEST, (before, size))]
    more = seqs[-1] if len(seqs) == size else None
    if unwanted and seqs and not terms.wanted:
        without = {row[0] for row in db.execute(_AMONG, (unwanted, seqs[-1], seqs[0]))}
        seqs = [seq for seq in seqs if seq not in without]
    return seqs, more


def _of_few(db: apsw.Connection, search: Search, calls: Iterable[int]) -> Found:
    """The same from the lines of a few calls."""
    trial = Trial(db, Matcher(db, search.terms.wanted), Matcher(db, search.terms.unwanted), search.filters)
    found: list[tuple[wire.Line, Draft]] = []
    for draft in cards.begun_at(db, calls):
        lines = trial.matching(draft.card.id, search.before)
        found += [(line, draft) for line in lines]
        # Only the newest are wanted, and a few calls may have very many lines.
        found = sorted(found, key=lambda pair: -pair[0].seq)[: search.limit + 1]
    more = found[search.limit - 1][0].seq if len(found) > search.limit else None
    return Found([Result(draft, [line]) for line, draft in found[: search.limit]], more, complete=True)


class _Row(NamedTuple):
    seq: int
    conversation_id: str | None
    spoken_at: str | None


class _Sieve:
    """Lets through the lines that filters ask for. Remembers conversations: most lines are of the same few.

    Args:
        calls: The only ones by queue and agent; `None` = each is asked.
    """

    def __init__(self, db: apsw.Connection, filters: Filters, calls: set[int] | None) -> None:
        self._db = db
        self._filters = filters
        self._calls = calls
        self._of_kind = cards.of_kind(filters._replace(media_types=None))
        self._by_call = filters.queues is not None or filters.agents is not None
        self._known: dict[str, Draft] = {}

    def sifted(self, seqs: list[int], wanted: int) -> list[tuple[_Row, wire.Line]]:
        """The first `wanted` that pass, in the same order."""
        rows = {row[0]: _Row(*row) for row in self._db.execute(_ROWS, (json.dumps(seqs),))}
        passing = [rows[seq] for seq in seqs if seq in rows]
        if self._filters.since is not None or self._filters.until is not None:
            passing = [row for row in passing if bounds.within(row.spoken_at, self._filters)]
        if self._by_call:
            self._learn(passing, joined=self._calls is None)
            passing = [row for row in passing if self._of_a_call(row)]
        found: list[tuple[_Row, wire.Line]] = []
        step = max(wanted, FIRST_BATCH)
        for begin in range(0, len(passing), step):
            some = passing[begin : begin + step]
            lines = _lines(self._db, [row.seq for row in some])
            found += [(row, lines[row.seq]) for row in some if row.seq in lines and self._as_said(lines[row.seq])]
            if len(found) >= wanted:
                break
        return found[:wanted]

    def results(self, kept: list[tuple[_Row, wire.Line]]) -> list[Result]:
        """With their conversations."""
        self._learn(row for row, _ in kept)
        return [Result(self._known.get(row.conversation_id or ""), [line]) for row, line in kept]

    def _of_a_call(self, row: _Row) -> bool:
        draft = self._known.get(row.conversation_id or "")
        if draft is None:
            return False
        return self._of_kind(draft) if self._calls is None else draft.card.first_seq in self._calls

    def _as_said(self, line: wire.Line) -> bool:
        media, speakers = self._filters.media_types, self._filters.speakers
        return (media is None or line.media_type in media) and (speakers is None or line.speaker in speakers)

    def _learn(self, rows: Iterable[_Row], *, joined: bool = False) -> None:
        missing = {row.conversation_id for row in rows if row.conversation_id is not None} - self._known.keys()
        if missing:
            found = cards.these(self._db, missing)
            if joined:
                cards.add_joined(self._db, list(found.values()))
            self._known.update(found)


def _lines(db: apsw.Connection, seqs: list[int]) -> dict[int, wire.Line]:
    return {record.seq: wire.line(record) for record in cards.rows(db, seqs) if record.kind == "utterance"}
