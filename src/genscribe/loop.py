"""The event loop of a run: asyncio's own, but for the lookup of names."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from contextlib import suppress
from typing import Any


class Loop(asyncio.SelectorEventLoop):
    """Looks names up in daemon threads.

    asyncio does so in the threads of its executor, and waits for these at its end. A resolver that does not answer
    (half a minute and more, as systems are set up) would hold up a process that promised to stop within ten seconds.
    The caller's deadline bounds the wait, as with asyncio's own.
    """

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002  # as asyncio calls it
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """As `socket.getaddrinfo`, without blocking."""
        found: asyncio.Future[Any] = self.create_future()

        def settle(result: Any, error: Exception | None) -> None:
            if found.done():
                return
            if error is None:
                found.set_result(result)
            else:
                found.set_exception(error)

        def look_up() -> None:
            result, error = None, None
            try:
                result = socket.getaddrinfo(host, port, family, type, proto, flags)
            except Exception as raised:  # noqa: BLE001  # it is raised where the name was asked for
                error = raised
            with suppress(RuntimeError):  # the loop has ended; so has everybody who would want to know
                self.call_soon_threadsafe(settle, result, error)

        try:
            threading.Thread(target=look_up, name="genscribe-name", daemon=True).start()
        except RuntimeError:
            raise OSError(errno.EAGAIN, "no thread for the lookup of a name") from None
        return await found


OPTIONS = {"loop_factory": Loop}
"""For `anyio.run` and its like."""
