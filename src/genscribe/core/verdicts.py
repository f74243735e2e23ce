"""What an answer means: one table for each place that answers. Pure: status or close code in, error out.

The class of the error is the decision (see `errors.py`); the text is what a person reads at 3 am. No text of the
peer's body or close reason enters it, for either may repeat what we sent.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from genscribe.errors import (
    BadAnswer,
    Disconnected,
    EndpointMissing,
    GenscribeError,
    InvalidClient,
    NotFound,
    NotPermitted,
    Passing,
    RequestRefused,
    Throttled,
    Unauthorized,
    Unreachable,
)

TRANSCRIPT_SCOPE = "conversation:transcript:read"
"""The scope that the mission names for the transcripts endpoint."""

_ANY = range(1000)
_TRACE = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_CODE = re.compile(r"[a-z]{1,40}(\.[a-z]{1,40}){0,7}", re.ASCII)
_WORD = r"[A-Za-z][A-Za-z]{1,39}"
_PERMISSION = re.compile(rf"(?<![\w:]){_WORD}:{_WORD}:(?:{_WORD}|\*)(?![\w:])", re.ASCII)
_MOST_PERMISSIONS = 8


class Rule(NamedTuple):
    """One row: these statuses mean this error. `{…}` are filled in by the function that reads the table."""

    statuses: range | tuple[int, ...]
    error: type[GenscribeError]
    message: str
    advice: str = ""


_REDIRECT = "answered {status}, a redirect, which is not followed: {what} would travel to another host."
_TOO_FAST = "asks for patience ({status})."

TOKEN = (
    Rule(
        (400, 401),
        InvalidClient,
        "refuses the client credentials ({status}{word}).",
        "Check GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and the region (GENESYS_ENV or --region): a client exists in "
        "one region only.",
    ),
    Rule(
        (403,),
        NotPermitted,
        "knows the client but refuses it a token ({status}{word}).",
        "Check that the OAuth client is active, has the grant type client credentials and a role, and that the "
        "organisation's IP allow-list admits this machine.",
    ),
    Rule(
        (404, 405, 410),
        BadAnswer,
        "has no token endpoint ({status}).",
        "Check the region and GENESYS_LOGIN_URL.",
    ),
    Rule((407,), Unreachable, "is behind a proxy that wants credentials (407).", "Give them with --proxy."),
    Rule((429, 503), Throttled, _TOO_FAST),
    Rule(range(300, 400), BadAnswer, _REDIRECT, "Check GENESYS_LOGIN_URL and the proxy."),
    Rule(range(500, 600), BadAnswer, "failed ({status})."),
    Rule(_ANY, BadAnswer, "gave an answer that no document describes ({status})."),
)
"""The token endpoint, `POST /oauth/token`."""

HANDSHAKE = (
    Rule((401,), Unauthorized, "refuses the access token (401)."),
    Rule(
        (403,),
        NotPermitted,
        f"knows the client but does not let it read transcripts (403): the scope {TRANSCRIPT_SCOPE} is missing.",
        "Give the OAuth client that scope, or a role with it, in Genesys Cloud (Admin, Integrations, OAuth), "
        "then start again.",
    ),
    Rule(
        (404, 405, 410),
        EndpointMissing,
        "has no transcripts endpoint ({status}).",
        "Use --source notifications or --source auto, or check the region and GENESYS_API_URL.",
    ),
    Rule((407,), Unreachable, "is behind a proxy that wants credentials (407).", "Give them with --proxy."),
    Rule((408,), Unreachable, "gave up waiting for our handshake (408)."),
    Rule((429, 503), Throttled, _TOO_FAST),
    Rule(range(300, 400), BadAnswer, _REDIRECT, "Check GENESYS_API_URL and the proxy."),
    Rule(range(500, 600), BadAnswer, "failed ({status})."),
    Rule(_ANY, BadAnswer, "answered {status} instead of opening a WebSocket.", "A proxy may stand in between."),
)
"""The WebSocket handshake of the transcripts endpoint."""

API = (
    Rule((401,), Unauthorized, "refuses the access token for {what} (401)."),
    Rule(
        (403,),
        NotPermitted,
        "does not permit {what} (403{word}): {lacking}.",
        "Give the OAuth client a role with that permission, in all divisions, in Genesys Cloud (Admin, Integrations, "
        "OAuth).",
    ),
    Rule((404, 410), NotFound, "does not have, or no longer has, what is named in {what} ({status}{word})."),
    Rule((407,), Unreachable, "is behind a proxy that wants credentials (407).", "Give them with --proxy."),
    Rule((408,), Unreachable, "gave up waiting for {what} (408)."),
    Rule((429, 503), Throttled, "asks for patience with {what} ({status}{word})."),
    Rule(
        range(300, 400),
        BadAnswer,
        "answered {what} with a redirect ({status}), which is not followed: the access token would travel along.",
        "Check GENESYS_API_URL and the proxy.",
    ),
    Rule(range(400, 500), RequestRefused, "refuses {what} as it is ({status}{word})."),
    Rule(range(500, 600), BadAnswer, "failed at {what} ({status}{word})."),
    Rule(_ANY, BadAnswer, "gave {what} an answer that no document describes ({status})."),
)
"""The API's calls, `/api/v2/...`."""

