"""The page's own files, from memory, as small as gzip makes them.

Only they are compressed: nothing in them is secret. The length of a compressed answer says something of what is in it,
and in transcripts anybody who may write to a call centre can put words beside those of others.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

SMALL = 1000
"""Bytes that are not worth it."""

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
_OTHER = "text/plain"


class File(NamedTuple):
    """A file as it is sent; `packed` is `None` where that would save nothing."""

    media_type: str
    body: bytes
    packed: bytes | None


class PageFiles:
    """All files of a folder, as they were when this was made: those of one version go together."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in folder.rglob("*") if path.is_file()}

    def text(self, name: str) -> str:
        """A file's text. Raises `KeyError`: there is none of that name."""
        return self._files[name].body.decode()

    def answer(self, name: str, request: Request) -> Response:
        """A file. Raises `HTTPException`: there is none of that name."""
        file = self._files.get(name)
        if file is None:
            raise HTTPException(404)
        if file.packed is None:
            return Response(file.body, media_type=file.media_type)
        headers = {"vary": "Accept-Encoding"}
        if takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(file.packed, media_type=file.media_type, headers={**headers, "content-encoding": "gzip"})
        return Response(file.body, media_type=file.media_type, headers=headers)


def takes_gzip(header: str) -> bool:
    """Whether an `Accept-Encoding` header names gzip, and not to refuse it; `*` alone is not worth guessing."""
    for choice in header.lower().split(","):
        name, *parameters = (part.strip() for part in choice.split(";"))
        if name == "gzip":
            return not any(one.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for one in parameters)
    return False


def _read(path: Path) -> File:
    body = path.read_bytes()
    packed = gzip.compress(body, mtime=0) if len(body) > SMALL else body
    return File(_TYPES.get(path.suffix, _OTHER), body, packed if len(packed) < len(body) else None)
