"""The platform's rules as this stand-in reads them: clients, tokens, conversations, frames, filters. Pure.

Sources: OAuth client credentials and the shape of its errors, `ErrorBody` and `ININ-Correlation-Id` are the platform's
documented behaviour; the transcripts endpoint and its frame are those of the project's mission, which no official
document describes. `now` is any monotonic time in seconds.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from genscribe import clock
from genscribe.secrets import Secret

TRANSCRIPTS = "/api/v2/interactions/conversations/transcripts"
TOKEN = "/oauth/token"  # noqa: S105 - a path
TOKENS_ME = "/api/v2/tokens/me"
STREAM = "/channels/"
"""On the streaming host; the channel's id comes behind."""

CORRELATION = "ININ-Correlation-Id"
DEFAULT_CONVERSATION = "6ad9cd53-1f4c-4e6e-9d3a-0f2b7c1e5a01"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer before it has bytes. `headers` come after the ones every answer has."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"

    @property
    def document(self) -> object:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Line:
    """One line of a frame. `None` is sent as null."""

    text: str | None
    speaker: str | None = "agent"
    type: str | None = "final"
    timestamp: str | None = None


@dataclass(frozen=True)
class Filters:
    """What a connection asked to hear; `None` means everything."""

    media_types: frozenset[str] | None = None
    conversation_ids: frozenset[str] | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filters:
        """From the decoded query: comma separated; an empty value is no filter."""
        return cls(_listed(query.get("mediaTypes")), _listed(query.get("conversationIds")))

    def match(self, conversation_id: str, media_type: str) -> bool:
        """Whether a line of this conversation is to be sent."""
        return (self.media_types is None or media_type in self.media_types) and (
            self.conversation_ids is None or conversation_id in self.conversation_ids
        )


@dataclass
class Platform:
    """Clients, tokens and live conversations.

    Args:
        client_id, client_secret: The one client that is known.
        expires_in: Seconds a token lives; may be changed at any time. The platform's default is a day.
        auth: Which form of client authentication is taken: `basic`, `form` or `both`.
        token_type: As the token answer says it.
    """

    client_id: str
    client_secret: Secret
    expires_in: float = 86400
    auth: str = "both"
    token_type: str = "bearer"  # noqa: S105 - the word, not a secret
    conversations: dict[str, str] = field(default_factory=dict)
    """Live conversations: id to media type."""
    _tokens: dict[str, float] = field(default_factory=dict, repr=False)

    def grant(self, credentials: Credentials, now: float) -> Answer:
        """The token endpoint's answer. OAuth errors do not have the shape of `ErrorBody`."""
        if credentials.grant_type != "client_credentials":
            return oauth_error("unsupported_grant_type", "grant type is not supported")
        if credentials.auth == "none" or self.auth not in ("both", credentials.auth):
            return oauth_error("invalid_client", "authentication failed")
        if credentials.client_id != self.client_id:
            return oauth_error("invalid_client", "client not found")
        if credentials.secret != self.client_secret:
            return oauth_error("invalid_client", "authentication failed")
        return token_answer(self.issue(now), self.expires_in, self.token_type)

    def issue(self, now: float, expires_in: float | None = None, value: str | None = None) -> str:
        """A token that is good from now on. A new one holds `+`, `/` and `=`, all legal in a bearer token (RFC 6750
        section 2.1), so that a client that forgets to percent-encode it in a URL is found out.
        """
        token = f"{clock.fresh_id()}+/{clock.fresh_id()[:8]}==" if value is None else value
        self._tokens = {known: end for known, end in self._tokens.items() if end > now}
        self._tokens[token] = now + (self.expires_in if expires_in is None else expires_in)
        return token

    def expiry(self, token: str | None, now: float) -> float | None:
        """When this token ends; `None` when it is not good (unknown, expired, revoked)."""
        end = self._tokens.get(token) if token is not None else None
        return end if end is not None and end > now else None

    def revoke(self, token: str | None = None) -> None:
        """Ends one token, or all of them."""
        if token is None:
            self._tokens.clear()
        else:
            self._tokens.pop(token, None)

    def document(self, conversation_id: str, media_type: str, lines: Sequence[Line], sent_at: str) -> dict[str, object]:
        """One frame of the transcripts endpoint, as JSON values. The conversation is live from its first line on."""
        self.conversations.setdefault(conversation_id, media_type)
        return {
            "conversationId": conversation_id,
            "mediaType": media_type,
            "timestamp": sent_at,
            "transcript": [
                {
                    "timestamp": line.timestamp or sent_at,
                    "speaker": line.speaker,
                    "text": line.text,
                    "type": line.type,
                }
                for line in lines
            ],
        }

    def end(self, conversation_id: str) -> None:
        """The conversation is over; the endpoint has no word for that, it only falls silent."""
        self.conversations.pop(conversation_id, None)