CHANNEL_HANDSHAKE = (
    Rule(
        (400, 401, 403, 404, 410),
        NotFound,
        "no longer knows the channel ({status}).",
    ),
    *(rule for rule in HANDSHAKE if rule.error not in (Unauthorized, NotPermitted, EndpointMissing)),
)
"""The WebSocket handshake of a notification channel. It carries no token, so no refusal speaks of one: which status
an ended or evicted channel answers is in no document. [facts, "not established"]"""

CLOSES = {
    1000: ("the platform closed the connection normally", ""),
    1001: ("the platform went away", ""),
    1002: ("a protocol error", ""),
    1003: ("a kind of data that one side does not take", ""),
    1005: ("closed without a code", ""),
    1006: ("the connection broke without a Close frame", ""),
    1007: ("text that is not valid UTF-8", ""),
    1008: ("the platform's policy, or an access token that has ended", ""),
    1009: ("a message above 1 MiB", "If this repeats, one conversation sends more in a frame than we accept."),
    1010: ("an extension that one side missed", ""),
    1011: ("an error at one side, or a ping without an answer", ""),
    1012: ("the platform restarts", ""),
    1013: ("the platform asks to come again later", ""),
    1014: ("a gateway in between failed", ""),
    1015: ("TLS failed", ""),
}
"""What RFC 6455 section 7.4 and its registry say of a close code. Whatever the code, we come back with backoff: a
normal close ends the hearing like any other. Only 1008 asks for something else first."""


class Probed(enum.Enum):
    """What the answer to `--source auto`'s one plain GET of the transcripts path says."""

    TRANSCRIPTS = "the endpoint is there"
    NOTIFICATIONS = "the endpoint is not there"
    REFUSED = "refused with a fresh token: try notifications; 77 only when that is refused too"
    UNAUTHORIZED = "refused with an old token: ask again with a fresh one"
    UNDECIDED = "says nothing: ask again, with backoff"


PROBE = (
    ((101, *range(200, 300), 400, 426), Probed.TRANSCRIPTS),
    ((404, 405, 410), Probed.NOTIFICATIONS),
    ((401, 403), Probed.REFUSED),
)


def of_token_status(
    status: int,
    *,
    host: str,
    word: str = "",
    page: bool = False,
    retry_after_s: float | None = None,
    trace: str = "",
) -> GenscribeError:
    """The error that an answer of the token endpoint other than 2xx means.

    Args:
        status: The HTTP status.
        host: The host asked, for the message.
        word: The OAuth error code of the body, such as `invalid_client`; empty when it has none.
        page: The body is a web page. Then a 400 or 401 is a proxy's, not the platform's, and decides nothing.
        retry_after_s: What `Retry-After` asks for, if it makes sense.
        trace: The platform's `ININ-Correlation-Id`, which its support asks for; left out when it is not one.
    """
    if page and status in (400, 401):
        return BadAnswer(
            f"A web page came instead of an answer of {host} ({status}).",
            advice="A proxy or a sign-in page may stand in between.",
            retry_after_s=retry_after_s,
        )
    said = {"status": status, "what": "the client credentials", "word": f" {word}" if word else ""}
    return _judge(TOKEN, host, said, retry_after_s, trace)


def of_handshake_status(
    status: int, *, host: str = "the platform", retry_after_s: float | None = None, trace: str = ""
) -> GenscribeError:
    """The error that an answer to the WebSocket handshake other than 101 means.

    Args: as for `of_token_status`.
    """
    return _judge(HANDSHAKE, host, {"status": status, "what": "the access token"}, retry_after_s, trace)


