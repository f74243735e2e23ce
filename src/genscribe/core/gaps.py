"""When a gap begins, as its key has it: no two gaps of a store share a millisecond, so none takes another's place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

CAPACITY = 50_000


class Starts:
    """Gives each gap a begin of its own.

    Several gaps may begin at the same moment, such as those of calls that were on one channel. A begin that is taken
    is moved back a millisecond at a time: a gap may be told too long, never too short.

    Args:
        key_of: From a begin, in epoch milliseconds, to the key of a gap that begins then.
        known: Keys that are taken from earlier.
        held: Keys that must never be forgotten: those of the gaps that are open.
        capacity: How many keys are remembered, beside those that are held.
    """

    def __init__(
        self,
        key_of: Callable[[int], str],
        known: Iterable[str] = (),
        held: Collection[str] = (),
        *,
        capacity: int = CAPACITY,
    ) -> None:
        self._key_of = key_of
        self._held = held
        self._capacity = capacity
        self._next: dict[str, int | None] = dict.fromkeys(known)
        """By key: where to look next when it is taken; `None` is the millisecond before."""

    def __len__(self) -> int:
        return len(self._next)

    def take(self, since: int) -> tuple[int, str]:
        """The last free begin at or before `since` (epoch milliseconds), and its key; it is taken now."""
        at, passed = since, []
        while (key := self._key_of(at)) in self._next:
            passed.append(key)
            lower = self._next[key]
            at = at - 1 if lower is None else lower
        for taken in (*passed, key):
            self._next[taken] = at - 1
        if len(self._next) > self._capacity:
            self._forget_oldest()
        return at, key

    def _forget_oldest(self) -> None:
        oldest = next(iter(self._next))
        following = self._next.pop(oldest)
        if oldest in self._held:
            self._next[oldest] = following
