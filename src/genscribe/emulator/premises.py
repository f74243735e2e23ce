"""The premises of an organisation: divisions, queues, users. Ids follow from names: they are the same in every run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from genscribe.emulator.conversation import Queue, User
from genscribe.errors import ConfigError

HOME = "Home"
QUEUES = ("Support", "Sales", "Billing", "Retentions")
USERS = (
    "Maya Castillo",
    "Derek Lindqvist",
    "Priya Patel",
    "Jordan Abrams",
    "Alicia Foster",
    "Tom Whitaker",
    "Renee Moreau",
    "Marcus Delgado",
)
_NAMES = uuid.UUID("5b1d4fd0-3c58-4c3c-8e0b-7a54f3f0f6d1")


def stable_id(kind: str, name: str) -> str:
    """The id of a thing that has a name: the same in every organisation and run."""
    return str(uuid.uuid5(_NAMES, f"{kind}:{name}"))


@dataclass(frozen=True)
class Division:
    """A division, the platform's unit of access."""

    id: str
    name: str


class Premises:
    """Divisions, queues and users by id, a few of each from the beginning.

    Attributes:
        visible_divisions: Ids of the divisions that the client has its role in; `None` is all.
    """

    def __init__(self) -> None:
        self.visible_divisions: frozenset[str] | None = None
        self.divisions: dict[str, Division] = {}
        self.queues: dict[str, Queue] = {}
        self.users: dict[str, User] = {}
        for name in QUEUES:
            self.add_queue(name)
        for name in USERS:
            self.add_user(name)

    def add_division(self, name: str) -> Division:
        """A division; the one of this name if there is one."""
        division = Division(stable_id("division", name), name)
        return self.divisions.setdefault(division.id, division)

    def add_queue(self, name: str, *, division: str = HOME, transcription: bool = True) -> Queue:
        """A queue; the one of this name if there is one. `transcription` is its own switch."""
        queue = Queue(stable_id("queue", name), name, self.add_division(division).id, transcription)
        return self.queues.setdefault(queue.id, queue)

    def remove_queue(self, name: str) -> None:
        """The queue is deleted; conversations go on."""
        del self.queues[self.queue(name).id]

    def add_user(self, name: str) -> User:
        """A user; the one of this name if there is one."""
        user = User(stable_id("user", name), name, self.add_division(HOME).id)
        return self.users.setdefault(user.id, user)

    def queue(self, name: str) -> Queue:
        """The queue of this name or id. Raises `ConfigError` when there is none."""
        found = self.queues.get(name) or self.queues.get(stable_id("queue", name))
        if found is None:
            raise ConfigError(f"the stand-in has no queue {name!r}.", advice="Add it with add_queue.")
        return found

    def user(self, name: str) -> User:
        """The user of this name or id. Raises `ConfigError` when there is none."""
        found = self.users.get(name) or self.users.get(stable_id("user", name))
        if found is None:
            raise ConfigError(f"the stand-in has no user {name!r}.", advice="Add one with add_user.")
        return found

    def visible(self, queue: Queue) -> bool:
        """Whether the client may see this queue."""
        return self.visible_divisions is None or queue.division in self.visible_divisions
