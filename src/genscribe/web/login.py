"""The token for a cookie: a form that needs no script, and the same for programs."""

from __future__ import annotations

import contextlib
import re
from html import escape
from urllib.parse import parse_qs, urlsplit

import anyio
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from genscribe import clock
from genscribe.web.access import PARTS, SECURELY, SESSION_S, Access, Refusal, asked_of
from genscribe.web.answers import hashed, policy, refused
from genscribe.web.guesses import Guesses

MOST_BYTES = 8192
"""Of a body. A token is short, and so is where it leads."""
MOST_VIEW = 2000
"""Characters of the URL that the form was asked for at; a form's field takes up to three bytes for each."""
BODY_S = 5.0
"""And it is sent at once."""
MOST_BODIES = 50
"""So many are waited for at a time: whoever has no token may hold no more of us."""

_STYLE = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:15px/1.5 system-ui,sans-serif}
form{display:grid;gap:12px;width:min(24rem,88vw)}
h1{font-size:20px;margin:0}p{margin:0;opacity:.75}
input,button{font:inherit;padding:10px 12px;border-radius:8px;border:1px solid #8885}
button{background:#0f766e;color:#fff;border-color:#0f766e;cursor:pointer}
.wrong{color:#c21f2b;opacity:1}
"""
_VIEW_FIELD = '<input type="hidden" name="view" value="{}">'
_VIEW = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path of ours and its query as browsers write them. What begins with `//`, or has a backslash, leads elsewhere."""
_WRONG = '<p class="wrong" role="alert">{}</p>'
_FORM = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>genscribe</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><form method="post" action="/api/session"><h1>genscribe</h1>
<p>Transcripts are private. Enter the token that was printed when genscribe started, or that its settings name.</p>
{wrong}{view}<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Open</button></form></body></html>"""


def form_page(refusal: Refusal | None = None, view: str = "/") -> Response:
    """The form, with what was wrong with what was given before, and where it was asked for."""
    wrong = "" if refusal is None else _WRONG.format(f"{refusal.what} {refusal.do}".strip())
    headers = {
        "content-security-policy": policy(scripts="", styles=hashed(_STYLE)),
        # With no-referrer browsers send the form with `Origin: null`, which could be anybody's.
        "referrer-policy": "same-origin",
    }
    field = "" if view == "/" else _VIEW_FIELD.format(escape(view))
    return HTMLResponse(
        _FORM.format(style=_STYLE, wrong=wrong, view=field), refusal.status if refusal else 401, headers
    )


class Login:
    """Lets in who has the token."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._wrong = Guesses()
        self._bodies = 0

    async def session(self, request: Request) -> Response:
        """`POST /api/session` with the token as a form's field or as JSON; `DELETE` lets go of the cookie."""
        if request.method == "DELETE":
            answer = Response(status_code=204)
            self._set(answer, request, "", 0)
            return answer
        if self._access.token is None:
            return refused(Refusal(404, "No token is asked for here."))
        if self._bodies >= MOST_BODIES:
            return refused(Refusal(503, "Too many ask at a time.", "Try again."))
        self._bodies += 1
        try:
            body = await _body(request)
        finally:
            self._bodies -= 1
        by_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        now_s = clock.wall_ms() / 1000
        fields = _fields(body) if by_form else {}
        given = fields.get("token", "").strip() if by_form else _given(body)
        view = self._view(request, fields.get("view", ""))
        refusal = self._access.tried(given, asked_of(request.scope), self._wrong, now_s)
        if refusal is not None:
            return form_page(refusal, view) if by_form else refused(refusal)
        answer = RedirectResponse(view, 303) if by_form else Response(status_code=204)
        self._set(answer, request, self._access.ticket(now_s), SESSION_S)
        return answer

    def _view(self, request: Request, before: str) -> str:
        """Where the form was asked for: somebody may have been given the URL of a line.

        After a wrong token the form stands at its own URL, and says where it stood `before`.
        """
        if _is_view(before):
            return before
        url = urlsplit(request.headers.get("referer", ""))
        ours = f"{url.scheme}://{url.netloc}".lower() in self._access.origins(asked_of(request.scope))
        view = f"{url.path}?{url.query}".removesuffix("?")
        return view if ours and _is_view(view) else "/"

    def _set(self, answer: Response, request: Request, value: str, age_s: int) -> None:
        secure = self._access.secure(asked_of(request.scope))
        name = f"{SECURELY}{self._access.cookie}" if secure else self._access.cookie
        # Lax, so that a link to a line opens from wherever it was sent; all that changes anything looks at the origin.
        answer.set_cookie(name, value, max_age=age_s, httponly=True, secure=secure, samesite="lax")


async def _body(request: Request) -> bytes:
    body = b""
    with anyio.move_on_after(BODY_S), contextlib.suppress(ClientDisconnect):
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                break
        else:
            return body
    return b""


def _is_view(url: str) -> bool:
    return len(url) <= MOST_VIEW and _VIEW.fullmatch(url) is not None and not url.startswith(PARTS)


def _fields(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _given(body: bytes) -> str:
    """The token in JSON; empty when there is none."""
    try:
        found = msgspec.json.decode(body.decode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        return ""
    token = found.get("token") if isinstance(found, dict) else None
    return token if isinstance(token, str) else ""
