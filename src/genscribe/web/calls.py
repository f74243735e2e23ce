"""How calls are found in which words stand anywhere: by their rarest words, the last begun first, in bounded time.

A word with few hits names the calls it is in; those of the rarest words are intersected. Frequent words are in most
calls, so calls are tried one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import apsw

from genscribe.web import bounds, cards
from genscribe.web.cards import Draft
from genscribe.web.facets import Facets
from genscribe.web.finding import Deadline, Found, Result, Search
from genscribe.web.matching import Matcher
from genscribe.web.trial import Trial

FEW = 20_000
"""A word with fewer hits than that is rare: all of them are read."""
HITS_A_CALL = 300
"""To try a call costs as much as to read so many hits: with fewer calls left than that, they are tried at once."""
TRIED_AT_ONCE = 25

_CALLS = """
select distinct u.conversation_id from (
  select rowid from utterance_words where utterance_words match ?1 order by rowid desc limit ?2) w
cross join utterance_rows u on u.seq = w.rowid where u.conversation_id is not null"""
_COUNT = "select count(*) from (select 1 from utterance_words where utterance_words match ?1 limit ?2)"
_ORDERED = """
select c.first_seq from json_each(?1) w cross join conversation_rows c on c.conversation_id = w.value
where c.first_seq < ?2 order by c.first_seq desc"""


def find_calls(db: apsw.Connection, search: Search, facets: Facets, deadline: Deadline) -> Found:
    """The conversations in which all words stand."""
    wanted, unwanted = Matcher(db, search.terms.wanted), Matcher(db, search.terms.unwanted)
    trial = Trial(db, wanted, unwanted, search.filters)
    low, high = bounds.seqs(db, search.filters.since, search.filters.until)
    search = search._replace(before=min(search.before, high))
    calls = facets.calls(db, search.filters)
    filters = search.filters._replace(media_types=None)
    fits = cards.of_kind(filters if calls is None else filters._replace(queues=None, agents=None))
    results: list[Result] = []
    for drafts in _candidates(db, search, calls, deadline):
        if calls is None and (filters.queues is not None or filters.agents is not None):
            cards.add_joined(db, drafts)
        for draft in drafts:
            lines = trial.together(draft.card.id, low) if fits(draft) else None
            if lines is not None:
                results.append(Result(draft, lines))
            if len(results) == search.limit:
                return Found(results, draft.card.first_seq, complete=True)
            if deadline.over:
                return Found(results, draft.card.first_seq, complete=False)
    return Found(results, None, complete=True)


def _candidates(
    db: apsw.Connection, search: Search, calls: set[int] | None, deadline: Deadline
) -> Iterator[list[Draft]]:
    """The calls in which the words may be, a few at a time, the last begun first."""
    among = _with_rare_words(db, search.terms.wanted, deadline)
    ordered: list[int] | None = None
    if among is not None:
        ordered = [int(row[0]) for row in _ordered(db, among, search.before) if calls is None or row[0] in calls]
    elif calls is not None:
        ordered = sorted((call for call in calls if call < search.before), reverse=True)
    if ordered is not None:
        for begin in range(0, len(ordered), TRIED_AT_ONCE):
            yield cards.begun_at(db, ordered[begin : begin + TRIED_AT_ONCE])
        return
    before = search.before
    while drafts := cards.page(db, before, TRIED_AT_ONCE):
        yield drafts
        before = drafts[-1].card.first_seq


def _ordered(db: apsw.Connection, among: set[str], before: int) -> list[Any]:
    return db.execute(_ORDERED, (json.dumps(list(among)), before)).fetchall()


def _with_rare_words(db: apsw.Connection, wanted: Sequence[str], deadline: Deadline) -> set[str] | None:
    """The calls that have the rare words; `None` when no word is rare, as far as there was time to look."""
    counts: dict[str, int] = {}
    for term in takewhile(lambda _: not deadline.over, wanted):
        counts[term] = int(db.execute(_COUNT, (term, FEW)).get or 0)
    among: set[str] | None = None
    for term in sorted(counts, key=counts.__getitem__):
        if counts[term] >= FEW or deadline.over or (among is not None and counts[term] > len(among) * HITS_A_CALL):
            break
        found = {str(row[0]) for row in db.execute(_CALLS, (term, FEW))}
        among = found if among is None else among & found
        if not among:
            break
    return among
