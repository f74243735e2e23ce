"""Opening a store for writing: everything that may take long or fail, before its writer starts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import apsw

from genscribe import clock
from genscribe.events import Position
from genscribe.store import channels, cursors, files, life
from genscribe.store.archive import Archive
from genscribe.store.database import BUSY_MS, FORMAT, Opened, Trouble, begin_anew, open_for_writing, trouble
from genscribe.store.life import PreviousRun
from genscribe.store.lock import StoreLock
from genscribe.store.merging import Merging
from genscribe.store.retention import Keep, Retention
from genscribe.store.wal import WalKeeper
from genscribe.telemetry.store import (
    ClockMistrusted,
    CursorMistrusted,
    StoreCreated,
    StoreDamaged,
    StoreHappening,
    StoreMigrated,
)


@dataclass
class Ground:
    """What is open before the writer starts."""

    opened: Opened
    lock: StoreLock
    reading: apsw.Connection
    store_id: str
    head: int
    previous: PreviousRun | None
    positions: dict[str, Position]
    gap_keys: list[str]
    channels: list[tuple[str, int]]
    wal: WalKeeper
    archive: Archive
    merging: Merging
    retention: Retention
    happenings: list[StoreHappening]


def lay_ground(path: Path, keep: Keep, readers: Collection[str] = ()) -> Ground:
    """Opens the store at `path`, beginning it if need be. Blocks; takes and raises what `Journal.open` does."""
    path = path.absolute()
    files.prepare(path)
    lock = StoreLock.acquire(path)
    try:
        opened = open_for_writing(path)
        try:
            return _survey(opened, lock, keep, readers)
        except (apsw.Error, ValueError) as error:  # ValueError: text that is no UTF-8, or not the JSON we wrote
            opened.db.close(True)
            if isinstance(error, apsw.Error) and trouble(error) is not Trouble.DAMAGED:
                raise files.cannot_write(path, str(error)) from None
            return _survey(begin_anew(path, str(error), opened.written_ms), lock, keep, readers)
    except BaseException:
        lock.release()
        raise


def _survey(opened: Opened, lock: StoreLock, keep: Keep, readers: Collection[str]) -> Ground:
    db, path = opened.db, opened.path
    happenings: list[StoreHappening] = []
    if opened.aside is not None:
        happenings.append(StoreDamaged(str(path), str(opened.aside[0]), opened.aside[1]))
    if opened.created:
        happenings.append(StoreCreated(str(path)))
    if opened.migrated_from is not None:
        happenings.append(StoreMigrated(str(path), opened.migrated_from, FORMAT))
    store_id = str(db.execute("select value from meta where name = 'store_id'").get)
    head = head_of(db)
    previous = life.previous(db)
    if previous is None and (written := files.damaged_before(path)) is not None:
        previous = PreviousRun(written, clean=False, ended_at=written)
    retention = Retention(db, keep)
    if retention.disbelieved_days:
        happenings.append(ClockMistrusted(retention.disbelieved_days))
    positions = {}
    for name, at in cursors.load(db).items():
        why = cursors.mistrust(db, store_id, head, at)
        if why is not None:
            happenings.append(CursorMistrusted(name, why))
        positions[name] = at if why is None else Position(store_id, 0, None)
    saved = cursors.saved_ms(db)
    retention.needed = {name: positions[name].seq for name in readers if name in positions}
    retention.unused = {name: (at.seq, saved[name]) for name, at in positions.items()}
    db.execute(life.BEGIN, (clock.wall_ms(), None if previous is None else previous.heard_until))
    gap_keys, remembered = life.gap_keys(db), channels.load(db)
    reading = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    reading.set_busy_timeout(BUSY_MS)
    wal, archive = WalKeeper(db, path), Archive(db)
    merging = Merging(archive)
    return Ground(
        opened,
        lock,
        reading,
        store_id,
        head,
        previous,
        positions,
        gap_keys,
        remembered,
        wal,
        archive,
        merging,
        retention,
        happenings,
    )


def head_of(db: apsw.Connection) -> int:
    """The last seq in use, also when retention has emptied the journal."""
    head = db.execute(
        "select max(coalesce((select max(seq) from journal), 0), value) from meta where name='trimmed_to'"
    )
    found = head.get
    assert isinstance(found, int)
    return found
