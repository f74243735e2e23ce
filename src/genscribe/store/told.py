"""All that was told of one conversation, as far as the archive knows; and what queues are called."""

from __future__ import annotations

import apsw

from genscribe.store.rows import Fetched, fetch

LINES = 100_000
GAPS = 1_000
"""The last gaps are looked at; older ones concern no conversation that ends now."""

_TOLD = f"""
select seq, kind, crc, body from journal where seq in (
  select seq from utterance_rows where conversation_id = ?1 and revision > 0
  union all select seq from other_rows where conversation_id = ?1 and kind in ('c', 'p')
  union all select seq from (select seq from other_rows where kind = 'g' order by seq desc limit {GAPS}))
order by seq limit {LINES}"""  # noqa: S608  # constants of ours

_QUEUES = """
select queue_id, queue_name, max(first_seq) from conversation_rows
where queue_id is not null and queue_name is not null group by queue_id"""


def told(db: apsw.Connection, conversation_id: str, known_to: int) -> Fetched | None:
    """Its events, the last revision of each, and the gaps, in order; `None` while what was asked for is not indexed."""
    upto = db.execute("select value from meta where name = 'archived_to'").get
    assert isinstance(upto, int)
    return fetch(db, _TOLD, (conversation_id,)) if upto >= known_to else None


def queue_names(db: apsw.Connection) -> dict[str, str]:
    """The names of queues by their ids, as last told."""
    return {queue_id: name for queue_id, name, _ in db.execute(_QUEUES)}
