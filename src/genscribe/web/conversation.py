"""One conversation whole: who took part, what was said, what may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import apsw
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from genscribe import clock
from genscribe.events import Gap, Participant, Record
from genscribe.store.rows import AFTER, fetch
from genscribe.web import asking, cards, missing, wire
from genscribe.web.answers import nothing_there
from genscribe.web.cards import Card, Draft
from genscribe.web.downloads import FORMATS, download
from genscribe.web.liveness import goes_on, moment
from genscribe.web.pieces import pieces
from genscribe.web.readers import Lane, Readers
from genscribe.web.unindexed import new_card, of_conversation, tell

MOST_LINES = 5000
MOST_LATER = 5000
"""Rows that the archive has not indexed yet: usually fewer than a hundred."""
MOST_PEOPLE = 10_000

_SEQS = """
select seq from utterance_rows where conversation_id = ?1 order by spoken_at desc, seq desc limit ?2"""

_COUNT = "select count(*) from utterance_rows where conversation_id = ?"

_PEOPLE = """
select j.seq as seq, j.kind as kind, j.crc as crc, j.body as body
from other_rows r cross join journal j on j.seq = r.seq
where r.conversation_id = ? and +r.kind = 'p' order by j.seq limit ?"""


class Whole(msgspec.Struct):
    """An answer; `earlier` counts the lines before those that are here, `live`: more of it may come."""

    head: int
    conversation: Card
    participants: list[Participant[str]]
    lines: list[wire.Line]
    earlier: int
    gaps: list[Gap[str]]
    live: bool = False


class OneConversation:
    """Answers `GET /api/conversations/{id}`. `streaming`: whether this process writes the store."""

    def __init__(self, readers: Readers, *, streaming: bool) -> None:
        self._readers = readers
        self._streaming = streaming

    async def one(self, request: Request) -> Response:
        """All of it as JSON, or with `format` a download."""
        conversation_id = asking.checked_id(request.path_params["conversation_id"], "An id")
        format_ = asking.choice(request.query_params, "format", FORMATS)
        if format_ is not None:
            return await download(self._readers.slow, conversation_id, format_)
        found = await read(self._readers.quick, conversation_id, streaming=self._streaming)
        if found is None:
            return nothing_there("There is no such conversation.")
        return Response(wire.encode(found), media_type="application/json")


async def read(lane: Lane, conversation_id: str, *, streaming: bool) -> Whole | None:
    """The conversation up to the last committed event; `None` when nothing was heard of it."""
    upto = await lane.ask(cards.known_to)
    draft, people = await lane.ask(_begun, conversation_id)
    seqs, total = await lane.ask(_line_seqs, conversation_id)
    lines: list[wire.Line] = []
    async for records in pieces(lane, seqs):
        lines += [wire.line(record) for record in records if record.kind == "utterance"]
    later = await lane.ask(_later, upto)
    head = later[-1].seq if later else upto
    of_it = of_conversation(later, conversation_id)
    whole = put_together(head, conversation_id, draft, people, lines, total - len(seqs), of_it)
    if whole is not None:
        whole.gaps = await lane.ask(missing.concerning, whole.conversation, clock.wall_ms())
        now = await lane.ask(partial(moment, streaming=streaming))
        _, heard_at = max(((line.seq, line.received_at) for line in whole.lines), default=(0, None))
        whole.live = goes_on(Draft(whole.conversation, heard_at=heard_at), now)
    return whole


def _begun(db: apsw.Connection, conversation_id: str) -> tuple[Draft | None, list[Participant[str]]]:
    draft = cards.one(db, conversation_id)
    if draft is None:
        return None, []
    cards.add_spoken(db, [draft], last=False)
    found = map(cards.participant, fetch(db, _PEOPLE, (conversation_id, MOST_PEOPLE)).records)
    return draft, [each for each in found if each is not None]


def _line_seqs(db: apsw.Connection, conversation_id: str) -> tuple[list[int], int]:
    seqs = [row[0] for row in db.execute(_SEQS, (conversation_id, MOST_LINES))]
    return seqs, int(db.execute(_COUNT, (conversation_id,)).get or 0)


def _later(db: apsw.Connection, after: int) -> list[Record]:
    return fetch(db, AFTER, (after, asking.MOST_SEQ, MOST_LATER)).records


# --- pure -------------------------------------------------------------------------------------------------------------


def put_together(
    head: int,
    conversation_id: str,
    draft: Draft | None,
    people: Sequence[Participant[str]],
    lines: Sequence[wire.Line],
    earlier: int,
    later: Sequence[Record],
) -> Whole | None:
    """What the archive knows, and what came since; `None` when that is nothing."""
    if draft is None and not later:
        return None
    by_key = {line.key: line for line in sorted(lines, key=lambda line: line.revision)}
    by_person = {one.key: one for one in people}
    card = draft.card if draft is not None else new_card(conversation_id, later[0].seq)
    for record in later:
        if record.kind == "utterance":
            line = wire.line(record)
            if line.key not in by_key or by_key[line.key].revision < line.revision:
                by_key[line.key] = line
        elif record.kind == "participant" and (one := cards.participant(record)) is not None:
            if one.key not in by_person or by_person[one.key].revision < one.revision:
                by_person[one.key] = one
        elif record.kind == "conversation":
            tell(card, record)
    found = sorted(by_key.values(), key=lambda line: (line.spoken_at or "", line.seq))
    everybody = list(by_person.values())
    cards.join(card, everybody)
    _count(card, found, earlier)
    return Whole(head, card, everybody, found, earlier, [])


def _count(card: Card, lines: Sequence[wire.Line], earlier: int) -> None:
    times = [line.spoken_at for line in lines if line.spoken_at is not None]
    if times and not earlier:
        card.first_spoken_at = min(times)
    if times:
        card.last_spoken_at = max(times)
    if lines:
        card.last = cards.last_of(lines[-1])
        card.media_type = card.media_type or lines[-1].media_type
    if not earlier:
        card.lines = sum(line.revision > 0 for line in lines)
