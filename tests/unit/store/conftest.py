"""What the store's tests share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from genscribe.events import Conversation, Event, Gap, Message, Participant, Unreadable, Utterance, encode
from genscribe.store.archive import Archive
from genscribe.store.database import Opened, open_for_writing
from genscribe.store.rows import Row, insert


class Bench:
    """A store without its writer: rows go in and are indexed when a test says so."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.db = opened.db
        self.path = opened.path
        self.head = 0
        self.reports: list[object] = []
        self.archive = Archive(self.db, self.reports.append)

    def add(self, *events: Event[str], index: bool = True) -> None:
        rows: list[Row] = []
        for event in events:
            raw = b"raw" if isinstance(event, Unreadable) else None
            rows.append((event.kind, encode(event), raw))
        with self.db:
            insert(self.db, self.head, rows)
        self.head += len(rows)
        if index:
            self.index()

    def index(self) -> None:
        while self.archive.behind(self.head):
            with self.db:
                self.archive.step(self.db, 0, self.head)

    def all(self, sql: str, *bindings: object) -> list[tuple[object, ...]]:
        return self.db.execute(sql, bindings).fetchall()

    def found(self, match: str) -> list[int]:
        """The seqs that the full-text table gives for an expression."""
        return [row[0] for row in self.all("select rowid from utterance_words where utterance_words match ?", match)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Bench]:
    opened = open_for_writing(tmp_path / "genscribe.db")
    yield Bench(opened)
    opened.db.close(True)


@pytest.fixture
def said() -> Callable[..., Utterance[str]]:
    """Makes an utterance: `said("k1", "hello", conversation_id="c1")`."""

    def make(key: str, text: str = "hello", *, revision: int = 1, **fields: object) -> Utterance[str]:
        fields.setdefault("conversation_id", "c1")
        return Utterance(key=key, revision=revision, text=text, **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def other() -> Callable[..., Event[str]]:
    """Makes an event of another kind: `other("gap", "g1")`."""

    def make(kind: str, key: str, *, revision: int = 1, **fields: object) -> Event[str]:
        if kind == "conversation":
            defaults: dict[str, object] = {"conversation_id": "c1", "state": "started"}
            return Conversation(key=key, revision=revision, **{**defaults, **fields})  # type: ignore[arg-type]
        if kind == "participant":
            return Participant(key=key, revision=revision, **{"conversation_id": "c1", **fields})  # type: ignore[arg-type]
        if kind == "message":
            defaults = {"conversation_id": "c1", "message_id": "n1"}
            return Message(key=key, revision=revision, **{**defaults, **fields})  # type: ignore[arg-type]
        if kind == "gap":
            defaults = {
                "started_at": "2026-01-01T00:00:00.000Z",
                "ended_at": "2026-01-01T00:00:01.000Z",
                "reason": "silent",
            }
            return Gap(key=key, revision=revision, **{**defaults, **fields})  # type: ignore[arg-type]
        return Unreadable(key=key, revision=revision, **{"received_at": None, "reason": "not JSON", **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def flip() -> Callable[[Path, bytes, int], None]:
    """Changes one bit of the first place in a file where some bytes stand."""

    def act(path: Path, needle: bytes, offset: int = 0) -> None:
        content = bytearray(path.read_bytes())
        at = content.index(needle) + offset
        content[at] ^= 1
        path.write_bytes(content)

    return act


@pytest.fixture
def shell() -> Callable[[Path, str], list[tuple[object, ...]]]:
    """Asks a store through a connection of its own, as the `sqlite3` shell does."""

    def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    return ask


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Every journal that a test opens, it closes."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "genscribe-writer"] == []
