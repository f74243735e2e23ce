"""The door before the application: every request passes it, and every answer leaves with the same headers."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import anyio
import anyio.lowlevel
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genscribe import clock
from genscribe.web.access import PARTS, PROBES, Access, Asked, Refusal, asked_of
from genscribe.web.answers import HEADERS, policy, refused, told
from genscribe.web.login import form_page

MOST_ANSWERED = 400
"""So many requests are answered at a time, streams among them; probes are on top, so there is always room for one."""

MOST_HELD = 64 << 20
"""Bytes of answers that wait to be taken; beyond, the one that waits for longest is cut."""
PIECE_BYTES = 64 << 10
"""So much of an answer is sent at a time, for then it is known how fast it is taken, over TLS, too."""

_log = logging.getLogger("genscribe.web")


class Door:
    """Refuses who may not ask; what breaks inside is one line in the log and a 500.

    Args:
        app: What is behind it.
        access: Who may ask.
        import_map: The hash of the page's one inline script, its import map, as CSP has it.
    """

    def __init__(self, app: ASGIApp, access: Access, import_map: str) -> None:
        self._app = app
        self._access = access
        self._policy = policy(scripts=import_map).encode()
        self._inside: dict[_Answer, None] = {}

    def close(self) -> None:
        """Ends what is being answered: streams never end by themselves."""
        for answer in self._inside:
            answer.scope.cancel()

    def _make_room(self, newest: _Answer) -> None:
        too_much = sum(answer.held for answer in self._inside) - MOST_HELD
        for answer in self._inside:
            if too_much > 0 and answer.held and answer is not newest:
                too_much -= answer.held
                answer.scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        answer = _Answer(send, self._policy, self._make_room)
        asked = asked_of(scope)
        if ambiguous(scope["http_version"], asked):
            answered = refused(Refusal(400, "It cannot be told where this request ends."))
            answered.headers["connection"] = "close"
            await answered(scope, receive, answer.send)
            return
        refusal = self._access.refusal(asked, clock.wall_ms() / 1000)
        if refusal is None and len(self._inside) >= MOST_ANSWERED and asked.path not in PROBES:
            refusal = Refusal(503, "Too many ask at a time.", "Try again.")
        if refusal is not None:
            await _refused(asked, refusal)(scope, receive, answer.send)
            return
        try:
            with answer.scope:
                self._inside[answer] = None
                try:
                    await self._app(scope, receive, answer.send)
                finally:
                    del self._inside[answer]
            if answer.scope.cancelled_caught:
                await answer.cut(scope)
        except Exception as error:  # noqa: BLE001  # its text may hold what was said
            _log.error("the live page failed to answer %s: %s", route(asked.path), type(error).__name__)
            _log.debug("where:\n%s", "".join(traceback.format_tb(error.__traceback__)))
            if answer.begun:
                await answer.cut(scope)
            else:
                await refused(Refusal(500, "This went wrong.", "The log says more."))(scope, receive, answer.send)


class _Answer:
    """One answer on its way.

    Attributes:
        scope: Cancelled, it goes no further.
        begun: Its head is sent.
        held: Bytes of it that wait to be taken, where they are many.
    """

    def __init__(self, send: Send, csp: bytes, make_room: Callable[[_Answer], None]) -> None:
        self._send = send
        self._csp = csp
        self._make_room = make_room
        self._endless = False
        self.scope = anyio.CancelScope()
        self.begun = False
        self.held = 0

    async def send(self, message: Message) -> None:
        """Sends on, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = list(message["headers"])
            own = dict(headers)
            headers += [pair for pair in (*HEADERS, (b"content-security-policy", self._csp)) if pair[0] not in own]
            message["headers"] = headers
            self._endless = own.get(b"content-type", b"").startswith(b"text/event-stream")
        body = message.get("body", b"")
        if len(body) <= PIECE_BYTES:
            await self._send(message)
            return
        self.held = len(body)
        self._make_room(self)
        for begin in range(0, len(body), PIECE_BYTES):
            more = begin + PIECE_BYTES < len(body) or message.get("more_body", False)
            piece = body[begin : begin + PIECE_BYTES]
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})
        self.held = 0

    async def cut(self, scope: Scope) -> None:
        """Ends it here. What is not whole must not look whole: only a stream has an end wherever it ends."""
        drop: Callable[[], None] | None = scope.get("state", {}).get("drop")
        if self.begun and self._endless:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        elif drop is not None:
            drop()
            await anyio.lowlevel.checkpoint()


def ambiguous(version: str, asked: Asked) -> bool:
    """Where a request ends, a proxy may see otherwise: what follows could be somebody else's request to it."""
    return "transfer-encoding" in asked.headers and ("content-length" in asked.headers or version == "1.0")


def route(path: str) -> str:
    """The part of a path that can be no id."""
    parts = path.split("/")
    known = "/".join(parts[: 3 if path.startswith(PARTS) else 2])
    return known[:40] if known.isprintable() else "a path"


def _refused(asked: Asked, refusal: Refusal) -> Response:
    if refusal.status == 401 and not asked.path.startswith(PARTS) and asked.method in ("GET", "HEAD"):
        return form_page()
    return told(refusal, asked)
