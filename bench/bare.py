"""Bare loops: what `drain.py` compares the sinks with, the quickest that their client libraries were found to allow.

Each sends slices of rows that are ready in memory, 500 at a time, with the acknowledgements that the sink waits for,
too: no journal is read (but for a file, where reading is half of the work), no cursor kept, no row looked at, no order
guarded, no error told apart. Connecting, and making what is written into, comes before the clock.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import nats
import psycopg
import redis.asyncio
from confluent_kafka import Producer

from genscribe.sinks.postgresql_schema import UTTERANCES

PORTION = 500

Send = Callable[[int, int], Awaitable[None]]
"""Delivers the rows from the first index to the second, which is left out; returns when they are there."""


class Row(NamedTuple):
    """An event, ready to be sent."""

    key: str
    conversation: str
    json: bytes


@asynccontextmanager
async def jsonl(places: str, name: str, rows: list[Row]) -> AsyncIterator[Send]:
    """Reads the store by SQL, writes and syncs, in one thread. `places` are the store and the folder, a line each."""
    store, folder = places.splitlines()
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    db.text_factory = bytes
    with Path(folder, name).open("wb", buffering=0) as file:

        async def send(start: int, stop: int) -> None:
            for after in range(start, stop, PORTION):
                upto = min(after + PORTION, stop)
                found = db.execute("select body from journal where seq > ? and seq <= ? order by seq", (after, upto))
                file.write(b"".join([body + b"\n" for (body,) in found]))
                os.fdatasync(file.fileno())

        yield send
    db.close()


@asynccontextmanager
async def postgresql(server: str, name: str, rows: list[Row]) -> AsyncIterator[Send]:
    """COPY into a temporary table of the right types, and an upsert by key, a transaction each."""
    names = ", ".join(UTTERANCES.names)
    types = ", ".join(f"{column.name} {column.type}" for column in UTTERANCES.columns)
    replaced = ", ".join(f"{each} = excluded.{each}" for each in UTTERANCES.names if each != "key")
    move = f"""insert into utterances as known ({names}) select {names} from stage
        on conflict (key) do update set {replaced} where excluded.revision > known.revision"""
    decode = msgspec.json.Decoder().decode
    async with await psycopg.AsyncConnection.connect(f"{server}/{name}", autocommit=True) as connection:
        await connection.execute(f"create temporary table stage ({types}) on commit delete rows".encode())

        async def send(start: int, stop: int) -> None:
            for at in range(start, stop, PORTION):
                async with connection.transaction(), connection.cursor() as cursor:
                    async with cursor.copy("copy stage from stdin") as copy:
                        for row in rows[at : min(at + PORTION, stop)]:
                            await copy.write_row([*map(decode(row.json).get, UTTERANCES.names)])
                    await cursor.execute(move.encode())

        yield send


@asynccontextmanager
async def kafka(server: str, name: str, rows: list[Row]) -> AsyncIterator[Send]:
    """Produces 500 and flushes: of what is not flushed, nobody could tell how far a cursor may move."""
    producer = Producer({"bootstrap.servers": server, "enable.idempotence": True, "acks": "all", "linger.ms": 100})
    acknowledged = 0

    def report(error: Any, message: Any) -> None:
        nonlocal acknowledged
        assert error is None
        acknowledged += 1

    def produce(start: int, stop: int) -> None:
        for at in range(start, stop, PORTION):
            for row in rows[at : min(at + PORTION, stop)]:
                headers: dict[str, Any] = {"genscribe-key": row.key.encode(), "genscribe-kind": b"utterance"}
                producer.produce(name, row.json, key=row.conversation, headers=headers, on_delivery=report)
            producer.flush()
        assert acknowledged == stop

    async def send(start: int, stop: int) -> None:
        await asyncio.to_thread(produce, start, stop)

    yield send
    producer.close()


@asynccontextmanager
async def nats_stream(server: str, name: str, rows: list[Row]) -> AsyncIterator[Send]:
    """Publishes with a reply subject and counts the answers: nearly twice as fast as its `publish_async`."""
    client = await nats.connect(f"nats://{server}")
    await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
    inbox = client.new_inbox()
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def heard(message: Any) -> None:
        answers.put_nowait(message.data)

    await client.subscribe(f"{inbox}.*", cb=heard)

    async def send(start: int, stop: int) -> None:
        for at in range(start, stop, PORTION):
            portion = rows[at : min(at + PORTION, stop)]
            for number, row in enumerate(portion):
                headers = {"Nats-Msg-Id": f"{row.key}:1", "genscribe-key": row.key, "genscribe-kind": "utterance"}
                subject = f"{name}.{row.conversation}"
                await client.publish(subject, row.json, reply=f"{inbox}.{number}", headers=headers)
            for _ in portion:
                assert b'"error"' not in await answers.get()

    yield send
    await client.close()


@asynccontextmanager
async def redis_stream(server: str, name: str, rows: list[Row]) -> AsyncIterator[Send]:
    """A pipeline of 500 `XADD` without a transaction, past the library's own `xadd`, which is slower."""
    host, _, port = server.partition(":")
    client = redis.asyncio.Redis(host=host, port=int(port))

    async def send(start: int, stop: int) -> None:
        for at in range(start, stop, PORTION):
            pipe = client.pipeline(transaction=False)
            for row in rows[at : min(at + PORTION, stop)]:
                fields = ("key", row.key, "kind", "utterance", "conversation_id", row.conversation, "revision", 1)
                pipe.execute_command("XADD", name, "*", *fields, "json", row.json)
            await pipe.execute()

    yield send
    await client.aclose()