@dataclass(frozen=True)
class Credentials:
    """What a token request says about its sender."""

    auth: str
    client_id: str | None
    secret: Secret | None
    grant_type: str | None
    form: Mapping[str, str]

    @classmethod
    def of(cls, authorization: str | None, body: bytes) -> Credentials:
        """From the `Authorization` header and the form-encoded body."""
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        secret = form.pop("client_secret", None)
        basic = _basic(authorization)
        if basic is not None:
            return cls("basic", basic[0], Secret(basic[1]), form.get("grant_type"), form)
        if secret is not None:
            return cls("form", form.get("client_id"), Secret(secret), form.get("grant_type"), form)
        return cls("none", form.get("client_id"), None, form.get("grant_type"), form)


def _basic(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, secret) if colon else None


def bearer(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header, `None` when there is none."""
    scheme, _, value = (authorization or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def target_of(target: str) -> tuple[str, dict[str, str]]:
    """Path and decoded query of a request target. As in servlet containers, `+` in a query is a blank."""
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def _listed(value: str | None) -> frozenset[str] | None:
    items = frozenset(item.strip() for item in (value or "").split(",") if item.strip())
    return items or None


def encode(document: object) -> bytes:
    """JSON as UTF-8; a lone surrogate, which UTF-8 cannot hold, is written as an escape."""
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(document).encode()


def token_answer(token: object, expires_in: object, token_type: object = "bearer") -> Answer:  # noqa: S107 - a word
    """The token endpoint's good answer; also with values that no good answer has."""
    body = {"access_token": token, "token_type": token_type, "expires_in": _whole(expires_in)}
    return Answer(200, encode(body), (("Cache-Control", "no-store"),))


def _whole(number: object) -> object:
    return int(number) if isinstance(number, float) and number.is_integer() else number


def oauth_error(error: str, description: str, status: int = 400) -> Answer:
    """An error of the token endpoint."""
    return Answer(status, encode({"error": error, "description": description, "error_description": description}))


CODES = {
    400: ("bad.request", "The request could not be understood by the server due to malformed syntax."),
    401: ("bad.credentials", "Invalid login credentials."),
    403: ("missing.permissions", "Unable to perform the requested action. You are missing the required permission(s)"),
    404: ("not.found", "The requested resource was not found."),
    405: ("not.allowed", "Method not allowed."),
    410: ("gone", "The requested resource is gone."),
    426: ("upgrade.required", "This resource is a WebSocket."),
    429: ("too.many.requests", "Rate limit exceeded the maximum [300] requests within [60] seconds"),
    500: ("internal.server.error", "The server encountered an unexpected condition."),
    502: ("bad.gateway", "Bad gateway."),
    503: ("service.unavailable", "Service Unavailable - The server is currently unavailable."),
    504: ("gateway.timeout", "The request timed out."),
}


def error(status: int, *headers: tuple[str, str], message: str | None = None) -> Answer:
    """An error of the API: `ErrorBody` and the correlation id that support asks for."""
    code, usual = CODES.get(status, ("error", "The request failed."))
    correlation = clock.fresh_id()
    body = {
        "message": usual if message is None else message,
        "code": code,
        "status": status,
        "messageParams": {},
        "contextId": correlation,
        "details": [],
        "errors": [],
    }
    return Answer(status, encode(body), ((CORRELATION, correlation), *headers))
