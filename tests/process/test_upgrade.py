"""An upgrade without a hole: a new process, on a store of its own, overlaps the old one; both write to one place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from genscribe.emulator import Emulator
from genscribe.emulator.thread import GenesysCloud, running
from tests.process.destinations import (
    Speaker,
    assert_in_order,
    drained,
    head,
    jetstream,
    journal,
    number,
    speaking,
)
from tests.process.runner import hears, rows, stop, streaming, until
from tests.servers import postgres
from tests.servers.nats import Nats, running_nats

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CALLS = [f"call-{number}" for number in range(40)]
SUBJECT = "calls"
SINKS = ("pg", "bus")
A_WHILE = 1000
"""Events: two seconds of speech."""
PATIENCE_S = 60.0


@dataclass
class Rig:
    """Two stores, and the two destinations that they share."""

    folder: Path
    database: postgres.Database
    nats: Nats

    def __post_init__(self) -> None:
        self.old, self.new = self.folder / "old.db", self.folder / "new.db"

    def arguments(self, source: str) -> list[str]:
        urls = (self.database.url, f"nats://{self.nats.servers}/{SUBJECT}")
        return ["--source", source] + [
            part for name, url in zip(SINKS, urls, strict=True) for part in ("--to", f"{name}={url}")
        ]

    def deadlocks(self) -> int:
        ((count,),) = self.database.rows("select deadlocks::int from pg_stat_database where datname = 'postgres'")
        assert isinstance(count, int)
        return count


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "nats").mkdir()
    with postgres.server() as database, running_nats(tmp_path / "nats") as nats:
        yield Rig(tmp_path, postgres.Database(database, "postgres"), nats)


def change(cloud: GenesysCloud) -> None:
    """Every call's agent comes to belong to another queue, which is one more thing told of him."""

    def changed(platform: Emulator) -> None:
        for call in CALLS:
            agent = platform.organisation.conversations[call].agent
            assert agent is not None
            agent.queue = platform.organisation.queue("Sales")
            platform.consult(call)

    cloud.run(changed)


def handed_over(rig: Rig, source: str, cloud: GenesysCloud, speaker: Speaker, silence: Callable[[], None]) -> int:
    """From the old process to the new one, under load; the number of the first line that has to be there."""
    arguments, calls = rig.arguments(source), source == "notifications"
    with streaming(rig.old, cloud.settings(), *arguments, log=rig.folder / "old.log") as old:
        until(lambda: hears(rig.old, old))
        first = speaker.said
        if calls:
            until(lambda: agents_in(rig.old, "Support") == len(CALLS))
            change(cloud)
            until(lambda: agents_in(rig.old, "Sales") >= len(CALLS))
        until(lambda: head(rig.old) > A_WHILE)
        with streaming(rig.new, cloud.settings(), *arguments, log=rig.folder / "new.log") as new:
            until(lambda: hears(rig.new, new))
            hears_more(rig.new)
            assert stop(old) == 0
            hears_more(rig.new)
            silence()
            for call in CALLS[::2] if calls else ():
                cloud.end(call)
            until(lambda: not calls or len(over(rig.new)) == len(CALLS) / 2)
            last = f"line {speaker.said - 1}"
            until(lambda: rows(rig.new, f"select 1 from utterances where text = '{last}'"))
            until(lambda: drained(rig.new, SINKS), PATIENCE_S)
            assert stop(new) == 0
    assert drained(rig.old, SINKS), "what the old one had heard is delivered before it ends"
    return first


def hears_more(store: Path) -> None:
    before = head(store)
    until(lambda: head(store) > before + A_WHILE)


def agents_in(store: Path, queue: str) -> int:
    return len(rows(store, f"select 1 from participants where purpose = 'agent' and queue_name = '{queue}'"))


def over(store: Path) -> list[tuple[object, ...]]:
    return rows(store, "select conversation_id from conversations where ended_at is not null")


@pytest.mark.parametrize("source", ["transcripts", "notifications"])
def test_a_new_process_takes_over_from_an_old_one(rig: Rig, source: str) -> None:
    with running(transcripts=source == "transcripts") as cloud:
        if source == "notifications":
            for call in CALLS:
                cloud.begin(call)
        with speaking(cloud, CALLS) as (speaker, silence):
            first = handed_over(rig, source, cloud, speaker, silence)
    stores = [journal(rig.old), journal(rig.new)]
    heard = [{event["key"] for event in store.values() if event["kind"] == "utterance"} for store in stores]
    assert len(heard[0] & heard[1]) > A_WHILE / 2, "both heard the same for a while, by the same keys"
    wanted = Counter(range(first, speaker.said))
    check_postgres(rig, wanted, set.union(*heard))
    check_jetstream(rig, wanted, stores)
    if source == "notifications":
        check_participants(rig, stores[1])


def since(first: int, texts: list[str]) -> Counter[int]:
    return Counter(at for at in map(number, texts) if at >= first)


def check_postgres(rig: Rig, wanted: Counter[int], keys: set[str]) -> None:
    lines = rig.database.rows("select key, text from utterances")
    assert since(min(wanted), [text for _, text in lines]) == wanted, "each line once, and none is missing"
    assert Counter(key for key, _ in lines) == Counter(keys)
    assert rig.database.rows("select sum(utterance_count)::int from conversations") == [(len(keys),)]
    assert rig.database.rows("select reason from gaps") == []
    cursors = rig.database.rows("select sink, seq from genscribe_cursors order by seq")
    assert cursors == sorted((("pg", head(store)) for store in (rig.old, rig.new)), key=lambda row: row[1])
    assert rig.deadlocks() == 0, "two writers take their locks in one order"


def check_jetstream(rig: Rig, wanted: Counter[int], stores: list[dict[int, dict[str, Any]]]) -> None:
    messages = jetstream(rig.nats, SUBJECT)
    names = Counter(message.headers["Nats-Msg-Id"] for message in messages)
    assert names == Counter({f"{event['key']}:{event['revision']}" for store in stores for event in store.values()})
    events = [json.loads(message.value) for message in messages]
    lines = [event["text"] for event in events if event["kind"] == "utterance"]
    assert since(min(wanted), lines) == wanted, "each line once, and none is missing"
    assert_in_order(events)


def check_participants(rig: Rig, told: dict[int, dict[str, Any]]) -> None:
    """What the new one tells of calls that began under the old one is what readers keep: the highest revision."""
    known = {event["key"]: event for event in told.values() if event["kind"] == "participant"}
    left = {key: event["left_at"] for key, event in known.items()}
    assert sum(at is not None for at in left.values()) >= len(CALLS), "half of the calls are over"
    newest: dict[str, dict[str, Any]] = {}
    for event in (json.loads(message.value) for message in jetstream(rig.nats, SUBJECT)):
        if event["kind"] == "participant" and event["revision"] > newest.get(event["key"], {"revision": 0})["revision"]:
            newest[event["key"]] = event
    kept = {key: event["left_at"] for key, event in newest.items()}
    there = {key for (key,) in rig.database.rows("select key from participants where left_at is not null")}
    gone = {key for key, at in left.items() if at is not None}
    assert gone <= there, f"{len(gone - there)} of {len(gone)} who left are still there, says PostgreSQL"
    assert {key: at for key, at in kept.items() if key in gone} == {key: left[key] for key in gone}
    assert len(over(rig.new)) == len(rig.database.rows("select 1 from conversations where ended_at is not null"))
