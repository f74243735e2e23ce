"""One process holds a store. The lock dies with the process, so a stale lock file means nothing."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from genscribe.errors import StoreBusy, StoreFailed


class StoreLock:
    """An exclusive `flock` on `PATH.lock`, held until `release`."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self.path = path

    @classmethod
    def acquire(cls, store: Path) -> StoreLock:
        """Takes the lock; does not wait.

        Raises:
            StoreBusy: Another process holds it.
            StoreFailed: The lock file cannot be made.
        """
        path = _beside(store)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFailed(
                f"The lock {path} cannot be opened: {error.strerror}.",
                advice="The folder must be writable for the user that runs genscribe.",
            ) from None
        if not _try(fd, fcntl.LOCK_EX):
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
            os.close(fd)
            by = f" (process {holder})" if holder.isdigit() else ""
            raise StoreBusy(
                f"Another genscribe{by} holds the store {store}.",
                advice="Stop it, wait for it with --wait-for-store 60s, or name another --store.",
            )
        os.fchmod(fd, 0o600)
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        return cls(fd, path)

    def release(self) -> None:
        """Lets go; idempotent. The file stays: removing it would let two processes hold two locks of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def held(store: Path) -> bool:
    """Whether a process holds the store now. Looks for a moment, which `Journal.open` has the patience for."""
    try:
        fd = os.open(_beside(store), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _beside(store: Path) -> Path:
    return store.with_name(store.name + ".lock")


def _try(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
