"""One conversation whole: who took part, what was said, what may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import apsw
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from genscribe import clock
from genscribe.events import Conversation, Gap, Participant, Record
from genscribe.store import queries
from genscribe.store.queries import QUIET_MS
from genscribe.store.rows import AFTER, fetch
from genscribe.web import asking, bounds, cards, wire
from genscribe.web.answers import nothing_there
from genscribe.web.cards import Card, Draft
from genscribe.web.downloads import FORMATS, download
from genscribe.web.readers import Lane, Readers

MOST_LINES = 5000
LINES_A_READ = 250
"""A line may have a megabyte."""
MOST_LATER = 5000
"""Rows that the archive has not indexed yet: usually fewer than a hundred."""
MOST_GAPS = 1000
MOST_PEOPLE = 10_000

_SEQS = """
select seq from utterance_rows where conversation_id = ?1 order by spoken_at desc, seq desc limit ?2"""

_COUNT = "select count(*) from utterance_rows where conversation_id = ?"

_PEOPLE = """
select j.seq as seq, j.kind as kind, j.crc as crc, j.body as body
from other_rows r cross join journal j on j.seq = r.seq
where r.conversation_id = ? and +r.kind = 'p' order by j.seq limit ?"""


class Whole(msgspec.Struct):
    """An answer; `earlier` counts the lines before those that are here."""

    head: int
    conversation: Card
    participants: list[Participant[str]]
    lines: list[wire.Line]
    earlier: int
    gaps: list[Gap[str]]


class OneConversation:
    """Answers `GET /api/conversations/{id}`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def one(self, request: Request) -> Response:
        """All of it as JSON, or with `format` a download."""
        conversation_id = asking.checked_id(request.path_params["conversation_id"], "An id")
        format_ = asking.choice(request.query_params, "format", FORMATS)
        if format_ is not None:
            return await download(self._readers.slow, conversation_id, format_)
        found = await read(self._readers.quick, conversation_id)
        if found is None:
            return nothing_there("There is no such conversation.")
        return Response(wire.encode(found), media_type="application/json")


async def read(lane: Lane, conversation_id: str) -> Whole | None:
    """The conversation up to the last committed event; `None` when nothing was heard of it."""
    upto = await lane.ask(cards.known_to)
    draft, people = await lane.ask(_begun, conversation_id)
    seqs, total = await lane.ask(_line_seqs, conversation_id)
    lines: list[wire.Line] = []
    for begin in range(0, len(seqs), LINES_A_READ):
        records = await lane.ask(cards.rows, seqs[begin : begin + LINES_A_READ])
        lines += [wire.line(record) for record in records if record.kind == "utterance"]
    later = await lane.ask(_later, upto)
    head = later[-1].seq if later else upto
    whole = put_together(head, draft, people, lines, total - len(seqs), of_conversation(later, conversation_id))
    if whole is not None:
        gaps = await lane.ask(_gaps)
        whole.gaps = concerning(gaps, whole.conversation, clock.wall_ms())
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


def _gaps(db: apsw.Connection) -> list[Gap[str]]:
    return [queries.gap(row) for row in db.execute(*queries.gaps(MOST_GAPS))]


# --- pure -------------------------------------------------------------------------------------------------------------


def of_conversation(records: Iterable[Record], conversation_id: str) -> list[Record]:
    """Those of the records that are of a conversation."""
    needle = msgspec.json.encode(conversation_id)
    return [record for record in records if needle in record.body and _id_of(record) == conversation_id]


class _Told(msgspec.Struct):
    conversation_id: str | None = None


_told = msgspec.json.Decoder(_Told).decode
_conversation = msgspec.json.Decoder(Conversation[str]).decode


def _id_of(record: Record) -> str | None:
    return _told(record.body).conversation_id


def put_together(
    head: int,
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
    card = draft.card if draft is not None else _new_card(later[0])
    for record in later:
        if record.kind == "utterance":
            line = wire.line(record)
            if line.key not in by_key or by_key[line.key].revision < line.revision:
                by_key[line.key] = line
        elif record.kind == "participant" and (one := cards.participant(record)) is not None:
            if one.key not in by_person or by_person[one.key].revision < one.revision:
                by_person[one.key] = one
        elif record.kind == "conversation":
            _tell(card, _conversation(record.body))
    found = sorted(by_key.values(), key=lambda line: (line.spoken_at or "", line.seq))
    everybody = list(by_person.values())
    cards.join(draft or Draft(card), everybody)
    _count(card, found, earlier)
    return Whole(head, card, everybody, found, earlier, [])


def _new_card(record: Record) -> Card:
    conversation_id = _id_of(record)
    assert conversation_id is not None
    return Card(conversation_id, record.seq, None, None, None, None, None, None)


def _tell(card: Card, event: Conversation[str]) -> None:
    card.media_type = event.media_type or card.media_type
    card.direction = event.direction or card.direction
    card.queue_id = card.queue_id or event.queue_id
    if event.state == "started":
        card.started_at = event.at or card.started_at
    else:
        card.ended_at = event.at or card.ended_at


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


def concerning(gaps: Iterable[Gap[str]], card: Card, now_ms: int) -> list[Gap[str]]:
    """The times in which something of that conversation may have been missed, in order."""
    begin = min(filter(None, (card.started_at, card.first_spoken_at)), default="")
    end = _end(card, now_ms)
    found = [
        gap
        for gap in gaps
        if (gap.conversation_ids is None or card.id in gap.conversation_ids)
        and gap.started_at <= end
        and (gap.ended_at is None or gap.ended_at >= begin)
    ]
    return sorted(found, key=lambda gap: gap.started_at)


def _end(card: Card, now_ms: int) -> str:
    """When it ended; if nobody told, now, or a while after its last line: that may have been missed, too."""
    if card.ended_at is not None:
        return card.ended_at
    last = card.last_spoken_at or card.started_at
    if last is None or cards.is_live(Draft(card, heard_at=card.last_spoken_at), now_ms):
        return clock.iso(now_ms)
    return bounds.moved(last, timedelta(milliseconds=QUIET_MS))
