"""Answers that several routes give."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from genscribe.web.access import Refusal

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


def nothing_there(what: str) -> Response:
    """What was asked for is not in the store."""
    return refused(Refusal(404, what, "It may be older than what is kept."))


def refused(refusal: Refusal) -> Response:
    """A refusal as the API says it."""
    headers = _WITH.get(refusal.status)
    return JSONResponse({"error": {"what": refusal.what, "do": refusal.do}}, refusal.status, headers)