class Problem(NamedTuple):
    """What is worth telling of the body of a refused API call, and safe to tell.

    Attributes:
        code: The platform's error code, such as `missing.any.permissions`; empty when there is none.
        permissions: The permissions it names, such as `routing:queue:view`, in the order in which they come.
        page: The body is a web page: a proxy's answer, not the platform's.
    """

    code: str = ""
    permissions: tuple[str, ...] = ()
    page: bool = False


def read_problem(body: bytes) -> Problem:
    """Reads an `ErrorBody` [facts, section 8]. Never raises; of its texts nothing but permissions' names is kept."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Problem(page=body.lstrip()[:1] == b"<")
    if not isinstance(answer, dict):
        return Problem()
    code = answer.get("code")
    return Problem(code if isinstance(code, str) and _CODE.fullmatch(code) else "", permissions_in(answer))


def permissions_in(value: object) -> tuple[str, ...]:
    """The names of permissions in the texts of a JSON value, at most 8, each once."""
    found = (name for text in _texts(value, depth=4) for name in _PERMISSION.findall(text))
    return tuple(dict.fromkeys(found))[:_MOST_PERMISSIONS]


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item, depth - 1)


def of_api_status(
    status: int,
    *,
    host: str,
    what: str,
    problem: Problem | None = None,
    needs: str = "",
    retry_after_s: float | None = None,
    trace: str = "",
) -> GenscribeError:
    """The error that an answer of the API means which is none of those that the caller expects.

    Args:
        status: The HTTP status.
        host: The host asked, for the message.
        what: The call, without ids: `GET /api/v2/routing/queues`.
        problem: What the body says; `None` = nothing. A web page with a 4xx is a proxy's and decides nothing.
        needs: The permission that the documents name for the call; told when the body names none.
        retry_after_s: What `Retry-After` asks for, if it makes sense.
        trace: The platform's `ININ-Correlation-Id`.
    """
    problem = problem or Problem()
    if problem.page and 400 <= status < 500 and status not in (401, 407, 408, 429):
        return BadAnswer(
            f"A web page came instead of an answer of {host} to {what} ({status}).",
            advice="A proxy or a sign-in page may stand in between.",
            retry_after_s=retry_after_s,
        )
    said = {
        "status": status,
        "what": what,
        "word": f" {problem.code}" if problem.code else "",
        "lacking": _lacking(problem.permissions, needs),
    }
    error = _judge(API, host, said, retry_after_s, trace)
    if isinstance(error, RequestRefused):
        error.status, error.code = status, problem.code
    return error


def _lacking(permissions: tuple[str, ...], needs: str) -> str:
    if permissions:
        return f"missing permission {', '.join(permissions)}"
    return f"it needs the permission {needs}" if needs else "a permission is missing"


def of_channel_handshake(
    status: int, *, host: str = "the platform", retry_after_s: float | None = None, trace: str = ""
) -> GenscribeError:
    """The error that an answer to a channel's WebSocket handshake other than 101 means. Args: as above."""
    return _judge(CHANNEL_HANDSHAKE, host, {"status": status, "what": "the channel"}, retry_after_s, trace)


def of_close_code(code: int, *, again: bool = False) -> GenscribeError:
    """The error that the end of an open connection means.

    Args:
        code: The close code; 1006 when there was no Close frame.
        again: The connection before this one ended with 1008 too, although its token was fresh.
    """
    why, advice = CLOSES.get(code, ("a code of the platform's own", ""))
    message = f"The connection ended with {code}: {why}."
    if code != 1008:
        return Disconnected(message, code=code, advice=advice)
    if not again:
        return Unauthorized(message)
    return NotPermitted(
        f"{message} A fresh access token changed nothing.",
        advice=f"Check that the OAuth client may read transcripts ({TRANSCRIPT_SCOPE}).",
    )


def of_probe(status: int | None, *, fresh: bool = True) -> Probed:
    """What to make of the probe's answer. `status` is `None` when none came; `fresh`: the token was just issued."""
    for statuses, probed in PROBE:
        if status in statuses:
            return Probed.UNAUTHORIZED if probed is Probed.REFUSED and not fresh else probed
    return Probed.UNDECIDED


def _judge(
    table: tuple[Rule, ...], host: str, said: dict[str, object], retry_after_s: float | None, trace: str
) -> GenscribeError:
    rule = next(rule for rule in table if said["status"] in rule.statuses or rule.statuses is _ANY)
    message = f"{host} {rule.message.format(**said)}" + (f" [{trace}]" if _TRACE.fullmatch(trace) else "")
    if issubclass(rule.error, Passing):
        return rule.error(message, advice=rule.advice, retry_after_s=retry_after_s)
    return rule.error(message, advice=rule.advice)
