"""Answers that several routes give."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from genscribe.web.access import Refusal


def policy(*, scripts: str, styles: str = "") -> str:
    """The Content-Security-Policy: our own files and nothing else; no script in the page but the one of that hash."""
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' {styles}; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ).replace(" ;", ";")


def refused(refusal: Refusal) -> Response:
    """A refusal as the API says it."""
    headers = {"www-authenticate": "Bearer"} if refusal.status == 401 else None
    return JSONResponse({"error": {"what": refusal.what, "do": refusal.do}}, refusal.status, headers)
