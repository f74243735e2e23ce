"""The archive: an index over the journal, filled behind it by SQL alone.

Rows never pass through Python one by one: beside a busy event loop that takes a hundred times longer than the work.
The one exception are texts in scripts without blanks between words; those of a slice pass as one piece.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import ClassVar

import apsw

from genscribe.store.reports import Indexed
from genscribe.store.rows import fetch
from genscribe.store.search import UNSPACED_GLOB, spaced

ROWS_A_SLICE = 20
"""About half a millisecond; an append waits no longer than that and the commits."""
LINGER_S = 0.2
ENOUGH = 500
"""So many rows are indexed without lingering."""
FAR_BEHIND = 2000
ROWS_TO_CATCH_UP = 500
SLICES_TO_CATCH_UP = 20
"""With so many rows to index, slices are larger and share a commit: half the cost a row, and a longer wait."""

_SLICE = "seq > ?1 and seq <= ?2 and seq not in (select seq from temp.unsound)"

_FACTS = f"""
select coalesce(sum(kind = 'u'), 0), coalesce(sum(kind = 'c'), 0), coalesce(sum(kind = 'p'), 0),
       coalesce(sum(kind in ('g', 'm')), 0), coalesce(max(octet_length(body) > length(body)), 0)
from journal where {_SLICE}"""  # noqa: S608  # constants of ours

_UTTERANCES = f"""
insert into utterance_rows (seq, key, revision, conversation_id, spoken_at)
select seq, json_extract(body, '$.key'), json_extract(body, '$.revision'), json_extract(body, '$.conversation_id'),
       json_extract(body, '$.spoken_at')
from journal where {_SLICE} and kind = 'u' order by seq
on conflict (conversation_id, key) do update
set seq = excluded.seq, revision = excluded.revision, spoken_at = excluded.spoken_at
where excluded.revision > utterance_rows.revision
on conflict (key) where conversation_id is null do update
set seq = excluded.seq, revision = excluded.revision, spoken_at = excluded.spoken_at
where excluded.revision > utterance_rows.revision"""  # noqa: S608

# Only a final utterance is in the full-text table; when a later revision takes its place, the old words go.
_MOVED = """
create temp trigger if not exists utterance_moved after update of seq on main.utterance_rows when old.revision > 0
begin delete from utterance_words where rowid = old.seq; end"""

_FINALS = f"""
from journal where {_SLICE} and kind = 'u' and json_extract(body, '$.revision') > 0
and exists (select 1 from utterance_rows where utterance_rows.seq = journal.seq)"""  # noqa: S608

_WORDS = f"insert into utterance_words (rowid, text) select seq, json_extract(body, '$.text') {_FINALS}"

_UNSPACED = f"""
select cast(json_group_array(json_array(seq, json_extract(body, '$.text'))) as blob) {_FINALS}
and octet_length(body) > length(body) and json_extract(body, '$.text') glob ?3"""

_SPACED_WORDS = f"{_WORDS} and seq not in (select value ->> 0 from json_each(?3))"  # noqa: S608

_GIVEN_WORDS = "insert into utterance_words (rowid, text) select value ->> 0, value ->> 1 from json_each(?)"

# Known conversations are sifted out row by row before anything is grouped: nearly all rows are theirs.
_HEARD = """
insert into conversation_rows (conversation_id, media_type, first_seq)
select conversation_id, (select json_extract(body, '$.media_type') from journal where seq = first_seq), first_seq
from (select conversation_id, min(seq) as first_seq from utterance_rows as heard
      where seq > ?1 and seq <= ?2 and conversation_id is not null
      and not exists (select 1 from conversation_rows as known
                      where known.conversation_id = heard.conversation_id and known.media_type is not null)
      group by conversation_id)
where true
on conflict (conversation_id) do update
set media_type = excluded.media_type where excluded.media_type is not null"""

_OTHERS = f"""
insert into other_rows (seq, kind, key, revision, conversation_id)
select seq, kind, json_extract(body, '$.key'), json_extract(body, '$.revision'), json_extract(body, '$.conversation_id')
from journal where {_SLICE} and kind in ('c', 'p', 'g', 'm') order by seq
on conflict (kind, key) do update
set seq = excluded.seq, revision = excluded.revision, conversation_id = excluded.conversation_id
where excluded.revision > other_rows.revision"""  # noqa: S608

_CONVERSATIONS = f"""
insert into conversation_rows
  (conversation_id, media_type, queue_id, direction, started_at, ended_at, subscribed_at, first_seq)
select json_extract(body, '$.conversation_id'), json_extract(body, '$.media_type'), json_extract(body, '$.queue_id'),
       json_extract(body, '$.direction'),
       case json_extract(body, '$.state') when 'started' then json_extract(body, '$.at') end,
       case json_extract(body, '$.state') when 'ended' then json_extract(body, '$.at') end,
       json_extract(body, '$.subscribed_at'), seq
