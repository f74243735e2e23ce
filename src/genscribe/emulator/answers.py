"""HTTP answers: the right one for a request, or the one an ordered fault puts in its place. No I/O."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

from genscribe import clock
from genscribe.emulator.faults import Order, Orders
from genscribe.emulator.ledger import ApiRequest, Handshake, Ledger, TokenRequest
from genscribe.emulator.limits import PER_S, Limits
from genscribe.emulator.notifications import AVAILABLE, CHANNELS, Asked
from genscribe.emulator.platform import (
    CORRELATION,
    STREAM,
    TOKEN,
    TOKENS_ME,
    TRANSCRIPTS,
    Answer,
    Credentials,
    Platform,
    bearer,
    encode,
    error,
    oauth_error,
    target_of,
    token_answer,
)


@dataclass(frozen=True)
class Request:
    """An HTTP request, read to its end. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"


@dataclass(frozen=True)
class Reply:
    """What to do about a request: `answer`, or 101 when it is `None`, altered by `order`, after `after_s` seconds."""

    answer: Answer | None
    order: Order | None = None
    after_s: float = 0


Branch = Callable[[Asked], Answer | None]
"""A part of the API: answers, or says that a path is not its own."""


@dataclass
class Desk:
    """Answers requests and writes each into the ledger.

    Attributes:
        skew_s: Seconds by which the stand-in's `Date` header, and dates in `Retry-After`, are ahead of the clock.
        transcripts: Whether there is the mission's endpoint; without it its path answers 404, as on the platform.
        branches: The parts of the API besides, in the order of asking.
        knows: Whether there is a channel of this id; `gone_status` refuses the handshake when there is not.
        revoked: Is told of each token that a client revoked.
        sent: Is told when an answer has gone out.
    """

    platform: Platform
    orders: Orders
    ledger: Ledger
    skew_s: float = 0
    transcripts: bool = True
    branches: Sequence[Branch] = ()
    limits: Limits = field(default_factory=Limits)
    knows: Callable[[str], bool] = field(default=lambda channel: False)
    gone_status: int = 404
    revoked: Callable[[str], None] = field(default=lambda token: None)
    sent: Callable[[Request, Reply], None] = field(default=lambda request, reply: None)

    def __post_init__(self) -> None:
        self.limits.windows = self.ledger.windows

    def reply(self, request: Request, now: float) -> Reply:
        """What this request is answered with."""
        path, query = target_of(request.target)
        if path == TOKEN and request.method == "POST":
            return self._token(request, now)
        if request.upgrade and (path.startswith(STREAM) or (path == TRANSCRIPTS and self.transcripts)):
            return self._handshake(request, path, query, now)
        order = self.orders.answer(place_of(path, request.method), changes=request.method in ("POST", "PUT"))
        answer = self._instead(order) or self._api(request, path, now, order)
        status = 0 if _unanswered(order) else answer.status
        self.ledger.requests.append(
            ApiRequest(clock.wall_ms(), request.method, path, query, _known(request.headers), status)
        )
        return Reply(answer, order, float(order["after_s"]) if order is not None and order.name == "late-topic" else 0)

    def shook(self, request: Request, status: int, connection: int | None) -> None:
        """Writes the end of a handshake that was not refused here; `connection` is `None` when it came to nothing."""
        path, query = target_of(request.target)
        self._shook(request, path, query, status, connection)

    def date(self) -> str:
        """The `Date` header."""
        return self._http_date(0)

    def _http_date(self, ahead_s: float) -> str:
        return formatdate(clock.wall_ms() / 1000 + self.skew_s + ahead_s, usegmt=True)

    def _token(self, request: Request, now: float) -> Reply:
        credentials = Credentials.of(request.headers.get("authorization"), request.body)
        order = self.orders.answer("token", basic=credentials.auth == "basic")
        answer = self._instead(order) or self._token_instead(order, now)
        if answer is None:
            answer = self.platform.grant(credentials, now)
        self.ledger.token_count += 1
        self.ledger.token_requests.append(
            TokenRequest(
                clock.wall_ms(),
                credentials.auth,
                credentials.client_id,
                credentials.form,
                _known(request.headers),
                0 if _unanswered(order) else answer.status,
                _issued(answer),
            )
        )
        return Reply(answer, order)

    def _handshake(self, request: Request, path: str, query: Mapping[str, str], now: float) -> Reply:
        order = self.orders.answer("handshake")
        answer = self._instead(order)
        if answer is None and path.startswith(STREAM):
            answer = None if self.knows(path.removeprefix(STREAM)) else error(self.gone_status)
        elif answer is None and self.platform.expiry(query.get("access_token"), now) is None:
            answer = error(401)
        if _unanswered(order):
            self._shook(request, path, query, 0, None)
        elif answer is not None:
            self._shook(request, path, query, answer.status, None)
        return Reply(answer, order)

    def _shook(
        self, request: Request, path: str, query: Mapping[str, str], status: int, connection: int | None
    ) -> None:
        shown = {name: value for name, value in query.items() if name != "access_token"}
        self.ledger.handshake_count += 1
        self.ledger.handshakes.append(
            Handshake(
                clock.wall_ms(),
                request.target,
                shown,
                _known(request.headers),
                status,
                connection,
                query.get("access_token"),
                path.startswith(STREAM),
            )
        )

    def _api(self, request: Request, path: str, now: float, order: Order | None) -> Answer:
        if not path.startswith("/api/v2/") or (path == TRANSCRIPTS and not self.transcripts):
            return error(404)
        token = bearer(request.headers.get("authorization"))
        if token is None or self.platform.expiry(token, now) is None:
            return error(401)
        standing = self.limits.take(token, now)
        if standing.refused:
            most = f"Rate limit exceeded the maximum [{standing.allowed}] requests within [{PER_S:.0f}] seconds"
            refusal = error(429, ("Retry-After", str(standing.reset_s)), message=most)
            return replace(refusal, headers=(*refusal.headers, *standing.headers))
        many = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        answer = self._permitted(Asked(request.method, path, many, request.body, token, now, order))
        known = any(name == CORRELATION for name, _ in answer.headers)
        correlation = () if known else ((CORRELATION, clock.fresh_id()),)
        return replace(answer, headers=(*answer.headers, *correlation, *standing.headers))

    def _permitted(self, asked: Asked) -> Answer:
        if asked.path == TRANSCRIPTS:
            upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
            return error(426, *upgrade) if asked.method == "GET" else error(405, ("Allow", "GET"))
        if asked.path == TOKENS_ME:
            if asked.method == "DELETE":
                self.platform.revoke(asked.token)
                self.revoked(asked.token)
            return Answer(200, encode({}))
        answers = (branch(asked) for branch in self.branches)
        return next((answer for answer in answers if answer is not None), None) or error(404)

    def _instead(self, order: Order | None) -> Answer | None:
        """The answer of a fault that may strike any request."""
        if order is None:
            return None
        if order.name.isdigit():
            return self._status(order)
        if order.name == "redirect":
            return Answer(int(order["status"]), headers=(("Location", str(order["location"])),))
        if order.name == "html":
            page = b"<!doctype html><title>Sign in</title><h1>Please sign in to the network</h1>"
            return Answer(int(order["status"]), page, content_type="text/html")
        return None

    def _status(self, order: Order) -> Answer:
        answer = error(int(order.name), *order["headers"])
        if order["retry_after"] is not None:
            answer = replace(answer, headers=(*answer.headers, ("Retry-After", str(order["retry_after"]))))
        if order["retry_after_date_s"] is not None:
            date = self._http_date(float(order["retry_after_date_s"]))
            answer = replace(answer, headers=(*answer.headers, ("Retry-After", date)))
        if order["body"] is not None:
            answer = replace(answer, body=_bytes(order["body"]))
        return replace(answer, content_type=order["content_type"]) if order["content_type"] else answer

    def _token_instead(self, order: Order | None, now: float) -> Answer | None:
        """The answer of a fault of the token endpoint."""
        build = _TOKEN_ANSWERS.get(order.name) if order is not None else None
        return build(self.platform, order, now) if build is not None and order is not None else None


