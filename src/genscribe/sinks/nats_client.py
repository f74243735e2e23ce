"""nats-py's client with two guards of ours. Importing this module needs nats-py."""

from __future__ import annotations

from nats.aio.client import Client

from genscribe.sinks.base import SinkMisconfigured


class NatsClient(Client):
    """Refuses to log in without TLS where TLS was asked for, and closes at once.

    Args:
        tls_required: Whether TLS was asked for.
    """

    def __init__(self, *, tls_required: bool) -> None:
        super().__init__()
        self._tls_wanted = tls_required

    def _connect_command(self) -> bytes:
        """The login; the last moment at which nothing secret has left."""
        if self._tls_wanted and not self._server_info.get("tls_required"):
            raise SinkMisconfigured(
                "NATS: the server does not offer TLS.", advice="Turn TLS on there, or leave tls=yes out."
            )
        return super()._connect_command()

    async def end(self) -> None:
        """Closes without sending what is unsent: it comes again, and a peer that does not read cannot hold us up."""
        if self._flush_queue is None:  # it never began to connect
            return
        self._pending = []
        self._pending_data_size = 0
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        self._transport = None  # nothing to wait for: after a failed handshake it would never come
        await self.close()
