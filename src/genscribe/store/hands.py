"""What a person changes in a store by command: pauses, cursors, dead letters; and which rows a span of time has."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

REFUSED = """
insert into dead_letters (sink, seq, reason, at) values (?, ?, ?, ?)
on conflict (seq, sink) do update set reason = excluded.reason, at = excluded.at"""

FORGIVE = "delete from dead_letters where seq = ? and sink = ?"

PAUSE = "insert into paused_sinks (name, at) values (?, ?) on conflict do nothing"

RESUME = "delete from paused_sinks where name = ?"

FORGET_CURSOR = "delete from cursors where name = ?"

LETTERS_A_SLICE = 10_000

OURS = "("
"""What the names of our own readers' cursors begin with, and no sink's can: nobody may pause or remove those."""

_RECEIVED = """
select seq, json_extract(body, '$.received_at') from journal
where seq > ? and seq <= ? and kind = 'u' order by seq limit 1"""


@dataclass(frozen=True)
class Hold:
    """A sink as the store knows it.

    Attributes:
        cursor: Everything up to this seq is there; `None` without a cursor.
        saved_at: When the cursor moved last.
        paused_at: Since when it is paused by hand; `None` = it is not.
        dead_letters: How many events of the store it refused.
    """

    name: str
    cursor: int | None = None
    saved_at: str | None = None
    paused_at: str | None = None
    dead_letters: int = 0


def holds(db: apsw.Connection) -> list[Hold]:
    """The sinks that have a cursor, a pause or dead letters, by name; none of our own readers', such as `(texts)`."""
    rows: Any = db.execute("select name, seq, saved_at from cursors").fetchall()
    cursors = {name: (seq, at) for name, seq, at in rows}
    pauses = paused(db)
    counts: Any = db.execute("select sink, count(*) from dead_letters group by sink").fetchall()
    refused: dict[str, int] = dict(counts)
    return [
        Hold(name, *cursors.get(name, (None, None)), pauses.get(name), refused.get(name, 0))
        for name in sorted({*cursors, *pauses, *refused})
        if not name.startswith(OURS)
    ]


def paused(db: apsw.Connection) -> dict[str, str]:
    """The sinks that are paused by hand, and since when."""
    rows: Any = db.execute("select name, at from paused_sinks").fetchall()
    return dict(rows)


def letters(
    db: apsw.Connection, sink: str | None, seqs: Sequence[int] = (), after: int = 0
) -> list[tuple[str, int, str, str]]:
    """The (sink, seq, reason, at) of dead letters, oldest first, at most `LETTERS_A_SLICE`.

    Args:
        db: The store.
        sink: Only this sink's; `None` = of all.
        seqs: Only these; empty = all.
        after: Only with a greater seq.
    """
    sql = (
        "select sink, seq, reason, at from dead_letters where seq > ?1 and (?2 is null or sink = ?2)"
        " and (?3 is null or seq in (select value from json_each(?3))) order by seq, sink limit ?4"
    )
    found: Any = db.execute(sql, (after, sink, json.dumps(list(seqs)) if seqs else None, LETTERS_A_SLICE)).fetchall()
    return list(found)


def span(db: apsw.Connection, head: int, since: str, until: str | None) -> tuple[int, int]:
    """The rows that the store took in from one time to another: after the first seq, up to and with the second.

    Args:
        db: The store.
        head: The last seq.
        since: ISO text as the store writes it.
        until: The same; `None` = now.
    """
    trimmed = db.execute("select value from meta where name = 'trimmed_to'").get
    assert isinstance(trimmed, int)
    after = last_before(lambda seq, upto: _received(db, seq, upto), trimmed, head, since)
    if until is None:
        return after, head
    upto = last_before(lambda seq, upto: _received(db, seq, upto), after, head, until)
    return after, upto if _received(db, upto, head) else head  # what follows the last utterance belongs to it


def last_before(ask: Callable[[int, int], tuple[int, str] | None], low: int, high: int, time: str) -> int:
    """The last seq before the first row that was received at that time or later.

    Args:
        ask: The first row with a time after one seq, up to and with another, and that time; `None` when there is none.
        low: Everything up to and with it came before.
        high: The last seq.
        time: ISO text.
    """
    # What stands between the last early row and the first late one has no time to go by: it is taken for late.
    while low < high:
        middle = (low + high) // 2
        found = ask(middle, high)
        if found is not None and found[1] < time:
            low = found[0]
        else:
            high = middle
    return low


def _received(db: apsw.Connection, after: int, upto: int) -> tuple[int, str] | None:
    found: Any = db.execute(_RECEIVED, (after, upto)).get
    return None if found is None else (found[0], found[1] or "")


def life_row(db: apsw.Connection) -> Any:
    """The sign of life as it stands; `None` when nothing ever ran."""
    return db.execute("select started_at, at, heard_until, ended_at from life where id = 1").get


LIFE_BACK = "update life set started_at = ?, at = ?, heard_until = ?, ended_at = ? where id = 1"
"""Puts it back: what works on a store without hearing is no run, and must not hide how the last one ended."""
