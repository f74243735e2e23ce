"""The cards of conversations that go on: thousands, kept, and only what changed is read again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import anyio
import apsw

from genscribe.store.retention import trimmed_to
from genscribe.web import cards
from genscribe.web.cards import Draft
from genscribe.web.liveness import Moment, might_go_on, moment
from genscribe.web.readers import Lane

MOST = 10_000
SLICE = 250
"""Conversations a transaction."""
MOST_CHANGES = 20_000
"""After more rows than that all are read again."""

# From the journal what is told of calls, as one that is told twice the archive counts once, and yet takes up.
_CHANGED = """
select distinct conversation_id from (
  select conversation_id from utterance_rows where seq > ?1
  union all select case when json_valid(body) then body ->> '$.conversation_id' end as conversation_id
  from journal where seq > ?1 and kind in ('c', 'p'))
where conversation_id is not null"""


class Seen(NamedTuple):
    """A look at the store: `head` was read first, so all up to it is in what was read after it."""

    head: int
    trimmed_to: int
    now: Moment


class LiveCards:
    """What goes on, as far as it is indexed when somebody asks.

    Args:
        lane: Where it reads.
        streaming: This process writes the store.
    """

    def __init__(self, lane: Lane, *, streaming: bool) -> None:
        self._lane = lane
        self._streaming = streaming
        self._one_reads = anyio.Lock()
        self._begun = 0
        self._seen = Seen(0, 0, Moment(0, 0, written=False))
        self._known: dict[str, Draft] = {}

    async def all(self) -> tuple[Seen, list[Draft]]:
        """Up to where it is known, and the conversations that might go on, in no order. The drafts are not changed."""
        begun = self._begun
        async with self._one_reads:
            if self._begun == begun:  # else a read began after this question, and serves it too
                self._begun += 1
                await self._read()
            return self._seen, list(self._known.values())

    async def _read(self) -> None:
        seen, changed = await self._lane.ask(_look, self._seen, self._streaming)
        if changed is None:
            known: dict[str, Draft] = {}
            drafts = await self._lane.ask(cards.unended, seen.now.begun_after, MOST)
        else:
            # Of those that began before what is kept, lines may be gone, or all.
            changed |= {draft.card.id for draft in self._known.values() if draft.card.first_seq <= seen.trimmed_to}
            known = {one: draft for one, draft in self._known.items() if one not in changed}
            drafts = await self._these(changed)
        for begin in range(0, len(drafts), SLICE):
            some = await self._lane.ask(_completed, drafts[begin : begin + SLICE])
            known.update((draft.card.id, draft) for draft in some)
        self._known = {one: draft for one, draft in known.items() if might_go_on(draft, seen.now)}
        self._seen = seen

    async def _these(self, changed: Iterable[str]) -> list[Draft]:
        ids, found = list(changed), list[Draft]()
        for begin in range(0, len(ids), SLICE):
            some = await self._lane.ask(cards.these, ids[begin : begin + SLICE])
            found += [draft for draft in some.values() if draft.card.ended_at is None]
        return found


def _look(db: apsw.Connection, before: Seen, streaming: bool) -> tuple[Seen, set[str] | None]:
    """Up to where the archive knows, and the conversations that changed since; `None` = any may have."""
    head = cards.known_to(db)
    seen = Seen(head, trimmed_to(db), moment(db, streaming=streaming))
    # What was too old or too quiet then, and is not now, was let go of.
    back = seen.now.begun_after < before.now.begun_after or seen.now.at_ms < before.now.at_ms
    if not before.head or back or head - before.head > MOST_CHANGES:
        return seen, None
    if head == before.head:
        return seen, set()
    return seen, {str(row[0]) for row in db.execute(_CHANGED, (before.head,))}


def _completed(db: apsw.Connection, drafts: list[Draft]) -> list[Draft]:
    cards.add_spoken(db, drafts)
    return cards.add_joined(db, drafts)
