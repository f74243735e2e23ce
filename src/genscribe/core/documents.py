"""One conversation as one document: who took part, what was said in order, and what could not be heard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import msgspec

from genscribe.core.batches import Choice
from genscribe.core.feeds import facts
from genscribe.core.filters import Sieve
from genscribe.core.gathering import due_ms, quiet_s
from genscribe.events import Conversation, Gap, Participant, Record
from genscribe.settings.parameters import EVERYTHING, SinkFilters

KIND = "transcript"
_UTTERANCES = Choice(frozenset({"utterance"}))


class Whole(msgspec.Struct, frozen=True):
    """What is known of the conversation itself."""

    media_type: str | None = None
    queue_id: str | None = None
    queue_name: str | None = None
    direction: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    first_spoken_at: str | None = None
    last_spoken_at: str | None = None


class Transcript(msgspec.Struct, frozen=True, tag_field="kind", tag=KIND):
    """A conversation after its end.

    Attributes:
        key: `ID:transcript`.
        revision: 1; higher when something was said after the document was first due.
        participants: The events, the last of each participant.
        lines: The utterances, by `spoken_at`; those without a time come first.
        gaps: The times within the conversation in which we could not hear it.
    """

    key: str
    revision: int
    conversation_id: str
    conversation: Whole
    participants: list[msgspec.Raw]
    lines: list[msgspec.Raw]
    gaps: list[msgspec.Raw]


class _Line(msgspec.Struct, gc=False):
    media_type: str | None = None
    queue_id: str | None = None


_conversation = msgspec.json.Decoder(Conversation[str]).decode
_participant = msgspec.json.Decoder(Participant[str]).decode
_gap = msgspec.json.Decoder(Gap[str]).decode
_line = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


@dataclass
class _Sorted:
    """What was told of a conversation, by kind."""

    utterances: list[Record] = field(default_factory=list)
    conversations: list[Conversation[str]] = field(default_factory=list)
    participants: list[Record] = field(default_factory=list)
    gaps: list[Record] = field(default_factory=list)


class Documents:
    """Makes documents.

    Args:
        filters: Which lines they hold. With `match` it is the conversations in which one of the words was said, whole.
        idle_s: As for `gathering.Gathering`.
    """

    def __init__(self, filters: SinkFilters = EVERYTHING, idle_s: float = 600.0) -> None:
        self.sieve = Sieve(_UTTERANCES, filters)
        self._lines = Sieve(_UTTERANCES, replace(filters, match=()))
        self._demanding = filters != replace(EVERYTHING, words=filters.words)
        self._idle_s = idle_s

    @property
    def wants_names(self) -> bool:
        """Whether it goes by the names of queues."""
        return self.sieve.wants_names

    def learn(self, names: dict[str, str]) -> None:
        """Takes names of queues, by their ids."""
        self.sieve.learn(names)
        self._lines.learn(names)

    def over(self, told: Sequence[Record], now_ms: int) -> bool:
        """Whether the conversation is over by now, as `gathering` has it, who may not have seen its begin.

        Args:
            told: As for `document`.
            now_ms: Epoch milliseconds.
        """
        parts = _by_kind(told)
        states = {one.state for one in parts.conversations}
        came = [facts(each.body).epoch_ms() or 0 for each in told if each.kind in ("utterance", "conversation")]
        heard_ms = max(came, default=0)
        return due_ms(heard_ms, self._idle_s, told="started" in states, ended="ended" in states) <= now_ms

    def document(self, conversation_id: str, told: Sequence[Record]) -> Record | None:
        """The document; `None` when the filters leave nothing of it, or there is nothing.

        Args:
            conversation_id: Whose.
            told: Its final utterances, conversation and participant events, the last revision of each, and all gaps
                of its time, in journal order.
        """
        parts = _by_kind(told)
        for record in parts.participants:  # they tell the names of queues
            self.sieve.take(record)
            self._lines.take(record)
        lines = [taken for record in parts.utterances if (taken := self._lines.take(record)) is not None]
        if self._demanding and not any(self.sieve.take(record) for record in parts.utterances):
            return None
        about = _about(parts)
        lines.sort(key=lambda record: (facts(record.body).spoken_at or "", record.seq))
        seqs = [record.seq for record in told if record.kind != "gap"]
        if not seqs:
            return None
        document = Transcript(
            key=f"{conversation_id}:{KIND}",
            revision=_revision(parts, self._idle_s),
            conversation_id=conversation_id,
            conversation=about,
            participants=_raw(parts.participants),
            lines=_raw(lines),
            gaps=_raw(gap for gap in parts.gaps if _concerns(gap, conversation_id, about)),
        )
        return Record(max(seqs), KIND, _encode(document))


def _by_kind(told: Sequence[Record]) -> _Sorted:
    found = _Sorted()
    for record in told:
        if record.kind == "utterance":
            found.utterances.append(record)
        elif record.kind == "conversation":
            found.conversations.append(_conversation(record.body))
        elif record.kind == "participant":
            found.participants.append(record)
        elif record.kind == "gap":
            found.gaps.append(record)
    return found


def _about(parts: _Sorted) -> Whole:
    lines = [_line(record.body) for record in parts.utterances]
    people = [_participant(record.body) for record in parts.participants]
    spoken = sorted(at for record in parts.utterances if (at := facts(record.body).spoken_at))
    told = parts.conversations
    queue_ids = ([one.queue_id for one in told], [one.queue_id for one in people], [one.queue_id for one in lines])
    queue_id = _first(chain(*queue_ids))
    return Whole(
        media_type=_first(chain([one.media_type for one in reversed(told)], [one.media_type for one in lines])),
        queue_id=queue_id,
        queue_name=_first(one.queue_name for one in people if one.queue_id == queue_id),
        direction=_first(one.direction for one in reversed(told)),
        started_at=_first(one.at for one in told if one.state == "started"),
        ended_at=_first(one.at for one in told if one.state == "ended"),
        first_spoken_at=spoken[0] if spoken else None,
        last_spoken_at=spoken[-1] if spoken else None,
    )


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


def _raw(records: Iterable[Record]) -> list[msgspec.Raw]:
    return [msgspec.Raw(record.json()) for record in records]


def _concerns(record: Record, conversation_id: str, about: Whole) -> bool:
    gap = _gap(record.body)
    if gap.conversation_ids is not None and conversation_id not in gap.conversation_ids:
        return False
    begin = about.started_at or about.first_spoken_at or ""
    end = about.ended_at or about.last_spoken_at
    return (gap.ended_at is None or gap.ended_at > begin) and (end is None or gap.started_at < end)


def _revision(parts: _Sorted, idle_s: float) -> int:
    """How often the conversation seemed to be over before the last line came, and once more for its end now."""
    started = any(one.state == "started" for one in parts.conversations)
    ended_ms = _ended_ms(parts)
    came = sorted(at for record in parts.utterances if (at := facts(record.body).epoch_ms()) is not None)
    silences = 0
    last = came[0] if came else 0
    for at in came:
        if ended_ms is not None and last < ended_ms <= at:
            silences += ended_ms - last > quiet_s(idle_s, told=started, ended=False) * 1000
            last = ended_ms
        over = ended_ms is not None and ended_ms <= last
        silences += at - last > quiet_s(idle_s, told=started, ended=over) * 1000
        last = at
    return 1 + silences


def _ended_ms(parts: _Sorted) -> int | None:
    ended = [one for one in parts.conversations if one.state == "ended"]
    return facts(_encode(ended[0])).epoch_ms() if ended else None
