"""The routes: one line for each thing that can be asked."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from genscribe.web.conversations import Conversations
from genscribe.web.hub import Hub
from genscribe.web.streaming import stream
from genscribe.web.watched import Watched

PAGE = Path(str(files("genscribe.web") / "page"))


def make_app(watched: Watched, hub: Hub) -> Starlette:
    """The application."""
    conversations = Conversations(watched.path)

    async def page(request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def events(request: Request) -> Response:
        return stream(request, hub)

    routes: list[BaseRoute] = [
        Route("/api/events", events),
        Route("/api/conversations", conversations.newest),
        Route("/api/conversations/{conversation_id:path}", conversations.one),
        Mount("/page", StaticFiles(directory=PAGE)),
        Route("/", page),
        Route("/{view:path}", page),
    ]
    return Starlette(routes=routes)
