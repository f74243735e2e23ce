"""How fast a backlog drains into PostgreSQL, beside a bare loop over the same client library on the same server.

    python bench/postgresql.py [--pairs 5] [--rows 40000]

The bare loop has the same JSON in memory, decodes it, copies 500 rows at a time into a temporary table of the right
types and upserts them by key, a transaction each: no journal to read, no cursor, no conversations, no row is looked at.
The two take turns; compare ratios, and run it again when the rates of one of them are far apart.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from store import utterances

from genscribe.delivery import Delivery
from genscribe.secrets import Secret
from genscribe.sinks.postgresql_address import address
from genscribe.sinks.postgresql_schema import UTTERANCES, ddl
from genscribe.sinks.postgresql_sink import PostgreSQL
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from tests.servers.postgres import Database, PostgresServer, server

PORTION = 500
TARGET = 0.6


async def bare(url: str, bodies: list[bytes]) -> float:
    """Seconds for all rows."""
    names = ", ".join(UTTERANCES.names)
    types = ", ".join(f"{column.name} {column.type}" for column in UTTERANCES.columns)
    replaced = ", ".join(f"{name} = excluded.{name}" for name in UTTERANCES.names if name != "key")
    move = f"""insert into utterances as known ({names}) select {names} from stage
        on conflict (key) do update set {replaced} where excluded.revision > known.revision"""
    decode = msgspec.json.Decoder().decode
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f"create temporary table stage ({types}) on commit delete rows".encode())
        begin = time.perf_counter()
        for start in range(0, len(bodies), PORTION):
            async with connection.transaction(), connection.cursor() as cursor:
                async with cursor.copy("copy stage from stdin") as copy:
                    for seq, body in enumerate(bodies[start : start + PORTION], start + 1):
                        event = decode(body)
                        await copy.write_row((seq, *map(event.get, UTTERANCES.names[1:])))
                await cursor.execute(move.encode())
        return time.perf_counter() - begin


async def drained(url: str, journal: Journal) -> float:
    """Seconds for the journal's whole backlog, through delivery, from the first batch to the last cursor."""
    reached = address(Secret(url), {}, {}, Path("/nowhere"))
    sink = PostgreSQL(reached, schema="public", name=url, store_id=journal.store_id)
    delivery = Delivery(url, sink, journal, Telemetry())
    begin = time.perf_counter()
    task = asyncio.ensure_future(delivery.run())
    while delivery.cursor < journal.head:
        await asyncio.sleep(0.005)
    spent = time.perf_counter() - begin
    await delivery.drain(5)
    await task
    return spent


def database(postgres: PostgresServer, name: str) -> Database:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    made = Database(postgres, name)
    made.run(ddl())
    return made


async def main(pairs: int, count: int) -> float:
    rows = list(utterances(count))
    ratios = []
    with tempfile.TemporaryDirectory() as folder, server("fsync=on", "max_wal_size=4GB") as postgres:
        journal = await Journal.open(Path(folder) / "s.db", telemetry=Telemetry())
        for start in range(0, count, PORTION):
            journal.append(rows[start : start + PORTION])
            await journal.room()
        await journal.flush()
        while journal.archive.behind(journal.head):
            await asyncio.sleep(0.02)
        for pair in range(pairs):
            ends = [database(postgres, f"{who}_{pair}") for who in ("bare", "ours")]
            bodies = [body for _, body, _ in rows]
            spent = [await bare(ends[0].url, bodies), await drained(ends[1].url, journal)]
            for end in ends:
                assert end.rows("select count(*) from utterances") == [(count,)]
            ratios.append(spent[0] / spent[1])
            print(f"bare {count / spent[0]:7.0f}/s, ours {count / spent[1]:7.0f}/s, {ratios[-1]:.0%}")
        await journal.aclose()
    print(f"median {statistics.median(ratios):.0%} of the bare loop; the target is {TARGET:.0%}")
    return statistics.median(ratios)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=40_000)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.pairs, arguments.rows)) < TARGET)
