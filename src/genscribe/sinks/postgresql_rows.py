"""A batch as rows to stage: what PostgreSQL gets of it, decided without a database.

A staged row is `(seq, kind, …)`, the kind's values in the order of its table's columns and `None` up to the common
width. Of several events with one key the one with the highest revision is staged. Rows are sorted by key: two
writers who take their locks in one order do not wait for each other in a circle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Union

import msgspec

from genscribe.events import Conversation, Event, Gap, Participant, Position, Record, Utterance, encode
from genscribe.sinks.base import RowsRejected
from genscribe.sinks.postgresql_schema import STAGED

UTTERANCE, PARTICIPANT, GAP, FACTS, POSITION = "u", "p", "g", "c", "@"
"""Kinds of staged rows. `FACTS` is what a batch says of a conversation, one row each."""

Value = Union[str, int, float, bool, None]
Row = tuple[Value, ...]
Counted = tuple[int, Event[str]]
"""An event with its `seq`."""

_decode = msgspec.json.Decoder(
    Event[str]  # type: ignore[misc]  # mypy has no runtime value for an applied union alias
).decode
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_NO_EVENT = (msgspec.MsgspecError, UnicodeDecodeError)

_KINDS: dict[type, tuple[str, int | None]] = {
    Utterance: (UTTERANCE, Utterance.__struct_fields__.index("words")),
    Participant: (PARTICIPANT, None),
    Gap: (GAP, Gap.__struct_fields__.index("conversation_ids")),
}
"""What is staged as which kind, and which of its values is JSON."""


@dataclass
class Facts:
    """What is known of a conversation. Fields in the order in which they are staged."""

    conversation_id: str
    media_type: str | None = None
    queue_id: str | None = None
    direction: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    subscribed_at: str | None = None
    started_revision: int = 0
    ended_revision: int = 0

    def take(self, event: Conversation[str] | Participant[str]) -> None:
        """Learns from an event: the first queue counts, and of a start or an end the highest revision."""
        self.queue_id = self.queue_id or event.queue_id
        if isinstance(event, Participant):
            return
        self.media_type = event.media_type or self.media_type
        self.direction = event.direction or self.direction
        self.subscribed_at = self.subscribed_at or event.subscribed_at
        if event.state == "started" and event.revision > self.started_revision:
            self.started_at, self.started_revision = event.at or self.started_at, event.revision
        if event.state == "ended" and event.revision > self.ended_revision:
            self.ended_at, self.ended_revision = event.at or self.ended_at, event.revision


def decoded(batch: Sequence[Record]) -> list[Counted]:
    """The events of a batch, each with its `seq`.

    Raises:
        RowsRejected: Some are no events of this version; it names them all.
    """
    try:
        return [(record.seq, _decode(_without_nul(record.body))) for record in batch]
    except _NO_EVENT:
        raise RowsRejected(
            {record.seq: "not an event of this version" for record in batch if not _is_event(record)}
        ) from None


def _is_event(record: Record) -> bool:
    try:
        _decode(_without_nul(record.body))
    except _NO_EVENT:
        return False
    return True


def _without_nul(body: bytes) -> bytes:
    """PostgreSQL's text and jsonb have no NUL. No event of ours has one; who made this one is another matter."""
    return _NUL.sub(rb"\1\\ufffd", body) if b"\\u0000" in body else body


def rows(events: Iterable[Counted]) -> list[Row]:
    """The rows to stage for these events; kinds that have no table leave none."""
    newest: dict[type, dict[str, Counted]] = {kind: {} for kind in _KINDS}
    facts: dict[str, Facts] = {}
    for counted in events:
        event = counted[1]
        if isinstance(event, (Conversation, Participant)):
            facts.setdefault(event.conversation_id, Facts(event.conversation_id)).take(event)
        places = newest.get(event.__class__)
        if places is None:
            continue
        known = places.get(event.key)
        if known is None or event.revision > known[1].revision:
            places[event.key] = counted
    staged = [_row(*counted) for places in newest.values() for _, counted in sorted(places.items())]
    return staged + [_wide(0, FACTS, astuple(known)) for _, known in sorted(facts.items())]


def position_row(sink: str, position: Position) -> Row:
    """The cursor, which rides with the rows that it is right for."""
    return _wide(position.seq, POSITION, (sink, position.store_id, position.crc))


def _row(seq: int, event: Event[str]) -> Row:
    kind, json_at = _KINDS[event.__class__]
    values = msgspec.structs.astuple(event)[:-1]
    if json_at is not None and values[json_at] is not None:
        values = (*values[:json_at], encode(values[json_at]).decode(), *values[json_at + 1 :])
    return _wide(seq, kind, values)


def _wide(seq: int, kind: str, values: Row) -> Row:
    return (seq, kind, *values, *(None,) * (STAGED - len(values)))
