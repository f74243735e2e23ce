"""A conversation as a file: to read, or for programs. Read as it is sent, whole texts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

import apsw
from starlette.responses import Response, StreamingResponse

from genscribe.events import Participant, Record
from genscribe.terminal import safe
from genscribe.web import cards, wire
from genscribe.web.answers import nothing_there
from genscribe.web.readers import Lane

FORMATS = ("txt", "jsonl")
ROWS_A_READ = 100
MOST_ROWS = 200_000

# A text is read as it was spoken, events come in the order of their seqs.
_SPOKEN = """
select seq from utterance_rows where conversation_id = ? and revision > 0 order by spoken_at, seq limit ?"""
_EVENTS = """
select seq from utterance_rows where conversation_id = ?1 and revision > 0
union all select seq from other_rows where conversation_id = ?1 and +kind in ('c', 'p') order by seq limit ?2"""
_PEOPLE = "select seq from other_rows where conversation_id = ? and +kind = 'p' order by seq limit ?"

_TYPES = {"txt": "text/plain; charset=utf-8", "jsonl": "application/x-ndjson"}


async def download(lane: Lane, conversation_id: str, format_: str) -> Response:
    """The answer, as a file whose name is safe everywhere."""
    draft = await lane.ask(cards.one, conversation_id)
    if draft is None:
        return nothing_there("There is no such conversation.")
    body = _text(lane, draft.card) if format_ == "txt" else _events(lane, conversation_id)
    headers = {"content-disposition": f'attachment; filename="{file_name(conversation_id, format_)}"'}
    return StreamingResponse(body, media_type=_TYPES[format_], headers=headers)


def file_name(conversation_id: str, format_: str) -> str:
    """Letters, digits, `-` and `_` of the id, and no more of it than file systems bear."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", conversation_id).strip("-")[:80]
    return f"conversation-{name or 'without-a-name'}.{format_}"


async def _events(lane: Lane, conversation_id: str) -> AsyncIterator[bytes]:
    seqs = await lane.ask(_seqs, _EVENTS, conversation_id)
    async for records in _slices(lane, seqs):
        yield b"".join(record.json() + b"\n" for record in records)


async def _text(lane: Lane, card: cards.Card) -> AsyncIterator[bytes]:
    people = await lane.ask(_seqs, _PEOPLE, card.id)
    names: dict[str, str] = {}
    async for records in _slices(lane, people):
        names.update(_names(filter(None, map(cards.participant, records))))
    yield heading(card).encode()
    seqs = await lane.ask(_seqs, _SPOKEN, card.id)
    async for records in _slices(lane, seqs):
        yield "".join(said(wire.whole(record), names) for record in records if record.kind == "utterance").encode()


async def _slices(lane: Lane, seqs: list[int]) -> AsyncIterator[list[Record]]:
    for begin in range(0, len(seqs), ROWS_A_READ):
        some = seqs[begin : begin + ROWS_A_READ]
        records = await lane.ask(cards.rows, some)
        by_seq = {record.seq: record for record in records}
        yield [by_seq[seq] for seq in some if seq in by_seq]


def _seqs(db: apsw.Connection, sql: str, conversation_id: str) -> list[int]:
    return [row[0] for row in db.execute(sql, (conversation_id, MOST_ROWS))]


# --- text -------------------------------------------------------------------------------------------------------------


def heading(card: cards.Card) -> str:
    """What stands above the lines."""
    facts = {
        "Conversation": card.id,
        "Kind": card.media_type,
        "Queue": card.queue_name or card.queue_id,
        "Begun": card.started_at,
        "Ended": card.ended_at,
    }
    lines = [f"{name}: {safe(value)}\n" for name, value in facts.items() if value]
    return "".join(lines) + "All times are UTC.\n\n"


def said(line: wire.Line, names: Mapping[str, str]) -> str:
    """A line: when, who, what. Nothing in it acts on a terminal or turns its direction."""
    who = names.get(line.participant_id or "") or names.get(line.user_id or "")
    role = safe(line.speaker)
    role = role.upper() if role in ("ivr", "acd") else role.capitalize()
    name = f"{role} {safe(who)}" if who else role
    at = (line.spoken_at or "").replace("T", " ")[:19] or "(time unknown)     "
    return f"{at}  {name}: {safe(line.text)}\n"


def _names(people: filter[Participant[str]] | list[Participant[str]]) -> dict[str, str]:
    found = {}
    for one in people:
        for identity in (one.participant_id, one.user_id):
            if identity and one.user_name:
                found[identity] = one.user_name
    return found
