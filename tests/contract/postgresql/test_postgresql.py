"""The PostgreSQL sink against a real server: what arrives, once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from genscribe.events import Conversation, Gap, Participant, Position, Record, Utterance, Word, encode
from genscribe.sinks import postgresql_session, postgresql_statements
from genscribe.sinks.base import KeepsPosition, SinkUnavailable
from genscribe.sinks.conformance import utterances
from genscribe.sinks.postgresql_schema import STAGE
from genscribe.sinks.postgresql_session import _Connection
from genscribe.sinks.postgresql_sink import PostgreSQL
from genscribe.testing import check_sink
from tests.contract.postgresql.making import STORE, at, recorded, sink
from tests.servers.postgres import Database, server
from tests.servers.trouble import trouble
from tests.toxics import Relay, listening

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AT = "2026-03-21T01:09:55.225Z"
COMMIT = b";\ncommit"
LATER = "2026-03-21T01:10:55.225Z"
OURS = "select pid from pg_stat_activity where application_name = 'genscribe' and datname = current_database()"


class Remembering(PostgreSQL):
    """Remembers what leaves no `seq` behind: conversations, which become one row each, and kinds without a table."""

    taken: set[int]

    async def _deliver(self, batch: Sequence[Record], extra: Any) -> None:
        await super()._deliver(batch, extra)
        self.taken |= {row.seq for row in batch if row.kind not in ("utterance", "participant", "gap")}


async def test_it_keeps_the_contract_of_a_sink() -> None:
    with server() as own:
        database = Database(own, "postgres")
        taken: set[int] = set()
        held: list[Any] = []

        def make(store: str = STORE) -> PostgreSQL:
            made = sink(own.url(port=there.port), store=store)
            made.__class__ = Remembering
            made.__dict__["taken"] = taken
            return made

        async def delivered() -> list[int]:
            tables = " union all ".join(f"select seq from {name}" for name in ("utterances", "participants", "gaps"))
            return sorted([seq for (seq,) in database.rows(tables)] + list(taken))

        async def down() -> None:
            own.stop()

        async def up() -> None:
            own.start()

        async def hold() -> None:
            held.append(database.hold("lock table utterances in access exclusive mode"))

        async def release() -> None:
            held.pop().close()

        def poison(seq: int) -> Record:
            event = Utterance[str](key=f"poison-{seq}", revision=1, text="this is poison", spoken_at="never")
            return Record(seq, "utterance", encode(event))

        assert isinstance(sink(own.url()), KeepsPosition)
        async with trouble(own.port, asks=COMMIT, answers=b"COMMIT\0", torn=b"copy") as there:
            await check_sink(
                make,
                delivered=delivered,
                down=down,
                up=up,
                hold=hold,
                release=release,
                swallow=there.swallow,
                tear=there.tear,
                poison=poison,
                make_for_store=make,
            )
        assert (there.lost, there.tears) == (2, 2)
        assert taken
        ((medium, ended),) = database.rows(
            "select media_type, ended_at notnull from conversations where conversation_id = 'c1'"
        )
        assert (medium, ended) == ("voice", True)
        ((counted, final),) = database.rows(
            "select (select sum(utterance_count) from conversations),"
            " (select count(*) from utterances where is_final and conversation_id notnull)"
        )
        assert counted == final


async def test_every_field_arrives_with_its_type(database: Database) -> None:
    full = Utterance[str](
        key="k",
        revision=1,
        conversation_id="c",
        communication_id="m",
        utterance_id="u",
        media_type="voice",
        speaker="agent",
        side="internal",
        participant_id="p",
        user_id="us",
        queue_id="q",
        text="tab\t, line\n, \\N and \\. and 'quotes' 👩‍👧",
        is_final=True,
        spoken_at=AT,
        offset_ms=17820,
        duration_ms=80.5,
        confidence=0.94,
        language="en-US",
        words=[Word("how", 1, 2, 0.5)],
        emitted_at=AT,
        received_at=AT,
        source="notifications",
    )
    gap = Gap[str](key="g", revision=1, started_at=AT, ended_at=LATER, reason="late", conversation_ids=["a", "b"])
    left = Participant[str](
        key="c:p:", revision=1, conversation_id="c", participant_id="p", joined_at=AT, left_at=LATER
    )
    made = sink(database.url)
    await made.open()
    await made.write(recorded(full, gap, left))
    await made.aclose()
    names = ", ".join(
        name for name in full.__struct_fields__ if name not in ("words", "seq") and not name.endswith("_at")
    )
    expected = tuple(getattr(full, name.strip()) for name in names.split(","))
    assert database.rows(f"select {names} from utterances") == [expected]
    assert database.rows(
        "select words, pg_typeof(words)::text, extract(epoch from spoken_at)::float8 from utterances"
    ) == [([{"word": "how", "offset_ms": 1, "duration_ms": 2, "confidence": 0.5}], "jsonb", 1774055395.225)]
    assert database.rows("select seq, reason, ended_at - started_at, conversation_ids from gaps")[0][3] == ["a", "b"]
    assert database.rows("select seq, key, left_at > joined_at from participants") == [(3, "c:p:", True)]


async def test_a_higher_revision_takes_the_place_also_within_a_batch_and_counts_once(database: Database) -> None:
    def said(revision: int, text: str, key: str = "k") -> Utterance[str]:
        return Utterance[str](
            key=key, revision=revision, conversation_id="c", text=text, is_final=revision > 0, spoken_at=AT
        )

    made = sink(database.url)
    await made.open()
    steps: list[tuple[list[Utterance[str]], str, int]] = [
        ([said(0, "ho")], "ho", 0),
        ([said(0, "how"), said(1, "how can"), said(2, "how can i")], "how can i", 1),
        ([said(1, "old")], "how can i", 1),
        ([said(3, "how could i")], "how could i", 1),
        ([said(3, "other"), said(1, "another", "l")], "how could i", 2),
        ([said(0, "in", "m")], "how could i", 2),
        ([said(1, "interim no more", "m")], "how could i", 3),
    ]
    after = 0
    for events, text, finals in steps:
        await made.write(recorded(*events, after=after))
        after += len(events)
        assert database.rows("select text from utterances where key = 'k'") == [(text,)]
        assert database.rows("select utterance_count from conversations") == [(finals,)]
    await made.aclose()


async def test_a_conversation_is_one_row_whatever_is_told_of_it_in_whatever_order(database: Database) -> None:
    def told(state: str, revision: int = 1, **more: Any) -> Conversation[str]:
        return Conversation[str](
            key=f"c:{state}", revision=revision, conversation_id="c", state=state, **{"at": AT, **more}
        )

    def joined(number: int, queue: str | None, name: str | None) -> Participant[str]:
        return Participant[str](key=f"c:p{number}:", revision=1, conversation_id="c", queue_id=queue, queue_name=name)

    made = sink(database.url)
    await made.open()
    await made.write(
        recorded(Utterance[str](key="k", revision=1, conversation_id="c", media_type="chat", spoken_at=AT))
    )
    columns = (
        "media_type, queue_id, queue_name, direction, started_at is not null, ended_at is not null, utterance_count"
    )
    assert database.rows(f"select {columns} from conversations") == [("chat", None, None, None, False, False, 1)]
    await made.write(recorded(joined(1, "q1", None), joined(2, "q2", "Sales")))
    await made.write(recorded(joined(3, "q1", "Support"), told("started", media_type="message", subscribed_at=LATER)))
    assert database.rows(f"select {columns} from conversations") == [("message", "q1", "Support", None, True, False, 1)]
    await made.write(recorded(told("ended", 2, at=LATER, direction="inbound", queue_id="q2")))
    await made.write(recorded(told("ended", 1, at=AT), told("started", 1, at=LATER)))
    assert database.rows(f"select {columns} from conversations") == [
        ("message", "q1", "Support", "inbound", True, True, 1)
    ]
    assert database.rows("select ended_at > started_at, subscribed_at = ended_at from conversations") == [(True, True)]
    await made.aclose()


async def test_the_cursor_stands_beside_the_data_for_each_sink_and_store(database: Database) -> None:
    one, other = sink(database.url), sink(database.url, store="store-2")
    await one.open()
    await other.open()
    assert await one.position() is None
    await one.write_at(utterances(0, 3), at(3))
    assert await one.position() == Position(STORE, 3, "00000003")
    assert await other.position() is None
    await other.write_at(utterances(3, 3), Position("store-2", 6, None))
    assert await other.position() == Position("store-2", 6, None)
    await one.write_at(utterances(6, 1), at(1))
    assert await one.position() == at(1), "a store that was restored goes back"
    await one.aclose()
    await other.aclose()


async def test_cancelled_at_any_await_it_wrote_all_or_nothing(database: Database, monkeypatch: Any) -> None:
    """As a kill would, cancellation leaves the batch and its cursor, or neither; then the batch is taken again."""
    wait = _Connection.wait
    before = 0
    for late in (False, True):
        for when in range(1, 100):
            calls = 0
            done = False
            batch = utterances(before, 5)

            async def cut(self: Any, gen: Any, *more: Any, **options: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls != when:  # noqa: B023
                    return await wait(self, gen, *more, **options)
                if late:  # noqa: B023
                    await wait(self, gen, *more, **options)
                scope.cancel()
                return await wait(self, gen, *more, **options) if not late else await anyio.sleep(1)  # noqa: B023

            cancelled = sink(database.url)
            await cancelled.open()
            with anyio.CancelScope() as scope, monkeypatch.context() as patch:
                patch.setattr(_Connection, "wait", cut)
                await cancelled.write_at(batch, at(batch[-1].seq))
                done = True
            await cancelled.aclose()
            while database.rows(OURS):  # a server that is busy still commits what was cut off here
                await anyio.sleep(0.01)
            again = sink(database.url)
            await again.open()
            there = await again.position()
            count = len(database.rows(f"select 1 from utterances where seq > {before}"))
            assert count == (5 if there == at(batch[-1].seq) else 0), f"late={late}, await {when}"
            assert not done or count == 5
            await again.write_at(batch, at(batch[-1].seq))
            await again.aclose()
            before = batch[-1].seq
            if done:
                break
        assert when > 5, "it was cancelled at several awaits"
    assert database.seqs() == list(range(1, before + 1))
    assert database.rows("select sum(utterance_count)::int from conversations") == [(before,)]


async def test_a_lost_answer_to_the_commit_is_found_in_the_cursor(database: Database) -> None:
    async with trouble(database.server.port, asks=COMMIT, answers=b"COMMIT\0") as there:
        made = sink(database.server.url(database.name, port=there.port))
        await made.open()
        await made.write_at(utterances(0, 10), at(10))
        await there.swallow()
        with pytest.raises(SinkUnavailable, match="the connection broke"):
            await made.write_at(utterances(10, 10), at(20))
        assert there.lost == 1
        assert await made.position() == at(20), "it was written, and nobody knew"
        await made.write_at(utterances(10, 10), at(20))
        await made.aclose()
    assert database.seqs() == list(range(1, 21))
    assert database.rows("select sum(utterance_count)::int from conversations") == [(20,)]


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_the_server_goes_and_comes_back(how: str) -> None:
    with server() as own:
        made = sink(own.url())
        await made.open()
        await made.write_at(utterances(0, 10), at(10))
        end: Callable[[], None] = getattr(own, how)
        end()
        for _ in range(2):
            with pytest.raises(SinkUnavailable):
                await made.write_at(utterances(10, 10), at(20))
        with pytest.raises(SinkUnavailable, match="nothing answers"):
            await made.open()
        own.start()
        await made.open()
        assert await made.position() == at(10)
        await made.write_at(utterances(10, 10), at(20))
        await made.aclose()
        assert Database(own, "postgres").seqs() == list(range(1, 21))


async def test_the_server_dies_in_the_middle_of_a_batch(monkeypatch: Any) -> None:
    """At each step of the transaction: nothing of it is there afterwards, or all."""
    with server() as own:
        made = sink(own.url())
        wait, before = _Connection.wait, 0
        for when in range(1, 8):
            calls = 0

            async def cut(self: Any, gen: Any, *more: Any, **options: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == when:  # noqa: B023
                    own.kill()
                return await wait(self, gen, *more, **options)

            await made.open()
            with monkeypatch.context() as patch:
                patch.setattr(_Connection, "wait", cut)
                try:
                    await made.write_at(utterances(before, 5), at(before + 5))
                except SinkUnavailable:
                    assert calls >= when
            if calls >= when:
                own.start()
            await made.open()
            there = await made.position()
            assert len(Database(own, "postgres").seqs()) == (there.seq if there else 0)
            await made.write_at(utterances(before, 5), at(before + 5))
            before += 5
        await made.aclose()
        assert Database(own, "postgres").seqs() == list(range(1, before + 1))


async def test_two_stores_that_overlap_bring_each_line_once(database: Database) -> None:
    """The old process and the new one hear the same, in other portions; equal keys are absorbed, under load."""
    total = 600

    async def deliver(store: str, portion: int) -> None:
        made = sink(database.url, store=store)
        await made.open()
        done = 0
        while done < total:
            batch = utterances(done, min(portion, total - done))
            try:
                await made.write_at(batch, at(batch[-1].seq, store))
            except SinkUnavailable:  # a deadlock or a conflict: it comes again
                await made.open()
            else:
                done = batch[-1].seq
        await made.aclose()

    await asyncio.gather(deliver("old", 7), deliver("new", 11), deliver("newer", 13))
    assert database.seqs() == list(range(1, total + 1))
    assert database.rows("select sum(utterance_count)::int, count(*) from conversations") == [(total, 3)]
    assert database.rows("select count(*) from genscribe_cursors where seq = 600") == [(3,)]


async def test_a_lock_that_somebody_holds_is_waited_for_and_then_told(database: Database, monkeypatch: Any) -> None:
    made = sink(database.url)
    await made.open()
    begin = postgresql_statements.BEGIN.replace("'2min'", "'200ms'")
    monkeypatch.setattr(postgresql_statements, "BEGIN", begin)
    holder = database.hold("lock table utterances in access exclusive mode")
    with pytest.raises(SinkUnavailable, match="query canceled"):
        await made.write(utterances(0, 3))
    holder.rollback()
    await made.write(utterances(0, 3))
    await made.aclose()
    assert database.seqs() == [1, 2, 3]


@pytest.mark.parametrize("when", range(1, 5))
async def test_a_server_that_says_nothing_any_more_is_given_up(database: Database, monkeypatch: Any, when: int) -> None:
    line = Relay(lambda: database.server.port)
    wait, calls = _Connection.wait, 0

    async def fall_silent(self: Any, gen: Any, *more: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        line.half_open = line.half_open or calls == when
        return await wait(self, gen, *more, **options)

    async with listening(line.serve) as port:
        made = sink(database.server.url(database.name, port=port))
        await made.open()
        with monkeypatch.context() as patch:
            patch.setattr(postgresql_session, "ANSWER_S", 0.3)
            patch.setattr(_Connection, "wait", fall_silent)
            with pytest.raises(SinkUnavailable, match="does not answer"):
                await made.write(utterances(0, 3))
        line.half_open = False
        await made.write(utterances(0, 3))
        await made.aclose()
    assert database.seqs() == [1, 2, 3]


async def test_a_slow_line_carries_a_batch_of_many_megabytes(database: Database) -> None:
    line = Relay(lambda: database.server.port, delay_s=0.02)
    huge = [
        Utterance[str](key=f"k{n}", revision=1, conversation_id="c", text="ü\\\n" * 300_000, spoken_at=AT)
        for n in range(5)
    ]
    async with listening(line.serve) as port:
        made = sink(database.server.url(database.name, port=port))
        await made.open()
        await made.write(recorded(*huge))
        await made.write(utterances(5, 5000))
        await made.aclose()
    assert database.rows("select count(*), sum(length(text)) from utterances where seq <= 5") == [(5, 4_500_000)]
    assert len(database.seqs()) == 5005


async def test_nothing_is_left_in_a_pooled_connection_that_it_relies_on(database: Database) -> None:
    made = sink(database.url)
    await made.open()
    for step in range(3):
        await made.write_at(utterances(step * 5, 5), at(step * 5 + 5))
        session = await made._live()
        assert await session.rows("select count(*) from pg_prepared_statements") == [(0,)]
        await session.run("discard all")  # as another server process would be
    await made.aclose()
    assert database.seqs() == list(range(1, 16))


async def test_no_word_stays_in_the_staging_table(database: Database) -> None:
    made = sink(database.url)
    await made.open()
    seq = 0
    pages = []
    for _ in range(12):
        await made.write(utterances(seq, 500))
        seq += 500
        session = await made._live()
        assert await session.rows(f"select count(*) from {STAGE}") == [(0,)]
        ((size,),) = await session.rows(f"select pg_relation_size('{STAGE}')")
        pages.append(size // 8192)
    await made.aclose()
    assert 0 in pages, "it is emptied from time to time"
    assert max(pages) < 1000


async def test_a_commit_is_durable_also_where_the_database_would_not_wait(database: Database) -> None:
    made = sink(database.url)
    await made.open()
    database.run(
        f"alter database {database.name} set synchronous_commit = off;"
        "create table seen (setting text);"
        "create function see() returns trigger language plpgsql as "
        "$$ begin insert into seen values (current_setting('synchronous_commit')); return null; end $$;"
        "create trigger see after insert on utterances execute function see()"
    )
    await made.open()
    await made.write(utterances(0, 1))
    await made.aclose()
    assert set(database.rows("select setting from seen")) == {("on",)}


async def test_it_says_who_it_is(database: Database) -> None:
    made = sink(database.url)
    await made.open()
    assert len(database.rows(OURS)) == 1
    await made.aclose()


async def test_write_lets_others_run(database: Database) -> None:
    made = sink(database.url)
    await made.open()
    turns = 0
    ended = False

    async def others() -> None:
        nonlocal turns
        while not ended:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        await made.write(utterances(0, 500))
        ended = True
    await made.aclose()
    assert turns > 5
