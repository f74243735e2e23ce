"""HTTP answers: the right one for a request, or the one an ordered fault puts in its place. No I/O."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from genscribe import clock
from genscribe.emulator.faults import Order, Orders
from genscribe.emulator.ledger import ApiRequest, Handshake, Ledger, TokenRequest
from genscribe.emulator.platform import (
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
    """What to do about a request: `answer`, or 101 when it is `None`, altered by `order`."""

    answer: Answer | None
    order: Order | None = None


@dataclass
class Desk:
    """Answers requests and writes each into the ledger.

    Attributes:
        skew_s: Seconds by which the stand-in's `Date` header, and dates in `Retry-After`, are ahead of the clock.
    """

    platform: Platform
    orders: Orders
    ledger: Ledger
    skew_s: float = 0

    def reply(self, request: Request, now: float) -> Reply:
        """What this request is answered with."""
        path, query = target_of(request.target)
        if path == TOKEN and request.method == "POST":
            return self._token(request, now)
        if path == TRANSCRIPTS and request.upgrade:
            return self._handshake(request, query, now)
        probe = path == TRANSCRIPTS and request.method == "GET"
        order = self.orders.answer("probe" if probe else "api")
        answer = self._instead(order) or self._api(request, path, now)
        status = 0 if _unanswered(order) else answer.status
        self.ledger.requests.append(
            ApiRequest(clock.wall_ms(), request.method, path, query, _known(request.headers), status)
        )
        return Reply(answer, order)

    def shook(self, request: Request, status: int, connection: int | None) -> None:
        """Writes the end of a handshake that was not refused here; `connection` is `None` when it came to nothing."""
        _, query = target_of(request.target)
        self._shook(request, query, status, connection)

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

    def _handshake(self, request: Request, query: Mapping[str, str], now: float) -> Reply:
        order = self.orders.answer("handshake")
        answer = self._instead(order)
        if answer is None and self.platform.expiry(query.get("access_token"), now) is None:
            answer = error(401)
        if _unanswered(order):
            self._shook(request, query, 0, None)
        elif answer is not None:
            self._shook(request, query, answer.status, None)
        return Reply(answer, order)

    def _shook(self, request: Request, query: Mapping[str, str], status: int, connection: int | None) -> None:
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
            )
        )

    def _api(self, request: Request, path: str, now: float) -> Answer:
        if path not in (TRANSCRIPTS, TOKENS_ME):
            return error(404)
        token = bearer(request.headers.get("authorization"))
        if self.platform.expiry(token, now) is None:
            return error(401)
        if path == TRANSCRIPTS:
            upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
            return error(426, *upgrade) if request.method == "GET" else error(405, ("Allow", "GET"))
        if request.method == "DELETE":
            self.platform.revoke(token)
        return Answer(200, encode({}))

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
