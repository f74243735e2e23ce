"""Standard output of the real command: a reader that leaves, and a terminal that somebody holds with Ctrl-S."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

DEMO = [sys.executable, "-m", "genscribe", "demo", "--no-web", "--speed", "20", "--for", "300"]


def test_when_the_reader_leaves_it_ends_well(tmp_path: Path) -> None:
    demo = subprocess.Popen([*DEMO, "--store", str(tmp_path / "s.db")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert demo.stdout is not None
    assert demo.stderr is not None
    assert demo.stdout.readline()
    demo.stdout.close()
    assert demo.wait(timeout=30) == 0
    assert b"Traceback" not in demo.stderr.read()
    demo.stderr.close()


def status(store: Path) -> dict[str, Any]:
    asked = [sys.executable, "-m", "genscribe", "status", "--json", "--store", str(store)]
    answer = subprocess.run(asked, capture_output=True, check=False).stdout
    return json.loads(answer) if answer else {"utterances": 0, "clean": None}


def test_a_terminal_that_is_held_holds_neither_the_journal_nor_the_stop(tmp_path: Path) -> None:
    """Nobody reads the terminal: its buffer fills, and every write to it blocks."""
    primary, replica = os.openpty()
    store = tmp_path / "s.db"
    demo = subprocess.Popen([*DEMO, "--store", str(store)], stdout=replica, stderr=subprocess.DEVNULL)
    os.close(replica)
    try:
        while status(store)["utterances"] < 150:  # far more than a terminal's buffer takes
            assert demo.poll() is None
        demo.send_signal(signal.SIGTERM)
        while status(store)["clean"] is None:
            assert demo.poll() is None  # what the demo says last does wait for the terminal
        assert status(store)["clean"]
    finally:
        demo.kill()
        demo.wait()
        os.close(primary)
