"""Listens: one address for page, API, probes and metrics, in the loop of the run that it shows.

It shares the loop on purpose: when the loop hangs, `/healthz` does not answer, which is the truth.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.to_thread
import uvicorn

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.page import PageSetting, is_loopback
from genscribe.settings.values import WebAddress
from genscribe.store.reader import Reader
from genscribe.web.access import Access, make_access
from genscribe.web.app import make_app
from genscribe.web.connections import Listener
from genscribe.web.hub import Hub
from genscribe.web.readers import Readers
from genscribe.web.status import StatusView
from genscribe.web.watched import Watched

HEAD_BYTES = 16 << 10
BACKLOG = 512
"""Connections that wait to be accepted."""

_log = logging.getLogger("genscribe.web")


@contextlib.asynccontextmanager
async def open_page(setting: PageSetting, watched: Watched) -> AsyncIterator[Page]:
    """The page on its address, until the block ends.

    Raises:
        ConfigError: The address cannot be listened on, or certificate and key are not what they should be.
    """
    tls = None if setting.cert is None else tls_context(setting)
    listening = await listen(setting.address)
    with contextlib.closing(listening):
        token = setting.token
        made = token is None and setting.wants_token
        if made:
            token = Secret(secrets.token_urlsafe(24))
        with Reader.open(watched.path) as reader, Readers(watched.path) as readers:
            status = StatusView(watched, reader)
            # Its cookie's name is its own also beside another page of this store.
            name = f"{watched.store_id} {listening.getsockname()[1]}"
            access = await anyio.to_thread.run_sync(make_access, setting, token, name, abandon_on_cancel=True)
            page = Page(setting, watched, status, readers, listening, tls, access)
            page.made_token = token if made else None
            yield page


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
        readers: Readers,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        access: Access,
    ) -> None:
        address = WebAddress(setting.address.host, listening.getsockname()[1])
        self.url = f"{'http' if tls is None else 'https'}://{address}/"
        self.made_token: Secret | None = None
        self._setting = setting
        self._listening = listening
        self._tls = tls
        self._hub = Hub(watched.feed, watched.store_id, status.pulse)
        self._app = make_app(watched, self._hub, status, access, setting.link, readers)
        self._status = status

    def reopen(self) -> None:
        """Reads certificate and key again; what cannot be used leaves the old ones in use."""
        if self._tls is not None:
            try:
                self._tls = tls_context(self._setting)
            except ConfigError as error:
                _log.warning("the old certificate stays in use: %s", error)

    async def run(self) -> None:
        """Serves until cancelled."""
        listener = Listener(self._listening, self._config(), lambda: self._tls)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hub.run)
            tasks.start_soon(self._status.run)
            try:
                await listener.run()
            finally:
                with anyio.CancelScope(shield=True):
                    self._app.close()
                    await listener.close()
                tasks.cancel_scope.cancel()

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEAD_BYTES,
        )


def tls_context(setting: PageSetting) -> ssl.SSLContext:
    """The context of the page's certificate and key.

    Raises:
        ConfigError: They cannot be read, or do not fit each other.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

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


async def listen(address: WebAddress) -> socket.socket:
    """A socket that listens there.

    Raises:
        ConfigError: It is taken, or not an address of this machine.
    """
    try:
        found = await anyio.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, number, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
        if is_loopback(address.host) and not is_loopback(str(place[0])):
            raise OSError(f"this machine takes {address.host} for {place[0]}")
        listening = socket.socket(family, kind, number)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"the live page cannot listen on {address}: {why}.", advice="Choose another address with --web."
        ) from None
    return listening
