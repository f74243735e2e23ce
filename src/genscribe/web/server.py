"""Listens: one address for page, API, probes and metrics."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import anyio
import uvicorn
from starlette.applications import Starlette

from genscribe.errors import ConfigError
from genscribe.settings.values import WebAddress
from genscribe.web.app import make_app
from genscribe.web.hub import Hub
from genscribe.web.watched import Watched


@contextlib.asynccontextmanager
async def open_page(address: WebAddress, watched: Watched) -> AsyncIterator[Page]:
    """The page on its address, until the block ends.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    listening = _listen(address)
    url = f"http://{WebAddress(address.host, listening.getsockname()[1])}/"
    hub = Hub(watched.feed, watched.store_id)
    with contextlib.closing(listening):
        yield Page(url, listening, hub, make_app(watched, hub))


class Page:
    """The page, listening. `url` is where it is."""

    def __init__(self, url: str, listening: socket.socket, hub: Hub, app: Starlette) -> None:
        self.url = url
        self._listening = listening
        self._hub = hub
        self._app = app

    async def run(self) -> None:
        """Serves until cancelled."""
        config = uvicorn.Config(
            self._app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=1, server_header=False,
        )
        server = _Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hub.run)
            try:
                await server.serve(sockets=[self._listening])
            finally:
                with anyio.CancelScope(shield=True):
                    server.force_exit = True
                    if server.started:
                        await server.shutdown(sockets=[self._listening])
                tasks.cancel_scope.cancel()


class _Server(uvicorn.Server):
    """uvicorn without hands on the process's signals: who runs the run decides about them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(address: WebAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"the live page cannot listen on {address}: {error.strerror}.", advice="Choose another address with --web."
        ) from None
    return listening
