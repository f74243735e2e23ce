-- Format 2 of a genscribe store; migrations.py brings older ones to it. The journal is the record; the archive below it is an index over it.
-- Tables with STRICT and the views need SQLite 3.37; only the full-text table needs the one we bring along.

create table meta (
  name text primary key,            -- store_id, created_at, trimmed_to, archived_to
  value any not null
) strict, without rowid;

-- What happened, in the order in which it was accepted. Rows are never changed; retention removes them from the front.
create table journal (
  seq integer primary key,          -- dense over all kinds; goes on after retention emptied the table (meta.trimmed_to)
  kind text not null,               -- u utterance, c conversation, p participant, g gap, m message, x unreadable
  crc blob not null,                -- 4 bytes, big-endian: crc32 of body, begun with (seq << 8 | kind)
  body text not null                -- the contract's JSON without seq
) strict;

create table unreadable_raw (seq integer primary key, raw blob not null) strict;

create table cursors (
  name text primary key,
  store_id text not null,
  seq integer not null,             -- delivered up to and with this one
  crc blob,                         -- that row's checksum; null when the row is gone
  saved_at text not null
) strict, without rowid;

-- Sinks that somebody paused by hand; they stay so over restarts.
create table paused_sinks (
  name text primary key,
  at text not null
) strict, without rowid;

create table dead_letters (
  sink text not null,
  seq integer not null,
  reason text not null,
  at text not null,
  primary key (seq, sink)
) strict, without rowid;

create table open_gaps (
  key text primary key,
  started_at text not null,
  reason text not null,
  source text,
  conversation_ids text
) strict, without rowid;

-- The platform's notification channels that are ours, by a digest of their ids: what a crash leaves behind is deleted.
create table channels (
  digest text primary key,
  ends_at integer not null          -- epoch milliseconds: the platform ends it then by itself
) strict, without rowid;

-- The sign of life, one row. Times in epoch milliseconds.
create table life (
  id integer primary key check (id = 1),
  started_at integer not null,
  at integer not null,
  heard_until integer,              -- the last moment at which we were known to hear; null when we never did
  ended_at integer,                 -- null while running and after a crash
  status text                       -- what `genscribe status` shows, as JSON
) strict;

-- When the journal was how long, by a clock that does not jump (see retention.py).
create table marks (seq integer primary key, at integer not null) strict;

-- The archive: which journal row stands for a key. Everything else is read from that row.
create table utterance_rows (
  seq integer primary key,
  key text not null,
  revision integer not null,
  conversation_id text,
  spoken_at text
) strict;
-- One random page a row is dirtied, not two: a key is of one conversation, so one index finds either.
create unique index utterance_rows_by_key on utterance_rows (conversation_id, key);
create unique index utterance_rows_of_none on utterance_rows (key) where conversation_id is null;

create table other_rows (
  seq integer primary key,
  kind text not null,
  key text not null,
  revision integer not null,
  conversation_id text,
  unique (kind, key)
) strict;
create index other_rows_by_conversation on other_rows (conversation_id) where conversation_id is not null;

create table conversation_rows (
  first_seq integer primary key,    -- the first journal row that speaks of it: the newest are found without sorting
  conversation_id text not null unique,
  media_type text,
  queue_id text,
  queue_name text,
  direction text,
  started_at text,
  ended_at text,
  subscribed_at text
) strict;

create virtual table utterance_words using fts5 (
  text, content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);
-- Merging is a chore between commits (see merging.py), not part of one.
insert into utterance_words (utterance_words, rank) values ('automerge', 0), ('usermerge', 16), ('crisismerge', 64);

create view utterances as
  select
    r.seq as seq,
    r.key as key,
    r.revision as revision,
    r.conversation_id as conversation_id,
    json_extract(j.body, '$.communication_id') as communication_id,
    json_extract(j.body, '$.utterance_id') as utterance_id,
    json_extract(j.body, '$.media_type') as media_type,
    json_extract(j.body, '$.speaker') as speaker,
    json_extract(j.body, '$.side') as side,
    json_extract(j.body, '$.participant_id') as participant_id,
    json_extract(j.body, '$.user_id') as user_id,
    json_extract(j.body, '$.queue_id') as queue_id,
    json_extract(j.body, '$.text') as text,
    json_extract(j.body, '$.is_final') as is_final,
    r.spoken_at as spoken_at,
    json_extract(j.body, '$.offset_ms') as offset_ms,
    json_extract(j.body, '$.duration_ms') as duration_ms,
    json_extract(j.body, '$.confidence') as confidence,
    json_extract(j.body, '$.language') as language,
    json_extract(j.body, '$.words') as words,
    json_extract(j.body, '$.emitted_at') as emitted_at,
    json_extract(j.body, '$.received_at') as received_at,
    json_extract(j.body, '$.source') as source
  from utterance_rows r join journal j on j.seq = r.seq;

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

create view participants as
  select
    r.seq as seq,
    r.key as key,
    r.revision as revision,
    r.conversation_id as conversation_id,
    json_extract(j.body, '$.participant_id') as participant_id,
    json_extract(j.body, '$.communication_id') as communication_id,
    json_extract(j.body, '$.purpose') as purpose,
    json_extract(j.body, '$.user_id') as user_id,
    json_extract(j.body, '$.user_name') as user_name,
    json_extract(j.body, '$.queue_id') as queue_id,
    json_extract(j.body, '$.queue_name') as queue_name,
    json_extract(j.body, '$.joined_at') as joined_at,
    json_extract(j.body, '$.left_at') as left_at
  from other_rows r join journal j on j.seq = r.seq where r.kind = 'p';

create view gaps as
  select
    r.seq as seq,
    r.key as key,
    json_extract(j.body, '$.started_at') as started_at,
    json_extract(j.body, '$.ended_at') as ended_at,
    json_extract(j.body, '$.reason') as reason,
    json_extract(j.body, '$.source') as source,
    json_extract(j.body, '$.conversation_ids') as conversation_ids
  from other_rows r join journal j on j.seq = r.seq where r.kind = 'g'
  union all
  select null, key, started_at, null, reason, source, conversation_ids from open_gaps;

create view unreadable as
  select
    x.seq as seq,
    json_extract(j.body, '$.received_at') as received_at,
    json_extract(j.body, '$.reason') as reason,
    json_extract(j.body, '$.source') as source,
    x.raw as raw
  from unreadable_raw x join journal j on j.seq = x.seq;
