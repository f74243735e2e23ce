"""What `check_sink` sends: one of every kind, text that means harm, and more than a destination likes."""

from __future__ import annotations

from genscribe.core.batches import MAX_BYTES, MAX_EVENTS
from genscribe.events import Conversation, Event, Gap, Message, Participant, Record, Utterance, Word, encode

HOSTILE = (
    "",
    "quotes \" and \\ and ' and `",
    "line\nbreak\r\n and\ttab",
    "\x1b[2J\x1b]0;title\x07 \x7f\x85\u2028\u2029",
    "'; drop table utterances; --",
    "\\N",
    "\\.",
    "\\x00 \\u0000 \\ud800",
    "%s %(text)s {0} {} $1 ${HOME} $(true)",
    "=1+1",
    '","seq":1,"key":"another',
    "</script><script>alert(1)</script>",
    "\ufffdwhere a NUL and a lone surrogate stood\ufffd",
    "Grüße, 日本語, 한국어, ไทย, עברית, 👩‍👧, \U0010ffff, e\u0301\u0323",
    "\u202eright to left\u2069",
    "\ufeffbegins like a file",
    "x" * 100_000,
)
MEGABYTE = 1_000_000

IDS = (
    " a b ",
    "a.b",
    "a/b\\c",
    "../../c",
    "*",
    ">",
    "_",
    "%2E",
    "%",
    "a b\r\nPUB x 1\r\n",
    "kind=gap&date=*?[c]",
    "'; drop table conversations; --",
    "{}|~$HOME\x1b[2J\x7f",
    "CON",
    "é" * 300,
    "x" * 1000,
    "x" * 1000 + "y",
)
"""Conversations whose ids mean something to subjects, paths, headers and terminals, or are longer than these like."""


def utterances(after: int, count: int) -> list[Record]:
    """Plain final utterances with the next `seq`s."""
    return [_record(seq, _utterance(seq, f"this is utterance {seq}")) for seq in range(after + 1, after + count + 1)]


def filled(after: int) -> list[Record]:
    """The largest batch that delivery makes: as many events and bytes as it may hold."""
    line = "it was the tyre on the left, and then the one on the right. "
    return [
        _record(seq, _utterance(seq, (line * 35)[: MAX_BYTES // MAX_EVENTS - 420]))
        for seq in range(after + 1, after + MAX_EVENTS + 1)
    ]


def long(after: int) -> Record:
    """One event with a megabyte of text; delivery sends such a one alone."""
    return _record(after + 1, _utterance(after + 1, "word " * (MEGABYTE // 5)))


def misnamed(after: int) -> list[Record]:
    """Two utterances of each conversation in `IDS`, with keys that are no better."""
    return [
        _record(
            seq,
            Utterance[str](
                key=f"{name}\r\nX: {seq}", revision=1, conversation_id=name, text=f"this is utterance {seq}"
            ),
        )
        for seq, name in enumerate([*IDS, *IDS], start=after + 1)
    ]


def events(after: int) -> list[Record]:
    """One of every kind, fields missing and full, and text that means harm."""
    at = "2026-03-21T01:09:55.225Z"
    full = Utterance[str](
        key="full",
        revision=2,
        conversation_id="c1",
        communication_id="m1",
        utterance_id="u1",
        media_type="voice",
        speaker="customer",
        side="external",
        participant_id="p1",
        user_id="a1",
        queue_id="q1",
        text="how can i help",
        spoken_at=at,
        offset_ms=17820,
        duration_ms=80.5,
        confidence=0.94,
        language="en-US",
        words=[Word("how", 17820, 40, 0.9), Word()],
        emitted_at=at,
        received_at=at,
        source="notifications",
    )
    bare: list[Event[str]] = [
        Utterance[str](key="bare", revision=1),
        full,
        Utterance[str](key="interim", revision=0, conversation_id="c1", text="how", is_final=False),
        Conversation[str](key="c1:started", revision=1, conversation_id="c1", state="started"),
        Conversation[str](key="c1:ended", revision=1, conversation_id="c1", state="ended", at=at, media_type="voice"),
        Participant[str](key="c1:p1:", revision=1, conversation_id="c1"),
        Participant[str](key="c1:p2:", revision=1, conversation_id="c1", user_name="=cmd|' /C calc'!A0", left_at=at),
        Gap[str](key="g1", revision=1, started_at=at, ended_at=at, reason="disconnected"),
        Gap[str](key="g2", revision=1, started_at=at, ended_at=at, reason="late", conversation_ids=["c1", "c2"]),
        Message[str](key="c1::n1", revision=1, conversation_id="c1", message_id="n1"),
    ]
    hostile = [_utterance(n, text) for n, text in enumerate(HOSTILE)]
    return [_record(seq, event) for seq, event in enumerate([*bare, *hostile], start=after + 1)]


def _utterance(n: int, text: str) -> Utterance[str]:
    at = f"2026-03-21T01:09:{n % 60:02d}.000Z"
    return Utterance[str](
        key=f"key-{n}", revision=1, conversation_id=f"c{n % 3}", speaker="agent", text=text, spoken_at=at
    )


def _record(seq: int, event: Event[str]) -> Record:
    return Record(seq, type(event).kind, encode(event))
