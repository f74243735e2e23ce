"""The cards of conversations that go on: thousands, read once for all who ask in the same second."""

from __future__ import annotations

import anyio
import apsw

from genscribe import clock
from genscribe.web import cards
from genscribe.web.cards import Draft
from genscribe.web.readers import Lane

FRESH_S = 1.0
"""For so long a list is good; the stream of events brings everything after its head."""
MOST = 10_000
SLICE = 250
"""Conversations a transaction."""
MOST_CHANGES = 20_000
"""After more rows than that all are read again."""

_CHANGED = """
select distinct conversation_id from (
  select conversation_id from utterance_rows where seq > ?1
  union all select conversation_id from other_rows where seq > ?1)
where conversation_id is not null"""


class LiveCards:
    """The list, read when somebody asks and the last one is old; only what changed since is read again."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._one_reads = anyio.Lock()
        self._read_at = float("-inf")
        self._head = 0
        self._known: dict[str, Draft] = {}

    async def newest(self) -> tuple[int, list[Draft]]:
        """The seq up to which the list is complete, and the conversations, newest begun first."""
        async with self._one_reads:
            if anyio.current_time() - self._read_at >= FRESH_S:
                began = anyio.current_time()
                await self._read()
                self._read_at = began
            now = clock.wall_ms()
            return self._head, [draft for draft in self._known.values() if cards.is_live(draft, now)]

    async def _read(self) -> None:
        head, unended, changed = await self._lane.ask(_look, self._head)
        missing = [draft for draft in unended if draft.card.id not in self._known or draft.card.id in changed]
        fresh: dict[str, Draft] = {}
        for begin in range(0, len(missing), SLICE):
            some = await self._lane.ask(_completed, missing[begin : begin + SLICE])
            fresh.update((draft.card.id, draft) for draft in some)
        self._known = {
            draft.card.id: fresh.get(draft.card.id) or self._known.get(draft.card.id, draft) for draft in unended
        }
        self._head = head


def _look(db: apsw.Connection, known_to: int) -> tuple[int, list[Draft], frozenset[str]]:
    """Up to where the archive knows, what goes on by it, and what changed since it knew up to a seq."""
    head = cards.known_to(db)
    unended = cards.unended(db, MOST)
    if head - known_to > MOST_CHANGES:
        return head, unended, frozenset(draft.card.id for draft in unended)
    return head, unended, frozenset(str(row[0]) for row in db.execute(_CHANGED, (known_to,)))


def _completed(db: apsw.Connection, drafts: list[Draft]) -> list[Draft]:
    cards.add_spoken(db, drafts)
    return cards.add_joined(db, drafts)
