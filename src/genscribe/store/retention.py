"""Retention: the journal's oldest rows go, with everything that stands for them, in short slices.

What a sink still needs stays, also while a run goes without that sink: until its cursor has not moved for as long as
the store keeps what it has. Then the sink is taken for removed, and holds nothing any more.

Age is counted on a clock that does not jump: the wall clock at opening, if it is plausible, then the machine's own
count of elapsed time. A wall clock that says 2099 therefore removes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import apsw

from genscribe import clock
from genscribe.telemetry.store import Retained

ROWS_A_SLICE = 100
PAGES_A_SLICE = 200
"""How many free pages a slice gives back to the file system."""
PLAUSIBLE_MS = 366 * 24 * 3600 * 1000
"""A store that was longer without an entry was more likely met by a wrong clock."""
REMOVED_S = 30 * 24 * 3600.0
"""Where the store keeps by size, not by age: a sink that no run uses for so long is taken for removed."""
LOOK_S = 60.0
SHORTEST_LOOK_S = 0.5

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True)
class Keep:
    """How long or how much the store keeps; `None` means without limit."""

    max_age_s: float | None = None
    max_bytes: int | None = None


def elapsed_s() -> float:
    """Seconds that passed, sleep of the machine included, whatever is done to the wall clock."""
    return time.clock_gettime(_BOOT_CLOCK)


class Retention:
    """The chore that removes what `keep` does not allow, never what a registered cursor still needs.

    Attributes:
        needed: By cursor of this run: everything up to this seq may go. Filled by the journal.
        unused: By cursor of earlier runs: the same, and when it was saved last, in epoch milliseconds.
        disbelieved_days: How far ahead of the store an implausible wall clock was at opening; 0 when it was plausible.
    """

    in_transaction: ClassVar[bool] = True

    def __init__(
        self,
        db: apsw.Connection,
        keep: Keep,
        report: Callable[[object], None] = lambda report: None,
        elapsed: Callable[[], float] = elapsed_s,
    ) -> None:
        self.needed: dict[str, int] = {}
        self.unused: dict[str, tuple[int, int]] = {}
        self.report = report
        self._keep = keep
        self._elapsed = elapsed
        self._began = elapsed()
        self._base_ms, self.disbelieved_days = _begin_ms(db)
        self._marked = int(db.execute("select coalesce(max(seq), -1) from marks").get)
        self._trimmed = trimmed_to(db)
        self._rolled_back = False
        self._goal = 0
        self._removed = 0
        self._next_look = 0.0
        age = keep.max_age_s
        self._look_s = LOOK_S if age is None else min(LOOK_S, max(SHORTEST_LOOK_S, age / 100))
        if keep.max_bytes is not None:
            self._look_s = min(self._look_s, 10.0)

    def forget(self, name: str) -> None:
        """A cursor that was removed holds nothing any more; called on the loop's thread."""
        self.needed.pop(name, None)
        # The writer's thread may be going through it.
        self.unused = {other: at for other, at in self.unused.items() if other != name}

    def time_ms(self) -> int:
        """The clock that ages the store's rows, in epoch milliseconds; any thread may ask."""
        return self._base_ms + int((self._elapsed() - self._began) * 1000)

    def wait(self, now: float, head: int, *, closing: bool) -> float | None:
        """Due at every look, and while a look found something to remove."""
        if closing:
            return None
        return 0 if self._goal > self._trimmed else max(0.0, self._next_look - now)

    def step(self, db: apsw.Connection, now: float, head: int) -> None:
        """Looks what is to go, or removes a slice of it."""
        if self._rolled_back:
            self._trimmed, self._rolled_back = trimmed_to(db), False
        if self._goal > self._trimmed:
            upto = min(self._trimmed + ROWS_A_SLICE, self._goal)
            self._removed += _remove(db, self._trimmed, upto)
            self._trimmed = upto
            db.execute(f"pragma incremental_vacuum({PAGES_A_SLICE})").fetchall()
            if upto == self._goal:
                self.report(Retained(self._removed))
                self._removed = 0
            return
        self._next_look = now + self._look_s
        if head != self._marked:
            self._marked = head
            db.execute("insert into marks values (?, ?) on conflict do nothing", (head, self.time_ms()))
        self._goal = min(self._overdue(db, head), self._spare(head))

    def slices(self, head: int) -> int:
        """One: nothing presses."""
        return 1

    def undone(self) -> None:
        """What the database says counts, once it can be asked again."""
        self._rolled_back, self._marked = True, -1

    def _spare(self, head: int) -> int:
        """Nobody needs anything up to this seq."""
        patience_s = REMOVED_S if self._keep.max_age_s is None else self._keep.max_age_s
        since_ms = self.time_ms() - int(patience_s * 1000)
        needed = dict(self.needed)  # the loop's thread adds to it
        waited_for = [seq for name, (seq, at) in self.unused.items() if name not in needed and at > since_ms]
        return min([*needed.values(), *waited_for], default=head)

    def _overdue(self, db: apsw.Connection, head: int) -> int:
        """Everything up to this seq is more than `keep` allows."""
        goal = self._trimmed
        if self._keep.max_age_s is not None:
            goal = max(goal, marked_before(db, self.time_ms() - int(self._keep.max_age_s * 1000)))
        if self._keep.max_bytes is not None and head > self._trimmed:
            used = used_bytes(db)
            excess = used - self._keep.max_bytes
            if excess > 0:
                a_row = max(1, used // (head - self._trimmed))
                goal = max(goal, min(head, self._trimmed + -(-excess // a_row)))
        return goal


def marked_before(db: apsw.Connection, at_ms: int) -> int:
    """The last seq known to be committed at or before that time of the store's clock; 0 when none is."""
    seq = db.execute("select coalesce(max(seq), 0) from marks where at <= ?", (at_ms,)).get
    assert isinstance(seq, int)
    return seq


def trimmed_to(db: apsw.Connection) -> int:
    """The last seq that retention removed."""
    seq = db.execute("select value from meta where name = 'trimmed_to'").get
    assert isinstance(seq, int)
    return seq


def used_bytes(db: apsw.Connection) -> int:
    """What the store's content takes, without pages that are free for reuse."""
    pages, free, size = (db.execute(f"pragma {name}").get for name in ("page_count", "freelist_count", "page_size"))
    assert isinstance(pages, int)
    assert isinstance(free, int)
    assert isinstance(size, int)
    return (pages - free) * size


def _begin_ms(db: apsw.Connection) -> tuple[int, int]:
    wall = clock.wall_ms()
    last = db.execute("select max(at) from marks").get
    if last is None:
        return wall, 0
    assert isinstance(last, int)
    if wall - last > PLAUSIBLE_MS:
        return last, (wall - last) // (24 * 3600 * 1000)
    return max(wall, last), 0


def _remove(db: apsw.Connection, after: int, upto: int) -> int:
    """Removes the rows of a slice and all that stands for them, within the caller's transaction."""
    span = (after, upto)
    db.execute(
        "delete from conversation_rows as c where conversation_id in ("
        " select conversation_id from utterance_rows where seq > ?1 and seq <= ?2"
        " union select conversation_id from other_rows where seq > ?1 and seq <= ?2)"
        " and not exists (select 1 from utterance_rows u where u.conversation_id = c.conversation_id and u.seq > ?2)"
        " and not exists (select 1 from other_rows o where o.conversation_id = c.conversation_id and o.seq > ?2)",
        span,
    )
    db.execute("delete from utterance_words where rowid > ? and rowid <= ?", span)
    for table in ("utterance_rows", "other_rows", "unreadable_raw", "dead_letters"):
        db.execute(f"delete from {table} where seq > ? and seq <= ?", span)  # noqa: S608  # names of ours
    db.execute("delete from marks where seq <= ? and seq < (select max(seq) from marks)", (upto,))
    db.execute("delete from journal where seq > ? and seq <= ?", span)
    removed = db.changes()
    db.execute("update meta set value = ? where name = 'trimmed_to'", (upto,))
    return removed
