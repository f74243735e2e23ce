"""Cards: what a list shows of a conversation, read a few hundred at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw
import msgspec

from genscribe import clock
from genscribe.events import Participant, Record
from genscribe.store.queries import FORGOTTEN_MS, QUIET_MS
from genscribe.store.rows import fetch
from genscribe.web import wire
from genscribe.web.asking import Filters

AGENT = "agent"
"""The purpose of participants that are agents."""

_BASE = "c.first_seq, c.conversation_id, c.media_type, c.direction, c.queue_id, c.queue_name, c.started_at, c.ended_at"

_PAGE = f"""
select {_BASE} from conversation_rows c
where c.first_seq < ?1 order by c.first_seq desc limit ?2"""  # noqa: S608  # constants of ours

_ONE = f"select {_BASE} from conversation_rows c where c.conversation_id = ?"  # noqa: S608

_THESE = f"""
select {_BASE} from json_each(?) w cross join conversation_rows c on c.conversation_id = w.value"""  # noqa: S608

_BEGUN = f"""
select {_BASE} from json_each(?) w cross join conversation_rows c on c.first_seq = w.value
order by c.first_seq desc"""  # noqa: S608

_UNENDED = f"""
select {_BASE} from conversation_rows c
where c.first_seq > ?1 and c.ended_at is null order by c.first_seq desc limit ?2"""  # noqa: S608

# One walk over a conversation's rows; the last line is found by its time with the seq behind it.
_SPOKEN = """
select w.value, sum(u.revision > 0), min(u.spoken_at), max(u.spoken_at), max(u.seq),
       max(coalesce(u.spoken_at, '') || printf('~%019d', u.seq))
