"""Hearing a receiver that answers before it has read what is sent to it.

Whoever closes a connection with something unread on it resets it, and a reset destroys the answer that is on its way
(RFC 9112, 9.6). A body that broke off is therefore sent again in pieces, with an ear on the connection: first a pause
behind the headers, in which the receiver may refuse it for its length, then one after each piece.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpcore2

PAUSE_S = 1.0
PIECE = 64 * 1024
PIECE_PAUSE_S = 0.02

_STATUS = re.compile(rb"HTTP/1\.[01] ([2-5][0-9][0-9])[ \r]")
_CONNECTED = ("connect_tcp.complete", "start_tls.complete")


def longest_s(size: int) -> float:
    """How much longer a body of so many bytes takes in pieces, in seconds."""
    return PAUSE_S + (size / PIECE + 1) * PIECE_PAUSE_S


class AnsweredEarly(Exception):
    """The answer came while the body was being sent; there is nothing of it but its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Ear:
    """Listens to a client's one connection; `trace` learns which that is, from httpcore's extension of this name."""

    def __init__(self) -> None:
        self._stream: httpcore2.AsyncNetworkStream | None = None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Takes what httpcore tells of every request."""
        if event.endswith(_CONNECTED):
            self._stream = info["return_value"]

    async def pieces(self, body: bytes) -> AsyncIterator[bytes]:
        """The body, piece by piece.

        Raises:
            AnsweredEarly: There is an answer; the rest is not sent.
        """
        await self._listen(PAUSE_S)
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]
            await self._listen(PIECE_PAUSE_S)

    async def _listen(self, seconds: float) -> None:
        heard = b""
        while self._stream is not None:
            try:
                piece = await self._stream.read(PIECE, timeout=seconds)
            except (httpcore2.TimeoutException, httpcore2.NetworkError):
                return  # nothing yet; or the connection broke, which sending on will tell
            heard += piece
            found = _STATUS.search(heard)
            if found is not None:
                raise AnsweredEarly(int(found[1]))
            if not piece or len(heard) > PIECE:
                return
