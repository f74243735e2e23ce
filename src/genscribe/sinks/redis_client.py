"""redis-py's client as we want it. Importing this module takes half a second, and needs redis-py."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from genscribe.secrets import Secret

CONNECT_S = 5.0
ANSWER_S = 30.0
"""For any answer; a server that needs longer is asked again on a new connection."""


def connect(
    host: str, port: int, *, db: int, username: str | None, password: Secret | None, tls: ssl.SSLContext | None
) -> Redis:
    """A client with one connection, made by the first command. It tries nothing twice: that is for delivery to do."""
    pool = ConnectionPool(
        connection_class=_Connection,
        max_connections=1,
        host=host,
        port=port,
        db=db,
        username=username,
        password=password.reveal() if password is not None else None,
        tls=tls,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=CONNECT_S,
        socket_timeout=ANSWER_S,
        socket_keepalive=True,
    )
    return Redis(connection_pool=pool)


class _Connection(Connection):
    """Takes our TLS context, and ends at once: what was not sent comes again, and nobody can hold us up."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._tls}

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Resets the connection."""
        writer = self._writer
        if writer is not None:
            writer.transport.abort()
        await super().disconnect(*args, **kwargs)
