"""The store's views as columns, for `Store.frame`: which there are, what they hold, the statements to read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genscribe.store.queries import Filters, Select, media


@dataclass(frozen=True)
class Shape:
    """A view as a frame.

    Attributes:
        columns: All columns, in order.
        seq: The column by which it is read, in windows.
        times: Columns that hold times.
        numbers: Columns that hold numbers, or nothing.
        lists: Columns that hold JSON.
        since: What must hold of a time, in SQL, to be in a period that begins at `?`.
        until: The same for one that ends before `?`.
        choices: The conditions of the filters that it has, on a JSON list `?`.
        also: What else a row must be.
        unnumbered: Whether there are rows without a seq.
    """

    columns: tuple[str, ...]
    times: frozenset[str]
    since: str
    until: str
    choices: Mapping[str, str]
    seq: str = "seq"
    numbers: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    also: str = "true"
    unnumbered: bool = False


def _among(column: str) -> str:
    return f"{column} in (select value from json_each(?))"  # noqa: S608  # constants of ours


_IDS = {"conversation_ids": _among("conversation_id")}
_MEDIA = {"media_types": _among("media_type")}

FRAMES: Mapping[str, Shape] = {
    "utterances": Shape(
        columns=(
            "seq", "key", "revision", "conversation_id", "communication_id", "utterance_id", "media_type", "speaker",
            "side", "participant_id", "user_id", "queue_id", "text", "spoken_at", "offset_ms", "duration_ms",
            "confidence", "language", "words", "emitted_at", "received_at", "source",
        ),
        times=frozenset({"spoken_at", "emitted_at", "received_at"}),
        numbers=frozenset({"offset_ms", "duration_ms", "confidence"}),
        lists=frozenset({"words"}),
        since="spoken_at >= ?",
        until="spoken_at < ?",
        choices={**_IDS, **_MEDIA, "speakers": _among("speaker")},
        also="revision > 0",
    ),
    "conversations": Shape(
        columns=(
            "conversation_id", "media_type", "queue_id", "queue_name", "direction", "started_at", "ended_at",
            "subscribed_at", "first_spoken_at", "last_spoken_at", "utterance_count", "first_seq",
        ),
        times=frozenset({"started_at", "ended_at", "subscribed_at", "first_spoken_at", "last_spoken_at"}),
        since="coalesce(last_spoken_at, ended_at, started_at) >= ?",
        until="coalesce(first_spoken_at, started_at, ended_at) < ?",
        choices={**_IDS, **_MEDIA},
        seq="first_seq",
    ),
    "participants": Shape(
        columns=(
            "seq", "key", "revision", "conversation_id", "participant_id", "communication_id", "purpose", "user_id",
            "user_name", "queue_id", "queue_name", "joined_at", "left_at",
        ),
        times=frozenset({"joined_at", "left_at"}),
        since="joined_at >= ?",
        until="joined_at < ?",
        choices=_IDS,
    ),
    "gaps": Shape(
        columns=("seq", "key", "started_at", "ended_at", "reason", "source", "conversation_ids"),
        times=frozenset({"started_at", "ended_at"}),
        numbers=frozenset({"seq"}),
        lists=frozenset({"conversation_ids"}),
        since="coalesce(ended_at, '9999') > ?",
        until="started_at < ?",
        choices={
            "conversation_ids": """(conversation_ids is null or exists (
                select 1 from json_each(gaps.conversation_ids) one
                where one.value in (select value from json_each(?))))"""
        },
        unnumbered=True,
    ),
}  # fmt: skip


def rows(name: str, filters: Filters, after: int, upto: int) -> Select:
    """The rows of a frame within a window."""
    seq = FRAMES[name].seq
    return _select(name, filters, f"{seq} > ? and {seq} <= ?", (after, upto))


def unnumbered_rows(name: str, filters: Filters) -> Select:
    """The rows of a frame that have no seq yet: open gaps."""
    return _select(name, filters, f"{FRAMES[name].seq} is null", ())


def missing_filters(name: str, filters: Filters) -> list[str]:
    """The filters that a frame does not have."""
    choices = ("conversation_ids", "media_types", "speakers")
    return [one for one in choices if getattr(filters, one) is not None and one not in FRAMES[name].choices]


def columns(name: str, found: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Rows as columns; JSON becomes what it says. A row that came again in a later revision is there once."""
    shape = FRAMES[name]
    identity = shape.columns.index("conversation_id" if name == "conversations" else "key")
    once = {row[identity]: row for row in found}
    made: dict[str, list[Any]] = {}
    for place, column in enumerate(shape.columns):
        values = [row[place] for row in once.values()]
        if column in shape.lists:
            values = [None if value is None else json.loads(value) for value in values]
        made[column] = values
    return made


def _select(name: str, filters: Filters, where: str, bindings: tuple[Any, ...]) -> Select:
    shape = FRAMES[name]
    conditions, values = [where, shape.also], list(bindings)
    for condition, moment in ((shape.since, filters.since), (shape.until, filters.until)):
        if moment is not None:
            conditions.append(condition)
            values.append(moment)
    wanted = {
        "conversation_ids": filters.conversation_ids,
        "media_types": media(filters.media_types),
        "speakers": filters.speakers,
    }
    for one, choice in wanted.items():
        if choice is not None:
            conditions.append(shape.choices[one])
            values.append(json.dumps(sorted(choice)))
    sql = f"select {', '.join(shape.columns)} from {name} where {' and '.join(conditions)} order by {shape.seq}"  # noqa: S608
    return Select(sql, tuple(values))
