"""What filters offer: queues, agents and media types, the recent ones first."""

from __future__ import annotations

import itertools
from typing import Any, Optional

import anyio
import apsw
from starlette.requests import Request
from starlette.responses import Response

from genscribe.events import Record
from genscribe.store.rows import fetch
from genscribe.web import cards, wire
from genscribe.web.asking import MOST_SEQ
from genscribe.web.readers import Lane, Readers

MOST = 500
FRESH_S = 30.0
SLICE = 1000
"""Rows a transaction."""
LOOKED_AT = 20_000
"""Rows of participants, and of conversations: what was not met within so many is not recent."""

_PEOPLE = """
select j.seq as seq, j.kind as kind, j.crc as crc, j.body as body
from (select seq from other_rows where +kind = 'p' and seq < ?1 order by seq desc limit ?2) r
cross join journal j on j.seq = r.seq order by j.seq desc limit ?2"""

_QUEUES = """
select first_seq, queue_id, queue_name, media_type from conversation_rows
where first_seq < ?1 order by first_seq desc limit ?2"""

Names = dict[str, Optional[str]]
"""Ids and what they are called, in the order in which they were met."""


class Choices:
    """Answers `GET /api/choices`; read once for all who ask within a few seconds."""

    def __init__(self, readers: Readers) -> None:
        self._lane = readers.slow
        self._one_reads = anyio.Lock()
        self._read_at = float("-inf")
        self._body = b""

    async def choices(self, request: Request) -> Response:
        """Names may be null where nobody told them."""
        async with self._one_reads:
            if anyio.current_time() - self._read_at >= FRESH_S:
                self._body = await _read(self._lane)
                self._read_at = anyio.current_time()
        return Response(self._body, media_type="application/json")


async def _read(lane: Lane) -> bytes:
    queues: Names = {}
    agents: Names = {}
    media: dict[str | None, None] = {}
    before: int | None = MOST_SEQ
    left = LOOKED_AT
    while before is not None and left > 0:
        rows = await lane.ask(_conversations, before)
        for _, queue_id, queue_name, media_type in rows:
            _note(queues, queue_id, queue_name)
            media.setdefault(media_type)
        before, left = _next([row[0] for row in rows], left)
    before, left = MOST_SEQ, LOOKED_AT
    while before is not None and left > 0:
        records = await lane.ask(_people, before)
        for each in filter(None, map(cards.participant, records)):
            _note(queues, each.queue_id, each.queue_name)
            if each.purpose == cards.AGENT:
                _note(agents, each.user_id, each.user_name)
        before, left = _next([record.seq for record in records], left)
    found = {"queues": _listed(queues), "agents": _listed(agents), "media_types": [one for one in media if one][:MOST]}
    return wire.encode(found)


def _conversations(db: apsw.Connection, before: int) -> list[tuple[Any, ...]]:
    return db.execute(_QUEUES, (before, SLICE)).fetchall()


def _people(db: apsw.Connection, before: int) -> list[Record]:
    return fetch(db, _PEOPLE, (before, SLICE)).records


def _note(names: Names, identity: str | None, name: str | None) -> None:
    if identity is not None and names.get(identity) is None:
        names[identity] = name


def _next(seqs: list[int], left: int) -> tuple[int | None, int]:
    """Where to go on, and for how many rows."""
    return (seqs[-1] if len(seqs) == SLICE else None), left - len(seqs)


def _listed(names: Names) -> list[dict[str, str | None]]:
    return [{"id": identity, "name": name} for identity, name in itertools.islice(names.items(), MOST)]
