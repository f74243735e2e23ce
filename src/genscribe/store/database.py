"""Opens the one SQLite file: creates it, brings it to this release's format, tells damage from a foreign file."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path

import apsw

from genscribe import clock
from genscribe.errors import ConfigError, GenscribeError
from genscribe.store import files
from genscribe.store.files import Found
from genscribe.store.migrations import MIGRATIONS, Migration

FORMAT = 2
"""The format this release writes, in `PRAGMA user_version`."""

CHECKED_AT_OPEN = 32 << 20
"""Up to this many bytes a store is checked as a whole at every opening; a larger one when something looks wrong."""

BUSY_MS = 1000


class Damaged(Exception):
    """The file is ours, but SQLite cannot make sense of it."""


class Trouble(enum.Enum):
    """What an SQLite error asks of the writer."""

    CONTENDED = "another program writes"
    FULL = "the disk takes no more now"
    DAMAGED = "the file is damaged"
    BROKEN = "going on would risk what is stored"


_UNSYNCED = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})
_ROTTEN = frozenset({apsw.SQLITE_IOERR_CORRUPTFS, apsw.SQLITE_IOERR_DATA})


def trouble(error: apsw.Error) -> Trouble:
    """Reads an error of SQLite by its code (https://sqlite.org/rescode.html).

    After a failed fsync nobody knows what the disk holds, and asking again may lie: that one is fatal.
    """
    extended = getattr(error, "extendedresult", 0)
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return Trouble.CONTENDED
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)) or extended in _ROTTEN:
        return Trouble.DAMAGED
    if extended in _UNSYNCED or extended == apsw.SQLITE_READONLY_DBMOVED:
        return Trouble.BROKEN
    passing = (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.NoMemError)
    return Trouble.FULL if isinstance(error, passing) else Trouble.BROKEN


@dataclass
class Opened:
    """A store open for writing.

    Attributes:
        created: It did not exist before.
        migrated_from: The format it had, when that was older.
        written_ms: When it had last been written before it was opened, epoch milliseconds; `None` when it is new.
        inode: The file's number, by which one put in its place is noticed.
        aside: Where a damaged file went that lay here before, and why.
    """

    db: apsw.Connection
    path: Path
    created: bool = False
    migrated_from: int | None = None
    written_ms: int | None = None
    aside: tuple[Path, str] | None = None

    def __post_init__(self) -> None:
        self.inode = self.path.stat().st_ino


def open_for_writing(path: Path, *, migrations: Mapping[int, Migration] = MIGRATIONS, newest: int = FORMAT) -> Opened:
    """Opens or creates the store at `path`; the caller holds its lock. Blocks the thread.

    A damaged file is renamed, never deleted, and a new store begun.

    Raises:
        ConfigError: Not a genscribe store, or one of a newer format.
        StoreFailed: It cannot be opened for writing.
    """
    found, written_ms = files.look(path), files.last_written(path)
    if found is Found.FOREIGN:
        raise ConfigError(f"{path} is not a genscribe store.", advice="Name another file with --store.")
    try:
        if found is Found.DAMAGED:
            raise Damaged("its header is unreadable")
        opened = _open(path, found, migrations, newest)
    except Damaged as damage:
        return begin_anew(path, str(damage), written_ms, migrations=migrations, newest=newest)
    opened.written_ms = written_ms
    return opened


def begin_anew(
    path: Path,
    why: str,
    written_ms: int | None,
    *,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    newest: int = FORMAT,
) -> Opened:
    """Sets a damaged store aside, which was last written then, and begins a new one in its place."""
    aside = files.set_aside(path, written_ms=written_ms)
    opened = _open(path, Found.NOTHING, migrations, newest)
    opened.aside = (aside, why)
    return opened


def _open(path: Path, found: Found, migrations: Mapping[int, Migration], newest: int) -> Opened:
    db: apsw.Connection | None = None
    try:
        if found is Found.NOTHING:
            _create(path)
        files.make_private(path)
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        db.set_busy_timeout(BUSY_MS)
        if db.readonly("main"):
            raise files.cannot_write(path, "it is read-only")
        opened = Opened(db, path, created=found is Found.NOTHING)
        if opened.created:
            _settle(db)
        else:
            _recognise(db)
            opened.migrated_from = migrate(db, path, migrations, newest)
            check(db, path)
    except (GenscribeError, Damaged):
        _close(db)
        raise
    except apsw.Error as error:
        _close(db)
        if trouble(error) is Trouble.DAMAGED:
            raise Damaged(str(error)) from None
        raise files.cannot_write(path, str(error)) from None
    return opened


def _recognise(db: apsw.Connection) -> None:
    """The first look at a file that is ours; one of which SQLite does not know the format is damaged too."""
    try:
        _settle(db)
        db.execute("select count(*) from sqlite_schema").fetchall()
    except apsw.SQLError as error:
        raise Damaged(str(error)) from None


def _close(db: apsw.Connection | None) -> None:
    if db is not None:
        db.close(True)


def _create(path: Path) -> None:
    """Makes it under another name: SQLite needs several commits, and half a store would not be taken for ours."""
    made = files.begin(path)
    with contextlib.closing(apsw.Connection(str(made), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        db.execute("pragma synchronous = full; pragma fullfsync = on")
        db.execute("pragma auto_vacuum = incremental")  # of no effect once the file is in WAL mode
        with db:
            db.execute(f"pragma application_id = {files.APPLICATION_ID}")
            db.execute(f"pragma user_version = {FORMAT}")
            db.execute(schema())
            db.execute(
                "insert into meta values ('store_id', ?), ('created_at', ?), ('trimmed_to', 0), ('archived_to', 0)",
                (clock.fresh_id(), clock.now()),
            )
        db.execute("pragma journal_mode = wal").fetchall()
    files.finish(path)


def schema() -> str:
    """The tables and views of this release's format."""
    return package_files("genscribe.store").joinpath("schema.sql").read_text(encoding="utf-8")


def _settle(db: apsw.Connection) -> None:
    """What SQLite does not keep in the file and is therefore set at every opening."""
    db.execute("pragma journal_mode = wal").fetchall()
    db.execute("pragma synchronous = full")
    db.execute("pragma fullfsync = on; pragma checkpoint_fullfsync = on")  # macOS: through the drive's cache
    db.execute("pragma secure_delete = on").fetchall()
    db.execute("pragma temp_store = memory; pragma cache_size = -16000")
    db.wal_autocheckpoint(0)  # the writer does it, between commits


def migrate(db: apsw.Connection, path: Path, migrations: Mapping[int, Migration], newest: int) -> int | None:
    """Brings an older store to the newest format in one transaction; returns the format it had, `None` if current.

    Raises:
        ConfigError: The store is newer than this release, or so old that its migration is gone.
    """
    version = user_version(db)
    if version == newest:
        return None
    if version > newest:
        raise ConfigError(
            f"The store {path} has format {version}; this genscribe knows formats up to {newest}.",
            advice="Upgrade genscribe, or name another --store.",
        )
    if any(step not in migrations for step in range(version, newest)):
        raise ConfigError(f"The store {path} has format {version}, which this genscribe cannot bring up to date.")
    with db:
        for step in range(version, newest):
            migrations[step](db)
        db.execute(f"pragma user_version = {newest}")
    return version


def shape(of: apsw.Connection | str) -> dict[str, str]:
    """The columns of all tables and views by name: of a database, or of what a schema's text makes."""
    if isinstance(of, str):
        with contextlib.closing(apsw.Connection(":memory:")) as db:
            db.execute(of)
            return shape(db)
    columns = "select group_concat(name) from pragma_table_xinfo(m.name)"
    return dict(of.execute(f"select m.name, ({columns}) from sqlite_schema m where type in ('table', 'view')"))  # noqa: S608


def user_version(db: apsw.Connection) -> int:
    """The store's format."""
    version = db.execute("pragma user_version").get
    assert isinstance(version, int)
    return version


def check(db: apsw.Connection, path: Path) -> None:
    """Looks for damage: the whole of a small store, the vital parts of a large one.

    Raises:
        Damaged: SQLite or the store's own bookkeeping does not hold together.
    """
    try:
        _check(db, whole=path.stat().st_size <= CHECKED_AT_OPEN)
    except (apsw.SQLError, ValueError) as error:  # a table is missing; text is no UTF-8
        raise Damaged(str(error)) from None


def _check(db: apsw.Connection, *, whole: bool) -> None:
    vital = db.execute(
        "select (select value from meta where name = 'store_id'), (select value from meta where name = 'trimmed_to'),"
        " (select max(seq) from journal), (select count(*) from cursors), (select count(*) from life)"
    ).get
    assert isinstance(vital, tuple)
    if not isinstance(vital[0], str) or not isinstance(vital[1], int):
        raise Damaged("its identity is missing")
    if not shape(schema()).items() <= shape(db).items():
        raise Damaged("its tables are not those of a store")
    if whole:
        answer = db.execute("pragma quick_check(1)").get
        if answer != "ok":
            raise Damaged(str(answer).replace("\n", " "))
