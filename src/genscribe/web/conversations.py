"""Lists of conversations: those that go on, those that were."""

from __future__ import annotations

import time
from typing import NamedTuple

import anyio.to_thread
import apsw
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from genscribe.web import asking, cards, wire
from genscribe.web.asking import MOST_SEQ, Filters
from genscribe.web.cards import Card, Draft
from genscribe.web.livecards import LiveCards, Seen
from genscribe.web.liveness import goes_on, moment
from genscribe.web.readers import Readers

USUAL = 50
MOST = 500
"""Conversations in one answer, but for those that go on."""
MOST_LIVE = 10_000
SLICE = 200
"""Conversations looked at in one transaction."""
BUDGET_S = 0.5
"""With a filter that lets little through, an answer comes after so long, and says where to go on."""


class Asked(NamedTuple):
    """A question for a list. `live`: `None` = both those that go on and those that ended."""

    filters: Filters
    live: bool | None
    before: int
    limit: int


class Listed(msgspec.Struct):
    """An answer; `next` is where to go on, `None` at the end."""

    head: int
    conversations: list[Card]
    next: int | None = None


class Conversations:
    """Answers `GET /api/conversations`.

    Args:
        readers: Where it reads.
        streaming: This process writes the store.
    """

    def __init__(self, readers: Readers, *, streaming: bool) -> None:
        self._lane = readers.quick
        self._streaming = streaming
        self._live = LiveCards(readers.quick, streaming=streaming)

    async def newest(self, request: Request) -> Response:
        """The conversations that began last, newest first."""
        asked = _asked(request)
        if asked.live:
            seen, drafts = await self._live.all()
            if (speakers := asked.filters.speakers) is not None:
                drafts = await self._spoken_by(drafts, speakers)
            body = await anyio.to_thread.run_sync(_picked, seen, drafts, asked)
        else:
            body = wire.encode(await self._listed(asked))
        return Response(body, media_type="application/json")

    async def _spoken_by(self, drafts: list[Draft], speakers: frozenset[str]) -> list[Draft]:
        found: list[Draft] = []
        for begin in range(0, len(drafts), SLICE):
            found += await self._lane.ask(cards.spoken_by, drafts[begin : begin + SLICE], speakers)
        return found

    async def _listed(self, asked: Asked) -> Listed:
        head = await self._lane.ask(cards.known_to)
        found, before = await self._lane.ask(_slice, asked, asked.before, asked.limit, self._streaming)
        began = time.monotonic()
        while before is not None and len(found) < asked.limit and time.monotonic() - began < BUDGET_S:
            some, before = await self._lane.ask(_slice, asked, before, asked.limit - len(found), self._streaming)
            found += some
        return Listed(head, [draft.card for draft in found], before)


def _asked(request: Request) -> Asked:
    query = request.query_params
    live = {None: None, "yes": True, "no": False}[asking.choice(query, "live", ("yes", "no"))]
    usual, most = (MOST_LIVE, MOST_LIVE) if live else (USUAL, MOST)
    before = asking.whole(query, "before")
    return Asked(
        asking.filters(query), live, MOST_SEQ if before is None else before, asking.number(query, "limit", usual, most)
    )


def _slice(
    db: apsw.Connection, asked: Asked, before: int, missing: int, streaming: bool
) -> tuple[list[Draft], int | None]:
    """The next conversations that fit, at most `missing`, and where to go on."""
    size = min(SLICE, missing) if _lets_all_through(asked) else SLICE
    drafts = cards.add_joined(db, cards.page(db, before, size))
    at_end = len(drafts) < size
    fitting = list(filter(cards.of_kind(asked.filters), drafts))
    cards.add_spoken(db, fitting)
    fitting = list(filter(cards.of_time(asked.filters), fitting))
    if asked.live is not None:
        now = moment(db, streaming=streaming)
        fitting = [draft for draft in fitting if goes_on(draft, now) == asked.live]
    if asked.filters.speakers is not None:
        fitting = cards.spoken_by(db, fitting, asked.filters.speakers)
    if len(fitting) >= missing:
        fitting = fitting[:missing]
        last = fitting[-1].card.first_seq
        return fitting, None if at_end and drafts[-1].card.first_seq == last else last
    return fitting, None if at_end else drafts[-1].card.first_seq


def _lets_all_through(asked: Asked) -> bool:
    return asked.filters == Filters() and asked.live is None


def _picked(seen: Seen, drafts: list[Draft], asked: Asked) -> bytes:
    of_kind, of_time = cards.of_kind(asked.filters), cards.of_time(asked.filters)
    found = [
        draft.card
        for draft in drafts
        if draft.card.first_seq < asked.before and goes_on(draft, seen.now) and of_kind(draft) and of_time(draft)
    ]
    found.sort(key=lambda card: card.first_seq, reverse=True)
    more = found[asked.limit - 1].first_seq if len(found) > asked.limit else None
    return wire.encode(Listed(seen.head, found[: asked.limit], more))