def place_of(path: str, method: str) -> str:
    """Where a fault must strike to strike a request of this path."""
    if path == TRANSCRIPTS and method == "GET":
        return "probe"
    if path.startswith(CHANNELS):
        return "subscriptions" if path.endswith("/subscriptions") else "channels"
    return next((place for start, place in _PLACES.items() if path.startswith(start)), "api")


_PLACES = {
    AVAILABLE: "topics",
    "/api/v2/analytics/": "analytics",
    "/api/v2/routing/queues": "queues",
    "/api/v2/users": "users",
    "/api/v2/conversations/messages": "messages",
    "/api/v2/conversations": "conversations",
}


def _lives(platform: Platform, order: Order, now: float) -> Answer:
    return token_answer(platform.issue(now, order["lives_s"]), order["value"], platform.token_type)


def _without(platform: Platform, now: float, *names: str, **more: object) -> Answer:
    body = token_answer(platform.issue(now), platform.expires_in, platform.token_type).document
    assert isinstance(body, dict)
    kept = {name: value for name, value in body.items() if name not in names}
    return Answer(200, encode({**kept, **more}))


def _valued(platform: Platform, order: Order, now: float) -> Answer:
    return token_answer(platform.issue(now, value=order["value"]), platform.expires_in, platform.token_type)


def _bomb(order: Order) -> Answer:
    packed = gzip.compress(b'{"access_token":"' + b"x" * int(order["size"]) + b'"}')
    return Answer(200, packed, (("Content-Encoding", "gzip"),))


_TOKEN_ANSWERS: Mapping[str, Callable[[Platform, Order, float], Answer]] = {
    "invalid_client": lambda p, o, now: oauth_error("invalid_client", o["description"]),
    "refuse-basic": lambda p, o, now: oauth_error("invalid_client", "authentication failed"),
    "refuse-form": lambda p, o, now: oauth_error("invalid_client", "authentication failed"),
    "token-not-json": lambda p, o, now: Answer(200, b'{"access_token": "abc'),
    "token-list": lambda p, o, now: Answer(200, b'["access_token"]'),
    "token-null": lambda p, o, now: Answer(200, b"null"),
    "token-missing": lambda p, o, now: _without(p, now, "access_token"),
    "token-wrong-types": lambda p, o, now: token_answer(17, {"in": 3600}, ["bearer"]),
    "token-type": lambda p, o, now: _without(p, now, token_type=o["value"]),
    "token-value": _valued,
    "token-expires-in": _lives,
    "token-no-expires-in": lambda p, o, now: _without(p, now, "expires_in"),
    "token-oversized": lambda p, o, now: _without(p, now, padding="x" * int(o["size"])),
    "token-bomb": lambda p, o, now: _bomb(o),
}


def _unanswered(order: Order | None) -> bool:
    return order is not None and order.name in ("no-answer", "reset-answer")


def _issued(answer: Answer) -> str | None:
    try:
        document: Any = answer.document
    except ValueError:
        return None
    token = document.get("access_token") if isinstance(document, dict) else None
    return token if isinstance(token, str) else None


def _known(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers as the ledger shows them: without the credentials, which stand in fields of their own."""
    return {name: value for name, value in headers.items() if name != "authorization"}


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
