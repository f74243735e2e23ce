"""One consistent copy of a store, made while it is written.

A read transaction pins what is copied: without it SQLite would begin anew with every commit of the writer. For as long
as the copy takes, the store's write-ahead log keeps what is committed meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw

from genscribe import clock
from genscribe.errors import ConfigError, StoreFailed
from genscribe.store import files
from genscribe.store.database import BUSY_MS
from genscribe.store.reader import Reader

PAGES_A_SLICE = 2048


def back_up(store: Path, target: Path, *, force: bool = False, tell: Callable[[int, int], None] | None = None) -> int:
    """Copies a store into one file, 0600, which appears under its name when it is complete and on disk.

    Args:
        store: The store.
        target: The file to make; its folder must be there.
        force: Whether a file of that name may be replaced.
        tell: Is called with the pages copied and their number, after each slice.

    Returns:
        The size of the copy in bytes.

    Raises:
        ConfigError: No store, or no fit place for a copy.
        StoreFailed: The copy cannot be written.
    """
    store, target = store.absolute(), target.absolute()
    _refuse(store, target, force=force)
    with Reader.open(store):  # says what is wrong with it
        pass
    part = target.with_name(f".{target.name}.{clock.fresh_id()}.part")
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        _copy(store, part, tell or (lambda done, total: None))
        _sync(part)
        size = part.stat().st_size
        _put(part, target, force=force)
    except OSError as error:
        raise _cannot(target, error.strerror or type(error).__name__) from None
    except apsw.Error as error:
        raise _cannot(target, str(error)) from None
    finally:
        for suffix in ("", *files.COMPANIONS, "-journal"):
            with suppress(OSError):
                files.companion(part, suffix).unlink()
    return size


def _refuse(store: Path, target: Path, *, force: bool) -> None:
    taken = {files.companion(store, suffix) for suffix in ("", *files.COMPANIONS, ".lock", ".sock")}
    same = target.exists() and store.exists() and target.samefile(store)
    if same or target in taken or target.resolve() in {each.resolve() for each in taken}:
        raise ConfigError(f"{target} is the store itself, or belongs to it.", advice="Name another file.")
    if target.is_dir() or target.is_symlink():
        raise ConfigError(f"{target} is {'a folder' if target.is_dir() else 'a link'}.", advice="Name a file.")
    if not target.parent.is_dir():
        raise ConfigError(f"There is no folder {target.parent}.", advice="Make it, or name another file.")
    if target.exists() and not force:
        raise _exists(target)
    if not store.exists():
        return
    size = sum(each.stat().st_size for each in (store, files.companion(store, "-wal")) if each.exists())
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise _cannot(target, f"it needs up to {size >> 20} MB, and {free >> 20} MB are free")


def _copy(store: Path, part: Path, tell: Callable[[int, int], None]) -> None:
    source = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    copy = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        source.set_busy_timeout(BUSY_MS)
        source.execute("begin")
        source.execute("select count(*) from meta").fetchall()
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(PAGES_A_SLICE)
                tell(backup.page_count - backup.remaining, backup.page_count)
    finally:
        copy.close(True)
        source.close(True)


def _put(part: Path, target: Path, *, force: bool) -> None:
    if force:
        part.replace(target)
    else:
        try:
            os.link(part, target)  # unlike a rename it never replaces a file that came meanwhile
        except FileExistsError:
            raise _exists(target) from None
        except OSError:  # a file system without links
            if target.exists():
                raise _exists(target) from None
            part.rename(target)
    files.sync_folder(target.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _exists(target: Path) -> ConfigError:
    return ConfigError(f"{target} is there already.", advice="Name another file, or replace it with --force.")


def _cannot(target: Path, why: str) -> StoreFailed:
    return StoreFailed(f"The backup {target} cannot be written: {why}.", advice="Nothing was left there.")
