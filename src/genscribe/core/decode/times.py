"""Times as platforms send them, read into the one form that genscribe writes: `2026-03-21T01:09:55.225Z`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

_ISO_8601 = re.compile(
    r"\s*(?P<day>\d{4}-\d\d-\d\d)[Tt ]\s*"
    r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d|60)(?:[.,](?P<fraction>\d*))?)?\s*"
    r"(?:[Zz]|(?P<sign>[+-])(?P<ahead_h>[01]\d|2[0-3])(?::?(?P<ahead_min>[0-5]\d))?)?\s*",
    re.ASCII,
).fullmatch
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # all arithmetic here is in UTC, where naive is enough
_MS = timedelta(milliseconds=1)
_MS_FROM = 100_000_000_000
"""A number this large counts milliseconds: as seconds it would be the year 5138, as milliseconds it is March 1973."""
_MS_END = 253_402_300_800_000
"""10000-01-01T00:00:00Z, which has no four-digit year."""


def read(value: str | float | None) -> tuple[str | None, str]:
    """A time, and what identifies it. Never raises.

    Args:
        value: ISO 8601 with a `T` or a blank, with any number of fractional digits, with `Z`, an offset, or no zone
            (read as UTC); or a number, since 1970 UTC, of seconds (below 10^11) or milliseconds.

    Returns:
        The time in UTC, cut (not rounded) to milliseconds; `None` when there is none or it is no date of the years
        1 to 9999. And its identity: the same for every spelling of an instant, different for instants less than a
        millisecond apart, the value itself when it cannot be read, empty when there is none.
    """
    if value is None:
        return None, ""
    if isinstance(value, str):
        if _exact(value) is not None:
            return value, value
        instant = _from_text(value)
    else:
        instant = _from_number(value)
    if instant is None:
        # hex: turning an integer into decimal digits is refused above 4300 of them.
        return None, hex(value) if isinstance(value, int) else str(value)
    return f"{instant[:23]}Z", instant


def to_ms(value: str | float | None) -> int | None:
    """Any time that `read` takes as milliseconds since 1970 UTC; `None` when it is none. Never raises."""
    moment = _exact(value) if isinstance(value, str) else None
    if moment is None:
        text, _ = read(value)
        if text is None:
            return None
        moment = datetime.fromisoformat(text[:23])
    return (moment - _EPOCH) // _MS


def from_ms(ms: float) -> str | None:
    """The time, cut to milliseconds, of a count of them since 1970 UTC; `None` before 1970 and after the year 9999."""
    if not 0 <= ms < _MS_END:
        return None
    seconds, rest = divmod(int(ms), 1_000)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}.{rest:03d}Z"


def _exact(text: str) -> datetime | None:
    """The moment of a time that has our form already, as nearly every time has.

    Python 3.14 takes hour 24 for midnight; we do not.
    """
    if len(text) != 24 or text[4:20:3] != "--T::." or text[23] != "Z" or "T24" in text:
        return None
    try:
        return datetime.fromisoformat(text[:23])
    except ValueError:
        return None


def _from_number(value: float) -> str | None:
    if not 0 <= value < _MS_END:
        return None
    # By way of the shortest decimal: in binary, 1774055395.225 s falls below the millisecond.
    number = abs(Decimal(repr(value)))  # JSON has a -0.0
    seconds = number / 1000 if number >= _MS_FROM else number
    whole = int(seconds)
    return _instant(_EPOCH + timedelta(seconds=whole), f"{seconds - whole:f}"[2:])


def _from_text(text: str) -> str | None:
    match = _ISO_8601(text)
    if match is None:
        return None
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    ahead = timedelta(hours=int(match["ahead_h"] or 0), minutes=int(match["ahead_min"] or 0))
    try:
        # A leap second, :60, is the first one of the next minute, as in POSIX.
        moment = datetime.fromisoformat(match["day"]) + timedelta(hours=hour, minutes=minute, seconds=second)
        moment += ahead if match["sign"] == "-" else -ahead
    except (ValueError, OverflowError):
        return None
    return _instant(moment, match["fraction"] or "")


def _instant(moment: datetime, fraction: str) -> str:
    """`moment` is whole seconds of UTC; of the fraction at least three digits stay, and no idle zeros after them."""
    return f"{moment.isoformat()}.{fraction[:3].ljust(3, '0')}{fraction[3:].rstrip('0')}Z"
