"""What happens to REST calls."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry.base import Counters
from genscribe.telemetry.oauth import span


@dataclass(frozen=True)
class _OfApi:
    room: ClassVar[str] = "api"
    level: ClassVar[int] = logging.WARNING

    def count(self, counters: Counters) -> None:
        """Requests are counted where they are made."""


@dataclass(frozen=True)
class CallThrottled(_OfApi):
    """The platform refused a request for there being too many (429). `held_s`: for how long none is sent."""

    what: str
    held_s: float

    def __str__(self) -> str:
        return (
            f"the platform has had too many requests from us and refused {self.what}: none is sent for "
            f"{span(self.held_s)}, and calls that begin meanwhile are heard late. If this repeats, another program "
            "uses this OAuth client: give each its own."
        )


@dataclass(frozen=True)
class CallFailing(_OfApi):
    """A request failed and is tried again. `others` have failed since this was last told."""

    why: str
    retry_s: float
    others: int

    def __str__(self) -> str:
        more = f" ({self.others} more failed since the last such line)" if self.others else ""
        return f"{self.why} Trying again in {span(self.retry_s)}{more}."


@dataclass(frozen=True)
class PermissionMissing(_OfApi):
    """The platform refuses a call for want of a permission; told once for each."""

    permission: str
    what: str

    def __str__(self) -> str:
        return (
            f"the OAuth client lacks the permission {self.permission}: the platform refuses {self.what}. Give it a "
            "role with that permission, in all divisions, in Genesys Cloud (Admin, Integrations, OAuth)."
        )


@dataclass(frozen=True)
class BudgetNearlyUsed(_OfApi):
    """Requests come close to what the platform allows; told at most every ten minutes."""

    used: int
    allowed: int
    others: int

    def __str__(self) -> str:
        shared = f", {self.others} of them by other programs with the same token" if self.others else ""
        return (
            f"{self.used} requests in the last minute{shared}; the platform allows {self.allowed}. Subscriptions go "
            "first: sweeps, names and texts come later, nothing is lost. If this lasts, narrow it with --queues."
        )
