"""The door before the application: every request passes it, and every answer leaves with the same headers."""

from __future__ import annotations

import logging

import anyio
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genscribe import clock
from genscribe.web.access import Access, Asked, Refusal
from genscribe.web.answers import policy, refused
from genscribe.web.login import form

_log = logging.getLogger("genscribe.web")

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


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
        self._inside: set[anyio.CancelScope] = set()

    def close(self) -> None:
        """Ends what is being answered: streams never end by themselves."""
        for scope in self._inside:
            scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        begun = False

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                own = {name for name, _ in _HEADERS}
                headers = [pair for pair in message["headers"] if pair[0] not in own]
                headers += _HEADERS
                if not any(name == b"content-security-policy" for name, _ in headers):
                    headers.append((b"content-security-policy", self._policy))
                message["headers"] = headers
            await send(message)

        asked = _asked(scope)
        refusal = self._access.refusal(asked, clock.wall_ms() / 1000)
        if refusal is not None:
            await _refused(asked, refusal)(scope, receive, dressed)
            return
        try:
            with anyio.CancelScope() as inside:
                self._inside.add(inside)
                try:
                    await self._app(scope, receive, dressed)
                finally:
                    self._inside.discard(inside)
            if inside.cancelled_caught and begun:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:  # noqa: BLE001  # its text may hold what was said
            _log.error("the live page failed to answer %s: %s", _safe_path(asked.path), type(error).__name__)
            _log.debug("where", exc_info=True)
            if not begun:
                await refused(Refusal(500, "This went wrong.", "The log says more."))(scope, receive, dressed)


def _refused(asked: Asked, refusal: Refusal) -> Response:
    page = not asked.path.startswith(("/api/", "/page/", "/metrics"))
    if refusal.status == 401 and page and asked.method in ("GET", "HEAD"):
        text, style = form()
        csp = policy(scripts="", styles=style)
        return HTMLResponse(text, 401, {"content-security-policy": csp})
    return refused(refusal)


def _asked(scope: Scope) -> Asked:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    return Asked(scope["method"], scope["path"], client[0] if client else None, scope["scheme"] == "https", headers)


def _safe_path(path: str) -> str:
    """The route without what may be an id."""
    return "/".join(path.split("/")[:3])[:40] if path.isprintable() else "a path"
