"""Server-sent events to one browser."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from genscribe.web.hub import Hub

SEND_S = 30.0
"""A browser that takes nothing for so long is gone, or as good as that."""


def stream(request: Request, hub: Hub) -> Response:
    """What is committed from the browser's last event on, or from `?after=SEQ`, or from now."""
    last = request.headers.get("last-event-id") or request.query_params.get("after") or ""
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else None
    return EventStream(hub, after)


class EventStream(Response):
    """A response without end, to a browser that may stop to read."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, after: int | None) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the browser goes away."""
        async with anyio.create_task_group() as tasks:

            async def gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(gone)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for message in self._hub.follow(self._after):
                with anyio.move_on_after(SEND_S) as sending:
                    await send({"type": "http.response.body", "body": message, "more_body": True})
                if sending.cancelled_caught:
                    break
            tasks.cancel_scope.cancel()
