"""Where the socket lies, and whose it and whoever connects to it are."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from genscribe.errors import ConfigError
from genscribe.store import files

LONGEST_PATH = 107 if sys.platform == "linux" else 103
"""Bytes that a Unix socket's path may have (man 7 unix; on macOS `sun_path` is 4 bytes shorter)."""
CALLERS = 8
"""So many are served at a time."""


def socket_path(store: Path, store_id: str) -> Path:
    """Where a store's socket lies: beside it, or in the user's runtime folder where that path would be too long."""
    beside = files.companion(store, ".sock")
    if len(os.fsencode(beside)) <= LONGEST_PATH:
        return beside
    return _runtime_folder() / f"{store_id}.sock"


def _runtime_folder() -> Path:
    """The user's folder for sockets; where the system has none, one of ours among the temporary files."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"):
        if folder.startswith("/") and Path(folder).is_dir():
            return Path(folder) / "genscribe"
    return Path(tempfile.gettempdir()) / f"genscribe-{os.getuid()}"


def listen(path: Path) -> socket.socket:
    """A listening socket, 0600 before anybody can connect. We hold the store's lock: an old socket is dead."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError("its path is too long")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.lstat()
    if not stat.S_ISDIR(folder.st_mode) or (is_shared(path) and folder.st_uid != os.geteuid()):
        raise ConfigError(f"{path.parent} is another user's")
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError("another file is there")
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(CALLERS)
    except BaseException:
        listening.close()
        raise
    return listening


def is_shared(path: Path) -> bool:
    """Whether a socket lies in the runtime folder, which others could have made before us."""
    return path.parent == _runtime_folder()


def peer_uid(peer: socket.socket) -> int:
    """The user at the other end (man 7 unix, SO_PEERCRED; on macOS man 4 unix, LOCAL_PEERCRED)."""
    if sys.platform == "linux":
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    return int(struct.unpack("2I", peer.getsockopt(0, 1, 76)[:8])[1])
