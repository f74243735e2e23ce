"""What the writer tells the journal, across threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genscribe.errors import StoreFailed
from genscribe.store.rows import Row


class Committed(NamedTuple):
    """These rows follow `base`, and all notes up to the `noted`th are kept."""

    base: int
    rows: Sequence[Row]
    noted: int


class Refused(NamedTuple):
    """Since when (epoch ms) the disk takes no more."""

    since: int


class Healed(NamedTuple):
    """The disk refused writes from `since` to `until` (epoch ms)."""

    since: int
    until: int


class Broke(NamedTuple):
    """The store cannot go on."""

    error: StoreFailed


class Indexed(NamedTuple):
    """So many utterances were in the archive already, in this revision or a later one."""

    duplicates: int
