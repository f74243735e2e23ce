"""What was heard lately, so that an event heard twice is taken once, and a changed one gets the next revision.

The same event comes twice when two connections overlap, when the platform redelivers, and when a source looks back
after a restart. The window remembers at least the last 10 minutes or 250,000 keys, whichever is less, and never more
than 500,000 keys; what comes later than that is stopped by the archive's unique key.

What is told of a conversation itself changes as long as it goes on, so that is remembered until some time after its
end (`Ongoing`).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Union

import msgspec

from genscribe.events import Conversation, Event, Message, Participant, Unreadable, Utterance, encode

WINDOW_S = 600.0
CAPACITY = 500_000
ONGOING_CAPACITY = 300_000
LEFT = 1000
"""The least revision of a participant who has left. A process that came later, as in an upgrade, has counted fewer
changes than the one before it; that somebody left must count for more than all of them, and be the same for both."""

Told = Union[Conversation[str], Participant[str], Message[str]]
"""What is told of a conversation, beside what is said in it."""

_REVISION_BITS = 20
_REVISION_MASK = (1 << _REVISION_BITS) - 1

_EVENT: msgspec.json.Decoder[Event[str]] = msgspec.json.Decoder(
    Event[str]  # type: ignore[misc]  # mypy has no runtime value for an applied union alias
)


def content_of(event: Event[str]) -> int:
    """A hash of what an event says, apart from which event it is and when we received it.

    Of an utterance that is its text. What could not be read is all in its key, and so is a conversation's start or
    end and a message: each is said once, however its details differ from source to source.
    """
    if isinstance(event, Utterance):
        return hash(event.text)
    if isinstance(event, (Conversation, Message, Unreadable)):
        return 0
    return hash(encode(msgspec.structs.replace(event, revision=0, seq=msgspec.UNSET)))


class Window:
    """The keys of late, each with the last revision taken and a hash of what that said.

    Keys and contents are held as Python's own 64-bit string hashes: they differ from process to process, so they never
    leave it; `remember` rebuilds them. Two keys with one hash (once in 10^13 events at full window) lose nothing
    unless they also say the same: the second merely gets a higher revision.

    Two dictionaries take turns: the younger one takes every key that is judged; when it is a window old or half the
    capacity, the older one is dropped whole. So a judgement costs the same however much is remembered.

    Args:
        window_s: Seconds for which a key is remembered at least, unless too many come.
        capacity: Most keys remembered; at least 2.
    """

    def __init__(self, *, window_s: float = WINDOW_S, capacity: int = CAPACITY) -> None:
        self._window_s = window_s
        self._half = capacity // 2
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._young_since = float("-inf")

    def __len__(self) -> int:
        """How many keys are remembered; one that came again in its second window counts twice."""
        return len(self._young) + len(self._old)

    def judge(self, key: str, revision: int, content: int, now: float) -> int | None:
        """The revision this event gets, or `None` for a duplicate. Remembers what it decides.

        Args:
            key: The event's key.
            revision: What the source says: 0 for an interim result, 1 for a final one.
            content: `content_of` the event.
            now: Monotonic seconds.

        Returns:
            `revision` for a key not remembered, and for an interim that differs from the interim before it; n+1 for a
            final that differs from final n; `None` for the same content again and for an interim after its final.
        """
        if now - self._young_since >= self._window_s or len(self._young) >= self._half:
            self._turn(now)
        name = hash(key)
        known = self._young.get(name)
        if known is None:
            known = self._old.get(name)
        if known is None:
            self._young[name] = content << _REVISION_BITS | revision
            return revision
        return self._judge_known(name, known, revision, content)

    def remember(self, key: str, revision: int, content: int, now: float) -> None:
        """Takes an event as judged already, with the revision it was given. Feed these oldest first."""
        if now - self._young_since >= self._window_s or len(self._young) >= self._half:
            self._turn(now)
        self._young[hash(key)] = content << _REVISION_BITS | revision

    def recall(self, event: Event[str], now: float) -> None:
        """`remember` for an event of the journal, when a window is rebuilt at start."""
        self.remember(event.key, event.revision, content_of(event), now)

    def _turn(self, now: float) -> None:
        # After a quiet window even the younger one is too old to keep.
        self._old = self._young if now - self._young_since < 2 * self._window_s else {}
        self._young = {}
        self._young_since = now

    def _judge_known(self, name: int, known: int, revision: int, content: int) -> int | None:
        taken = _counted(known, revision, content)
        self._young[name] = known if taken is None else content << _REVISION_BITS | taken
        return taken


class Ongoing:
    """What was told of each conversation that goes on, and for a window after its end.

    Without it a participant who leaves a long call would get revision 1 again, and readers who keep the highest
    revision would never see it.

    Args:
        window_s: Seconds for which an ended conversation is remembered.
        capacity: Most keys remembered; beyond it the conversations go of which nothing was told for longest.
    """

    def __init__(self, *, window_s: float = WINDOW_S, capacity: int = ONGOING_CAPACITY) -> None:
        self._window_s = window_s
        self._capacity = capacity
        self._known: OrderedDict[str, dict[int, int]] = OrderedDict()
        self._count = 0
        self._ended: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return self._count

    def judge(self, event: Told, now: float) -> int | None:
        """The revision this event gets, or `None` for a duplicate, as `Window.judge`; see `LEFT`."""
        content = content_of(event)
        known = self._of(event, now).get(hash(event.key))
        taken = event.revision if known is None else _counted(known, event.revision, content)
        if taken is not None:
            if isinstance(event, Participant) and event.left_at is not None:
                taken = max(taken, LEFT)
            self._keep(event, content, taken, now)
        return taken

    def recall(self, event: Told, now: float) -> None:
        """Takes an event of the journal as judged already; the highest revision counts, whatever the order."""
        known = self._of(event, now).get(hash(event.key))
        if known is None or known & _REVISION_MASK < event.revision:
            self._keep(event, content_of(event), event.revision, now)

    def _of(self, event: Told, now: float) -> dict[int, int]:
        while self._ended and now - self._ended[0][0] >= self._window_s:
            self._forget(self._ended.popleft()[1])
        told = self._known.setdefault(event.conversation_id, {})
        self._known.move_to_end(event.conversation_id)
        return told

    def _keep(self, event: Told, content: int, revision: int, now: float) -> None:
        told = self._known[event.conversation_id]
        before = len(told)
        told[hash(event.key)] = content << _REVISION_BITS | revision
        self._count += len(told) - before
        if isinstance(event, Conversation) and event.state == "ended" and len(told) > before:
            self._ended.append((now, event.conversation_id))
        while self._count > self._capacity:
            self._forget(next(iter(self._known)))

    def _forget(self, conversation_id: str) -> None:
        self._count -= len(self._known.pop(conversation_id, ()))


def heard(body: bytes) -> Event[str]:
    """A row of the journal as an event. Raises `msgspec.MsgspecError`."""
    return _EVENT.decode(body)


def _counted(known: int, revision: int, content: int) -> int | None:
    """The revision of what is known in another, or the same, version; `None` for a duplicate."""
    last, said = known & _REVISION_MASK, known >> _REVISION_BITS
    if revision == 0:
        return 0 if last == 0 and content != said else None
    if last == 0:
        return 1
    return last + 1 if content != said else None
