"""What happens to the store and a person would act on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe import clock
from genscribe.telemetry.base import Counters


@dataclass(frozen=True)
class StoreHappening:
    """The level, room and counter that most happenings of the store share."""

    level: ClassVar[int] = logging.WARNING
    room: ClassVar[str] = "store"

    def count(self, counters: Counters) -> None:
        """Nothing to count."""


@dataclass(frozen=True)
class StoreCreated(StoreHappening):
    """A new, empty store was begun."""

    level: ClassVar[int] = logging.INFO
    path: str

    def __str__(self) -> str:
        return f"Began a new store: {self.path}."


@dataclass(frozen=True)
class StoreMigrated(StoreHappening):
    """An older store was brought to this release's format."""

    level: ClassVar[int] = logging.INFO
    path: str
    before: int
    after: int

    def __str__(self) -> str:
        return f"Brought {self.path} from store format {self.before} to {self.after}."


@dataclass(frozen=True)
class StoreDamaged(StoreHappening):
    """The file is damaged; it was set aside, nothing was deleted."""

    level: ClassVar[int] = logging.ERROR
    path: str
    aside: str
    why: str

    def __str__(self) -> str:
        return (
            f"THE STORE WAS DAMAGED ({self.why}). {self.path} is now {self.aside}; nothing was deleted. A new store "
            "begins; what the old one held is no longer found by search. Check the disk; `sqlite3 FILE .recover` may "
            "bring back most of it."
        )


@dataclass(frozen=True)
class RowDamaged(StoreHappening):
    """One journal row fails its checksum. It is shown and delivered as unreadable, its neighbours are whole."""

    level: ClassVar[int] = logging.ERROR
    seq: int

    def __str__(self) -> str:
        return f"Journal row {self.seq} is damaged on disk (checksum) and cannot be delivered. Check the disk."


@dataclass(frozen=True)
class StoreFull(StoreHappening):
    """The disk takes no more: intake waits, nothing accepted is at risk."""

    level: ClassVar[int] = logging.ERROR
    path: str
    waiting: int

    def __str__(self) -> str:
        return (
            f"THE DISK IS FULL or refuses to write: intake waits, {self.waiting} events are held in memory and not yet "
            f"accepted. What is stored is safe. Free some space for {self.path}; it then goes on by itself."
        )


@dataclass(frozen=True)
class DiskLow(StoreHappening):
    """The disk will be full before long. `hours` until then at the pace of the last hour; `None` = no telling."""

    path: str
    free: int
    hours: float | None

    def __str__(self) -> str:
        if self.hours is None:
            when = "it has not become less of late"
        elif self.hours < 1:
            when = "at the pace of the last hour it is full in less than an hour"
        else:
            hours = int(self.hours)
            when = f"at the pace of the last hour it is full in {hours} {'hour' if hours == 1 else 'hours'}"
        return (
            f"{self.free >> 20} MB are left on the disk of {self.path}; {when}, and then nothing more is recorded. "
            "Free some space, or keep less (--keep)."
        )


@dataclass(frozen=True)
class StoreHealed(StoreHappening):
    """The disk takes writes again."""

    path: str
    since: int
    until: int

    def __str__(self) -> str:
        return (
            f"{self.path} takes writes again; it refused them from {clock.iso(self.since)} to {clock.iso(self.until)}."
        )


@dataclass(frozen=True)
class StoreContended(StoreHappening):
    """Another program holds SQLite's write lock."""

    path: str

    def __str__(self) -> str:
        return (
            f"Another program writes in {self.path} (a backup tool, a shell with an open transaction?); events wait "
            "in memory until it ends. Nothing is lost."
        )


@dataclass(frozen=True)
class WalHeld(StoreHappening):
    """A reader keeps the write-ahead log from being emptied."""

    path: str
    size: int

    def __str__(self) -> str:
        return (
            f"{self.path}-wal has grown to {self.size >> 20} MB because a reader holds an old view of the store. "
            "Close long-running queries."
        )


@dataclass(frozen=True)
class CursorMistrusted(StoreHappening):
    """A cursor does not fit this journal: the store was restored or replaced."""

    name: str
    why: str

    def __str__(self) -> str:
        return (
            f"The cursor of {self.name} does not fit this store ({self.why}): it was restored or replaced. Delivery "
            "begins again at the oldest event; what came twice has the same key and revision."
        )


@dataclass(frozen=True)
class ClockMistrusted(StoreHappening):
    """The wall clock is implausibly far ahead of the store's last entry."""

    days: int

    def __str__(self) -> str:
        return (
            f"The clock says that {self.days} days have passed since the store's last entry. Retention does not "
            "believe it and counts on from that entry. Check the machine's clock."
        )


@dataclass(frozen=True)
class Retained(StoreHappening):
    """Retention removed what is older than `--keep`."""

    level: ClassVar[int] = logging.INFO
    rows: int

    def __str__(self) -> str:
        return f"Removed {self.rows} events that are older than --keep allows."


@dataclass(frozen=True)
class StoreBroke(StoreHappening):
    """The store cannot go on; the process stops with exit code 74."""

    level: ClassVar[int] = logging.CRITICAL
    message: str

    def __str__(self) -> str:
        return self.message