from json_each(?) w cross join utterance_rows u on u.conversation_id = w.value group by w.value"""

# The index alone; a call's first and last line in the order of arrival are nearly those in the order of speech.
_SPAN = """
select w.value, count(*), min(u.seq), max(u.seq)
from json_each(?) w cross join utterance_rows u on u.conversation_id = w.value group by w.value"""

_TIMES = "select u.seq, u.spoken_at from json_each(?) w cross join utterance_rows u on u.seq = w.value"

_JOINED = """
select j.seq as seq, j.kind as kind, j.crc as crc, j.body as body
from json_each(?) w cross join other_rows r on r.conversation_id = w.value and +r.kind = 'p'
cross join journal j on j.seq = r.seq where r.conversation_id is not null order by j.seq limit ?"""
# A plus sign before `kind` keeps SQLite from its index: that would walk over everybody.

_ROWS = """
select seq, kind, crc, body from journal
where seq in (select value from json_each(?1)) order by seq limit (select count(*) from json_each(?1))"""

_FIRST_LINES = """
select j.seq as seq, j.kind as kind, j.crc as crc, j.body as body
from utterance_rows r cross join journal j on j.seq = r.seq
where r.conversation_id = ? order by j.seq limit 1000"""

MOST_JOINED = 100_000


class Named(msgspec.Struct, frozen=True):
    """An agent who took a call or a queue that it went through; the name may not be known."""

    id: str | None
    name: str | None


class Last(msgspec.Struct, frozen=True):
    """The line that was spoken last."""

    seq: int
    key: str
    speaker: str
    text: str
    spoken_at: str | None
    is_final: bool


class Card(msgspec.Struct):
    """What a list shows of a conversation.

    Attributes:
        queue_id: The first queue.
        queues: All that it went through, in that order; once who joined was added.
        agents: All who took it, likewise.
    """

    id: str
    first_seq: int
    media_type: str | None
    direction: str | None
    queue_id: str | None
    queue_name: str | None
    started_at: str | None
    ended_at: str | None
    first_spoken_at: str | None = None
    last_spoken_at: str | None = None
    lines: int = 0
    agents: Sequence[Named] = ()
    queues: Sequence[Named] = ()
    last: Last | None = None


class Draft(msgspec.Struct):
    """A card, with what filters ask for.

    Attributes:
        heard_at: When anything was last heard of it.
    """

    card: Card
    heard_at: str | None = None


def known_to(db: apsw.Connection) -> int:
    """The seq up to which everything stands in lists; ask first, then read: what comes meanwhile is seen twice."""
    upto = db.execute("select value from meta where name = 'archived_to'").get
    assert isinstance(upto, int)
    return upto


_participant = msgspec.json.Decoder(Participant[str]).decode


def page(db: apsw.Connection, before: int, limit: int) -> list[Draft]:
    """The conversations first heard of before a seq, newest first, of their own rows alone."""
    return [_draft(row) for row in db.execute(_PAGE, (before, limit))]


def one(db: apsw.Connection, conversation_id: str) -> Draft | None:
    """One conversation, without what was said."""
    drafts = add_joined(db, [_draft(row) for row in db.execute(_ONE, (conversation_id,))])
    return drafts[0] if drafts else None


def these(db: apsw.Connection, conversation_ids: Iterable[str]) -> dict[str, Draft]:
    """These conversations by their ids, of their own rows alone."""
    drafts = [_draft(row) for row in db.execute(_THESE, (json.dumps(list(conversation_ids)),))]
    return {draft.card.id: draft for draft in drafts}


def begun_at(db: apsw.Connection, first_seqs: Iterable[int]) -> list[Draft]:
    """The conversations with these first seqs, newest first, of their own rows alone."""
    return [_draft(row) for row in db.execute(_BEGUN, (json.dumps(list(first_seqs)),))]


def unended(db: apsw.Connection, after: int, limit: int) -> list[Draft]:
    """The conversations first heard of after a seq whose end was not told, newest first, of their own rows alone."""
    return [_draft(row) for row in db.execute(_UNENDED, (after, limit))]


def _draft(row: tuple[Any, ...]) -> Draft:
    first_seq, conversation_id, *rest = row
    card = Card(conversation_id, first_seq, *rest)
    card.queues = _first_queue(card)
    return Draft(card)


def _first_queue(card: Card) -> list[Named]:
    return [] if card.queue_id is None else [Named(card.queue_id, card.queue_name)]


def add_joined(db: apsw.Connection, drafts: list[Draft]) -> list[Draft]:
    """Adds who took part."""
    by_id = {draft.card.id: draft for draft in drafts}
    if not by_id:
        return drafts
    told: dict[str, list[Participant[str]]] = {}
    for record in fetch(db, _JOINED, (json.dumps(list(by_id)), MOST_JOINED)).records:
        found = participant(record)
        if found is not None:
            told.setdefault(found.conversation_id, []).append(found)
    for conversation_id, participants in told.items():
        join(by_id[conversation_id].card, participants)
    return drafts


def join(card: Card, participants: Iterable[Participant[str]]) -> None:
    """Puts participants, in order of their seqs, onto a card."""
    agents: dict[str | None, str | None] = {}
    queues: dict[str | None, str | None] = {one.id: one.name for one in _first_queue(card)}
    for each in sorted(participants, key=lambda one: one.joined_at or ""):
        if each.queue_id is not None:
            queues[each.queue_id] = each.queue_name or queues.get(each.queue_id)
        if each.purpose == AGENT and (each.user_id or each.user_name):
            agents[each.user_id] = each.user_name or agents.get(each.user_id)
    card.agents = [Named(user_id, name) for user_id, name in agents.items()]
    card.queues = [Named(queue_id, name) for queue_id, name in queues.items()]


def participant(record: Record) -> Participant[str] | None:
    """A participant's record as the event; `None` when it is damaged."""
    if record.kind != "participant":
        return None
    return msgspec.structs.replace(_participant(record.body), seq=record.seq)


