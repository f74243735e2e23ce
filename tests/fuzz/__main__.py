"""The fuzz at length: hostile frames through decode, dedupe and a real journal, until a number of them or a fault.

    python -m tests.fuzz --frames 1000000 [--seed 1] [--store PATH]

Says what came of them and how memory moved; exits 1 at the first fault, with the seed and number to find it again.
Without `--store` the journal is a temporary file, gone afterwards.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import anyio

from genscribe.core.dedupe import Window
from genscribe.events import decode
from genscribe.ingest import Ingest
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry

from .checks import check
from .frames import cases

SAMPLES = 20
A_WAKE_UP = 100
"""Frames between two looks at the journal, as when a busy socket is read."""
ALLOWED_GROWTH_MB = 32.0
"""Of resident memory from the second quarter to the last. Frames of 200 kB among small ones leave holes in the
allocator's pages, 10 to 20 MB of them; to keep anything of a million frames would take hundreds.
"""


class Fault(Exception):
    """A frame that broke a promise, and how to meet it again."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", type=Path)
    arguments = parser.parse_args()
    # A warning for each of 500,000 bad frames tells nobody anything.
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store or Path(folder) / "fuzz.db"
        try:
            return anyio.run(_run, arguments.seed, arguments.frames, store)
        except Fault as fault:
            _say(str(fault))
            return 1


async def _run(seed: int, frames: int, store: Path) -> int:
    began = time.process_time()
    telemetry = Telemetry()
    resident: list[float] = []
    async with _journal(store, telemetry) as journal:
        # Small enough to be full before the second quarter, so that it does not look like a leak.
        ingest = Ingest("fuzz", journal, Window(capacity=20_000), telemetry)
        outcomes: Counter[str] = Counter()
        for number, case in enumerate(islice(cases(seed), frames)):
            # The archive counts what comes again after the window, so the window's own are told apart here.
            duplicates = telemetry.counters.duplicates
            try:
                decoded = check(case)
                ingest.accept(decoded.events)
            except Exception as error:
                raise Fault(f"seed {seed}, case {number}: {error!r}\n{case.payload[:4000]!r}") from error
            outcomes["empty"] += decoded.empty
            outcomes["system"] += decoded.system
            outcomes["events"] += len(decoded.events)
            outcomes["duplicates"] += telemetry.counters.duplicates - duplicates
            if number % A_WAKE_UP == 0:
                await ingest.room()
                await anyio.sleep(0)
            if number % max(1, frames // SAMPLES) == 0:
                resident.append(_resident_mb())
        kept = await _read_back(journal)
    lost = outcomes["events"] - outcomes["duplicates"] - kept.total()
    growth = max(resident[-len(resident) // 4 :]) - max(resident[len(resident) // 4 : len(resident) // 2], default=0)
    _say(f"{frames} frames, seed {seed}, {time.process_time() - began:.0f} s CPU: no exception, no lost neighbour")
    _say(", ".join(f"{count} {name}" for name, count in outcomes.items()))
    _say(f"in the journal: {', '.join(f'{count} {kind}' for kind, count in kept.items())}; {lost} lost")
    _say(f"resident memory {', '.join(f'{mb:.0f}' for mb in resident)} MB: growth {growth:+.1f} MB")
    return 0 if growth < ALLOWED_GROWTH_MB and not lost else 1


@asynccontextmanager
async def _journal(store: Path, telemetry: Telemetry) -> AsyncIterator[Journal]:
    journal = await Journal.open(store, telemetry=telemetry)
    try:
        yield journal
    finally:
        await journal.aclose()


async def _read_back(journal: Journal) -> Counter[str]:
    """How many events of each kind the journal gives back, each of them readable."""
    head, after = await journal.flush(), 0
    kept: Counter[str] = Counter()
    while after < head:
        for record in await journal.read(after, 1_000):
            event = decode(record.json())
            assert event.kind == record.kind
            kept[record.kind] += 1
            after = record.seq
    return kept


def _resident_mb() -> float:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0.0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
