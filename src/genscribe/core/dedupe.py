"""What was heard lately, so that an event heard twice is taken once, and a changed one gets the next revision.

The same event comes twice when two connections overlap, when the platform redelivers, and when a source looks back
after a restart. The window remembers at least the last 10 minutes or 250,000 keys, whichever is less, and never more
than 500,000 keys; what comes later than that is stopped by the archive's unique key.
"""

from __future__ import annotations

import msgspec

from genscribe.events import Event, Unreadable, Utterance, encode

WINDOW_S = 600.0
CAPACITY = 500_000

_REVISION_BITS = 20
_REVISION_MASK = (1 << _REVISION_BITS) - 1

_EVENT: msgspec.json.Decoder[Event[str]] = msgspec.json.Decoder(
    Event[str]  # type: ignore[misc]  # mypy has no runtime value for an applied union alias
)


def content_of(event: Event[str]) -> int:
    """A hash of what an event says, apart from which event it is and when we received it.

    Of an utterance that is its text. What could not be read is all in its key.
    """
    if isinstance(event, Utterance):
        return hash(event.text)
    if isinstance(event, Unreadable):
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

    def recall(self, body: bytes, now: float) -> None:
        """`remember` for a row of the journal, when a window is rebuilt at start. Raises `msgspec.MsgspecError`."""
        event = _EVENT.decode(body)
        self.remember(event.key, event.revision, content_of(event), now)

    def _turn(self, now: float) -> None:
        # After a quiet window even the younger one is too old to keep.
        self._old = self._young if now - self._young_since < 2 * self._window_s else {}
        self._young = {}
        self._young_since = now

    def _judge_known(self, name: int, known: int, revision: int, content: int) -> int | None:
        last, said = known & _REVISION_MASK, known >> _REVISION_BITS
        taken: int | None
        if revision == 0:
            taken = 0 if last == 0 and content != said else None
        elif last == 0:
            taken = 1
        else:
            taken = last + 1 if content != said else None
        self._young[name] = known if taken is None else content << _REVISION_BITS | taken
        return taken
