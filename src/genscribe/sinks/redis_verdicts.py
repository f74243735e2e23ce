"""What an error of redis-py or of a server asks for, and what to say of it."""

from __future__ import annotations

import re

from genscribe.genesys.tls import certificate_problem
from genscribe.sinks.base import RowsRejected, SinkMisconfigured, SinkUnavailable


class NotAllowed(SinkMisconfigured):
    """A command that this user may not give."""


_CODE = re.compile(r"(?:.*(?:caused error: \(['\"]|discarded because of: ))?([A-Z]{3,})\b", re.DOTALL)
_CLASSES = {
    "OOM": "OutOfMemoryError",
    "READONLY": "ReadOnlyError",
    "LOADING": "BusyLoadingError",
    "CLUSTERDOWN": "ClusterDownError",
    "MASTERDOWN": "MasterDownError",
    "NOPERM": "NoPermissionError",
}
"""The client's name for what an aborted transaction gives as its reason."""
_TOO_LARGE = ("invalid bulk length", "max request size", "too large to be stored", "exceeds maximum allowed size")

_UNAVAILABLE = {
    "OutOfMemoryError": ("its memory is full.", "Raise maxmemory, or keep less with maxlen=."),
    "ReadOnlyError": ("it is a replica, which cannot be written to.", "Name the primary."),
    "BusyLoadingError": ("it is loading its data.", ""),
    "ClusterDownError": ("its cluster is down.", ""),
    "MasterDownError": ("it has lost its primary.", ""),
    "TryAgainError": ("its cluster is moving the stream.", ""),
    "MISCONF": ("it cannot save its data and takes no writes.", "See its log."),
    "NOREPLICAS": ("it has too few replicas to take writes.", ""),
    "BUSY": ("a script keeps it busy.", ""),
}

_MISCONFIGURED = {
    "AuthenticationError": ("the login is refused.", "Check user and password."),
    "AuthorizationError": ("the login is refused.", "Check user and password."),
    "AuthenticationWrongNumberOfArgsError": (
        "it knows no users.",
        "Leave the user out: redis://:PASSWORD@host/stream.",
    ),
    "NOAUTH": ("it wants a login.", "Write redis://user:PASSWORD@host/stream."),
    "NOPROTO": ("it does not speak our version of the protocol.", ""),
}


def translated(error: BaseException, stream: str, target: tuple[str, int]) -> Exception | None:
    """The error to raise for one of the client's; `None` for ours, cancellation and bugs, which stay what they are.

    Never with the client's words: they hold the command, and that holds what was said.
    """
    from redis.exceptions import RedisError

    if not isinstance(error, (RedisError, OSError)):
        return None
    problem = certificate_problem(error)
    if problem is not None:
        return SinkMisconfigured(
            f"Redis: the server's certificate is not trusted: {problem}.",
            advice="If a private root signs it, give the root with --ca-file.",
        )
    text = str(error)
    if any(words in text for words in _TOO_LARGE):
        return RowsRejected({}, "larger than the server takes")
    name = _name(error, text)
    if name in _MISCONFIGURED:
        what, advice = _MISCONFIGURED[name]
        return SinkMisconfigured(f"Redis: {what}", advice=advice)
    if name == "NoPermissionError":
        return NotAllowed(
            f"Redis: this user may not add to {stream}.", advice=f"Grant it ~{stream} +xadd +multi +exec."
        )
    if name == "WRONGTYPE":
        return wrong_type(stream)
    return _settings(text) or _passing(error, name, target)


def moved_to(error: BaseException) -> tuple[str, int] | None:
    """Where the stream is, when a node of a cluster says that it is elsewhere."""
    from redis.exceptions import MovedError

    return (error.host, error.port) if isinstance(error, MovedError) else None


def wrong_type(stream: str) -> SinkMisconfigured:
    """There is something else under the stream's key."""
    return SinkMisconfigured(f"Redis: {stream} is there, and is no stream.", advice="Name another one.")


def _name(error: BaseException, text: str) -> str:
    """The class that the client has for an answer, else the answer's first word."""
    name = type(error).__name__
    if name not in ("ResponseError", "ExecAbortError"):
        return name
    match = _CODE.match(text)
    return _CLASSES.get(match[1], match[1]) if match else name


def _settings(text: str) -> SinkMisconfigured | None:
    lowered = text.lower()
    if "unknown command" in lowered and "xadd" not in lowered:
        return NotAllowed("Redis: a command is not there.")
    if "unknown command" in lowered:
        return SinkMisconfigured("Redis: the server knows no streams.", advice="They came with version 5.")
    if "DB index" in text or "SELECT is not allowed" in text:
        return SinkMisconfigured("Redis: there is no such database.", advice="Correct db=, or leave it out.")
    return None


def _passing(error: BaseException, name: str, target: tuple[str, int]) -> SinkUnavailable:
    from redis.exceptions import MovedError, ResponseError

    if isinstance(error, MovedError):
        return SinkUnavailable(f"Redis: the stream is on another node, {error.host}:{error.port}.")
    if name in _UNAVAILABLE:
        what, advice = _UNAVAILABLE[name]
        return SinkUnavailable(f"Redis: {what}", advice=advice)
    if isinstance(error, ResponseError):
        return SinkUnavailable(f"Redis cannot take it now ({name}).")
    host, port = target
    return SinkUnavailable(f"Redis: no connection to {host}:{port}.")
