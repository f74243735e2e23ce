"""Which of the journal's records a sink gets, and in what portions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from genscribe.events import Record

MAX_EVENTS = 500
MAX_BYTES = 1024 * 1024
"""A batch holds at most this many events and bytes; a larger event goes alone."""


@dataclass(frozen=True)
class Choice:
    """Which events a sink gets.

    Attributes:
        kinds: The kinds it gets.
        interim: Whether it gets utterances that are not final.
    """

    kinds: frozenset[str]
    interim: bool = False

    def wants(self, record: Record) -> bool:
        """Whether the sink gets this one; looks at bytes, parses nothing."""
        # Inside a JSON string the quotes would be escaped, so these bytes are the field and nothing that was said.
        return record.kind in self.kinds and (
            self.interim or record.kind != "utterance" or b'"is_final":false' not in record.body
        )


@dataclass(frozen=True)
class Batch:
    """Events to write at once, and the cursor that is right once they are written."""

    records: list[Record]
    upto: int
    filtered: int


def batches(records: Iterable[Record], choice: Choice, *, max_bytes: int = MAX_BYTES) -> list[Batch]:
    """Cuts what was read into batches of what the sink gets; every record is in one of them or counted by it."""
    made: list[Batch] = []
    wanted: list[Record] = []
    size = filtered = upto = 0
    for record in records:
        if not choice.wants(record):
            filtered += 1
        else:
            if wanted and size + len(record.body) > max_bytes:
                made.append(Batch(wanted, upto, filtered))
                wanted, size, filtered = [], 0, 0
            wanted.append(record)
            size += len(record.body)
        upto = record.seq
    return [*made, Batch(wanted, upto, filtered)] if wanted or filtered else made
