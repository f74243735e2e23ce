"""What happens to the access token, in lines that a person can act on. No secret has a place in them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry.base import Counters


def span(seconds: float) -> str:
    """A duration for people: `40 s`, `5 min`, `23 h 55 min`."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


class _Happening:
    """Moves no counter: token requests are counted where they are made."""

    room: ClassVar[str] = "oauth"

    def count(self, counters: Counters) -> None:
        """Nothing to count."""


@dataclass(frozen=True)
class TokenObtained(_Happening):
    """`renew_s` and `lives_s` from now."""

    level: ClassVar[int] = logging.INFO
    host: str
    way: str
    lives_s: float
    renew_s: float
    life_known: bool

    def __str__(self) -> str:
        told = "" if self.life_known else " (assumed: the platform told no usable expires_in)"
        return (
            f"{self.host} gave a token by {self.way}, good for {span(self.lives_s)}{told}; "
            f"the next is fetched in {span(self.renew_s)}."
        )


@dataclass(frozen=True)
class WayRefused(_Happening):
    """The first way of sending credentials was refused; another is tried once."""

    level: ClassVar[int] = logging.INFO
    host: str
    way: str
    next_way: str

    def __str__(self) -> str:
        return f"{self.host} refuses credentials by {self.way}; trying once by {self.next_way}."


@dataclass(frozen=True)
class TokenRequestFailed(_Happening):
    """A request failed and is tried again.

    `retry_s`: seconds to the next try. `serves_s`: seconds for which the old token still serves; `None` = no longer.
    `since`: when the requests began to fail, ISO 8601.
    """

    level: ClassVar[int] = logging.WARNING
    host: str
    why: str
    since: str
    retry_s: float
    serves_s: float | None

    def __str__(self) -> str:
        if self.serves_s is None:
            state = "There is no token to go on with: connections cannot be opened until there is one."
        else:
            state = f"The old token serves for another {span(self.serves_s)}; nothing is missed so far."
        return f"No new token since {self.since}: {self.why} {state} Next try in {span(self.retry_s)}."


@dataclass(frozen=True)
class CredentialsRefused(_Happening):
    """In mid-run the platform refuses what it accepted before; the old token serves to its end."""

    level: ClassVar[int] = logging.ERROR
    host: str
    why: str
    since: str
    retry_s: float
    serves_s: float | None
    exit_code: int

    def __str__(self) -> str:
        stops = f"the process stops with {self.exit_code}"
        if self.serves_s is None:
            state = f"There is no token to go on with. One more try in {span(self.retry_s)}, then {stops}."
        else:
            state = (
                f"The old token serves for another {span(self.serves_s)}; nothing is missed so far. "
                f"Next try in {span(self.retry_s)}; when the token has ended, {stops}."
            )
        return f"Refused since {self.since}: {self.why} {state}"


@dataclass(frozen=True)
class SecretReloaded(_Happening):
    """The secret's file holds another value than before."""

    level: ClassVar[int] = logging.INFO

    def __str__(self) -> str:
        return "The client secret was read again and has changed; trying with the new one."


@dataclass(frozen=True)
class SecretUnreadable(_Happening):
    """The secret could not be read again; the one that we have is kept."""

    level: ClassVar[int] = logging.WARNING
    why: str

    def __str__(self) -> str:
        return f"The client secret could not be read again: {self.why}"


@dataclass(frozen=True)
class TokenDropped(_Happening):
    """The platform no longer accepts a token before its end."""

    level: ClassVar[int] = logging.INFO
    left_s: float

    def __str__(self) -> str:
        return f"The platform refuses the token {span(self.left_s)} before its end; fetching another."


@dataclass(frozen=True)
class ClockMoved(_Happening):
    """The wall clock moved on by more than the process lived: the machine slept, or the clock was set."""

    level: ClassVar[int] = logging.INFO
    by_s: float

    def __str__(self) -> str:
        return (
            f"The wall clock moved {span(self.by_s)} further than this process ran: the machine slept, or the clock "
            "was set. The token may have ended; fetching another."
        )
