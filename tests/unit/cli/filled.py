"""A store with two conversations in it, and what a command answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import apsw

from genscribe.events import Conversation, Event, Gap, Participant, Utterance, encode
from genscribe.store import life
from genscribe.store.archive import Archive
from genscribe.store.database import open_for_writing
from genscribe.store.rows import insert

ALPHA = "3f9a1c22-5bd1-4e0c-9a51-6c1b4a3f0b11"
BETA = "3f9bb0aa-5bd1-4e0c-9a51-6c1b4a3f0b11"
NOW_MS = 1_774_054_900_000  # 2026-03-21T01:01:40Z, 02:01:40 in Berlin


def at(second: int) -> str:
    """The second of the minute in which all is said."""
    return f"2026-03-21T01:00:{second:02}.000Z"


def said(key: str, text: str, second: int, speaker: str = "agent", call: str = ALPHA, **more: Any) -> Utterance[str]:
    fields = {"revision": 1, "media_type": "voice", "source": "transcripts", "received_at": at(second), **more}
    return Utterance(key=key, conversation_id=call, speaker=speaker, text=text, spoken_at=at(second), **fields)


EVENTS: tuple[Event[str], ...] = (
    Conversation(
        key=f"{ALPHA}:started", revision=1, conversation_id=ALPHA, state="started", at=at(0), media_type="voice",
        direction="inbound",
    ),
    Participant(
        key=f"{ALPHA}:p1:{at(1)}", revision=1, conversation_id=ALPHA, participant_id="p1", purpose="agent",
        user_name="Priya", queue_name="Billing", joined_at=at(1),
    ),
    said("a1", "Thank you for calling, how can I help?", 2),
    said("a2", "I was charged twice for order AC-130", 10, "customer"),
    said("a2i", "I was char", 9, "customer", revision=0, is_final=False),
    said("b1", "is it -5 or +5 degrees", 11, "customer", BETA, media_type="message"),
    said("a3", "Let me look at the order", 30),
    Gap(key="g1", revision=1, started_at=at(12), ended_at=at(25), reason="disconnected", source="transcripts"),
    Gap(key="g2", revision=1, started_at=at(13), ended_at=at(14), reason="late", conversation_ids=[BETA]),
    said("a4", "the second charge is refunded", 40),
)  # fmt: skip


class Filled:
    """A store that nothing writes to until `beat`, with `EVENTS` in it."""

    def __init__(self, path: Path) -> None:
        opened = open_for_writing(path)
        self.path = path
        self.db: apsw.Connection = opened.db
        self.head = 0
        self._archive = Archive(opened.db, lambda report: None)
        self.add(*EVENTS)

    def beat(self, at_ms: int) -> None:
        """A sign of life of somebody who writes."""
        self.db.execute(life.BEGIN, (at_ms, None))

    def add(self, *events: Event[str], index: bool = True) -> None:
        with self.db:
            insert(self.db, self.head, [(event.kind, encode(event), None) for event in events])
        self.head += len(events)
        while index and self._archive.behind(self.head):
            with self.db:
                self._archive.step(self.db, 0, self.head)


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def texts(self) -> list[str]:
        """The last column of plain lines."""
        return [line.rsplit("\t", 1)[1] for line in self.lines]
