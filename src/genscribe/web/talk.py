"""Who talks when: what the page draws as two lanes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

import apsw
from starlette.requests import Request
from starlette.responses import Response

from genscribe.store.rows import fetch
from genscribe.web import asking, cards, wire
from genscribe.web.readers import Readers

MOST_IDS = 60
MOST_SPANS = 2000
"""Of one conversation, the newest."""
A_LETTER_MS = 65
"""People speak about 15 characters a second."""
SHORTEST_MS, LONGEST_MS = 300, 60_000

_LINES = """
select j.seq as seq, j.kind as kind, j.crc as crc, j.body as body
from utterance_rows r cross join journal j on j.seq = r.seq
where r.seq in (select value from json_each(?)) order by j.seq limit ?"""

_SEQS = """
select seq from utterance_rows where conversation_id = ? and spoken_at is not null
order by spoken_at desc, seq desc limit ?"""

Span = tuple[int, int, str]


class Talk:
    """Answers `GET /api/talk`."""

    def __init__(self, readers: Readers) -> None:
        self._lane = readers.quick

    async def talk(self, request: Request) -> Response:
        """Spans of up to 60 conversations; one that is not known has none."""
        ids = asking.several(request.query_params, "id", MOST_IDS)
        if ids is None:
            raise asking.bad("Name conversations with id=.")
        head = await self._lane.ask(cards.known_to)
        talk = {}
        for one in sorted(ids):
            lines = await self._lane.ask(_lines, one)
            talk[one] = {"from": lines[0].spoken_at if lines else None, "spans": spans(lines)}
        return Response(wire.encode({"head": head, "talk": talk}), media_type="application/json")


def _lines(db: apsw.Connection, conversation_id: str) -> list[wire.Line]:
    seqs = [row[0] for row in db.execute(_SEQS, (conversation_id, MOST_SPANS))]
    records = fetch(db, _LINES, (json.dumps(seqs), len(seqs))).records
    lines = [wire.line(record) for record in records if record.kind == "utterance"]
    return sorted(lines, key=lambda line: (line.spoken_at or "", line.seq))


def spans(lines: Iterable[wire.Line]) -> list[Span]:
    """`(start_ms, length_ms, who)` for each line, in order; the first starts at 0."""
    found: list[Span] = []
    begin: datetime | None = None
    for line in lines:
        at = _moment(line.spoken_at)
        if at is None:
            continue
        begin = begin or at
        start = round((at - begin).total_seconds() * 1000)
        who = line.speaker if line.speaker in ("agent", "customer") else "other"
        found.append((start, length_ms(line), who))
    return found


def length_ms(line: wire.Line) -> int:
    """How long it took to say, or about that when the platform did not tell."""
    if line.duration_ms is not None and line.duration_ms > 0:
        return round(line.duration_ms)
    return min(max(SHORTEST_MS, A_LETTER_MS * len(line.text)), LONGEST_MS)


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
