"""In which calls a queue or an agent was: kept in memory, as the store has no index for it and needs none otherwise.

Read a piece at a time by those who ask; until all is read they have to look at each call. A call is named by its
`first_seq`, and takes 8 bytes for each queue and agent that it had.
"""

from __future__ import annotations

import threading
import time
from array import array
from typing import Any

import apsw
import msgspec

from genscribe.web import cards
from genscribe.web.asking import Filters

SLICE = 2000
"""Rows in one read."""
BUDGET_S = 0.1
"""What one who asks may spend on reading on."""
PRUNED_AFTER = 200_000
"""When retention has taken so many rows more, calls that are gone are forgotten."""

_TOLD = """
select r.seq, c.first_seq from other_rows r cross join conversation_rows c on c.conversation_id = r.conversation_id
where r.seq > ?1 and +r.kind in ('p', 'c') order by r.seq limit ?2"""

_OLDEST = "select coalesce(min(first_seq), 0) from conversation_rows"


class _Told(msgspec.Struct):
    queue_id: str | None = None
    user_id: str | None = None
    purpose: str | None = None


_told = msgspec.json.Decoder(_Told).decode


class Facets:
    """What is known of queues and agents; several threads may ask."""

    def __init__(self) -> None:
        self._one_reads = threading.Lock()
        self._known_to = 0
        self._oldest = 0
        self._calls: dict[tuple[str, str], array[int]] = {}

    def calls(self, db: apsw.Connection, filters: Filters) -> set[int] | None:
        """The calls that queues and agents of a filter let through; `None` = ask each, or there is no such filter."""
        wanted = [
            (kind, ids) for kind, ids in (("queue", filters.queues), ("agent", filters.agents)) if ids is not None
        ]
        if not wanted:
            return None
        with self._one_reads:
            if not self._read_on(db):
                return None
            found = [
                {seq for one in ids for seq in self._calls.get((kind, one), ())} for kind, ids in wanted
            ]  # fmt: skip
        return set.intersection(*found)

    def _read_on(self, db: apsw.Connection) -> bool:
        """Reads what came; whether that is all."""
        upto = cards.known_to(db)
        until = time.monotonic() + BUDGET_S
        self._prune(db)
        while self._known_to < upto:
            if time.monotonic() > until:
                return False
            rows: list[Any] = db.execute(_TOLD, (self._known_to, SLICE)).fetchall()
            calls: dict[int, int] = dict(rows)
            for record in cards.rows(db, list(calls)):
                if record.kind != "unreadable":  # damaged
                    self._note(calls[record.seq], _told(record.body))
            self._known_to = max(calls) if len(calls) == SLICE else upto
        return True

    def _note(self, call: int, told: _Told) -> None:
        agent = told.user_id if told.purpose == cards.AGENT else None
        for kind, identity in (("queue", told.queue_id), ("agent", agent)):
            if identity is not None:
                calls = self._calls.setdefault((kind, identity), array("q"))
                if not calls or calls[-1] != call:
                    calls.append(call)

    def _prune(self, db: apsw.Connection) -> None:
        oldest = int(db.execute(_OLDEST).get or 0)
        if oldest - self._oldest > PRUNED_AFTER:
            self._oldest = oldest
            kept = {key: array("q", (seq for seq in calls if seq >= oldest)) for key, calls in self._calls.items()}
            self._calls = {key: calls for key, calls in kept.items() if calls}
