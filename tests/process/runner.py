"""The installed command in a process of its own, pointed at an emulator."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

DEADLINE_S = 30.0


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's variables without anything that would configure genscribe, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GENESYS_", "GENSCRIBE_"))}
    return {**kept, **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "genscribe", *arguments]


def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        command(*arguments), env=environment(env or {}), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


@contextmanager
def streaming(
    store: Path, env: Mapping[str, str], *arguments: str, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`genscribe stream` while the block lasts; killed at its end if it still runs."""
    errors = log.open("ab") if log else subprocess.DEVNULL
    process = subprocess.Popen(
        command("stream", "--store", str(store), *arguments),
        env=environment(env),
        stdout=subprocess.DEVNULL,
        stderr=errors,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if log:
            errors.close()


def stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM, and how it exits."""
    process.send_signal(signal.SIGTERM)
    return process.wait(DEADLINE_S)


def until(condition: Callable[[], object], within_s: float = DEADLINE_S) -> None:
    """Waits for what another process does; there is nothing to be awaited, so it looks."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        time.sleep(0.01)


def rows(store: Path, query: str) -> list[tuple[object, ...]]:
    """Asks a store with the standard library's SQLite; `[]` while there is none."""
    if not store.exists():
        return []
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as db:
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def hears(store: Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether this run's sign of life says that it is connected."""
    signs = [str(status) for (status,) in rows(store, "select status from life")]
    return any(f'"pid":{process.pid},' in sign and '"connected":true' in sign for sign in signs)