def add_spoken(db: apsw.Connection, drafts: Sequence[Draft], *, last: bool = True) -> None:
    """Adds what was said: how many lines, from when to when, and the last one."""
    by_id = {draft.card.id: draft for draft in drafts}
    wanted: dict[int, Draft] = {}
    heard: dict[int, Draft] = {}
    for conversation_id, lines, first_at, last_at, newest, at_seq in db.execute(_SPOKEN, (json.dumps(list(by_id)),)):
        draft = by_id[conversation_id]
        draft.card.lines, draft.card.first_spoken_at, draft.card.last_spoken_at = lines, first_at, last_at
        wanted[int(at_seq.rpartition("~")[2])] = draft
        heard[newest] = draft
    if not last:
        return
    seqs = sorted({*wanted, *heard})
    for record in rows(db, seqs):
        if record.kind != "utterance":
            continue  # damaged
        line = wire.line(record)
        if record.seq in heard:
            heard[record.seq].heard_at = line.received_at
        if record.seq in wanted:
            wanted[record.seq].card.last = last_of(line)


def rows(db: apsw.Connection, seqs: Sequence[int]) -> list[Record]:
    """The journal's rows with these seqs that are there, in order; damaged ones as `unreadable`."""
    return fetch(db, _ROWS, (json.dumps(seqs),)).records


def spoken_by(db: apsw.Connection, drafts: Iterable[Draft], speakers: frozenset[str]) -> list[Draft]:
    """Those of the conversations in which one of these speakers said something."""
    return [draft for draft in drafts if _speaks(db, draft.card.id, speakers)]


def _speaks(db: apsw.Connection, conversation_id: str, speakers: frozenset[str]) -> bool:
    return any(
        record.kind == "utterance" and wire.line(record).speaker in speakers
        for record in fetch(db, _FIRST_LINES, (conversation_id,)).records
    )


def add_span(db: apsw.Connection, drafts: Sequence[Draft]) -> None:
    """Adds how many lines there are and from when to when, nearly, for a fraction of what `add_spoken` takes."""
    by_id = {draft.card.id: draft for draft in drafts}
    spans: list[Any] = db.execute(_SPAN, (json.dumps(list(by_id)),)).fetchall()
    ends = sorted({seq for span in spans for seq in span[2:]})
    times = spoken_at(db, ends)
    for conversation_id, lines, first, last in spans:
        card = by_id[conversation_id].card
        card.lines, card.first_spoken_at, card.last_spoken_at = lines, times.get(first), times.get(last)


def spoken_at(db: apsw.Connection, seqs: Iterable[int]) -> dict[int, str | None]:
    """When these lines were spoken."""
    found: list[Any] = db.execute(_TIMES, (json.dumps(list(seqs)),)).fetchall()
    return dict(found)


def last_of(line: wire.Line) -> Last:
    """A line as a card shows it."""
    return Last(line.seq, line.key, line.speaker, line.text, line.spoken_at, line.is_final)


def is_live(draft: Draft, now_ms: int) -> bool:
    """Its end was not told, and it was heard of in the last day, or, if no begin was told, just now."""
    card = draft.card
    if card.ended_at is not None:
        return False
    since = clock.iso(now_ms - (QUIET_MS if card.started_at is None else FORGOTTEN_MS))
    return max(draft.heard_at or "", card.started_at or "") >= since


def of_kind(asked: Filters) -> Callable[[Draft], bool]:
    """What filters ask of a conversation but for times and speakers: needs only who took part."""

    def fits(draft: Draft) -> bool:
        card = draft.card
        return (
            (asked.queues is None or any(queue.id in asked.queues for queue in card.queues))
            and (asked.agents is None or any(agent.id in asked.agents for agent in card.agents))
            and (asked.media_types is None or card.media_type in asked.media_types)
        )

    return fits


def of_time(asked: Filters) -> Callable[[Draft], bool]:
    """What filters ask of a conversation's time: needs what was said."""

    def fits(draft: Draft) -> bool:
        card = draft.card
        begin = card.first_spoken_at or card.started_at or card.ended_at
        end = card.last_spoken_at or card.ended_at or card.started_at
        return (asked.since is None or (end is not None and end >= asked.since)) and (
            asked.until is None or (begin is not None and begin < asked.until)
        )

    return fits
