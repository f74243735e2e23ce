"""The sink `redis://host/stream`: one entry of a stream an event, a batch in one round trip.

A batch is one transaction (`MULTI`, `XADD`…, `EXEC`): it is there as a whole and in order, or not at all.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import anyio

from genscribe.events import DELIVERED_KINDS, Record
from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.sinks.address import Address, parse_address
from genscribe.sinks.base import Means, RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.envelope import envelope
from genscribe.sinks.redis_verdicts import NotAllowed, moved_to, translated, wrong_type

if TYPE_CHECKING:
    from redis.asyncio import Redis

PORT = 6379

LARGEST = 512 * 1024 * 1024
"""Bytes of one value that a server takes unless it is told otherwise."""


@dataclass(frozen=True)
class RedisSettings:
    """Where to, and how much is kept.

    Attributes:
        address: The server; where there are several, one after the other is tried. And a login.
        stream: The key of the stream.
        db: Number of the database.
        maxlen: About so many entries are kept, oldest going first; `None` keeps all.
        tls: Makes the context for `rediss://`; `None` goes without TLS.
    """

    address: Address
    stream: str
    db: int = 0
    maxlen: int | None = None
    tls: Callable[[], ssl.SSLContext] | None = None


def make(setting: SinkSetting, means: Means) -> RedisSink:
    """The sink of a setting.

    Raises:
        SinkMisconfigured: No stream, or a parameter that is no number.
    """
    url = setting.url or Secret("")
    address = parse_address(url, port=PORT)
    if not address.path:
        raise SinkMisconfigured("the redis sink's URL names no stream.", advice="Write redis://host/stream.")
    maxlen = _number(setting, "maxlen")
    if maxlen == 0:
        raise SinkMisconfigured("the redis sink's maxlen= is 0.", advice="Write maxlen=1000000, or leave it out.")
    return RedisSink(
        RedisSettings(
            address=address,
            stream=address.path,
            db=_number(setting, "db") or 0,
            maxlen=maxlen,
            tls=means.tls if url.reveal().startswith("rediss:") else None,
        )
    )


def _number(setting: SinkSetting, name: str) -> int | None:
    text = setting.params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise SinkMisconfigured(f"the redis sink's {name}= is no number.", advice=f"Write {name}=1.")
    return int(text)


class RedisSink:
    """Writes events to a stream.

    Args:
        settings: Where to.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        self._largest = LARGEST
        self._turn = 0
        self._moved: tuple[str, int] | None = None

    async def open(self) -> None:
        """Connects and looks what is under the stream's key.

        Raises:
            SinkMisconfigured: A login, right or certificate refused; another type of value under that key.
            SinkUnavailable: Nobody answers, or the server is loading.
        """
        await self.aclose()
        kind = await self._asked(lambda client: client.type(self._settings.stream))
        if kind not in (b"none", b"stream", None):
            await self.aclose()
            raise wrong_type(self._settings.stream)
        limits = await self._asked(lambda client: client.config_get("proto-max-bulk-len"))
        self._largest = int(limits["proto-max-bulk-len"]) if isinstance(limits, dict) and limits else LARGEST

    async def write(self, batch: Sequence[Record]) -> None:
        """Adds a batch, as a whole or not at all.

        Raises:
            RowsRejected: The server does not take what is so large; nothing of the batch is there.
            SinkMisconfigured, SinkUnavailable: As `open` does; also while its memory is full or it is a replica.
        """
        rows = [(record, record.json()) for record in batch]
        # Said by us, for a server says it by hanging up, and that says everything.
        large = {
            record.seq: f"larger than the server takes: {len(json)} bytes"
            for record, json in rows
            if len(json) > self._largest
        }
        if large:
            raise RowsRejected(large)
        pipe = self._connected().pipeline(transaction=True)
        try:
            for record, json in rows:
                pipe.execute_command(*self._command(record, json))
            await pipe.execute()
        except BaseException as error:
            verdict = await self._failed(error)
            if verdict is None:
                raise
            raise verdict from None

    async def aclose(self) -> None:
        """Ends the connection; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            with anyio.CancelScope(shield=True):
                await client.connection_pool.disconnect()

    async def _asked(self, question: Callable[[Redis], Awaitable[object]]) -> object:
        """What the server answers; `None` when this user may not ask: who may only add need not look."""
        client = self._connected()  # outside: without the library nothing of its errors can be told apart
        try:
            return await question(client)
        except BaseException as error:
            verdict = await self._failed(error)
            if verdict is None:
                raise
            if isinstance(verdict, NotAllowed):
                return None
            raise verdict from None

    def _command(self, record: Record, json: bytes) -> tuple[str | int | bytes, ...]:
        settings = self._settings
        head = envelope(record)
        limit = () if settings.maxlen is None else ("MAXLEN", "~", settings.maxlen)
        fields = (b"key", head.key, b"kind", record.kind, b"conversation_id", head.conversation_id or b"")
        return ("XADD", settings.stream, *limit, b"*", *fields, b"revision", head.revision, b"json", json)

    async def _failed(self, error: BaseException) -> Exception | None:
        """What to raise for a foreign error. The connection is given up after any: it may still owe us answers."""
        await self.aclose()
        verdict = translated(error, self._settings.stream, self._target())
        if isinstance(verdict, SinkUnavailable):
            self._moved = moved_to(error)
            self._turn += self._moved is None
        return verdict

    def _target(self) -> tuple[str, int]:
        hosts = self._settings.address.hosts
        return self._moved or hosts[self._turn % len(hosts)]

    def _connected(self) -> Redis:
        if self._client is None:
            from genscribe.sinks.redis_client import connect

            settings, address = self._settings, self._settings.address
            self._client = connect(
                *self._target(),
                db=settings.db,
                username=address.user or None,
                password=address.password,
                tls=settings.tls() if settings.tls is not None else None,
            )
        return self._client
