"""What genscribe knows and says: frozen, typed events, one class a kind.

A field that the platform did not send is `None`, never invented. `key` is the same for the same happening
whichever connection, order, run or machine brought it; `key:revision` is what dedupes downstream.

The classes are generic in how they carry time. Inside the pipeline, in the journal and in every sink it is text,
`2026-03-21T01:09:55.225Z` (`Utterance[str]`: nothing is parsed that nobody asks for); people who program get
aware datetimes (`Utterance[datetime]`, from `decode`).

`seq` is unset until the journal has counted the event; it is no part of the journal's body.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Generic, NamedTuple, TypeVar, Union

import msgspec

Time = TypeVar("Time", str, datetime)


class Word(msgspec.Struct, frozen=True, gc=False):
    """One word as spoken. `offset_ms` counts from the start of the communication's session."""

    word: str | None = None
    offset_ms: float | int | None = None
    duration_ms: float | int | None = None
    confidence: float | None = None


class Utterance(msgspec.Struct, Generic[Time], frozen=True, tag_field="kind", tag="utterance"):
    """What one speaker said in one breath.

    Attributes:
        key: Stable identity; `revision` is 0 for an interim result, 1 for the final, n+1 for a changed final n.
        speaker: `agent`, `customer`, else the platform's word in lower case (`ivr`, `bot`), or `unknown`.
        side: The platform's own word: `internal`, `external`, `both`; `None` where it has none.
        text: What people read; `words` are as spoken.
        spoken_at: When it was said; `None` when the platform did not say.
        offset_ms: Milliseconds from the start of this communication's session.
        confidence: 0 to 1.
        emitted_at: When the platform sent it. `received_at`: when we read it from the socket.
        source: The source that heard it, such as `transcripts`.
    """

    kind: ClassVar[str] = "utterance"

    key: str
    revision: int
    conversation_id: str | None = None
    communication_id: str | None = None
    utterance_id: str | None = None
    media_type: str | None = None
    speaker: str = "unknown"
    side: str | None = None
    participant_id: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    text: str = ""
    is_final: bool = True
    spoken_at: Time | None = None
    offset_ms: float | int | None = None
    duration_ms: float | int | None = None
    confidence: float | None = None
    language: str | None = None
    words: list[Word] | None = None
    emitted_at: Time | None = None
    received_at: Time | None = None
    source: str | None = None
    seq: int | msgspec.UnsetType = msgspec.UNSET


class Conversation(msgspec.Struct, Generic[Time], frozen=True, tag_field="kind", tag="conversation"):
    """A conversation's start or end, by the platform's word. `state` is `started` or `ended`.

    Attributes:
        subscribed_at: When we began to hear it; `None` when that is not known, or never came.
    """

    kind: ClassVar[str] = "conversation"

    key: str
    revision: int
    conversation_id: str
    state: str
    at: Time | None = None
    media_type: str | None = None
    queue_id: str | None = None
    direction: str | None = None
    subscribed_at: Time | None = None
    seq: int | msgspec.UnsetType = msgspec.UNSET


class Participant(msgspec.Struct, Generic[Time], frozen=True, tag_field="kind", tag="participant"):
    """Somebody who joined, changed or left. `left_at` is `None` while connected."""

    kind: ClassVar[str] = "participant"

    key: str
    revision: int
    conversation_id: str
    participant_id: str | None = None
    communication_id: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    queue_id: str | None = None
    queue_name: str | None = None
    joined_at: Time | None = None
    left_at: Time | None = None
    seq: int | msgspec.UnsetType = msgspec.UNSET


class Gap(msgspec.Struct, Generic[Time], frozen=True, tag_field="kind", tag="gap"):
    """A time in which something may have been said that we could not hear.

    Attributes:
        started_at: The last moment at which we were known to hear.
        ended_at: When hearing began again; `None` while the gap is open.
        reason: `disconnected`, `silent`, `stopped`, `crashed`, `store full`, `evicted`, `late`, `limit`.
        conversation_ids: The conversations it concerns; `None` means all.
    """

    kind: ClassVar[str] = "gap"

    key: str
    revision: int
    started_at: Time
    ended_at: Time | None
    reason: str
    source: str | None = None
    conversation_ids: list[str] | None = None
    seq: int | msgspec.UnsetType = msgspec.UNSET


class Message(msgspec.Struct, Generic[Time], frozen=True, tag_field="kind", tag="message"):
    """A text message that exists, by its id: its text is asked for by REST and follows as an utterance.

    Attributes:
        speaker: Who wrote it, as far as known on arrival; `None` when the text's own direction has to say.
        at: When it was sent.
    """

    kind: ClassVar[str] = "message"

    key: str
    revision: int
    conversation_id: str
    message_id: str
    communication_id: str | None = None
    media_type: str | None = None
    speaker: str | None = None
    participant_id: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    at: Time | None = None
    received_at: Time | None = None
    source: str | None = None
    seq: int | msgspec.UnsetType = msgspec.UNSET


class Unreadable(msgspec.Struct, Generic[Time], frozen=True, tag_field="kind", tag="unreadable"):
    """What could not be read, kept verbatim; listed in the store, never delivered.

    Attributes:
        raw: The frame, or the JSON of the one bad line. It stands beside the journal's JSON, not in it.
    """

    kind: ClassVar[str] = "unreadable"

    key: str
    revision: int
    received_at: Time | None
    reason: str
    source: str | None = None
    raw: bytes | msgspec.UnsetType = msgspec.UNSET
    seq: int | msgspec.UnsetType = msgspec.UNSET


Event = Union[Utterance[Time], Conversation[Time], Participant[Time], Gap[Time], Message[Time], Unreadable[Time]]

KINDS = ("utterance", "conversation", "participant", "gap", "message", "unreadable")
"""All kinds, in the order in which this module defines them."""

DELIVERED_KINDS = ("utterance", "conversation", "participant", "gap")
"""What JSON sinks get unless asked otherwise."""


class Record(NamedTuple):
    """One journal row, as sinks and readers get it. `body` is the contract's JSON without `seq`."""

    seq: int
    kind: str
    body: bytes

    def json(self) -> bytes:
        """The contract's JSON: `kind`, which every body begins with, then `seq`, then the rest."""
        kind, _, rest = self.body.partition(b",")
        return b'%b,"seq":%d,%b' % (kind, self.seq, rest)


def json_lines(records: Iterable[Record]) -> bytes:
    """The contract's JSON of each, a line each. One join over all pieces takes half as long as one over `json`."""
    pieces: list[bytes] = []
    for seq, _, body in records:
        kind, _, rest = body.partition(b",")
        pieces += (kind, b',"seq":%d,' % seq, rest, b"\n")
    return b"".join(pieces)


class Position(NamedTuple):
    """A place in one journal, for whoever keeps it beside its own data.

    Attributes:
        store_id: The journal.
        seq: Delivered up to and with this one; 0 before the first.
        crc: That row's checksum as hexadecimal digits; `None` when it was not known.
    """

    store_id: str
    seq: int
    crc: str | None


encode = msgspec.json.Encoder().encode
"""An event with text times as the journal's `body`: the contract's JSON without `seq`."""

_decoder: msgspec.json.Decoder[Event[datetime]] = msgspec.json.Decoder(
    Event[datetime]  # type: ignore[misc]  # mypy has no runtime value for an applied union alias
)


def decode(body: bytes) -> Event[datetime]:
    """A body, with or without `seq`, as the typed event with aware datetimes. Unknown fields are skipped."""
    return _decoder.decode(body)
