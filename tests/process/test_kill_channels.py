"""kill -9 at random moments while fifty calls are heard on notification channels.

`GENSCRIBE_TEST_KILLS=50 pytest tests/process/test_kill_channels.py` runs more cycles than the suite does.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from genscribe.emulator import Emulator
from genscribe.emulator.ledger import Emission
from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import hears, rows, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CYCLES = int(os.environ.get("GENSCRIBE_TEST_KILLS", "4"))
CALLS = 50
PERIOD_S = 0.05
A_PERIOD = 5
"""Lines a period, so a hundred a second."""
SLACK_S = 0.5
"""A line is stamped before it is written to the socket; what was under way at the kill falls just before the gap."""


@dataclass
class Traffic:
    """Calls that come and go, and text conversations that stay, in a thread of their own."""

    cloud: GenesysCloud
    chance: random.Random
    calls: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    begun: int = 0
    said: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        self.cloud.run(self._fill)
        while not self.done.wait(PERIOD_S):
            self.cloud.run(self._go_on)

    def _fill(self, platform: Emulator) -> None:
        for number in range(CALLS):
            self._begin(platform)
            if number < 2:
                platform.begin(f"chat-{number}", media_type="message")

    def _go_on(self, platform: Emulator) -> None:
        for _ in range(A_PERIOD):
            self.said += 1
            platform.say(f"line {self.said}", conversation=self.chance.choice(self.calls))
        roll = self.chance.random()
        if roll < 0.1:
            over = self.calls.pop(self.chance.randrange(CALLS))
            self.ended.add(over)
            platform.end(over)
            self._begin(platform)
        elif roll < 0.2:
            self.written.append(f"message {self.said}")
            platform.message(self.written[-1], self.chance.choice(("chat-0", "chat-1")))

    def _begin(self, platform: Emulator) -> None:
        self.begun += 1
        self.calls.append(platform.begin(f"call-{self.begun}", queue=self.chance.choice(("Support", "Sales"))))


@contextmanager
def talking(cloud: GenesysCloud, seed: int) -> Iterator[Traffic]:
    traffic = Traffic(cloud, random.Random(seed))
    thread = threading.Thread(target=traffic.run)
    thread.start()
    try:
        yield traffic
    finally:
        traffic.done.set()
        thread.join()


def when(text: object) -> float:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()


def texts(store: Path) -> Counter[object]:
    return Counter(text for (text,) in rows(store, "select text from utterances"))


def over(store: Path) -> set[object]:
    return {one for (one,) in rows(store, "select conversation_id from conversations where ended_at is not null")}


def begun(store: Path) -> set[object]:
    return {one for (one,) in rows(store, "select conversation_id from conversations where started_at is not null")}


def test_kill_9_loses_nothing_that_a_subscribed_channel_brought(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    chance = random.Random(20261124)
    with running(transcripts=False, ledger_limit=None) as cloud, talking(cloud, 7) as traffic:
        for cycle in range(CYCLES):
            before = max((seq for (seq,) in rows(store, "select seq from journal")), default=0)
            with streaming(store, cloud.settings(), "--source", "notifications") as process:
                query = f"select 1 from journal where kind = 'u' and seq > {before}"
                until(lambda asked=query: rows(store, asked))
                if cycle == 0:  # before that, a store has never heard, and no gap
                    until(lambda run=process: hears(store, run))
                time.sleep(chance.uniform(0.0, 0.7))
                process.kill()
                process.wait()
            time.sleep(chance.uniform(0.0, 0.3))
        with streaming(store, cloud.settings(), "--source", "notifications") as process:
            until(lambda: hears(store, process))
            time.sleep(0.5)
            traffic.done.set()
            until(lambda: set(traffic.written) <= set(texts(store)))
            until(lambda: traffic.ended & begun(store) <= over(store))
            assert stop(process) == 0
        emissions = list(cloud.ledger.emissions)
    check(store, traffic, emissions)


def check(store: Path, traffic: Traffic, emissions: list[Emission]) -> None:
    heard = texts(store)
    assert set(heard.values()) == {1}, "none twice"
    seqs = [seq for (seq,) in rows(store, "select seq from journal order by seq")]
    assert seqs == list(range(1, len(seqs) + 1)), "seq is dense"
    gaps = rows(store, "select started_at, ended_at, conversation_ids, reason from gaps")
    assert all(ended for _, ended, _, _ in gaps), "no gap of a killed run stays open"
    whole = [reason for _, _, ids, reason in gaps if ids is None]
    assert set(whole) == {"crashed"}
    assert len(whole) <= CYCLES, "one that was killed before it heard again goes on with the gap"
    spans = [
        (when(a) - SLACK_S, when(b) + SLACK_S, None if ids is None else json.loads(str(ids))) for a, b, ids, _ in gaps
    ]
    due = [one for one in emissions if one.confirmed and one.media_type == "voice"]
    lost = [one for one in due if one.text not in heard]
    outside = [one for one in lost if not any(covers(span, one) for span in spans)]
    assert len(due) > CYCLES * 20
    assert not outside, f"{len(outside)} of {len(due)} lines are neither stored nor in a gap: {outside[:3]}"
    assert set(traffic.written) <= set(heard), "texts are fetched by their ids, and the ids of an outage are asked for"


def covers(span: tuple[float, float, list[str] | None], said: Emission) -> bool:
    begins, ends, conversations = span
    of_it = conversations is None or said.conversation_id in conversations
    return of_it and begins <= said.at_ms / 1000 <= ends
