"""Row J8: a signal at any moment, from the first instruction to the last commit, and the store is whole.

`GENSCRIBE_TEST_SIGNALS=200 pytest tests/process/test_signals.py` runs as many as the fault matrix asks for.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from genscribe import open_store
from genscribe.emulator.thread import running
from tests.process.runner import streaming

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("GENSCRIBE_TEST_SIGNALS", "16"))
EARLY = {-signal.SIGTERM, -signal.SIGINT, 130}
"""How a process ends that had no time to listen to signals yet."""
AGAIN = {130, -signal.SIGINT}
"""A second Ctrl-C; when Python itself is already ending, the signal ends it, which a shell shows as 130 too."""
LISTENING = "pipeline: genscribe"
"""The first line of the log: from there on a signal is heard."""


def test_a_signal_at_any_moment_ends_it_in_time_and_leaves_the_store_whole(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    store, log = tmp_path / "s.db", tmp_path / "log"
    said = 0
    with running(ledger_limit=None) as cloud:
        for number in range(ROUNDS):
            log.write_bytes(b"")
            cloud.lift()
            if number % 4 == 3:
                cloud.fault("flap")
            with streaming(store, cloud.settings(), "--to", f"jsonl:{tmp_path / 'o.jsonl'}", log=log) as process:
                end = time.monotonic() + chance.uniform(0.0, 1.2)
                while time.monotonic() < end:
                    cloud.say(f"line {said}", conversation=f"c{said % 7}")
                    said += 1
                    time.sleep(0.002)
                first = chance.choice((signal.SIGTERM, signal.SIGINT))
                heard = LISTENING in log.read_text()
                process.send_signal(first)
                if twice := chance.random() < 0.3:
                    time.sleep(chance.uniform(0.0, 0.1))
                    process.send_signal(signal.SIGINT)
                code = process.wait(10)
            expected = {0} | (AGAIN if twice else set()) | (set() if heard else EARLY)
            assert code in expected, f"round {number}: {code}\n{log.read_text()}"
            assert "Traceback" not in log.read_text() or "genscribe/cli/" not in log.read_text(), (
                "Python's own start only"
            )
            cloud.wait_disconnected()
    with open_store(store) as read:
        events = list(read.events())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    texts = [event.text for event in events if event.kind == "utterance"]
    assert len(texts) == len(set(texts))
    assert texts == sorted(texts, key=lambda text: int(text.split()[1]))
