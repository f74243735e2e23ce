"""What ids are called, as far as known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Names(Protocol):
    """Where the names of users and queues are looked up. Nothing here waits."""

    def user(self, user_id: str | None) -> str | None:
        """A user's name; `None` when it is not known."""

    def queue(self, queue_id: str | None) -> str | None:
        """A queue's name; `None` when it is not known."""

    def known(self, users: Iterable[str]) -> bool:
        """Whether all of these were looked up, found or not; those that were not are asked for."""
