"""Files that settings come from: the configuration file and files that hold one secret."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genscribe.errors import ConfigError
from genscribe.secrets import Secret

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

_LARGEST = 1 << 20
_MANAGED = ("/run/secrets", "/var/run/secrets")
"""Where container runtimes put secrets, with modes of their own."""


def read_toml(path: Path) -> dict[str, Any]:
    """The configuration file.

    Raises:
        ConfigError: It is missing, unreadable or not TOML.
    """
    data, _ = _read(path, "the configuration file")
    try:
        table: dict[str, Any] = tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        where = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise ConfigError(f"{path} is not TOML{where}.", advice="Correct it; strings stand in quotes.") from None
    return table


def read_secret(path: Path, *, environ: Mapping[str, str] = os.environ) -> Secret:
    """The secret that is all a file holds. One line ending at its end is not part of it.

    Raises:
        ConfigError: It is missing, unreadable, readable by others, or holds anything but one word.
    """
    data, status = _read(path, "the secret file")
    require_private(path, status, environ=environ)
    text = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        value = text.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} does not hold text.", advice="It must hold the secret alone.") from None
    return checked_secret(value, str(path))


def checked_secret(value: str, origin: str) -> Secret:
    """A secret without blanks, line ends or control characters: with them it was copied wrongly.

    Raises:
        ConfigError: It has some, or is empty.
    """
    if not value:
        raise ConfigError(f"{origin} is empty.", advice="It must hold the secret.")
    if not value.isprintable() or any(char.isspace() for char in value):
        raise ConfigError(
            f"{origin} has blanks, line ends or control characters in it.",
            advice="It must hold the secret alone, on one line.",
        )
    return Secret(value)


def require_private(path: Path, status: os.stat_result, *, environ: Mapping[str, str]) -> None:
    """Refuses a file of ours that holds a secret and that others may read or write.

    A file of root's that a service may only read (mode 0440 by a service manager), and files where container
    runtimes and systemd put secrets, are theirs to protect.

    Raises:
        ConfigError: With the command that puts it right.
    """
    if not stat.S_ISREG(status.st_mode) or not stat.S_IMODE(status.st_mode) & 0o077:
        return
    managed = (*_MANAGED, environ.get("CREDENTIALS_DIRECTORY", ""))
    if any(folder and path.is_relative_to(folder) for folder in managed):
        return
    if status.st_uid == 0 and os.geteuid() != 0:
        return
    raise ConfigError(f"{path} holds a secret and others may read it.", advice=f"Run: chmod 600 {path}")


def file_status(path: Path) -> os.stat_result:
    """`path.stat()`, in our errors."""
    try:
        return path.stat()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {reason(error)}.", advice="Check the path.") from None


def _read(path: Path, what: str) -> tuple[bytes, os.stat_result]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read {what} {path}: {reason(error)}.", advice="Check the path and who may read it."
        ) from None
    if len(data) > _LARGEST:
        raise ConfigError(f"{what} {path} is larger than a megabyte.", advice="Check the path.")
    return data, status


def reason(error: Exception) -> str:
    """What the system says about a failed file operation, in lower case: `no such file or directory`."""
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
