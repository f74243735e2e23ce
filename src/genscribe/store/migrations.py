"""What brings a store from one format to the next.

Each step keeps its own text: `schema.sql` goes on changing, a step never does. What it makes must have the shape of
the schema (`database.check` compares them), columns in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import apsw

Migration = Callable[[apsw.Connection], None]

_TO_2 = """
create table channels (
  digest text primary key,
  ends_at integer not null
) strict, without rowid;

create table paused_sinks (
  name text primary key,
  at text not null
) strict, without rowid;

alter table conversation_rows add column subscribed_at text;

drop view conversations;
create view conversations as
  select
    c.first_seq as first_seq,
    c.conversation_id as conversation_id,
    c.media_type as media_type,
    c.queue_id as queue_id,
    c.queue_name as queue_name,
    c.direction as direction,
    c.started_at as started_at,
    c.ended_at as ended_at,
    c.subscribed_at as subscribed_at,
    (select min(u.spoken_at) from utterance_rows u where u.conversation_id = c.conversation_id) as first_spoken_at,
    (select max(u.spoken_at) from utterance_rows u where u.conversation_id = c.conversation_id) as last_spoken_at,
    (select count(*) from utterance_rows u where u.conversation_id = c.conversation_id and u.revision > 0)
      as utterance_count
  from conversation_rows c;
"""


def _to_2(db: apsw.Connection) -> None:
    """Conversations know when we began to hear them; our channels are remembered, and pauses of sinks."""
    db.execute(_TO_2)


MIGRATIONS: Mapping[int, Migration] = {1: _to_2}
"""By format: what brings a store from it to the next. All that are needed run in one transaction."""
