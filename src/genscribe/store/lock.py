"""One process holds a store. The lock dies with the process, so a stale lock file means nothing."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from genscribe.errors import StoreBusy, StoreFailed

POLL_S = 0.1


class StoreLock:
    """An exclusive `flock` on `PATH.lock`, held until `release`."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self.path = path

    @classmethod
    def acquire(cls, store: Path, *, wait_s: float = 0) -> StoreLock:
        """Takes the lock, waiting up to `wait_s` seconds for another process to let go. Blocks the thread.

        Raises:
            StoreBusy: Another process still holds it.
            StoreFailed: The lock file cannot be made.
        """
        path = store.with_name(store.name + ".lock")
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFailed(
                f"The lock {path} cannot be opened: {error.strerror}.",
                advice="The folder must be writable for the user that runs genscribe.",
            ) from None
        deadline = time.monotonic() + wait_s
        while not _try(fd):
            if time.monotonic() >= deadline:
                holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
                os.close(fd)
                by = f" (process {holder})" if holder.isdigit() else ""
                raise StoreBusy(
                    f"Another genscribe{by} holds the store {store}.",
                    advice="Stop it, wait for it with --wait-for-store 60s, or name another --store.",
                )
            time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))
        os.fchmod(fd, 0o600)
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        return cls(fd, path)

    def release(self) -> None:
        """Lets go; idempotent. The file stays: removing it would let two processes hold two locks of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
