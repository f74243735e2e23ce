"""The token for a cookie: a form that needs no script, and the same for programs."""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from urllib.parse import parse_qs

import anyio
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from genscribe import clock
from genscribe.web.access import COOKIE, SESSION_S, Access, Refusal
from genscribe.web.answers import policy, refused

MOST_BYTES = 4096
"""Of a body. A token is short."""
TRIES = 10
TRIES_S = 60.0
"""So many wrong tokens in that time; then nobody's is looked at until the time is over."""

_STYLE = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:15px/1.5 system-ui,sans-serif}
form{display:grid;gap:12px;width:min(24rem,88vw)}
h1{font-size:20px;margin:0}p{margin:0;opacity:.75}
input,button{font:inherit;padding:10px 12px;border-radius:8px;border:1px solid #8885}
button{background:#0f766e;color:#fff;border-color:#0f766e;cursor:pointer}
.wrong{color:#c21f2b;opacity:1}
"""
_WRONG = '<p class="wrong" role="alert">That is not the token.</p>'
_FORM = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>genscribe</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><form method="post" action="/api/session"><h1>genscribe</h1>
<p>Transcripts are private. Enter the token that was printed when genscribe started, or that its settings name.</p>
{wrong}<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Open</button></form></body></html>"""


def form(*, wrong: bool = False) -> tuple[str, str]:
    """The form, and the hash of its style for the Content-Security-Policy."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return _FORM.format(style=_STYLE, wrong=_WRONG if wrong else ""), f"'sha256-{digest}'"


class Login:
    """Lets in who has the token."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._wrong: deque[float] = deque(maxlen=TRIES)

    async def session(self, request: Request) -> Response:
        """`POST /api/session` with the token as a form's field or as JSON; `DELETE` lets go of the cookie."""
        if request.method == "DELETE":
            answer = Response(status_code=204)
            answer.delete_cookie(COOKIE)
            return answer
        if self._access.token is None:
            return refused(Refusal(404, "No token is asked for here."))
        now = anyio.current_time()
        if len(self._wrong) == TRIES and now - self._wrong[0] < TRIES_S:
            return refused(Refusal(429, "Too many wrong tokens.", "Wait a minute."))
        by_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        given = _given(await _body(request), by_form=by_form)
        if not self._access.fits(given):
            self._wrong.append(now)
            if not by_form:
                return refused(Refusal(401, "That is not the token."))
            text, style = form(wrong=True)
            return HTMLResponse(text, 401, {"content-security-policy": policy(scripts="", styles=style)})
        answer = RedirectResponse("/", 303) if by_form else Response(status_code=204)
        ticket = self._access.ticket(clock.wall_ms() / 1000)
        # Lax, so that a link to a line opens from wherever it was sent; all that changes anything looks at the origin.
        answer.set_cookie(COOKIE, ticket, max_age=SESSION_S, httponly=True, secure=_secure(request), samesite="lax")
        return answer


def _secure(request: Request) -> bool:
    """Whether the browser speaks TLS, with us or with the proxy."""
    return request.headers.get("x-forwarded-proto", request.url.scheme).lower() == "https"


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                return b""
    except ClientDisconnect:
        return b""
    return body


def _given(body: bytes, *, by_form: bool) -> str:
    text = body.decode("utf-8", "replace")
    if by_form:
        return (parse_qs(text).get("token") or [""])[0].strip()
    try:
        found = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return ""
    token = found.get("token") if isinstance(found, dict) else None
    return token if isinstance(token, str) else ""
