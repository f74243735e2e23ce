"""kill -9 at random moments under load, of us and of the servers that we write to.

`GENSCRIBE_TEST_KILLS=100 pytest tests/process/test_kill_sinks.py` runs the hundred cycles of the promise; the suite
runs fewer.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from genscribe.emulator.thread import GenesysCloud, running
from tests.process.destinations import (
    RATE,
    JsonLines,
    assert_in_order,
    cursor,
    drained,
    firsts,
    head,
    jetstream,
    journal,
    speaking,
)
from tests.process.runner import DEADLINE_S, rows, stop, streaming, until
from tests.servers import postgres
from tests.servers.nats import Nats, running_nats

CYCLES = int(os.environ.get("GENSCRIBE_TEST_KILLS", "4"))
SINKS = ("file", "pg", "bus")
SUBJECT = "killed"
ASLEEP_S = 0.7
DRAIN_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200 + 10 * CYCLES)]


class Server(NamedTuple):
    """A server that a sink writes to; it comes back on its port."""

    sink: str
    kill: Callable[[], None]
    start: Callable[[], None]


@dataclass
class Rig:
    """A store, its three destinations, and what was ever seen committed."""

    folder: Path
    database: postgres.Database
    nats: Nats
    chance: random.Random = field(default_factory=lambda: random.Random(20261125))
    seen: dict[int, dict[str, Any]] = field(default_factory=dict)
    repeats: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = self.folder / "s.db"
        self.log = self.folder / "log"
        self.file = JsonLines(self.folder / "o.jsonl")
        self.bus = f"nats://{self.nats.servers}/{SUBJECT}"

    @property
    def arguments(self) -> list[str]:
        urls = (f"jsonl:{self.file.path}", self.database.url, self.bus)
        sinks = [part for name, url in zip(SINKS, urls, strict=True) for part in ("--to", f"{name}={url}")]
        return ["--source", "transcripts", *sinks]

    def nap(self) -> None:
        time.sleep(self.chance.uniform(0, ASLEEP_S))

    def live(self, cloud: GenesysCloud, cycle: int) -> None:
        """One life of the process, and what befalls the servers in it."""
        before = head(self.store)
        crashed = self._crashed_in(cycle)
        with streaming(self.store, cloud.settings(), *self.arguments, log=self.log) as process:
            if cycle % 5 != 4:  # the fifth is killed at any time, also while it starts
                until(lambda: head(self.store) > before)
            for server in crashed:
                server.kill()
                until(partial(self._complains, server.sink))
                self.nap()
            if len(crashed) == 1:
                crashed[0].start()
            self.nap()
            self.seen.update(journal(self.store, max(self.seen, default=0)))
            if cycle % 2:
                self._await_write()
            process.kill()
            process.wait()
        for server in crashed if len(crashed) == 2 else []:
            server.start()
        self._count_repeats()

    def _complains(self, sink: str) -> bool:
        return f"sink {sink}: " in self.log.read_text()

    def _await_write(self) -> None:
        """Until something is written to the file: the worst moment, as no cursor says so yet. Looks without a rest."""
        self.file.path.touch(0o600)
        size, end = self.file.path.stat().st_size, time.monotonic() + DEADLINE_S
        while self.file.path.stat().st_size == size:
            assert time.monotonic() < end, "nothing is written any more"

    def _crashed_in(self, cycle: int) -> list[Server]:
        """PostgreSQL once, NATS once, and once both, which are still down when we are killed."""
        database, nats = self.database.server, self.nats.process
        servers = [Server("pg", database.kill, database.start), Server("bus", nats.stop, nats.start)]
        quarter = max(CYCLES // 4, 1)
        return {quarter: servers[:1], 2 * quarter: servers[1:], 3 * quarter: servers}.get(cycle, [])

    def _count_repeats(self) -> None:
        """What the file has beyond the cursor that was saved comes once more."""
        self.file.read_on()
        saved = cursor(self.store, "file")
        self.repeats.append(len({line["seq"] for line in self.file.lines if line["seq"] > saved}))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "nats").mkdir()
    with postgres.server() as database, running_nats(tmp_path / "nats") as nats:
        yield Rig(tmp_path, postgres.Database(database, "postgres"), nats)


def test_kill_9_at_random_moments_costs_no_sink_anything(rig: Rig) -> None:
    calls = [f"conversation-{number}" for number in range(40)]
    with running() as cloud, speaking(cloud, calls) as (_, silence):
        for cycle in range(CYCLES):
            rig.live(cloud, cycle)
        before = head(rig.store)
        with streaming(rig.store, cloud.settings(), *rig.arguments, log=rig.log) as process:
            until(lambda: head(rig.store) > before)
            silence()
            until(lambda: drained(rig.store, SINKS), DRAIN_S)
            assert stop(process) == 0
    committed = journal(rig.store)
    check_journal(rig, committed)
    check_file(rig, committed)
    check_postgres(rig.database, committed)
    check_jetstream(rig.nats, committed)


def check_journal(rig: Rig, committed: dict[int, dict[str, Any]]) -> None:
    assert list(committed) == list(range(1, len(committed) + 1)), "seq is dense"
    changed = [seq for seq, event in rig.seen.items() if committed.get(seq) != event]
    assert not changed, f"{len(changed)} events that were once committed are gone, or others now"
    assert len(rig.seen) > CYCLES * RATE / 10, "it was under load"
    assert rows(rig.store, "select sink, reason from dead_letters") == []
    gaps = [event["reason"] for event in committed.values() if event["kind"] == "gap"]
    assert set(gaps) == {"crashed"}
    assert len(gaps) <= CYCLES


def check_file(rig: Rig, committed: dict[int, dict[str, Any]]) -> None:
    rig.file.read_on()
    lines = rig.file.lines
    once = firsts(lines)
    assert {line["seq"]: line["key"] for line in once} == {seq: event["key"] for seq, event in committed.items()}
    assert_in_order(once)
    assert max(rig.repeats) <= RATE, "a second of speech at most lay between the file and its cursor"
    assert len(lines) - len(once) <= sum(rig.repeats), "and nothing else came again"


def check_postgres(database: postgres.Database, committed: dict[int, dict[str, Any]]) -> None:
    for kind in ("utterance", "gap"):
        wanted = {event["key"] for event in committed.values() if event["kind"] == kind}
        found = Counter(key for (key,) in database.rows(f"select key from {kind}s"))
        assert set(found) == wanted
        assert set(found.values()) == {1}
    spoken = [(event["key"], event["text"]) for event in committed.values() if event["kind"] == "utterance"]
    assert sorted(database.rows("select key, text from utterances")) == sorted(spoken)
    assert len({text for _, text in spoken}) == len(spoken), "no line has two keys"
    counted = "select sum(utterance_count)::int from conversations"
    assert database.rows(counted) == [(len(spoken),)], "none was counted twice"


def check_jetstream(server: Nats, committed: dict[int, dict[str, Any]]) -> None:
    messages = jetstream(server, SUBJECT)
    wanted = {f"{event['key']}:{event['revision']}" for event in committed.values()}
    found = Counter(message.headers["Nats-Msg-Id"] for message in messages)
    assert set(found) == wanted
    assert set(found.values()) == {1}, "the stream has something twice"
    events = [json.loads(message.value) for message in messages]
    assert len(firsts(events)) == len(events)
    assert_in_order(events)
