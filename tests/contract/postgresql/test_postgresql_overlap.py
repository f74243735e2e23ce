"""Two writers at the same lines at the same moment, as while an upgrade overlaps."""

from __future__ import annotations

import anyio
import pytest

from genscribe.events import Record, Utterance
from tests.contract.postgresql.making import at, recorded, sink
from tests.servers.postgres import Database

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WAITING = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def said(*texts: str) -> list[Record]:
    """An utterance and its further revisions."""
    return recorded(
        *(Utterance[str](key="k", revision=n, conversation_id="c", text=text) for n, text in enumerate(texts, start=1))
    )


async def waiting(database: Database, count: int) -> None:
    with anyio.fail_after(30):
        while len(database.rows(WAITING)) < count:
            await anyio.sleep(0.01)


async def test_a_line_is_counted_once_though_one_writer_has_it_in_a_later_revision(database: Database) -> None:
    old, new = sink(database.url, store="old"), sink(database.url, store="new")
    await old.open()
    await new.open()
    try:
        database.run("insert into conversations (conversation_id) values ('c')")
        held = database.hold("select from conversations for update")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(old.write_at, said("how"), at(1, "old"))
            await waiting(database, 1)  # it has written the line, and is about to count it
            tasks.start_soon(new.write_at, said("how", "how can i help"), at(2, "new"))
            await waiting(database, 2)
            held.commit()
    finally:
        await old.aclose()
        await new.aclose()
    assert database.rows("select revision, text from utterances") == [(2, "how can i help")]
    assert database.rows("select utterance_count::int from conversations") == [(1,)]
    cursors = database.rows("select store_id, seq from genscribe_cursors order by seq")
    assert cursors == [("old", 1), ("new", 2)]
