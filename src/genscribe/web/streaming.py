"""Server-sent events to one browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from genscribe.web import asking
from genscribe.web.access import Refusal
from genscribe.web.answers import refused
from genscribe.web.hub import Hub

SEND_S = 30.0
"""A browser that takes nothing for so long is gone, or as good as that."""


def stream(request: Request, hub: Hub) -> Response:
    """What is committed from the browser's last event on, or from `?after=SEQ`, or from now."""
    if hub.full:
        return refused(Refusal(503, "Too many pages are open.", "Close some, or wait."))
    last = request.headers.get("last-event-id")
    after = asking.whole(request.query_params, "after")
    if last:
        # What is no seq of ours is as old as can be.
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else -1
    return EventStream(hub, after, request.query_params.get("store") or None)


class EventStream(Response):
    """A response without end, to a browser that may stop to read."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, after: int | None, store_id: str | None) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._after = after
        self._store_id = store_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the browser goes away."""
        async with anyio.create_task_group() as tasks:

            async def gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(gone)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                tasks.cancel_scope.cancel()
            else:
                await self._send(scope, send)

    async def _send(self, scope: Scope, send: Send) -> None:
        async with aclosing(self._hub.follow(self._after, self._store_id)) as messages:
            async for message in messages:
                with anyio.move_on_after(SEND_S) as sending:
                    await send({"type": "http.response.body", "body": message, "more_body": True})
                if sending.cancelled_caught:
                    break
        # A close would wait for the rest to be taken; `gone` hears of the end.
        drop: Callable[[], None] | None = scope.get("state", {}).get("drop")
        if drop is not None:
            drop()
