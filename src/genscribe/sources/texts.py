"""Fetches the texts of text conversations: a cursor over the journal, like a sink that appends what it gets.

The platform's events name a message only by its id. The id is committed when it arrives, so a kill loses none, and the
text is asked for here, so the read loop never waits for REST.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

import anyio
import msgspec

from genscribe import clock
from genscribe.attempts import Pace, keep_trying
from genscribe.core.decode.messages import Text
from genscribe.errors import Fatal, NotFound, RequestRefused
from genscribe.events import Event, Message, Record, Unreadable, Utterance
from genscribe.genesys import conversations
from genscribe.genesys.api import ApiClient
from genscribe.sources.base import Inlet
from genscribe.telemetry import Telemetry
from genscribe.telemetry.notifications import TextsRefused, TextsUnavailable

CURSOR = "(texts)"
"""The cursor's name in the store: one that no sink can have."""
LINGER_S = 0.2
"""How long ids gather, so that a conversation's are asked for together."""
READ = 500
"""Records at once; a request may ask for 1,000 ids. [SDK: post_conversations_message_messages_bulk]"""
AGAIN_AFTER_S = (2.0, 5.0, 10.0, 30.0, 60.0)
"""A message that the platform has just named may not be readable yet."""
MOST_OPEN = 5000
"""So many ids may wait for their texts; then no more are read."""
AT_ONCE = 4
"""Conversations asked about at the same time."""
REFUSED_S = 60.0
"""How often a platform that forbids it is asked again; the ids wait in the journal."""
REFUSALS = 60
"""After an hour of refusals a conversation's messages are given up: another division's, perhaps."""


class _Keyed(msgspec.Struct):
    key: str


_message = msgspec.json.Decoder(Message[str]).decode
_keyed = msgspec.json.Decoder(_Keyed).decode


class Backlog(Protocol):
    """What the fetcher needs of the journal."""

    async def wait_beyond(self, seq: int) -> int:
        """Returns the head once it is greater than `seq`."""

    async def read(self, after: int, limit: int) -> list[Record]:
        """The next committed records after a `seq`, in order."""

    def cursor(self, name: str) -> int | None:
        """The saved cursor; `None` when there is none."""

    async def save_cursor(self, name: str, seq: int) -> None:
        """Saves a cursor with the next commit, which also has what was appended before."""


