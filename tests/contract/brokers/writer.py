"""A process that delivers as genscribe does, to be killed: `python -m … URL CURSOR TOTAL`."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from tests.contract.brokers.making import sink, talk

BATCH = 50


async def main(url: str, cursor: Path, total: int) -> None:
    """Writes batch after batch from the cursor on, which it saves after each; says when it begins and ends."""
    made = sink(url)
    done = int(cursor.read_text()) if cursor.exists() else 0
    await made.open()
    sys.stdout.write("writing\n")
    sys.stdout.flush()
    while done < total:
        await made.write(talk(BATCH, after=done, conversations=7))
        done += BATCH
        saved = cursor.with_suffix(".new")
        saved.write_text(str(done))
        saved.replace(cursor)
    await made.aclose()
    sys.stdout.write("done\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
