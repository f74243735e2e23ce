"""Search: what was said, by its words, as people look for it while they type."""

from __future__ import annotations

import apsw
import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from genscribe.store.search import terms
from genscribe.web import asking, wire
from genscribe.web.asking import MOST_SEQ
from genscribe.web.calls import find_calls
from genscribe.web.cards import Card
from genscribe.web.facets import Facets
from genscribe.web.finding import Deadline, Search, find_lines, with_cards
from genscribe.web.matching import Matcher, Piece
from genscribe.web.readers import Readers

USUAL, MOST = 50, 200
"""Results of one answer."""
MOST_CHARACTERS = 500


class Hit(msgspec.Struct):
    """A line that was found; `snippet` is the piece around the first word, `[text, whether it was asked for]`."""

    seq: int
    key: str
    speaker: str
    user_id: str | None
    participant_id: str | None
    spoken_at: str | None
    is_final: bool
    snippet: list[Piece]


class Result(msgspec.Struct):
    """A conversation, `None` for a line that belongs to none, and what was found in it."""

    conversation: Card | None
    hits: list[Hit]


class Answer(msgspec.Struct):
    """Newest first. `complete`: else time was up, and from `next` on there may be more."""

    results: list[Result]
    next: int | None
    complete: bool


class Searching:
    """Answers `GET /api/search`."""

    def __init__(self, readers: Readers) -> None:
        self._lane = readers.slow
        self._facets = Facets()

    async def search(self, request: Request) -> Response:
        """The lines or calls with these words."""
        search = asked(request.query_params)

        # While one types, each letter is a question, and the one before it is no more wanted when its turn comes.
        body = await self._lane.ask(answer, search, self._facets, wanted=lambda: _still_there(request))
        return Response(body, media_type="application/json")


async def _still_there(request: Request) -> bool:
    return not await request.is_disconnected()


def asked(query: QueryParams) -> Search:
    """The question, in bounds."""
    words = query.get("q") or ""
    if len(words) > MOST_CHARACTERS:
        raise asking.bad(f"q may have at most {MOST_CHARACTERS} characters.")
    before = asking.whole(query, "before")
    return Search(
        terms(words),
        asking.filters(query),
        MOST_SEQ if before is None else before,
        asking.number(query, "limit", USUAL, MOST),
        typed=bool(words.strip()),
        anywhere=asking.choice(query, "in", ("line", "call")) == "call",
    )


def answer(db: apsw.Connection, search: Search, facets: Facets) -> bytes:
    """The answer as JSON."""
    if search.nothing_to_look_for:
        return wire.encode(Answer([], None, complete=True))
    find = find_calls if search.anywhere else find_lines
    found = with_cards(db, find(db, search, facets, Deadline()))
    matcher = Matcher(db, search.terms.wanted)
    results = [
        Result(None if one.draft is None else one.draft.card, [_hit(line, matcher) for line in one.lines])
        for one in found.results
    ]
    return wire.encode(Answer(results, found.next, found.complete))


def _hit(line: wire.Line, matcher: Matcher) -> Hit:
    return Hit(
        line.seq,
        line.key,
        line.speaker,
        line.user_id,
        line.participant_id,
        line.spoken_at,
        line.is_final,
        matcher.snippet(line.text),
    )
