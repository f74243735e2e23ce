"""One line of what `genscribe check` found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from genscribe.errors import GenscribeError


@dataclass(frozen=True)
class Finding:
    """One line of the answer.

    Attributes:
        ok: `None` = not looked at, and `text` says why.
        advice: What to do. Shown unless all is well with it.
        exit_code: What a command that runs into this ends with; 0 where it works nevertheless.
    """

    what: str
    ok: bool | None
    text: str
    advice: str = ""
    exit_code: int = 0


Show = Callable[[Finding], None]
"""Takes findings as they come."""


def failed(what: str, error: GenscribeError) -> Finding:
    """An error of ours as a finding."""
    return Finding(what, False, error.message, error.advice, error.exit_code)
