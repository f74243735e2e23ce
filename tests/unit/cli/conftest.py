"""The store of `filled.py`, and the command line run in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genscribe import clock
from genscribe.cli import output
from genscribe.cli.main import main
from genscribe.terminal import Screen
from tests.unit.cli.filled import NOW_MS, Filled, Result


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filled]:
    """The store; it is a while after its last event, in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    monkeypatch.setattr(clock, "wall_ms", lambda: NOW_MS)
    store = Filled(tmp_path / "genscribe.db")
    yield store
    store.db.close(True)
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def run(filled: Filled, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs a command on the store: `run("search", "order")`."""

    def act(*arguments: str) -> Result:
        code = main([arguments[0], "--store", str(filled.path), *arguments[1:]])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return act


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal of 80 columns without colours."""
    monkeypatch.setattr(output, "to_terminal", lambda: True)
    monkeypatch.setattr(output, "screen", lambda: Screen(80))
