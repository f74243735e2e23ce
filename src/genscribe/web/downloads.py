"""A conversation as a file: to read, or for programs. Read as it is sent, whole texts, to the last committed line."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping

import apsw
from starlette.responses import Response, StreamingResponse

from genscribe import clock
from genscribe.events import Gap, Participant
from genscribe.terminal import safe
from genscribe.web import cards, missing, unindexed, wire
from genscribe.web.answers import nothing_there
from genscribe.web.cards import Card
from genscribe.web.pieces import pieces
from genscribe.web.readers import Lane
from genscribe.web.unindexed import Fact

FORMATS = ("txt", "jsonl")
MOST_ROWS = 200_000

# What is not indexed yet comes as JSON. Of each key the higher revision counts; it may have been indexed meanwhile.
_WITH_LATER = """
with later (seq, kind, key, revision, spoken_at) as materialized (
  select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from json_each(?2)),
lines (seq, spoken_at) as (
  select seq, spoken_at from utterance_rows where conversation_id = ?1 and revision > 0 and seq not in (
    select u.seq from later l cross join utterance_rows u on u.conversation_id = ?1 and u.key = l.key
    where l.kind = 'u' and l.revision > u.revision)
  union all
  select l.seq, l.spoken_at from later l where l.kind = 'u' and l.revision > 0 and not exists (
    select 1 from utterance_rows u where u.conversation_id = ?1 and u.key = l.key and u.revision >= l.revision)),
others (seq, kind) as (
  select seq, kind from other_rows where conversation_id = ?1 and +kind in ('c', 'p') and seq not in (
    select o.seq from later l cross join other_rows o on o.kind = l.kind and o.key = l.key
    where l.revision > o.revision)
  union all
  select l.seq, l.kind from later l where l.kind <> 'u' and not exists (
    select 1 from other_rows o where o.kind = l.kind and o.key = l.key and o.revision >= l.revision))
"""
# A text is read as it was spoken, events come in the order of their seqs.
_SPOKEN = f"{_WITH_LATER} select seq from lines order by spoken_at, seq limit ?3"  # noqa: S608  # constants of ours
_EVENTS = f"{_WITH_LATER} select seq from lines union all select seq from others order by seq limit ?3"  # noqa: S608
_PEOPLE = f"{_WITH_LATER} select seq from others where kind = 'p' order by seq limit ?3"  # noqa: S608

_TYPES = {"txt": "text/plain; charset=utf-8", "jsonl": "application/x-ndjson"}


async def download(lane: Lane, conversation_id: str, format_: str) -> Response:
    """The answer, as a file whose name is safe everywhere."""
    later = await unindexed.facts(lane, conversation_id)
    card = await lane.ask(_card, conversation_id, later)
    if card is None:
        return nothing_there("There is no such conversation.")
    if format_ == "txt":
        gaps = await lane.ask(missing.concerning, card, clock.wall_ms())
        body = _text(lane, card, later, gaps)
    else:
        body = _events(lane, conversation_id, later)
    headers = {"content-disposition": f'attachment; filename="{file_name(conversation_id, format_)}"'}
    return StreamingResponse(body, media_type=_TYPES[format_], headers=headers)


def file_name(conversation_id: str, format_: str) -> str:
    """Letters, digits, `-` and `_` of the id, and no more of it than file systems bear."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", conversation_id).strip("-")[:80]
    return f"conversation-{name or 'without-a-name'}.{format_}"


async def _events(lane: Lane, conversation_id: str, later: list[Fact]) -> AsyncIterator[bytes]:
    seqs = await lane.ask(_seqs, _EVENTS, conversation_id, later)
    async for records in pieces(lane, seqs):
        yield b"".join(record.json() + b"\n" for record in records)


async def _text(lane: Lane, card: Card, later: list[Fact], gaps: list[Gap[str]]) -> AsyncIterator[bytes]:
    people = await lane.ask(_seqs, _PEOPLE, card.id, later)
    names: dict[str, str] = {}
    async for records in pieces(lane, people):
        names.update(_names(filter(None, map(cards.participant, records))))
    yield heading(card).encode()
    holes = deque(gaps)
    seqs = await lane.ask(_seqs, _SPOKEN, card.id, later)
    async for records in pieces(lane, seqs):
        lines = (wire.whole(record) for record in records if record.kind == "utterance")
        yield "".join(woven(lines, holes, names)).encode()
    yield "".join(map(not_recorded, holes)).encode()


def _card(db: apsw.Connection, conversation_id: str, later: list[Fact]) -> Card | None:
    """What is known of it; `None` when that is nothing."""
    draft = cards.one(db, conversation_id)
    if draft is None and not later:
        return None
    if draft is not None:
        card = draft.card
        cards.add_spoken(db, [draft], last=False)
    else:
        card = unindexed.new_card(conversation_id, later[0].seq)
    for record in cards.rows(db, [fact.seq for fact in later if fact.kind == "c"]):
        if record.kind == "conversation":
            unindexed.tell(card, record)
    times = [at for at in (card.first_spoken_at, card.last_spoken_at, *(fact.spoken_at for fact in later)) if at]
    card.first_spoken_at, card.last_spoken_at = min(times, default=None), max(times, default=None)
    return card


def _seqs(db: apsw.Connection, sql: str, conversation_id: str, later: list[Fact]) -> list[int]:
    return [row[0] for row in db.execute(sql, (conversation_id, json.dumps(later), MOST_ROWS))]


# --- text -------------------------------------------------------------------------------------------------------------


def heading(card: Card) -> str:
    """What stands above the lines."""
    facts = {
        "Conversation": card.id,
        "Kind": card.media_type,
        "Queue": ", then ".join(one.name or one.id or "" for one in card.queues) or card.queue_name or card.queue_id,
        "Begun": card.started_at,
        "Ended": card.ended_at,
    }
    lines = [f"{name}: {safe(value)}\n" for name, value in facts.items() if value]
    return "".join(lines) + "All times are UTC.\n\n"


def woven(lines: Iterable[wire.Line], holes: deque[Gap[str]], names: Mapping[str, str]) -> Iterable[str]:
    """Lines as they were spoken, and before each the gaps that had begun by then, which are taken out of `holes`."""
    for line in lines:
        while holes and holes[0].started_at <= (line.spoken_at or ""):
            yield not_recorded(holes.popleft())
        yield said(line, names)


def not_recorded(gap: Gap[str]) -> str:
    """A gap: since when, and until when nothing was heard, and why."""
    return f"{gap.started_at.replace('T', ' ')[:19]}  {missing.in_words(gap)}\n"


def said(line: wire.Line, names: Mapping[str, str]) -> str:
    """A line: when, who, what. Nothing in it acts on a terminal or turns its direction."""
    who = names.get(line.participant_id or "") or names.get(line.user_id or "")
    role = safe(line.speaker)
    role = role.upper() if role in ("ivr", "acd") else role.capitalize()
    name = f"{role} {safe(who)}" if who else role
    at = (line.spoken_at or "").replace("T", " ")[:19] or "(time unknown)     "
    return f"{at}  {name}: {safe(line.text)}\n"


def _names(people: Iterable[Participant[str]]) -> dict[str, str]:
    found = {}
    for one in people:
        for identity in (one.participant_id, one.user_id):
            if identity and one.user_name:
                found[identity] = one.user_name
    return found
