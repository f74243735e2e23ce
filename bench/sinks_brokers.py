"""How fast a backlog drains into Kafka, NATS and Redis, beside a bare loop over the same client library.

    python bench/sinks_brokers.py [kafka] [nats] [redis] [--pairs 5] [--rows 40000]

The bare loop has the same JSON, keys and conversations in memory and sends them as fast as its library allows: Kafka
with `acks=all`, idempotence and `linger.ms=100` (half as fast without), one flush at the end; JetStream with
`publish_async`, 500 under way; Redis with a pipeline of 500 `XADD`. No journal is read, no cursor kept, no order
guarded. The two take turns on the same server; compare ratios, and run it again when the rates of one of them are far
apart. The brokers are those of the tests: one node on this machine, so what they could do elsewhere is not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import nats
import redis.asyncio
from confluent_kafka import Producer

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from store import utterances

from genscribe.delivery import Delivery
from genscribe.events import Record
from genscribe.genesys.tls import tls_context
from genscribe.settings.sinks import sink_setting
from genscribe.sinks.base import Means
from genscribe.sinks.envelope import envelope
from genscribe.sinks.registry import make_sink
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from tests.servers.kafka import running_kafka
from tests.servers.nats import running_nats
from tests.servers.redis import running_redis

PORTION = 500
TARGET = 0.6


class Row(NamedTuple):
    """An event, ready to be sent."""

    key: str
    conversation: str
    body: bytes


async def bare_kafka(port: int, name: str, rows: list[Row]) -> None:
    done = 0

    def report(error: Any, message: Any) -> None:
        nonlocal done
        assert error is None
        done += 1

    def produce() -> None:
        settings = {"bootstrap.servers": f"127.0.0.1:{port}", "enable.idempotence": True, "acks": "all"}
        producer = Producer({**settings, "linger.ms": 100})
        for row in rows:
            headers = [("genscribe-key", row.key.encode()), ("genscribe-kind", b"utterance")]
            producer.produce(name, row.body, key=row.conversation, headers=headers, on_delivery=report)
            producer.poll(0)
        producer.flush()
        producer.close()

    await asyncio.to_thread(produce)
    assert done == len(rows)


async def bare_nats(port: int, name: str, rows: list[Row]) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    streams = client.jetstream()
    await streams.add_stream(name=name, subjects=[f"{name}.>"])
    for start in range(0, len(rows), PORTION):
        under_way = [
            await streams.publish_async(
                f"{name}.{row.conversation}",
                row.body,
                headers={"Nats-Msg-Id": f"{row.key}:1", "genscribe-key": row.key, "genscribe-kind": "utterance"},
            )
            for row in rows[start : start + PORTION]
        ]
        await asyncio.gather(*under_way)
    await client.close()


async def bare_redis(port: int, name: str, rows: list[Row]) -> None:
    client = redis.asyncio.Redis(port=port)
    for start in range(0, len(rows), PORTION):
        pipe = client.pipeline(transaction=False)
        for row in rows[start : start + PORTION]:
            fields = {"key": row.key, "kind": "utterance", "conversation_id": row.conversation, "revision": 1}
            pipe.xadd(name, {**fields, "json": row.body})
        await pipe.execute()
    await client.aclose()


class Broker(NamedTuple):
    """What is measured: the server, the bare loop, and the URL of ours."""

    running: Callable[[Path], AbstractContextManager[Any]]
    bare: Callable[[int, str, list[Row]], Awaitable[None]]


BROKERS = {
    "kafka": Broker(running_kafka, bare_kafka),
    "nats": Broker(running_nats, bare_nats),
    "redis": Broker(lambda folder: running_redis(folder, "--appendfsync", "everysec"), bare_redis),
}


async def drained(url: str, journal: Journal) -> None:
    """The journal's whole backlog through delivery, from the first batch to the last cursor."""
    setting = sink_setting(url, str)
    sink = make_sink(setting, Means(url, journal.store_id, tls_context))
    delivery = Delivery(url, sink, journal, Telemetry())
    task = asyncio.ensure_future(delivery.run())
    while delivery.cursor < journal.head:
        await asyncio.sleep(0.005)
    await delivery.drain(5)
    await task


async def timed(work: Awaitable[None]) -> float:
    begin = time.perf_counter()
    await work
    return time.perf_counter() - begin


async def measure(scheme: str, journal: Journal, rows: list[Row], pairs: int, folder: Path) -> float:
    ratios = []
    folder.mkdir()
    with BROKERS[scheme].running(folder) as server:
        for pair in range(pairs):
            bare = await timed(BROKERS[scheme].bare(server.port, f"bare{pair}", rows))
            ours = await timed(drained(f"{scheme}://127.0.0.1:{server.port}/ours{pair}", journal))
            ratios.append(bare / ours)
            print(f"{scheme}: bare {len(rows) / bare:7.0f}/s, ours {len(rows) / ours:7.0f}/s, {ratios[-1]:.0%}")
    print(f"{scheme}: median {statistics.median(ratios):.0%} of the bare loop; the target is {TARGET:.0%}")
    return statistics.median(ratios)


async def main(schemes: list[str], pairs: int, count: int) -> bool:
    rows = list(utterances(count))
    heads = [envelope(Record(0, "utterance", body)) for _, body, _ in rows]
    ready = [Row(head.key, head.conversation_id or "_", body) for head, (_, body, _) in zip(heads, rows, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        journal = await Journal.open(Path(folder) / "s.db", telemetry=Telemetry())
        for start in range(0, count, PORTION):
            journal.append(rows[start : start + PORTION])
            await journal.room()
        await journal.flush()
        while journal.archive.behind(journal.head):
            await asyncio.sleep(0.02)
        found = [await measure(scheme, journal, ready, pairs, Path(folder) / scheme) for scheme in schemes]
        await journal.aclose()
    return all(ratio >= TARGET for ratio in found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemes", nargs="*", help=", ".join(BROKERS))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=40_000)
    arguments = parser.parse_args()
    sys.exit(not asyncio.run(main(arguments.schemes or list(BROKERS), arguments.pairs, arguments.rows)))
