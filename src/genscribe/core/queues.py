"""Which queue a conversation is in at a moment, and whether it is one that is to be heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from genscribe.core.names import Names
from genscribe.core.presence import AGENTS, OUTSIDE, present
from genscribe.core.snapshot import Party, Snapshot


def queue_at(snapshot: Snapshot, at_ms: int | None) -> str | None:
    """The queue in force at a moment, in epoch milliseconds; `None` asks for now.

    It is that of the queue's own party (`acd`) or of an agent who came through it, whoever joined last of those who
    are there. When none of them is there (the moment between them, an IVR after the agent), it is the last one's.
    An agent who came through no queue, alone with the customer, is in none. The customer's own `queueId` does not
    count: it is that of another moment.
    """
    return next(iter(queues_at(snapshot, at_ms)), None)


def queues_at(snapshot: Snapshot, at_ms: int | None) -> list[str]:
    """Every queue with somebody there, the one that is in force first: several while an agent consults another one."""
    routed = [(party.joined_at or 0, n, party) for n, party in enumerate(snapshot.parties) if _is_routed(party)]
    there = [each for each in routed if present(each[2], at_ms)]
    if there:
        return [party.queue_id for _, _, party in sorted(there, reverse=True) if party.queue_id]
    before = [each for each in routed if each[2].joined_at is not None and (at_ms is None or each[0] <= at_ms)]
    if not before:
        return []
    last = max(before, key=lambda each: (each[2].left_at or each[0], each[1]))[2]
    return [last.queue_id] if last.queue_id else []


@dataclass(frozen=True)
class QueueChoice:
    """Which queues are heard.

    Args:
        include: Ids, or names in which `*` and `?` stand for any letters, in any case. Empty = all.
        exclude: The same; what is both included and excluded is not heard.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def chosen(self, queue_id: str, name: str | None) -> bool:
        """Whether this queue is heard. One whose name is not known is found by its id alone."""
        if any(_matches(pattern, queue_id, name) for pattern in self.exclude):
            return False
        return not self.include or any(_matches(pattern, queue_id, name) for pattern in self.include)

    def concerns(self, snapshot: Snapshot, names: Names, at_ms: int | None = None) -> bool:
        """Whether something that is said in this conversation at a moment is to be heard.

        With `include`, only while somebody of an included queue is there; without, always, also outside queues. Not
        while everybody there is of an excluded queue; while an agent consults one of those, see `hears`.

        Args:
            snapshot: The conversation.
            names: For the queues' names.
            at_ms: Epoch milliseconds; `None` is now.
        """
        if not self.include and not self.exclude:
            return True
        queues = queues_at(snapshot, at_ms)
        if queues and all(self._excluded(queue, names) for queue in queues):
            return False
        return not self.include or any(self.chosen(queue, names.queue(queue)) for queue in queues)

    def hears(self, queue_id: str | None, names: Names) -> bool:
        """Whether what is said on the leg of somebody of this queue is to be heard; `None` is somebody of none."""
        return queue_id is None or not self._excluded(queue_id, names)

    def _excluded(self, queue_id: str, names: Names) -> bool:
        return any(_matches(pattern, queue_id, names.queue(queue_id)) for pattern in self.exclude)

    def unmatched(self, queues: Iterable[tuple[str, str | None]]) -> list[str]:
        """Those of our patterns that fit none of these (id, name): a misspelt one should be told."""
        known = list(queues)
        return [
            pattern
            for pattern in (*self.include, *self.exclude)
            if not any(_matches(pattern, queue_id, name) for queue_id, name in known)
        ]


def _matches(pattern: str, queue_id: str, name: str | None) -> bool:
    folded = pattern.casefold()
    if folded == queue_id.casefold():
        return True
    # Names do have brackets, which to fnmatch are a set of letters.
    return name is not None and fnmatchcase(name.casefold(), folded.replace("[", "[[]"))


def _is_routed(party: Party) -> bool:
    return party.purpose not in OUTSIDE and (party.queue_id is not None or party.purpose in AGENTS)
