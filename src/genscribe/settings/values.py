"""From the text a person wrote to a value: pure functions that raise `BadValue`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from genscribe.secrets import Secret
from genscribe.settings.nearest import nearest

_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_UNIT_BYTES = {
    **{unit: 1000**power for power, unit in enumerate(("b", "kb", "mb", "gb", "tb"))},
    **{unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib"), start=1)},
}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)", re.ASCII)
MEDIA_TYPES = frozenset(
    [
        *("callback", "chat", "cobrowse", "email", "internalmessage", "message"),
        *("screenmonitoring", "screenshare", "unknown", "video", "voice"),
    ]
)
"""Of sessions, as the official SDK's model `AnalyticsSession` enumerates them."""
_LONGEST_S = 100 * 366 * 86400.0


class BadValue(ValueError):
    """The text is not what its option wants. The message continues `NAME: 'TEXT' …` and says what to write."""


class Keep(NamedTuple):
    """How long the store keeps what it has. Both `None` is for ever; with both, whichever is reached first.

    Attributes:
        max_age_s: Seconds.
        max_bytes: Bytes of the store's file.
    """

    max_age_s: float | None = None
    max_bytes: int | None = None

    def __str__(self) -> str:
        parts = [] if self.max_age_s is None else [duration_text(self.max_age_s)]
        if self.max_bytes is not None:
            parts.append(bytes_text(self.max_bytes))
        return ",".join(parts) or "forever"


class WebAddress(NamedTuple):
    """Where a server listens. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def duration_s(text: str) -> float:
    """`90`, `90s`, `5m`, `12h`, `30d` in seconds."""
    match = _NUMBER.fullmatch(text)
    factor = _UNIT_S.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise BadValue("is not a duration: write 90, 90s, 5m, 12h or 30d")
    seconds = float(match[1]) * factor
    if not math.isfinite(seconds) or seconds > _LONGEST_S:
        raise BadValue("is longer than a hundred years")
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest form that `duration_s` reads back as the same number."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNIT_S[unit] == 0:
            return f"{seconds / _UNIT_S[unit]:.0f}{unit}"
    return f"{seconds:g}s"


def bytes_text(count: int) -> str:
    """The shortest decimal form: `200GB`."""
    for unit in ("tb", "gb", "mb", "kb"):
        if count and count % _UNIT_BYTES[unit] == 0:
            return f"{count // _UNIT_BYTES[unit]}{unit.upper()}"
    return f"{count}B"


def keep(text: str) -> Keep:
    """`30d`, `12h`, `200GB`, `30d,200GB`, `forever`. A bare number is refused: thirty what?"""
    if text.lower() == "forever":
        return Keep()
    age: float | None = None
    size: int | None = None
    for part in (part.strip() for part in text.split(",")):
        match = _NUMBER.fullmatch(part)
        unit = match[2].lower() if match else ""
        if match and unit in _UNIT_BYTES and size is None:
            size = _positive_bytes(float(match[1]) * _UNIT_BYTES[unit])
        elif unit in _UNIT_S and unit and age is None:
            age = _positive(duration_s(part))
        else:
            raise BadValue("is not a retention: write 30d, 12h, 200GB, both as 30d,200GB, or forever")
    return Keep(age, size)


def _positive(number: float) -> float:
    if number <= 0:
        raise BadValue("would keep nothing")
    return number


def _positive_bytes(number: float) -> int:
    if number > 2.0**62:
        raise BadValue("is more than any disk holds: write forever")
    return int(_positive(number))


def choice(*choices: str) -> Callable[[str], str]:
    """A parser that takes one of `choices`, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise BadValue(f"is none of {', '.join(choices)}")
        return text.lower()

    return parse


def path(text: str) -> Path:
    """A file's path, made absolute: where a program is started from may change. A leading `~` is the home folder."""
    if "\0" in text:
        raise BadValue("is not a path")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise BadValue("names a home folder that is not there") from None


def word(text: str) -> str:
    """A name without blanks or control characters."""
    if not text.isprintable() or " " in text:
        raise BadValue("has blanks or control characters in it")
    return text


def names(texts: Sequence[str]) -> tuple[str, ...]:
    """A list, each once, in the order given. Empty is refused: it would mean all where somebody meant few."""
    unique = tuple(dict.fromkeys(texts))
    if not unique:
        raise BadValue("is empty: name something, or leave it out")
    return unique


def media_types(texts: Sequence[str]) -> tuple[str, ...] | None:
    """`voice,chat` in lower case; `all` is `None`: no filter."""
    types = names([text.lower() for text in texts])
    if types == ("all",):
        return None
    if "all" in types:
        raise BadValue("says all and more: write all, or the types")
    return types


def unknown_media_types(types: Iterable[str]) -> list[str]:
    """A line for each type that the platform did not have when this was written, with the nearest that it had.

    Such a type is let through all the same: the platform may have got new ones.
    """
    lines = []
    for kind in types:
        if kind not in MEDIA_TYPES:
            near = nearest(kind, MEDIA_TYPES)
            hint = f" (did you mean {near}?)" if near is not None else ""
            lines.append(f"--media-types {kind} is no kind of conversation that genscribe knows{hint}")
    return lines


def proxy(text: str) -> Secret:
    """`http://[user:password@]host:port`; the scheme may be left out. A secret, because of the password."""
    whole = text if "://" in text else f"http://{text}"
    try:
        url = urlsplit(whole)
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not host or not whole.isprintable() or " " in whole:
        raise BadValue("is not a proxy: write http://HOST:PORT")
    return Secret(whole)


def web_address(text: str) -> WebAddress:
    """`HOST:PORT`, `[::1]:PORT`."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not (colon and host and re.fullmatch("[0-9]{1,5}", port) and int(port) < 65536):
        raise BadValue("is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return WebAddress(word(host), int(port))
