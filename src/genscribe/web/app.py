"""The routes: one line for each thing that can be asked."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from genscribe.version import __version__
from genscribe.web.access import Access, Refusal, asked_of
from genscribe.web.answers import hashed, told
from genscribe.web.choices import Choices
from genscribe.web.conversation import OneConversation
from genscribe.web.conversations import Conversations
from genscribe.web.door import Door
from genscribe.web.files import PageFiles
from genscribe.web.hub import Hub
from genscribe.web.login import Login
from genscribe.web.metrics import Metrics
from genscribe.web.probes import Probes
from genscribe.web.readers import Readers
from genscribe.web.searching import Searching
from genscribe.web.status import StatusView
from genscribe.web.streaming import stream
from genscribe.web.talk import Talk
from genscribe.web.watched import Watched

PAGE = Path(str(resources.files("genscribe.web") / "page"))
VIEWS = ("/", "/conversations/{conversation_id:path}", "/search", "/health")
"""The page's own URLs: all of them are its one document."""
_KNOWN = {
    404: Refusal(404, "There is nothing here.", "The address is mistyped, or of another version of genscribe."),
    405: Refusal(405, "This cannot be asked that way."),
}


def make_app(
    watched: Watched, hub: Hub, status: StatusView, access: Access, link: str | None, readers: Readers
) -> Door:
    """The application, behind its door."""
    probes, streaming = Probes(watched), watched.pipeline is not None
    files = PageFiles(PAGE)

    async def page(request: Request) -> Response:
        return files.answer("index.html", request)

    async def part(request: Request) -> Response:
        return files.answer(request.path_params["name"], request)

    async def events(request: Request) -> Response:
        return stream(request, hub)

    async def about(request: Request) -> Response:
        now = watched.status()
        return JSONResponse(
            {
                "version": __version__,
                "store": watched.store_id,
                "source": None if now is None else now.source,
                "genesys_link": link,
                "streaming": streaming,
            }
        )

    routes: list[BaseRoute] = [
        Route("/healthz", probes.health),
        Route("/readyz", probes.ready),
        Route("/api/session", Login(access).session, methods=["POST", "DELETE"]),
        Route("/metrics", Metrics(watched, hub).metrics),
        Route("/api/page", about),
        Route("/api/status", status.status),
        Route("/api/events", events),
        Route("/api/conversations", Conversations(readers, streaming=streaming).newest),
        Route("/api/conversations/{conversation_id:path}", OneConversation(readers, streaming=streaming).one),
        Route("/api/talk", Talk(readers).talk),
        Route("/api/search", Searching(readers).search),
        Route("/api/choices", Choices(readers).choices),
        Route("/page/{name:path}", part),
        *(Route(path, page) for path in VIEWS),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused})
    app.router.redirect_slashes = False  # it would lead to whatever host was asked for
    return Door(app, access, import_map_hash(files.text("index.html")))


def import_map_hash(document: str) -> str:
    """The hash of the page's import map, which CSP must name as it cannot stand in a file of its own."""
    found = re.search(r'<script type="importmap">(.*?)</script>', document, re.DOTALL)
    assert found is not None
    return hashed(found[1])


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = _KNOWN.get(error.status_code) or Refusal(error.status_code, error.detail)
    return told(refusal, asked_of(request.scope))
