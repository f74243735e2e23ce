"""When a conversation is over, and its document is due: for `per=conversation`.

Only what is open is remembered, not what was said: the document is read from the store. The cursor stays before the
first event of the oldest conversation that is open, so after a crash all of them are seen again, and with them those
that ended meanwhile, whose documents come again under the same key and revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genscribe.core.batches import Batch
from genscribe.core.feeds import Facts, Moment, facts
from genscribe.events import Record

LATE_S = 15.0
"""How long after a conversation's end its last words may come."""
MARGIN_S = 5.0
"""A document waits longer than the silence that makes a revision, or a line on its way would share a revision."""
FORGOTTEN_S = 24 * 3600.0
"""A conversation that started and whose end nobody told has ended after so much silence."""


@dataclass
class _Open:
    first_seq: int
    last_seq: int
    heard_ms: int
    told: bool = False
    ended: bool = False


class Gathering:
    """Waits for conversations to end.

    Args:
        after: The cursor to begin at.
        idle_s: Seconds of silence after which a conversation has ended of which no start was told.
    """

    def __init__(self, after: int, idle_s: float) -> None:
        self.read_to = after
        self._idle_s = idle_s
        self._open: dict[str, _Open] = {}
        self._came_ms = 0
        self._told = after
        self._filtered = self._purged = self._gathered = 0

    def add(self, records: Sequence[Record], upto: int, at: Moment) -> None:
        """See `Feed`."""
        for record in records:
            self._purged += record.seq - self.read_to - 1
            self.read_to = record.seq
            self._note(record, facts(record.body), at)
        self._purged += upto - self.read_to
        self.read_to = upto

    def _note(self, record: Record, event: Facts, at: Moment) -> None:
        came = event.epoch_ms()
        came_ms = self._came_ms if came is None else min(came, at.wall_ms)
        self._came_ms = max(self._came_ms, came_ms)
        name = event.conversation_id
        spoken = record.kind == "utterance" and b'"is_final":false' not in record.body
        if name is None or not (spoken or record.kind == "conversation"):
            self._filtered += 1  # participants are read with the document, and need not be waited for
            return
        self._gathered += 1
        one = self._open.setdefault(name, _Open(record.seq, record.seq, came_ms))
        one.last_seq = record.seq
        one.heard_ms = max(one.heard_ms, came_ms)
        one.told |= event.state == "started"
        one.ended |= event.state == "ended"

    def ready(self, at: Moment) -> list[Batch]:
        """See `Feed`: a batch a document, then one that moves the cursor if there is anything to move."""
        now_ms = self._came_ms if at.more else at.wall_ms
        over = [name for name, one in self._open.items() if self._due_ms(one) <= now_ms]
        made = []
        for name in sorted(over, key=lambda each: self._open[each].last_seq):
            one = self._open.pop(name)
            # The document stands for one of the events that went into it.
            made.append(self._batch(ended=name, known_to=one.last_seq, gathered=self._gathered - 1))
        if not made and self._upto() != self._told:
            made.append(self._batch(gathered=self._gathered))
        return made

    def rest(self, most: int) -> list[Batch]:
        """A batch for each of the next open conversations: whether those are over must be asked of the store."""
        made = []
        for name, one in sorted(self._open.items(), key=lambda each: each[1].last_seq)[:most]:
            del self._open[name]
            made.append(self._batch(ended=name, known_to=one.last_seq, gathered=self._gathered - 1))
        return made

    def wait_s(self, at: Moment) -> float | None:
        """See `Feed`."""
        if not self._open:
            return None
        return max(0.0, (min(map(self._due_ms, self._open.values())) - at.wall_ms) / 1000)

    def _due_ms(self, one: _Open) -> int:
        return due_ms(one.heard_ms, self._idle_s, told=one.told, ended=one.ended)

    def _upto(self) -> int:
        return min((one.first_seq for one in self._open.values()), default=self.read_to + 1) - 1

    def _batch(self, *, ended: str | None = None, known_to: int = 0, gathered: int) -> Batch:
        upto = self._upto()
        made = Batch([], upto, self._filtered, self._purged, gathered, in_order=False, ended=ended, known_to=known_to)
        self._told, self._filtered, self._purged, self._gathered = upto, 0, 0, 0
        return made


def due_ms(heard_ms: int, idle_s: float, *, told: bool, ended: bool) -> int:
    """When the document is due, in epoch milliseconds, of a conversation of which nothing was heard since."""
    return heard_ms + round((quiet_s(idle_s, told=told, ended=ended) + MARGIN_S) * 1000)


def quiet_s(idle_s: float, *, told: bool, ended: bool) -> float:
    """How long a conversation must be silent to be over."""
    if ended:
        return LATE_S
    return FORGOTTEN_S if told else idle_s
