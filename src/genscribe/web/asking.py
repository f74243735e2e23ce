"""What a request asks for, with bounds: every bad value is a 400 with a sentence."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

MOST_VALUES = 200
"""Of one filter."""
MOST_ID = 1000
MOST_SEQ = 1 << 62


class Filters(NamedTuple):
    """What to leave out; `None` leaves nothing out. Times are ISO 8601 text as the store has it, `until` exclusive."""

    queues: frozenset[str] | None = None
    agents: frozenset[str] | None = None
    media_types: frozenset[str] | None = None
    speakers: frozenset[str] | None = None
    since: str | None = None
    until: str | None = None


def filters(asked: QueryParams) -> Filters:
    """`queue`, `agent`, `media_type`, `speaker`, `since` and `until`."""
    media = several(asked, "media_type")
    return Filters(
        queues=several(asked, "queue"),
        agents=several(asked, "agent"),
        media_types=media | {"message"} if media is not None and "chat" in media else media,
        speakers=several(asked, "speaker"),
        since=moment(asked, "since"),
        until=moment(asked, "until"),
    )


def several(asked: QueryParams, name: str, most: int = MOST_VALUES) -> frozenset[str] | None:
    """The values of a parameter that may be given more than once; `None` when it is not, or is empty."""
    values = [value for value in asked.getlist(name) if value]
    if len(values) > most:
        raise bad(f"{name} may be given at most {most} times.")
    for value in values:
        checked_id(value, name)
    return frozenset(values) or None


def checked_id(value: str, name: str) -> str:
    """An id or a name of bearable length."""
    if len(value) > MOST_ID:
        raise bad(f"{name} may have at most {MOST_ID} characters.")
    return value


def choice(asked: QueryParams, name: str, choices: tuple[str, ...]) -> str | None:
    """One of a few words; `None` when it is not given."""
    value = asked.get(name) or None
    if value is not None and value not in choices:
        raise bad(f"{name} must be {' or '.join(choices)}.")
    return value


def number(asked: QueryParams, name: str, default: int, most: int) -> int:
    """A whole number from 1 on; more than `most` is `most`."""
    found = whole(asked, name)
    if found == 0:
        raise bad(f"{name} must be at least 1.")
    return default if found is None else min(found, most)


def whole(asked: QueryParams, name: str) -> int | None:
    """A whole number from 0 on; `None` when it is not given."""
    value = asked.get(name) or None
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise bad(f"{name} must be a whole number.")
    return min(int(value), MOST_SEQ)


def moment(asked: QueryParams, name: str) -> str | None:
    """A time as the store has it, from ISO 8601; without a zone it is UTC. `None` when it is not given."""
    value = (asked.get(name) or "").strip()
    if not value:
        return None
    text = value.replace(" ", "+") if "T" in value else value  # a plus sign in a URL is a blank
    if text[-1:] in ("Z", "z"):
        text = f"{text[:-1]}+00:00"
    try:
        found = datetime.fromisoformat(_with_six_digits(text))
        if found.tzinfo is None:
            found = found.replace(tzinfo=timezone.utc)
        found = found.astimezone(timezone.utc)
        found = found.replace(microsecond=0) + timedelta(milliseconds=-(-found.microsecond // 1000))
    except (ValueError, OverflowError):
        raise bad(f"{name} must be a time such as 2026-03-21T14:30:00Z.") from None
    return f"{found.isoformat(timespec='milliseconds')[:23]}Z"


def _with_six_digits(text: str) -> str:
    """Fractions of a second as Python 3.10 reads them."""
    whole_part, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole_part}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}" if dot and digits else text


def bad(what: str) -> HTTPException:
    """A question that cannot be answered as it stands."""
    return HTTPException(400, what)
