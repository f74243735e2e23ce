"""Rows that PostgreSQL refuses for what they hold: found, named by reason, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from genscribe.delivery import Delivery
from genscribe.events import Conversation, Gap, Participant, Utterance
from genscribe.sinks.base import RowsRejected, SinkUnavailable
from genscribe.telemetry import Telemetry
from tests.contract.postgresql.making import at, recorded, sink
from tests.fakes import MemoryJournal
from tests.servers.postgres import Database

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AT = "2026-03-21T01:09:55.225Z"


def said(n: int, **more: Any) -> Utterance[str]:
    return Utterance[str](**{"key": f"k{n:03d}", "revision": 1, "conversation_id": "c", "text": f"text {n}", **more})


async def refused(database: Database, events: Sequence[Any], *, opened: bool = False) -> dict[int, str]:
    """What the sink says of a batch; asserts that nothing of it is there, nor a cursor."""
    made = sink(database.url)
    await made.open()
    with pytest.raises(RowsRejected) as raised:
        await made.write_at(recorded(*events), at(len(events)))
    assert await made.position() is None
    await made.aclose()
    for table in ("utterances", "participants", "gaps", "conversations"):
        assert database.rows(f"select count(*) from {table}") == [(0,)]
    assert raised.value.__cause__ is None
    return raised.value.reasons


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"spoken_at": "2026-13-41T01:09:55.225Z"}, "datetime field overflow (22008)"),
        ({"received_at": "secret words"}, "invalid datetime format (22007)"),
        ({"revision": 2**40}, "numeric value out of range (22003)"),
        ({"key": "".join(chr(33 + n % 90) + str(n) for n in range(3000))}, "program limit exceeded (54000)"),
    ],
)
async def test_a_bad_value_costs_its_row_and_its_reason_quotes_nothing(
    database: Database, bad: dict[str, Any], reason: str
) -> None:
    assert await refused(database, [said(1), said(2, **bad), said(3)]) == {2: reason}


@pytest.mark.parametrize("position", range(8))
async def test_it_is_found_at_every_position(database: Database, position: int) -> None:
    events = [said(n, **({"spoken_at": "never"} if n == position else {})) for n in range(8)]
    assert await refused(database, events) == {position + 1: "invalid datetime format (22007)"}


async def test_all_bad_rows_are_named_at_once_whatever_their_kind(database: Database) -> None:
    events = [
        said(1),
        Conversation[str](key="c:started", revision=1, conversation_id="c", state="started", at="never"),
        Participant[str](key="c:p:", revision=1, conversation_id="c", joined_at="never"),
        Gap[str](key="g", revision=1, started_at="never", ended_at=None, reason="late"),
        said(5, spoken_at="never"),
        Conversation[str](key="d:started", revision=1, conversation_id="d", state="started", at=AT),
    ]
    assert set(await refused(database, events)) == {2, 3, 4, 5}


async def test_a_batch_of_nothing_else(database: Database) -> None:
    assert set(await refused(database, [said(n, spoken_at="never") for n in range(50)])) == set(range(1, 51))


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ("alter table utterances alter column text type varchar(10)", "string data right truncation (22001)"),
        ("alter table utterances add constraint short check (length(text) < 10)", "by constraint short"),
        ("create unique index once on utterances (text)", "unique violation (23505), constraint once"),
        (
            "alter table utterances add constraint last unique (text) deferrable initially deferred",
            "unique violation (23505), constraint last",
        ),
        (
            "alter table utterances add part bigint generated always as (1 / (length(text) - 22)) stored",
            "division by zero",
        ),
        (
            "create function no() returns trigger language plpgsql as $$ begin if length(new.text) > 10 then "
            "raise exception 'not %', new.text; end if; return new; end $$;"
            "create trigger no before insert on utterances for each row execute function no()",
            "raise exception (P0001)",
        ),
    ],
)
async def test_a_rule_of_the_users_own_costs_the_rows_that_break_it(
    database: Database, theirs: str, reason: str
) -> None:
    made = sink(database.url)
    await made.open()
    await made.aclose()
    database.run(theirs)
    events = [said(1), said(2), said(3, text="far too long, secretly"), said(4)]
    if "unique" in reason:
        events[2] = said(3, text="text 2")
    found = await refused(database, events)
    assert list(found) == [3]
    assert reason.removeprefix("by ") in found[3]
    assert "secretly" not in found[3]


class Silent(Telemetry):
    def emit(self, happening: Any) -> None:
        pass


async def deliver(journal: MemoryJournal, database: Database) -> Delivery:
    delivery = Delivery("pg", sink(database.url, store=journal.store_id), journal, Silent())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        with anyio.fail_after(30):
            while delivery.cursor < journal.head:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    return delivery


@pytest.mark.parametrize("is_bad", [lambda n: n == 77, lambda n: n % 3 == 0, lambda n: n > 90, lambda n: True])
async def test_delivery_dead_letters_them_and_the_rest_arrives_once(
    database: Database, is_bad: Callable[[int], bool]
) -> None:
    events = [said(n, **({"spoken_at": "never"} if is_bad(n) else {})) for n in range(1, 101)]
    journal = MemoryJournal(recorded(*events))
    delivery = await deliver(journal, database)
    bad = {n for n in range(1, 101) if is_bad(n)}
    assert {seq for _, seq in journal.dead} == bad
    assert database.seqs() == sorted(set(range(1, 101)) - bad) if len(bad) < 100 else True
    assert (delivery.tally.delivered, delivery.tally.dead_lettered) == (100 - len(bad), len(bad))


async def test_of_one_key_the_interim_that_is_good_stays_when_its_final_is_bad(database: Database) -> None:
    events = [said(1, revision=0, is_final=False), said(1, spoken_at="never"), said(2)]
    assert await refused(database, events) == {2: "invalid datetime format (22007)"}


async def test_a_batch_refused_without_a_bad_row_comes_again(database: Database) -> None:
    """What refuses the cursor is no row's fault: dead-lettering would lose what is good."""
    made = sink(database.url)
    await made.open()
    database.run("alter table genscribe_cursors add constraint never check (seq < 0)")
    with pytest.raises(SinkUnavailable, match="refused a batch, but no row of it: check violation"):
        await made.write_at(recorded(said(1), said(2)), at(2))
    database.run("alter table genscribe_cursors drop constraint never")
    await made.write_at(recorded(said(1), said(2)), at(2))
    await made.aclose()
    assert database.seqs() == [1, 2]
