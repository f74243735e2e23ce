"""The store's files: private, local, told apart by their first bytes, set aside when damaged."""

from __future__ import annotations

import enum
import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from genscribe import clock
from genscribe.errors import ConfigError, StoreFailed

APPLICATION_ID = 0x67736362
"""`gscb`, at byte 68 of the file (https://sqlite.org/fileformat2.html, section 1.3)."""

MAGIC = b"SQLite format 3\0"
COMPANIONS = ("-wal", "-shm")
NEW = ".new"

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fuse.ceph",
        "fuse.davfs",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb2",
        "smb3",
        "smbfs",
    }
)
"""Where SQLite's write-ahead log does not work, as its documentation says (https://sqlite.org/wal.html)."""

_VERSIONS = (b"\1", b"\2")

_NO_PUNCTUATION = str.maketrans("", "", "-:.")


class Found(enum.Enum):
    """What lies at the store's path."""

    NOTHING = "nothing"
    OURS = "ours"
    FOREIGN = "foreign"
    DAMAGED = "damaged"


def companion(path: Path, suffix: str) -> Path:
    """`genscribe.db` and `-wal` give `genscribe.db-wal`."""
    return path.with_name(path.name + suffix)


def look(path: Path) -> Found:
    """Tells by the first bytes what lies at `path`. An empty file or none is nothing, unless a log lies beside it.

    Raises:
        ConfigError: A folder.
        StoreFailed: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        header = b""
    except IsADirectoryError:
        raise _is_folder(path) from None
    except OSError as error:
        raise StoreFailed(f"The store {path} cannot be read: {error.strerror}.") from None
    if not header:
        wal = companion(path, "-wal")
        return Found.DAMAGED if wal.exists() and wal.stat().st_size else Found.NOTHING
    ours = header[68:72] == APPLICATION_ID.to_bytes(4, "big")
    if header[:16] == MAGIC:
        known = header[18:19] in _VERSIONS and header[19:20] in _VERSIONS  # an unknown one makes SQLite read only
        return Found.FOREIGN if not ours else Found.OURS if known else Found.DAMAGED
    return Found.DAMAGED if ours else Found.FOREIGN


def _is_folder(path: Path) -> ConfigError:
    return ConfigError(f"The store {path} is a folder.", advice="Name a file in it with --store.")


def prepare(path: Path, *, mountinfo: str | None = None) -> None:
    """Makes the folder if need be (0700) and refuses places that are not fit for a store.

    Args:
        path: The store, absolute.
        mountinfo: The text of `/proc/self/mountinfo`; `None` reads it where there is one.

    Raises:
        ConfigError: A symbolic link, a folder, or a folder in which everybody may replace files.
        StoreFailed: The folder cannot be made or lies on a network file system.
    """
    if path.is_symlink():
        raise ConfigError(f"The store {path} is a symbolic link.", advice="Name the file itself with --store.")
    if path.is_dir():
        raise _is_folder(path)
    try:
        _make_private(path.parent)
        mode = path.parent.stat().st_mode
    except OSError as error:
        raise StoreFailed(f"The folder {path.parent} cannot be made: {error.strerror}.") from None
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigError(
            f"Everybody may replace files in {path.parent}.", advice=f"Take that right away: chmod o-w {path.parent}"
        )
    kind = file_system(path.parent, _mounts() if mountinfo is None else mountinfo)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreFailed(
            f"The store {path} would lie on a network file system ({kind}), where SQLite's log is not safe.",
            advice="Name a file on a local disk with --store.",
        )


def begin(path: Path) -> Path:
    """Makes an empty file, that only its owner may read, in which the store at `path` is made; see `finish`.

    SQLite gives its companions the same mode.
    """
    made = companion(path, NEW)
    try:
        for suffix in ("", "-journal", *COMPANIONS):  # a crash may have left one half made
            companion(made, suffix).unlink(missing_ok=True)
        os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise cannot_write(path, error.strerror or "unknown error") from None
    return made


def finish(path: Path) -> None:
    """The store that was made is there from now on, whole: a crash before leaves none."""
    try:
        companion(path, NEW).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error.strerror or "unknown error") from None


def make_private(path: Path) -> None:
    """Takes the rights of group and others away, from the companions too."""
    for each in (path, *(companion(path, suffix) for suffix in COMPANIONS)):
        with suppress(FileNotFoundError):
            if stat.S_IMODE(each.stat().st_mode) & 0o077:
                each.chmod(0o600)


def cannot_write(path: Path, why: str) -> StoreFailed:
    """The error for a store that cannot be opened for writing."""
    return StoreFailed(
        f"The store {path} cannot be opened for writing: {why}.",
        advice="The file and its folder must be writable for the user that runs genscribe.",
    )


def set_aside(path: Path, *, written_ms: int | None = None) -> Path:
    """Renames a damaged store and its companions to `PATH.damaged-<time>`; never over another file.

    One that a crash interrupted goes on: a log without its store belongs to the store set aside last.

    Args:
        path: The store.
        written_ms: When it was last written, epoch milliseconds, where opening it has changed that; it is put back.
    """
    aside = (None if path.exists() else _without_log(path)) or _free_name(path)
    for suffix in ("", *COMPANIONS):
        with suppress(FileNotFoundError):
            companion(path, suffix).rename(companion(aside, suffix))
    if not aside.exists():
        aside.touch(0o600)  # the log of a store that somebody else took away
    if written_ms is not None:
        for each in (aside, companion(aside, "-wal")):
            with suppress(FileNotFoundError):
                os.utime(each, ns=(written_ms * 10**6,) * 2)
    sync_folder(path.parent)
    return aside


def _free_name(path: Path) -> Path:
    stamp = clock.now().translate(_NO_PUNCTUATION)
    aside = companion(path, f".damaged-{stamp}")
    count = 1
    while aside.exists():
        count += 1
        aside = companion(path, f".damaged-{stamp}-{count}")
    return aside


def _without_log(path: Path) -> Path | None:
    last = max(_damaged(path), key=lambda aside: aside.name, default=None)
    return None if last is None or companion(last, "-wal").exists() else last


def _damaged(path: Path) -> list[Path]:
    return [aside for aside in path.parent.glob(f"{path.name}.damaged-*") if not aside.name.endswith(COMPANIONS)]


def last_written(path: Path) -> int | None:
    """Epoch milliseconds at which a store or its log was last written; `None` when there is neither."""
    found = [each for each in (path, companion(path, "-wal")) if each.exists()]
    return max((int(each.stat().st_mtime * 1000) for each in found), default=None)


def damaged_before(path: Path) -> int | None:
    """Epoch milliseconds at which a store set aside from `path` was last written; `None` when there is none."""
    return max(filter(None, map(last_written, _damaged(path))), default=None)


def sync_folder(folder: Path) -> None:
    """Makes names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def file_system(folder: Path, mountinfo: str) -> str | None:
    """The type of the file system that holds `folder`, from `/proc/self/mountinfo` (man 5 proc); `None` if unknown."""
    target = str(folder.resolve())
    best, kind = -1, None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # of two mounts at one place the later is on top
            best, kind = len(point), right.split()[0]
    return kind


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _make_private(folder: Path) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder")
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
