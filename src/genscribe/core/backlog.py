"""What delivery needs of the journal."""

from __future__ import annotations

from typing import Protocol

from genscribe.events import Position, Record


class Backlog(Protocol):
    """A journal, as seen by those who deliver it.

    Attributes:
        queues: What queues are called, by their ids, as far as the source has told in this run; it grows.
    """

    queues: dict[str, str]

    @property
    def head(self) -> int:
        """The last committed `seq`; 0 when there is none."""

    async def wait_beyond(self, seq: int) -> int:
        """Returns the head once it is greater than `seq`."""

    async def read(self, after: int, limit: int) -> list[Record]:
        """The next committed records with a `seq` greater than `after`, in order; empty only when none is left."""

    def cursor(self, name: str) -> int | None:
        """The saved cursor: everything up to this `seq` is done. `None` when there is none.

        One that does not fit this journal, because the store was restored or replaced, counts as 0.
        """

    async def save_cursor(self, name: str, seq: int, *, at_once: bool = False) -> None:
        """Saves a cursor with the next commit; does not wait for it."""

    async def position(self, seq: int) -> Position:
        """A place in this journal, for a sink that keeps it beside its own data."""

    async def trusted(self, name: str, at: Position) -> int:
        """The seq of a position that a sink kept; 0, and a happening, when it does not fit this journal."""

    async def dead_letter(self, sink: str, seq: int, reason: str) -> None:
        """Lists an event as refused, at the latest with the cursor that passes it. Again is no error."""

    async def forget_dead_letter(self, sink: str, seq: int) -> None:
        """An event that a sink refused is there after all."""

    async def told(self, conversation_id: str, known_to: int) -> list[Record]:
        """All that is known of a conversation, at least up to and with a seq, and the gaps, in order."""

    async def queue_names(self) -> dict[str, str]:
        """What queues are called, by their ids, as far as known."""
