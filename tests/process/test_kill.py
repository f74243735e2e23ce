"""kill -9 at random moments under load: accepted means committed.

`GENSCRIBE_TEST_KILLS=50 pytest tests/process/test_kill.py` runs the fifty cycles of the promise; the suite runs fewer.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import rows, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CYCLES = int(os.environ.get("GENSCRIBE_TEST_KILLS", "6"))
RATE = 500
SLACK_S = 0.5
"""A line is stamped before it is written to the socket; what was under way at the kill falls just before the gap."""


def speak(cloud: GenesysCloud, done: threading.Event) -> None:
    """500 utterances a second, in bursts of five."""
    number = 0
    while not done.is_set():
        for _ in range(5):
            cloud.say(f"utterance {number}", conversation=f"conversation-{number % 40}")
            number += 1
        done.wait(5 / RATE)


def when(text: object) -> float:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()


def test_kill_9_at_random_moments_loses_nothing_accepted(tmp_path: Path) -> None:
    store, lines = tmp_path / "s.db", tmp_path / "o.jsonl"
    chance = random.Random(20261122)
    done = threading.Event()
    with running(ledger_limit=None) as cloud:
        speaker = threading.Thread(target=speak, args=(cloud, done))
        speaker.start()
        try:
            accepted: set[object] = set()
            for _ in range(CYCLES):
                with streaming(store, cloud.settings(), "--to", f"jsonl:{lines}") as process:
                    connected = cloud.run(lambda emulator: emulator.ledger.handshake_count)
                    until(lambda before=connected: cloud.connected and rows(store, "select 1 from journal limit 1"))
                    time.sleep(chance.uniform(0.0, 0.7))
                    accepted.update(key for (key,) in rows(store, "select json_extract(body, '$.key') from journal"))
                    process.kill()
                    process.wait()
            with streaming(store, cloud.settings(), "--to", f"jsonl:{lines}") as process:
                until(lambda: cloud.connected)
                time.sleep(0.5)
                done.set()
                speaker.join()
                time.sleep(0.5)
                assert stop(process) == 0
        finally:
            done.set()
            speaker.join()
        emissions = list(cloud.ledger.emissions)
    assert len(accepted) > CYCLES * 20
    check(store, lines, accepted)
    check_gaps(store, [(emission.at_ms / 1000, str(emission.text)) for emission in emissions])


def check(store: Path, lines: Path, accepted: set[object]) -> None:
    journal = [key for (key,) in rows(store, "select json_extract(body, '$.key') from journal")]
    assert accepted <= set(journal), "what was once committed is there for ever"
    seqs = [seq for (seq,) in rows(store, "select seq from journal order by seq")]
    assert seqs == list(range(1, len(seqs) + 1)), "seq is dense"
    archived = Counter(key for (key,) in rows(store, "select key from utterances"))
    assert set(archived.values()) == {1}, "none twice in the archive"
    delivered = Counter(json.loads(line)["key"] for line in lines.read_text().splitlines())
    assert set(journal) <= set(delivered), "each at least once in the JSON Lines file"
    assert set(delivered) <= set(journal), "and nothing that was not accepted"


def check_gaps(store: Path, emissions: list[tuple[float, str]]) -> None:
    """What was said and is not stored was said in a gap, and every gap is a crash or a stop."""
    stored = {text for (text,) in rows(store, "select text from utterances")}
    gaps = [(when(a), when(b)) for a, b in rows(store, "select started_at, ended_at from gaps")]
    assert len(gaps) == CYCLES
    first = min(at for at, text in emissions if text in stored)
    lost = [at for at, text in emissions if text not in stored and at > first]
    outside = [at for at in lost if not any(a - SLACK_S <= at <= b + SLACK_S for a, b in gaps)]
    last = max(at for at, text in emissions if text in stored)
    assert [at for at in outside if at <= last] == []
