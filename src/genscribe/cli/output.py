"""How reading commands write to standard output: laid out on a terminal, plain in a pipe, JSON when asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genscribe import settings, terminal
from genscribe.events import Record
from genscribe.store.reader import Reader
from genscribe.terminal import Screen


def open_store(options: dict[str, Any]) -> Reader:
    """Opens the store that `--store`, `--config`, the environment or the default name; takes the two out of `options`.

    Raises:
        GenscribeError: There is none, or it cannot be read.
    """
    path: Path = settings.store_path({"store": options.pop("store", None), "config": options.pop("config", None)})
    return Reader.open(path)


def to_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()


def screen() -> Screen:
    """What standard output is."""
    return terminal.screen(sys.stdout.fileno(), os.environ) if to_terminal() else Screen()


def write(text: str) -> None:
    """Writes and flushes. What the terminal's encoding does not have becomes `?`, never a failure."""
    sys.stdout.write(text.encode(sys.stdout.encoding or "utf-8", "replace").decode(sys.stdout.encoding or "utf-8"))
    sys.stdout.flush()


def write_json(lines: Iterable[bytes]) -> None:
    """Writes JSON Lines; on a terminal with everything escaped that could act on it."""
    watched = to_terminal()
    for line in lines:
        text = line.decode()
        write((terminal.escape_json(text) if watched else text) + "\n")


def json_lines(records: Iterable[Record]) -> Iterable[bytes]:
    """Records as the contract's JSON."""
    return (record.json() for record in records)
