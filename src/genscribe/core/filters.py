"""What a sink leaves out of the journal's records, and what it leaves out of a record."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from genscribe.core.batches import Choice
from genscribe.core.queues import QueueChoice
from genscribe.events import Record
from genscribe.settings.parameters import EVERYTHING, SinkFilters

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "JAVANESE")
"""Scripts in which a word has no blank before or after it, or grows at its end without one."""

_WORDS = b',"words":['
_WORDS_END = b'],"emitted_at":'


class _Looked(msgspec.Struct, gc=False):
    """The few fields that filters look at."""

    media_type: str | None = None
    speaker: str | None = None
    queue_id: str | None = None
    queue_name: str | None = None
    text: str = ""


_look = msgspec.json.Decoder(_Looked).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Sieve:
    """What a sink gets of a journal, and in which form.

    Filters speak of utterances. Other kinds pass, unless they say themselves that they are of another medium or queue:
    a gap concerns everybody. A queue is known by its name once a participant of it was seen, or from `learn`.

    Args:
        choice: Which kinds, and whether interim results.
        filters: What else is left out.
    """

    def __init__(self, choice: Choice, filters: SinkFilters = EVERYTHING) -> None:
        self._choice = choice
        self._media = filters.media_types
        if self._media is not None and "chat" in self._media:
            self._media |= {"message"}
        self._speakers = filters.speakers
        self._queues = QueueChoice(filters.queues) if filters.queues else None
        self._names: dict[str, str] = {}
        self._said = said(filters.match) if filters.match else None
        self._words = filters.words
        self._looks = bool(self._media is not None or self._speakers or self._queues or self._said)

    @property
    def wants_names(self) -> bool:
        """Whether it goes by the names of queues."""
        return self._queues is not None

    def learn(self, names: Mapping[str, str]) -> None:
        """Takes names of queues, by their ids."""
        self._names.update(names)

    def take(self, record: Record) -> Record | None:
        """The record as the sink gets it; `None` when it does not."""
        looked = None
        if self._queues is not None and record.kind == "participant":
            looked = _look(record.body)
            if looked.queue_id and looked.queue_name:
                self._names[looked.queue_id] = looked.queue_name
        if not self._choice.wants(record):
            return None
        if self._looks and not self._passes(record.kind, looked or _look(record.body)):
            return None
        if self._words or record.kind != "utterance":
            return record
        return record._replace(body=without_words(record.body))

    def takes_all(self, records: Sequence[Record]) -> bool:
        """Whether `take` surely gives all of these as they are."""
        return self._words and not self._looks and self._choice.wants_all(records)

    def _passes(self, kind: str, event: _Looked) -> bool:
        spoken = kind == "utterance"
        if self._media is not None and (spoken or event.media_type) and event.media_type not in self._media:
            return False
        if self._queues is not None and (spoken or event.queue_id) and not self._is_in(event.queue_id):
            return False
        if not spoken:
            return True
        if self._speakers is not None and event.speaker not in self._speakers:
            return False
        return self._said is None or self._said.search(folded(event.text)) is not None

    def _is_in(self, queue_id: str | None) -> bool:
        assert self._queues is not None
        return queue_id is not None and self._queues.chosen(queue_id, self._names.get(queue_id))


def without_words(body: bytes) -> bytes:
    """An utterance with `"words":null`."""
    # Within a string the quotes would be escaped: the list's begin and end are found without parsing.
    begin = body.find(_WORDS)
    end = body.find(_WORDS_END, begin)
    if begin >= 0 and end >= 0:
        return body[: begin + len(_WORDS) - 1] + b"null" + body[end + 1 :]
    if b'"words":' not in body or b'"words":null' in body:
        return body
    return _encode({**_fields(body), "words": None})  # another version wrote it, in another order


def folded(text: str) -> str:
    """Text in the form in which words are compared: no case, and one way to write an accent."""
    return unicodedata.normalize("NFC", text.casefold())


def said(phrases: Iterable[str]) -> re.Pattern[str]:
    """Finds any of these words or phrases in `folded` text: whole words, any blanks between them.

    Where a script writes no blanks, a word is found inside what surrounds it.
    """
    return re.compile("|".join(_whole(" ".join(folded(phrase).split())) for phrase in phrases))


def _whole(phrase: str) -> str:
    before = r"(?<!\w)" if _is_spaced(phrase[0]) else ""
    after = r"(?!\w)" if _is_spaced(phrase[-1]) else ""
    return before + re.escape(phrase).replace(r"\ ", r"\s+") + after


def _is_spaced(char: str) -> bool:
    return char.isalnum() and not unicodedata.name(char, "").startswith(_UNSPACED)
