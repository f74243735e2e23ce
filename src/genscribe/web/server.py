"""Listens: one address for page, API, probes and metrics, in the loop of the run that it shows.

It shares the loop on purpose: when the loop hangs, `/healthz` does not answer, which is the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.page import PageSetting
from genscribe.settings.values import WebAddress
from genscribe.store.reader import Reader
from genscribe.web.access import make_access
from genscribe.web.app import make_app
from genscribe.web.hub import Hub
from genscribe.web.status import StatusView
from genscribe.web.watched import Watched

MOST_CONNECTIONS = 600
"""More are answered 503. Browsers hold one for events and a few for questions."""
HEAD_S = 10.0
"""A connection on which no whole request has come for so long at its beginning is closed."""
HEAD_BYTES = 16 << 10
CLOSE_S = 1
"""What requests get at the end."""


@contextlib.asynccontextmanager
async def open_page(setting: PageSetting, watched: Watched) -> AsyncIterator[Page]:
    """The page on its address, until the block ends.

    Raises:
        ConfigError: The address cannot be listened on, or certificate and key are not what they should be.
    """
    tls = None if setting.cert is None else _tls(setting)
    listening = await _listen(setting.address)
    with contextlib.closing(listening):
        token = setting.token
        made = token is None and setting.wants_token
        if made:
            token = Secret(secrets.token_urlsafe(24))
        with Reader.open(watched.path) as reader:
            status = StatusView(watched, reader)
            yield Page(setting, watched, status, listening, tls, token, made=made)


class Page:
    """The page, listening.

    Attributes:
        url: Where it is.
        made_token: The token that was made, to be shown once; `None` where none was made.
    """

    def __init__(
        self,
        setting: PageSetting,
        watched: Watched,
        status: StatusView,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        token: Secret | None,
        *,
        made: bool,
    ) -> None:
        address = WebAddress(setting.address.host, listening.getsockname()[1])
        self.url = f"{'http' if tls is None else 'https'}://{address}/"
        self.made_token = token if made else None
        self._setting = setting
        self._listening = listening
        self._tls = tls
        self._hub = Hub(watched.feed, watched.store_id)
        self._app = make_app(watched, self._hub, status, make_access(setting, token), setting.link)
        self._status = status

    def reopen(self) -> None:
        """Reads certificate and key again; what cannot be read leaves the old ones in use."""
        if self._tls is not None and self._setting.cert is not None:
            with contextlib.suppress(OSError):
                self._tls.load_cert_chain(self._setting.cert, self._setting.key)

    async def run(self) -> None:
        """Serves until cancelled."""
        server = _Server(self._config())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hub.run)
            tasks.start_soon(self._status.run)
            try:
                await server.serve(sockets=[self._listening])
            finally:
                with anyio.CancelScope(shield=True):
                    self._app.close()
                    if server.started:
                        await server.shutdown(sockets=[self._listening])
                tasks.cancel_scope.cancel()

    def _config(self) -> uvicorn.Config:
        config = uvicorn.Config(
            self._app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_graceful_shutdown=CLOSE_S,
        )
        config.load()
        config.ssl = self._tls
        return config


class _Server(uvicorn.Server):
    """uvicorn without hands on the process's signals: who runs the run decides about them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """HTTP, with patience of a bounded kind for those who connect and say nothing."""

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._silence = self.loop.call_later(HEAD_S, self._too_long)

    def _too_long(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        super().connection_lost(exc)


def _tls(setting: PageSetting) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    def no_password(*_: Any) -> str:
        raise ConfigError(f"the key {setting.key} is locked by a password.", advice="Give one without.")

    try:
        assert setting.cert is not None
        context.load_cert_chain(setting.cert, setting.key, no_password)
    except OSError as error:  # SSLError is one
        why = error.strerror or type(error).__name__
        raise ConfigError(
            f"certificate {setting.cert} and key {setting.key} cannot be used: {why}.",
            advice="Both must be PEM files, readable for this user, and fit each other.",
        ) from None
    return context


async def _listen(address: WebAddress) -> socket.socket:
    try:
        found = await anyio.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, number, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
        listening = socket.socket(family, kind, number)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen()
        except OSError:
            listening.close()
            raise
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"the live page cannot listen on {address}: {why}.", advice="Choose another address with --web."
        ) from None
    return listening
