"""A store of an older format opens, keeps everything, and goes on. `format_1.sql` is the schema as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from genscribe.events import Conversation, Event, Gap, Participant, Unreadable, Utterance, encode
from genscribe.store import database, files
from genscribe.store.journal import Journal
from genscribe.store.reader import Reader
from genscribe.store.rows import insert
from genscribe.telemetry import Telemetry

AT = "2026-01-01T00:00:0{}.000Z"
EVENTS: list[Event[str]] = [
    Conversation("c1:started", 1, "c1", "started", at=AT.format(1), media_type="voice"),
    Participant("c1:p1:t", 1, "c1", "p1", user_name="Ines", joined_at=AT.format(1)),
    Utterance("k1", 1, conversation_id="c1", text="hello there", spoken_at=AT.format(2), media_type="voice"),
    Unreadable("x1", 1, received_at=AT.format(3), reason="not JSON"),
    Gap(f"{'0' * 32}:{AT.format(3)}", 1, AT.format(3), AT.format(4), "silent"),
    Utterance("k2", 1, conversation_id="c1", text="not indexed yet", spoken_at=AT.format(5), media_type="voice"),
]
INDEXED = """
insert into utterance_rows values (3, 'k1', 1, 'c1', :said);
insert into utterance_words (rowid, text) values (3, 'hello there');
insert into other_rows values (1, 'c', 'c1:started', 1, 'c1'), (2, 'p', 'c1:p1:t', 1, 'c1'),
  (5, 'g', printf('%032d', 0) || ':' || :gap, 1, null);
insert into conversation_rows values (1, 'c1', 'voice', null, null, null, :began, null);
update meta set value = 5 where name = 'archived_to';
insert into cursors select 'calls', printf('%032d', 0), 3, crc, :said from journal where seq = 3;
insert into dead_letters values ('calls', 2, 'refused', :said);
insert into open_gaps values ('open', :said, 'disconnected', 'transcripts', null);
insert into life values (1, 1000, 2000, 1900, 2000, '{}');
insert into marks values (6, 1767225600000);
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store of format 1 with something in every table, its last row not indexed."""
    path = tmp_path / "genscribe.db"
    db = apsw.Connection(str(path))
    db.execute("pragma auto_vacuum = incremental; pragma journal_mode = wal").fetchall()
    with db:
        db.execute(f"pragma application_id = {files.APPLICATION_ID}; pragma user_version = 1")
        db.execute(Path(__file__).with_name("format_1.sql").read_text(encoding="utf-8"))
        db.execute(
            "insert into meta values ('store_id', ?), ('created_at', ?), ('trimmed_to', 0), ('archived_to', 0)",
            ("0" * 32, AT.format(0)),
        )
        raws = [b"\xff" if isinstance(event, Unreadable) else None for event in EVENTS]
        insert(db, 0, [(event.kind, encode(event), raw) for event, raw in zip(EVENTS, raws, strict=True)])
        db.execute(INDEXED, {"said": AT.format(2), "gap": AT.format(3), "began": AT.format(1)})
    db.close()
    return path


def everything(path: Path, shell: Callable[[Path, str], list[Any]]) -> dict[str, list[Any]]:
    views = ("utterances", "participants", "gaps", "unreadable", "dead_letters", "journal", "cursors")
    found = {view: shell(path, f"select * from {view} order by seq") for view in views}
    columns = "conversation_id, media_type, started_at, ended_at, first_spoken_at, last_spoken_at, utterance_count"
    found["conversations"] = shell(path, f"select {columns} from conversations")
    found["meta"] = shell(path, "select * from meta where name in ('store_id', 'created_at')")
    return found


def test_a_store_of_format_1_keeps_everything(old: Path, shell: Callable[[Path, str], list[Any]]) -> None:
    before = everything(old, shell)
    assert all(before.values())
    opened = database.open_for_writing(old)
    assert (opened.migrated_from, opened.aside, opened.created) == (1, None, False)
    assert database.user_version(opened.db) == database.FORMAT == 2
    opened.db.close()
    assert everything(old, shell) == before
    assert shell(old, "select subscribed_at from conversations") == [(None,)]
    assert shell(old, "select * from channels") == []


def test_it_has_the_shape_of_a_new_one(old: Path, tmp_path: Path) -> None:
    migrated, new = database.open_for_writing(old), database.open_for_writing(tmp_path / "new.db")
    shapes = [database.shape(opened.db) for opened in (migrated, new)]
    migrated.db.close()
    new.db.close()
    assert shapes[0] == shapes[1]


@pytest.mark.anyio
async def test_a_run_goes_on_with_it(old: Path, shell: Callable[[Path, str], list[Any]]) -> None:
    telemetry = Telemetry()
    late = Conversation[str]("c1:ended", 1, "c1", "ended", at=AT.format(9), subscribed_at=AT.format(2))
    async with await Journal.open(old, telemetry=telemetry) as journal:
        assert (journal.store_id, journal.head, journal.cursor("calls")) == ("0" * 32, 6, 3)
        assert journal.previous is not None
        assert (journal.previous.heard_until, len(journal.previous.open_gaps)) == (1900, 1)
        journal.append([("conversation", encode(late), None)])
        journal.remember_channel("digest", 5)
    assert shell(old, "select text from utterances order by seq") == [("hello there",), ("not indexed yet",)]
    assert shell(old, "select started_at, ended_at, subscribed_at from conversations") == [
        (AT.format(1), AT.format(9), AT.format(2))
    ]
    with Reader.open(old) as reader:
        assert [record.seq for record in reader.search("hello")] == [3]


def test_every_format_before_this_one_has_its_step() -> None:
    assert sorted(database.MIGRATIONS) == list(range(1, database.FORMAT))
