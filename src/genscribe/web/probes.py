"""What orchestrators ask: does it live, is it ready. The answer is a word."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from genscribe.telemetry.status import Status
from genscribe.web.watched import Watched

STALLED_S = 30.0
"""A writer that has work and did not move for so long hangs. A slow disk may take seconds."""
WAITING_S = 15.0
"""A live conversation may wait so long for its topic before we call that not ready."""


def not_ready(status: Status | None) -> str | None:
    """Why a run is not ready, in one word; `None` = it is."""
    if status is None:
        return "stopped"
    if status.store_full_since is not None:
        return "store-full"
    if not status.connected:
        return "disconnected" if status.missing_since is not None else "connecting"
    if status.hearing is not None and status.hearing.waiting_s > WAITING_S:
        return "waiting"
    return None


class Probes:
    """Answers from what is watched."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    async def health(self, request: Request) -> Response:
        """`/healthz`: 200 while the loop (it answers) and the writer move."""
        pipeline = self._watched.pipeline
        if pipeline is None:
            return PlainTextResponse("ok\n")
        if pipeline.journal.failed is not None:
            return PlainTextResponse("store-failed\n", 503)
        if pipeline.journal.full_since is None and pipeline.journal.stalled_s > STALLED_S:
            return PlainTextResponse("writer-stalled\n", 503)
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """`/readyz`: 200 only while everything is heard; where nothing is streamed, while the store can be read."""
        if self._watched.pipeline is None:
            return PlainTextResponse("ok\n")
        reason = not_ready(self._watched.status())
        return PlainTextResponse("ok\n") if reason is None else PlainTextResponse(f"{reason}\n", 503)
