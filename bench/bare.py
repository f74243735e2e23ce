"""Bare loops: what `drain.py` compares the sinks with, as somebody would first write a copy that loses nothing.

Each reads the next 1,000 rows after the last by SQL, sends them, waits for the acknowledgements that the sink waits
for, too, and notes how far it is: in a file that survives the process at once, and a power cut as soon as our own
cursors, which are committed within 200 ms. Of what a client library offers it uses the quickest that was found. Each
event gets its `seq`, in the cheapest place; no checksum is looked at, no order guarded, no error told apart.
Connecting, and making what is written into, comes before the clock.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
import nats
import psycopg
import redis.asyncio
from confluent_kafka import Producer

from genscribe.sinks.postgresql_schema import UTTERANCES

PORTION = 1000
SYNC_S = 0.2

Send = Callable[[int, int], Awaitable[None]]
"""Delivers the rows from the first index to the second, which is left out; returns when they are there."""


class Head(msgspec.Struct, gc=False):
    """What brokers want to know of an event."""

    key: str
    conversation_id: str | None = None


_AFTER = "select seq, cast(body as blob) from journal where seq > ? and seq <= ? order by seq"

head = msgspec.json.Decoder(Head).decode


def numbered(seq: int, body: bytes) -> bytes:
    """The JSON of an event with its `seq`."""
    return b'{"seq":%d,%b' % (seq, body[1:])


class Backlog:
    """A store, and a note of how far it is read.

    Args:
        store: Its file.
        note: Where to note that; made here.
    """

    def __init__(self, store: Path, note: Path) -> None:
        self._db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
        self._note = os.open(note, os.O_WRONLY | os.O_CREAT)
        self._synced = 0.0

    def portions(self, start: int, stop: int) -> Iterator[list[tuple[int, bytes]]]:
        """Rows of `seq` and body from the first index to the second; who asks for more has delivered what he had."""
        for after in range(start, stop, PORTION):
            upto = min(after + PORTION, stop)
            found = self._db.execute(_AFTER, (after, upto))
            yield found.fetchall()
            os.pwrite(self._note, b"%20d" % upto, 0)
            if time.monotonic() - self._synced > SYNC_S:
                os.fdatasync(self._note)
                self._synced = time.monotonic()

    def close(self) -> None:
        self._db.close()
        os.close(self._note)


@asynccontextmanager
async def jsonl(folder: str, name: str, backlog: Backlog) -> AsyncIterator[Send]:
    """Writes and syncs, in one thread."""
    with Path(folder, name).open("wb", buffering=0) as file:

        async def send(start: int, stop: int) -> None:
            for rows in backlog.portions(start, stop):
                file.write(b"".join([numbered(*row) + b"\n" for row in rows]))
                os.fdatasync(file.fileno())

        yield send


@asynccontextmanager
async def postgresql(server: str, name: str, backlog: Backlog) -> AsyncIterator[Send]:
    """COPY into a temporary table of the right types, and an upsert by key, a transaction each."""
    names = UTTERANCES.names
    types = ", ".join(f"{column.name} {column.type}" for column in UTTERANCES.columns)
    replaced = ", ".join(f"{each} = excluded.{each}" for each in names if each != "key")
    listed = ", ".join(names)
    move = f"""insert into utterances as known ({listed}) select {listed} from stage
        on conflict (key) do update set {replaced} where excluded.revision > known.revision"""
    decode = msgspec.json.Decoder().decode
    async with await psycopg.AsyncConnection.connect(f"{server}/{name}", autocommit=True) as connection:
        await connection.execute(f"create temporary table stage ({types}) on commit delete rows".encode())

        async def send(start: int, stop: int) -> None:
            for rows in backlog.portions(start, stop):
                async with connection.transaction(), connection.cursor() as cursor:
                    async with cursor.copy("copy stage from stdin") as copy:
                        for seq, body in rows:
                            await copy.write_row([*map({**decode(body), "seq": seq}.get, names)])
                    await cursor.execute(move.encode())

        yield send


@asynccontextmanager
async def kafka(server: str, name: str, backlog: Backlog) -> AsyncIterator[Send]:
    """Produces 1,000 and flushes: of what is not flushed, nobody could tell how far a cursor may move."""
    producer = Producer({"bootstrap.servers": server, "enable.idempotence": True, "acks": "all", "linger.ms": 100})
    acknowledged = 0

    def report(error: Any, message: Any) -> None:
        nonlocal acknowledged
        assert error is None
        acknowledged += 1

    def produce(start: int, stop: int) -> None:
        for rows in backlog.portions(start, stop):
            for seq, body in rows:
                event = head(body)
                headers: dict[str, Any] = {"genscribe-key": event.key.encode(), "genscribe-kind": b"utterance"}
                producer.produce(
                    name, numbered(seq, body), key=event.conversation_id, headers=headers, on_delivery=report
                )
            producer.flush()
        assert acknowledged == stop

    async def send(start: int, stop: int) -> None:
        await asyncio.to_thread(produce, start, stop)

    yield send
    producer.close()


@asynccontextmanager
async def nats_stream(server: str, name: str, backlog: Backlog) -> AsyncIterator[Send]:
    """Publishes with a reply subject and counts the answers: nearly twice as fast as its `publish_async`."""
    client = await nats.connect(f"nats://{server}")
    await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
    inbox = client.new_inbox()
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def heard(message: Any) -> None:
        answers.put_nowait(message.data)

    await client.subscribe(f"{inbox}.*", cb=heard)

    async def send(start: int, stop: int) -> None:
        for rows in backlog.portions(start, stop):
            for seq, body in rows:
                event = head(body)
                headers = {"Nats-Msg-Id": f"{event.key}:1", "genscribe-key": event.key, "genscribe-kind": "utterance"}
                subject = f"{name}.{event.conversation_id}"
                await client.publish(subject, numbered(seq, body), reply=f"{inbox}.{seq}", headers=headers)
            for _ in rows:
                assert b'"error"' not in await answers.get()

    yield send
    await client.close()


@asynccontextmanager
async def redis_stream(server: str, name: str, backlog: Backlog) -> AsyncIterator[Send]:
    """A pipeline of 1,000 `XADD` without a transaction, past the library's own `xadd`, which is slower."""
    host, _, port = server.partition(":")
    client = redis.asyncio.Redis(host=host, port=int(port))

    async def send(start: int, stop: int) -> None:
        for rows in backlog.portions(start, stop):
            pipe = client.pipeline(transaction=False)
            for seq, body in rows:
                event = head(body)
                fields = ("key", event.key, "kind", "utterance", "conversation_id", event.conversation_id)
                pipe.execute_command("XADD", name, "*", *fields, "revision", 1, "json", numbered(seq, body))
            await pipe.execute()

    yield send
    await client.aclose()