@dataclass
class Texts:
    """The fetcher.

    Args:
        api: For the bulk requests.
        journal: Where the ids are.
        inlet: Where the texts go, as utterances.
        telemetry: Where happenings go.
        source: The name that the utterances carry.
    """

    api: ApiClient
    journal: Backlog
    inlet: Inlet
    telemetry: Telemetry
    source: str
    _refused: bool = field(default=False, init=False)
    _open: set[int] = field(default_factory=set, init=False)
    """The `seq`s of ids whose texts are being asked for."""
    _closed: anyio.Event = field(default_factory=anyio.Event, init=False)
    _read_to: int = field(default=0, init=False)
    _at_once: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(AT_ONCE), init=False)

    async def run(self) -> None:
        """Fetches until cancelled. The cursor stands before the oldest id that still waits for its text."""
        saved = self.journal.cursor(CURSOR)
        self._read_to = saved or 0
        settled = set() if saved is None else await self._settled(saved)
        async with anyio.create_task_group() as tasks:
            while True:
                await self.journal.wait_beyond(self._read_to)
                await anyio.sleep(LINGER_S)
                while len(self._open) >= MOST_OPEN:
                    await self._closed.wait()
                records = await self.journal.read(self._read_to, READ)
                if not records:
                    continue
                self._read_to = records[-1].seq
                for conversation_id, wanted in _by_conversation(records, settled):
                    self._open.update(wanted)
                    tasks.start_soon(self._fetch, conversation_id, wanted)
                await self._save()

    async def _settled(self, after: int) -> set[str]:
        """The keys of what came of messages before this start although an older one still waits for its text."""
        awaited: set[str] = set()
        settled: set[str] = set()
        while records := await self.journal.read(after, READ):
            after = records[-1].seq
            for each in records:
                if each.kind == "message":
                    awaited |= _outcomes(_message(each.body))
                elif each.kind in ("utterance", "unreadable") and (key := _keyed(each.body).key) in awaited:
                    settled.add(key)
        return settled

    async def _save(self) -> None:
        await self.journal.save_cursor(CURSOR, min(self._open, default=self._read_to + 1) - 1)

    async def _fetch(self, conversation_id: str, wanted: dict[int, Message[str]]) -> None:
        """Gets these messages' texts, in order; what cannot be had after all tries is listed as unreadable."""
        missing = list(wanted.values())
        for pause_s in (0.0, *AGAIN_AFTER_S):
            await anyio.sleep(pause_s)
            missing = await self._ask(conversation_id, missing)
            if not missing:
                break
        else:
            self.telemetry.emit(TextsUnavailable(conversation_id, len(missing)))
            self._accept([_unavailable(each, self.source) for each in missing])
        self._open -= wanted.keys()
        closed, self._closed = self._closed, anyio.Event()
        closed.set()
        await self._save()

    async def _ask(self, conversation_id: str, wanted: list[Message[str]]) -> list[Message[str]]:
        """Asks for texts and takes those that come; returns the messages whose texts did not."""
        ids = [each.message_id for each in wanted]

        async def bulk() -> list[Text] | Fatal:
            try:
                async with self._at_once:
                    return await conversations.texts(self.api, conversation_id, ids)
            except (NotFound, RequestRefused):
                return []
            except Fatal as error:  # one that ends the run ends it where calls are heard
                return error

        texts = await keep_trying(bulk, pace=Pace())
        for _ in range(REFUSALS):
            if not isinstance(texts, Fatal):
                break
            await self._bear_refusal(texts)
            texts = await keep_trying(bulk, pace=Pace())
        if isinstance(texts, Fatal):
            return wanted
        self._refused = False
        got = {text.message_id: text for text in texts}
        found = [(each, got[each.message_id]) for each in wanted if each.message_id in got]
        self._accept([utterance(each, text, self.source) for each, text in found])
        return [each for each in wanted if each.message_id not in got]

    async def _bear_refusal(self, error: Fatal) -> None:
        if not self._refused:
            self.telemetry.emit(TextsRefused(str(error)))
        self._refused = True
        await anyio.sleep(REFUSED_S)

    def _accept(self, events: Sequence[Event[str]]) -> None:
        said = [event for event in events if not isinstance(event, Utterance) or event.text.strip()]
        self.telemetry.counters.empty += len(events) - len(said)
        self.telemetry.counters.texts_fetched += len(said)
        self.inlet.accept(said)


def utterance(message: Message[str], text: Text, source: str) -> Utterance[str]:
    """A message and its text as what was said. Who wrote it is what was known when its id came, else its direction."""
    outbound = text.direction == "outbound"
    known = None if outbound and message.speaker == "customer" else message.speaker  # what the text says counts
    side = {"inbound": "external", "outbound": "internal"}.get(text.direction or "")
    return Utterance(
        key=text_key(message.conversation_id, message.message_id),
        revision=1,
        conversation_id=message.conversation_id,
        communication_id=message.communication_id,
        utterance_id=message.message_id,
        media_type=message.media_type,
        speaker=known or ("agent" if outbound else "customer" if side else "unknown"),
        side=side,
        participant_id=message.participant_id,
        user_id=message.user_id or (text.sender_user_id if outbound else None),
        queue_id=message.queue_id,
        text=text.text or "",
        spoken_at=text.at or message.at,
        emitted_at=text.at,
        received_at=clock.now(),
        source=source,
    )


def text_key(conversation_id: str, message_id: str) -> str:
    """The key of a text message's utterance: not that of the id's own event, which is another event."""
    return sha256(f"{conversation_id}\0\0{message_id}".encode()).hexdigest()[:32]


def _outcomes(message: Message[str]) -> set[str]:
    """The keys of what may come of a message: its text, or that it never came."""
    return {text_key(message.conversation_id, message.message_id), _unavailable_key(message)}


def _by_conversation(records: Iterable[Record], settled: AbstractSet[str]) -> list[tuple[str, dict[int, Message[str]]]]:
    """The messages among these that are not settled, by `seq`, by conversation; one request may ask for them."""
    found: dict[str, dict[int, Message[str]]] = {}
    for record in records:
        if record.kind == "message":
            message = _message(record.body)
            if settled.isdisjoint(_outcomes(message)):
                found.setdefault(message.conversation_id, {})[record.seq] = message
    return list(found.items())


def _unavailable_key(message: Message[str]) -> str:
    return f"{message.key}:text"


def _unavailable(message: Message[str], source: str) -> Unreadable[str]:
    raw = msgspec.json.encode(message)
    reason = "the platform named this message and never gave its text"
    return Unreadable(_unavailable_key(message), 1, clock.now(), reason, source, raw)
