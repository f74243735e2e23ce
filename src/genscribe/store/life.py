"""The sign of life: until when we heard, what `status` shows, and what the last run left behind."""

from __future__ import annotations

import json
from dataclasses import dataclass

import apsw
import msgspec

from genscribe.store.rows import fetch

KNOWN_GAPS = 5000

BEGIN = """
insert into life (id, started_at, at, heard_until, ended_at) values (1, ?1, ?1, ?2, null)
on conflict (id) do update set started_at = ?1, at = ?1, ended_at = null"""

BEAT = """
update life set at = ?1, heard_until = coalesce(?2, heard_until), status = coalesce(?3, status) where id = 1"""

END = "update life set at = ?1, ended_at = ?1 where id = 1"

OPEN_GAP = """
insert into open_gaps (key, started_at, reason, source, conversation_ids) values (?, ?, ?, ?, ?)
on conflict (key) do update set reason = excluded.reason, source = excluded.source,
  conversation_ids = excluded.conversation_ids"""

CLOSE_GAP = "delete from open_gaps where key = ?"


@dataclass(frozen=True)
class OpenGap:
    """A gap that has not ended; the event is appended when it does.

    Attributes:
        key: The key that the event will have.
        started_at: The last moment at which we were known to hear, as ISO text.
        conversation_ids: `None` means all.
    """

    key: str
    started_at: str
    reason: str
    source: str | None = None
    conversation_ids: tuple[str, ...] | None = None

    def row(self) -> tuple[str, str, str, str | None, str | None]:
        """The bindings of `OPEN_GAP`."""
        ids = None if self.conversation_ids is None else json.dumps(self.conversation_ids)
        return (self.key, self.started_at, self.reason, self.source, ids)


@dataclass(frozen=True)
class PreviousRun:
    """What the last run of this store left.

    Attributes:
        heard_until: Epoch milliseconds of the last moment at which it was known to hear; `None` when it never did.
        clean: It ended by itself, not by a crash.
        ended_at: Epoch milliseconds of its end, after a crash of its last sign of life.
        open_gaps: Gaps that had not ended when it did.
    """

    heard_until: int | None
    clean: bool
    ended_at: int
    open_gaps: tuple[OpenGap, ...] = ()


def previous(db: apsw.Connection) -> PreviousRun | None:
    """Reads it; `None` when this store never ran."""
    row = db.execute("select heard_until, ended_at, at from life where id = 1").get
    if row is None:
        return None
    heard_until, ended_at, at = row
    return PreviousRun(heard_until, ended_at is not None, ended_at or at, open_gaps(db))


def open_gaps(db: apsw.Connection) -> tuple[OpenGap, ...]:
    """The gaps that have not ended, oldest first."""
    rows = db.execute(
        "select key, started_at, reason, source, conversation_ids from open_gaps order by started_at, key"
    )
    return tuple(
        OpenGap(key, started_at, reason, source, None if ids is None else tuple(json.loads(ids)))
        for key, started_at, reason, source, ids in rows
    )


def gap_keys(db: apsw.Connection) -> list[str]:
    """The keys of the gaps recorded and open, those that began last, at most `KNOWN_GAPS` of each origin."""
    recorded = "select key from other_rows where kind = 'g' order by key desc limit ?"
    keys = [key for (key,) in db.execute(recorded, (KNOWN_GAPS,))]
    keys += [key for (key,) in db.execute("select key from open_gaps order by key desc limit ?", (KNOWN_GAPS,))]
    unindexed = """
        select seq, kind, crc, body from journal
        where seq > (select value from meta where name = 'archived_to') and kind = 'g' order by seq desc limit ?"""
    found = fetch(db, unindexed, (KNOWN_GAPS,)).records
    return keys + [msgspec.json.decode(record.body)["key"] for record in found if record.kind == "gap"]
