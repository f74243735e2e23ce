"""The one error tree. A class says what to do about it; nobody inspects messages.

GenscribeError
├── Fatal                      verdict STOP: trying again cannot help
│   ├── UsageError             exit 2   the command line is off
│   ├── StoreFailed            exit 74  the store cannot be written
│   ├── StoreBusy              exit 75  another process holds the store
│   ├── NotPermitted           exit 77  known, but not allowed
│   └── ConfigError            exit 78  the settings are wrong
│       ├── InvalidClient               the platform does not know these credentials
│       ├── EndpointMissing             the platform does not have what was asked for by name
│       └── UntrustedCertificate        the peer's certificate is not trusted
├── RequestRefused             verdict STOP, of this request alone: unchanged it is refused again
└── Passing                    verdict RETRY: may heal by itself
    ├── Unauthorized           verdict REAUTHORIZE: this access token is no longer good
    ├── Throttled              the peer asks for patience (429, 503 with Retry-After)
    ├── Unreachable            DNS, refused, reset, timed out, TLS, proxy
    ├── Disconnected           an open connection ended; carries the close code
    ├── NotFound               what the request names is not there, or no longer: make another, or forget it
    └── BadAnswer              the peer answered, but not with what the documents say

Errors speak to the user: `str(error)` is one line, `advice` is what to do next. Foreign exceptions are
translated into this tree at the line where they enter, `from None` wherever their text could hold a secret.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class Verdict(enum.Enum):
    """What an error asks of whoever drives the failed step."""

    RETRY = "retry"
    REAUTHORIZE = "reauthorize"
    STOP = "stop"


class GenscribeError(Exception):
    """Base of everything genscribe raises on purpose.

    Args:
        message: One line for a person: what happened and why.
        advice: One line: what to do next. Empty when there is nothing to do.
    """

    verdict: ClassVar[Verdict] = Verdict.STOP
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".rstrip()


class Fatal(GenscribeError):
    """Trying again cannot help; the process stops with `exit_code`."""


class UsageError(Fatal):
    """The command line asks for something that does not exist."""

    exit_code = 2


class StoreFailed(Fatal):
    """The store cannot be opened for writing, or an fsync failed."""

    exit_code = 74


class StoreBusy(Fatal):
    """Another process holds the store's lock."""

    exit_code = 75


class NotPermitted(Fatal):
    """The platform knows us but refuses: a role, permission or scope is missing."""

    exit_code = 77


class ConfigError(Fatal):
    """A setting is wrong or missing, or a file is not what it should be."""

    exit_code = 78


class InvalidClient(ConfigError):
    """The token endpoint does not accept these client credentials."""


class EndpointMissing(ConfigError):
    """The platform answered 404, 405 or 410 for a source that was asked for by name."""


class UntrustedCertificate(ConfigError):
    """The peer's certificate was refused three times in a row."""


class RequestRefused(GenscribeError):
    """The platform refuses this very request (400, 409, 413, 422, ...), and no other.

    Not `Passing`, for sent again unchanged it is refused again; not `Fatal`, for the process has other things to do.
    Whoever built the request handles it: asks for less or for something else, or gives that one thing up, loudly.

    Args:
        status: The HTTP status.
        code: The platform's error code, such as `bad.request`; empty when it gave none.
    """

    def __init__(self, message: str, *, advice: str = "", status: int = 400, code: str = "") -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.code = code


class Passing(GenscribeError):
    """May heal by itself; whoever drives the step tries again with backoff.

    Args:
        retry_after_s: Seconds the peer asked us to wait; `None` when it did not say.
    """

    verdict = Verdict.RETRY
    reason: ClassVar[str] = "error"
    """One word for the `reason` label of the reconnect counter."""

    def __init__(self, message: str, *, advice: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, advice=advice)
        self.retry_after_s = retry_after_s


class Unauthorized(Passing):
    """The access token was refused: drop that value, fetch another, try again."""

    verdict = Verdict.REAUTHORIZE
    reason = "unauthorized"


class Throttled(Passing):
    """The peer asks for patience."""

    reason = "throttled"


class Unreachable(Passing):
    """No usable connection: DNS, TCP, TLS, proxy or a deadline."""

    reason = "unreachable"


class Disconnected(Passing):
    """An open connection ended.

    Args:
        code: The WebSocket close code, 1006 when there was none.
    """

    reason = "disconnected"

    def __init__(
        self,
        message: str,
        *,
        code: int = 1006,
        advice: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, advice=advice, retry_after_s=retry_after_s)
        self.code = code


class NotFound(Passing):
    """What the request names is not there (404, 410): a channel that was evicted or has ended, a conversation.

    Asking again as it is cannot help. Whoever named it makes another, or forgets it.
    """

    reason = "not_found"


class BadAnswer(Passing):
    """The peer answered, but with nothing the documents describe."""

    reason = "bad_answer"
