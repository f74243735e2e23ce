"""How fast a backlog drains into a sink, beside a bare loop over the same client library on the same server.

    python bench/drain.py [--sinks jsonl,postgresql,kafka,nats,redis] [--pairs 9] [--rows 60000]

The store is closed and opened again, so that nothing of the backlog is in memory; delivery, cursor and sink are those
of `genscribe stream`. The bare loops are in `bare.py`. The two take turns, now one first, now the other; the clock runs
from the 5,000th event on, so that connecting is in neither. Afterwards the events are counted where they are to be.
Exits 1 when a median ratio misses its target.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psycopg
import redis

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import bare
from bare import PORTION, Backlog, Send
from store import utterances

from genscribe.delivery import Delivery
from genscribe.genesys.tls import tls_context
from genscribe.settings.sinks import sink_setting
from genscribe.sinks.base import Means
from genscribe.sinks.postgresql_schema import ddl
from genscribe.sinks.registry import make_sink
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from tests.servers.kafka import running_kafka
from tests.servers.nats import running_nats
from tests.servers.postgres import server as running_postgres
from tests.servers.redis import running_redis

WARM_UP = 5_000
LOOK_S = 0.002


class Place(NamedTuple):
    """Where events go, by a name that is each run's own.

    Attributes:
        address: Of the server; the bare loop gets it.
        url: The sink's.
        make: Makes the database or topic.
        holds: How many events are there; `None` where the bare loop and the sink count acknowledgements.
    """

    address: str
    url: Callable[[str], str]
    holds: Callable[[str], int] | None = None
    make: Callable[[str], object] | None = None


@contextmanager
def jsonl(folder: Path) -> Iterator[Place]:
    def count(name: str) -> int:
        return (folder / name).read_bytes().count(b"\n")

    yield Place(str(folder), lambda name: f"jsonl:{folder / name}", count)


@contextmanager
def postgresql(folder: Path) -> Iterator[Place]:
    with running_postgres("fsync=on", "max_wal_size=4GB") as server:

        def make(name: str) -> None:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(f"create database {name}".encode())
            with psycopg.connect(server.url(name), autocommit=True) as connection:
                connection.execute(ddl().encode())

        def count(name: str) -> int:
            with psycopg.connect(server.url(name)) as connection:
                ((found,),) = connection.execute("select count(*) from utterances").fetchall()
                return int(found)

        yield Place(server.url("").rstrip("/"), server.url, count, make)


@contextmanager
def kafka(folder: Path) -> Iterator[Place]:
    with running_kafka(folder) as server:

        def count(name: str) -> int:
            return len(server.messages(name))  # what it calls its watermark lags behind

        yield Place(server.servers, lambda name: f"kafka://{server.servers}/{name}", count, server.make_topic)


@contextmanager
def nats(folder: Path) -> Iterator[Place]:
    with running_nats(folder) as server:
        yield Place(server.servers, lambda name: f"nats://{server.servers}/{name}")


@contextmanager
def redis_server(folder: Path) -> Iterator[Place]:
    with running_redis(folder, "--appendfsync", "everysec") as server:
        client = redis.Redis(port=server.port)
        address = f"127.0.0.1:{server.port}"
        yield Place(address, lambda name: f"redis://{address}/{name}", lambda name: int(str(client.xlen(name))))
        client.close()


class Measured(NamedTuple):
    """What is measured.

    Attributes:
        target: The share of the bare loop's rate that the sink must reach.
        times: By how much the rows are more than for the others, as all is over too soon otherwise.
    """

    running: Callable[[Path], AbstractContextManager[Place]]
    bare: Callable[[str, str, Backlog], AbstractAsyncContextManager[Send]]
    target: float = 0.6
    times: int = 1


SINKS = {
    "jsonl": Measured(jsonl, bare.jsonl, target=0.5, times=4),
    "postgresql": Measured(postgresql, bare.postgresql),
    "kafka": Measured(kafka, bare.kafka),
    "nats": Measured(nats, bare.nats_stream),
    "redis": Measured(redis_server, bare.redis_stream),
}


async def ours(url: str, journal: Journal) -> float:
    """Events a second through delivery, until the cursor has reached the end."""
    setting = sink_setting(url, str)
    delivery = Delivery(url, make_sink(setting, Means(url, journal.store_id, tls_context)), journal, Telemetry())
    task = asyncio.ensure_future(delivery.run())
    while delivery.cursor < WARM_UP:
        await asyncio.sleep(LOOK_S)
    began, first = time.perf_counter(), delivery.cursor
    while delivery.cursor < journal.head:
        await asyncio.sleep(LOOK_S)
    spent = time.perf_counter() - began
    await delivery.drain(5)
    await task
    return (journal.head - first) / spent


async def theirs(loop: AbstractAsyncContextManager[Send], count: int) -> float:
    """Events a second through a bare loop."""
    async with loop as send:
        await send(0, WARM_UP)
        began = time.perf_counter()
        await send(WARM_UP, count)
        return (count - WARM_UP) / (time.perf_counter() - began)


async def pair(number: int, measured: Measured, place: Place, journal: Journal) -> tuple[float, float]:
    """The rates of the bare loop and of ours."""
    rates = {}
    for who in ("bare", "ours") if number % 2 else ("ours", "bare"):
        name = f"{who}{number}"
        if place.make is not None:
            place.make(name)
        if who == "ours":
            rates[who] = await ours(place.url(name), journal)
        else:
            backlog = Backlog(journal.path, journal.path.with_name(f"{name}.note"))
            rates[who] = await theirs(measured.bare(place.address, name, backlog), journal.head)
            backlog.close()
        assert place.holds is None or place.holds(name) == journal.head, f"{name} has {place.holds(name)} events"
    return rates["bare"], rates["ours"]


async def compare(name: str, pairs: int, count: int, folder: Path) -> bool:
    """Runs the pairs, prints a line, and says whether the target was met."""
    measured = SINKS[name]
    await fill(folder / "bench.db", count * measured.times)
    async with await Journal.open(folder / "bench.db", telemetry=Telemetry()) as journal:
        with measured.running(folder) as place:
            rates = [await pair(number, measured, place, journal) for number in range(pairs)]
    ratios = sorted(our / their for their, our in rates)
    met = median(ratios) >= measured.target
    print(
        f"{name:<10}  bare loop {median(their for their, _ in rates):8,.0f}/s"
        f"  genscribe {median(our for _, our in rates):8,.0f}/s"
        f"  ratio {median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        f"  target {measured.target:.1f}: {'met' if met else 'MISSED'}",
        flush=True,
    )
    return met


async def fill(path: Path, count: int) -> None:
    """Makes the store."""
    rows = list(utterances(count))
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        for start in range(0, count, PORTION):
            journal.append(rows[start : start + PORTION])
            await journal.room()
        await journal.flush()
        while journal.archive.behind(journal.head):
            await asyncio.sleep(0.02)


async def main(sinks: list[str], pairs: int, count: int) -> bool:
    met = True
    print(f"events per second, medians of {pairs} interleaved pairs, Python {sys.version.split()[0]}")
    for sink in sinks:
        with tempfile.TemporaryDirectory(prefix="genscribe-bench-") as folder:
            met &= await compare(sink, pairs, count, Path(folder))
    return met


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sinks", default=",".join(SINKS))
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--rows", type=int, default=60_000)
    arguments = parser.parse_args()
    sys.exit(not asyncio.run(main(arguments.sinks.split(","), arguments.pairs, arguments.rows)))
