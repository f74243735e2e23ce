"""What a person means by a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from genscribe.settings.values import BadValue, duration_s

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
_TIME = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?", re.ASCII)


def moment(text: str, now_ms: int) -> float:
    """The epoch seconds that a person means by `2h` (ago), `today`, `14:30`, `2026-03-21` or an ISO time.

    A time without a zone is in the machine's. Raises `ValueError` or `OverflowError` when there is no telling.
    """
    now = datetime.fromtimestamp(now_ms / 1000, timezone.utc).astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    days = {"today": 0, "yesterday": 1}.get(text.lower())
    if days is not None:
        return (midnight - timedelta(days=days)).astimezone().timestamp()
    if match := _TIME.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in match.groups())
        return midnight.replace(hour=hour, minute=minute, second=second).astimezone().timestamp()
    if match := _MOMENT.fullmatch(text):
        return _of_parts(*match.groups())
    try:
        return now_ms / 1000 - duration_s(text)
    except BadValue as error:
        raise ValueError(str(error)) from None


def _of_parts(day: str, time: str | None, seconds: str | None, fraction: str | None, zone: str | None) -> float:
    text = f"{day}T{time or '00:00'}:{seconds or '00'}.{(fraction or '').ljust(6, '0')[:6]}"
    if zone is None:
        return datetime.fromisoformat(text).astimezone().timestamp()
    offset = "+00:00" if zone in "zZ" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    return datetime.fromisoformat(text + offset).timestamp()