from journal where {_SLICE} and kind = 'c' order by seq
on conflict (conversation_id) do update
set media_type = coalesce(excluded.media_type, media_type), queue_id = coalesce(queue_id, excluded.queue_id),
    direction = coalesce(excluded.direction, direction), started_at = coalesce(excluded.started_at, started_at),
    ended_at = coalesce(excluded.ended_at, ended_at), subscribed_at = coalesce(subscribed_at, excluded.subscribed_at)"""  # noqa: S608

# A conversation's queue is the first one known; a name is that queue's only if the participant came through it.
_PARTICIPANTS = f"""
insert into conversation_rows (conversation_id, queue_id, queue_name, first_seq)
select json_extract(body, '$.conversation_id'), json_extract(body, '$.queue_id'), json_extract(body, '$.queue_name'),
       seq
from journal where {_SLICE} and kind = 'p' order by seq
on conflict (conversation_id) do update
set queue_id = coalesce(queue_id, excluded.queue_id),
    queue_name = coalesce(
      queue_name, case when coalesce(queue_id, excluded.queue_id) is excluded.queue_id then excluded.queue_name end)"""  # noqa: S608


class Archive:
    """The chore that indexes what was committed."""

    in_transaction: ClassVar[bool] = True

    def __init__(self, db: apsw.Connection, report: Callable[[object], None] = lambda report: None) -> None:
        self.report = report
        self._done = _archived_to(db)
        self._rolled_back = False
        self._behind_since: float | None = None
        db.execute(_MOVED)
        db.execute("create temp table if not exists unsound (seq integer primary key)")

    def wait(self, now: float, head: int, *, closing: bool) -> float | None:
        """Due 200 ms after the first row that is not indexed, at once when many are not or when closing."""
        if head <= self._done and not self._rolled_back:
            self._behind_since = None
            return None
        if self._behind_since is None:
            self._behind_since = now
        if closing or head - self._done >= ENOUGH:
            return 0
        return max(0.0, self._behind_since + LINGER_S - now)

    def step(self, db: apsw.Connection, now: float, head: int) -> None:
        """Indexes a slice; rows and the archive's own cursor in one transaction."""
        if self._rolled_back:
            self._done, self._rolled_back = _archived_to(db), False
        rows = ROWS_TO_CATCH_UP if self.behind(head) >= FAR_BEHIND else ROWS_A_SLICE
        upto = min(self._done + rows, head)
        span = (self._done, upto)
        try:
            with db:
                self._fill(db, span)
        except (apsw.SQLError, apsw.ConstraintError, apsw.MismatchError):
            if not _set_unsound_aside(db, span):
                raise
            self._fill(db, span)
        db.execute("update meta set value = ? where name = 'archived_to'", (upto,))
        self._done = upto

    @property
    def done(self) -> int:
        """Everything up to this seq is indexed."""
        return self._done

    def behind(self, head: int) -> int:
        """How many committed rows are not indexed yet; any thread may ask."""
        return max(0, head - self._done)

    def slices(self, head: int) -> int:
        """One, so that appends wait little; many to catch up."""
        return SLICES_TO_CATCH_UP if head - self._done >= FAR_BEHIND else 1

    def undone(self) -> None:
        """What the database says counts, once it can be asked again."""
        self._rolled_back = True

    def _fill(self, db: apsw.Connection, span: tuple[int, int]) -> None:
        facts = db.execute(_FACTS, span).get
        assert isinstance(facts, tuple)
        utterances, conversations, participants, others, wide = facts
        if utterances:
            db.execute(_UTTERANCES, span)
            duplicates = utterances - db.changes()
            if duplicates:
                self.report(Indexed(duplicates))
            _index_words(db, span, wide=bool(wide))
            db.execute(_HEARD, span)
        if conversations or participants or others:
            db.execute(_OTHERS, span)
        if conversations:
            db.execute(_CONVERSATIONS, span)
        if participants:
            db.execute(_PARTICIPANTS, span)


def _index_words(db: apsw.Connection, span: tuple[int, int], *, wide: bool) -> None:
    if not wide:
        db.execute(_WORDS, span)
        return
    found = db.execute(_UNSPACED, (*span, UNSPACED_GLOB)).get
    assert isinstance(found, bytes)
    rows = json.loads(found.decode("utf-8", "replace"))  # a row may be damaged on disk
    if not rows:
        db.execute(_WORDS, span)
        return
    given = json.dumps([(seq, spaced(text)) for seq, text in rows])
    db.execute(_SPACED_WORDS, (*span, given))
    db.execute(_GIVEN_WORDS, (given,))


def _set_unsound_aside(db: apsw.Connection, span: tuple[int, int]) -> bool:
    """Finds the rows of a slice that were damaged on disk; they are left out of the archive."""
    select = "select seq, kind, crc, body from journal where seq > ? and seq <= ? order by seq limit 1000"
    damaged = fetch(db, select, span).damaged
    db.executemany("insert or ignore into temp.unsound values (?)", [(seq,) for seq in damaged])
    return bool(damaged)


def _archived_to(db: apsw.Connection) -> int:
    seq = db.execute("select value from meta where name = 'archived_to'").get
    assert isinstance(seq, int)
    return seq
