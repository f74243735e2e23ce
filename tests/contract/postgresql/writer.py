"""A process that writes numbered utterances to PostgreSQL, from wherever the database says that it stands.

    python -m tests.contract.postgresql.writer URL COUNT

It is killed at random; whoever starts it again finds out what that cost.
"""

from __future__ import annotations

import sys

import anyio

from genscribe.sinks.conformance import utterances
from tests.contract.postgresql.making import at, sink

PORTION = 20


async def main(url: str, count: int) -> None:
    made = sink(url)
    await made.open()
    there = await made.position()
    done = there.seq if there else 0
    while done < count:
        batch = utterances(done, min(PORTION, count - done))
        await made.write_at(batch, at(batch[-1].seq))
        done = batch[-1].seq
    await made.aclose()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]))
