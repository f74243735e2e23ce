"""Answers that several routes give."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse, JSONResponse, Response

from genscribe.web.access import Asked, Refusal

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
"""What every answer leaves with unless it has its own; and a Content-Security-Policy."""


_FOR_PROGRAMS = ("/api/", "/page/")

_STYLE = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:15px/1.5 system-ui,sans-serif}
main{width:min(28rem,88vw)}h1{font-size:20px;margin:0 0 8px}p{margin:0 0 16px}
"""
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>genscribe: {what}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><main><h1>{what}</h1><p>{do}</p>{home}</main></body></html>"""
_HOME = '<p><a href="/">Go to the live page</a></p>'

_WITH = {
    401: {"www-authenticate": "Bearer"},
    429: {"retry-after": "60"},
    503: {"retry-after": "10"},
}


def policy(*, scripts: str, styles: str = "") -> str:
    """The Content-Security-Policy: our own files and nothing else; no script in the page but the one of that hash."""
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' {styles}; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ).replace(" ;", ";")


def hashed(text: str) -> str:
    """What a Content-Security-Policy calls a style or script that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def nothing_there(what: str) -> Response:
    """What was asked for is not in the store."""
    return refused(Refusal(404, what, "It may be older than what is kept."))


def refused(refusal: Refusal) -> Response:
    """A refusal as the API says it."""
    headers = _WITH.get(refusal.status)
    return JSONResponse({"error": {"what": refusal.what, "do": refusal.do}}, refusal.status, headers)


def told(refusal: Refusal, asked: Asked) -> Response:
    """A refusal as a page where somebody may look at it, as the API says it everywhere else."""
    machine = asked.path.startswith(_FOR_PROGRAMS) or asked.path == "/metrics"
    if machine or "text/html" not in asked.headers.get("accept", "") or asked.method not in ("GET", "HEAD"):
        return refused(refusal)
    headers = {**_WITH.get(refusal.status, {}), "content-security-policy": policy(scripts="", styles=hashed(_STYLE))}
    # The sentences are ours: nothing of what was asked for is in them.
    page = _PAGE.format(
        style=_STYLE,
        what=escape(refusal.what),
        do=escape(refusal.do),
        home=_HOME if refusal.status == 404 else "",
    )
    return HTMLResponse(page, refusal.status, headers)
