"""What the store costs: rows per CPU-second against a bare append + fdatasync, and its size for a million utterances.

    python bench/store.py [--pairs 5] [--rows 100000] [--size 200000]

Ratios of interleaved runs; absolute figures are this machine's and mean little.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random  # noqa: TID251
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from genscribe import clock
from genscribe.events import Utterance, encode
from genscribe.store.journal import Journal
from genscribe.store.rows import Row
from genscribe.telemetry import Telemetry

WORDS = """
how can i help you today my order has not arrived yet let me check that for thank please hold the line while look
into your account could confirm address and phone number refund invoice payment card was charged twice sorry to
hear about delivery tomorrow between nine noon technician router light blinking red restart
""".split()  # noqa: SIM905
BATCH = 50


def utterances(count: int, seed: int = 1) -> Iterator[Row]:
    """Bodies of about 600 bytes with about 52 characters of text, from 200 calls at a time."""
    chance = random.Random(seed)
    calls = [f"{chance.getrandbits(128):032x}" for _ in range(200)]
    for number in range(count):
        if number % 10 == 0:
            calls[chance.randrange(200)] = f"{chance.getrandbits(128):032x}"
        call = chance.choice(calls)
        spoken = clock.iso(1_774_055_395_000 + number * 6)
        event: Utterance[str] = Utterance(
            key=f"{chance.getrandbits(128):032x}",
            revision=1,
            conversation_id=f"{call[:8]}-{call[8:12]}-{call[12:16]}-{call[16:20]}-{call[20:]}",
            media_type="voice",
            speaker=chance.choice(("agent", "customer")),
            side=chance.choice(("internal", "external")),
            text=" ".join(chance.choices(WORDS, k=10)),
            spoken_at=spoken,
            offset_ms=number,
            duration_ms=80,
            confidence=0.94,
            language="en-US",
            emitted_at=spoken,
            received_at=spoken,
            source="transcripts",
        )
        yield "utterance", encode(event), None


def bare(rows: list[Row], folder: Path) -> float:
    """Append and fdatasync, a thousand rows at a time."""
    begin = time.process_time()
    with (folder / "bare").open("wb", buffering=0) as file:
        for at in range(0, len(rows), 1000):
            file.write(b"\n".join([row[1] for row in rows[at : at + 1000]]))
            os.fdatasync(file.fileno())
    return time.process_time() - begin


def journalled(*, archive: bool) -> Callable[[list[Row], Path], float]:
    """Through the journal, `BATCH` rows at a time, with or without the archive behind it."""

    async def run(rows: list[Row], folder: Path) -> float:
        journal = await Journal.open(folder / f"{clock.fresh_id()}.db", telemetry=Telemetry())
        if not archive:
            journal.archive.wait = lambda now, head, *, closing: None  # type: ignore[method-assign]
        begin = time.process_time()
        for at in range(0, len(rows), BATCH):
            journal.append(rows[at : at + BATCH])
            if journal.full:
                await journal.room()
            await asyncio.sleep(0)
        await journal.flush()
        await journal.aclose()
        spent = time.process_time() - begin
        if archive:
            spent += await _catch_up(journal.path)
        return spent

    return lambda rows, folder: asyncio.run(run(rows, folder))


async def _catch_up(path: Path) -> float:
    begin = time.process_time()
    journal = await Journal.open(path, telemetry=Telemetry())
    while journal.archive.behind(journal.head):
        await asyncio.sleep(0.02)
    await journal.aclose()
    return time.process_time() - begin


def size(count: int, folder: Path) -> tuple[float, float]:
    """Bytes a row on disk with the archive, and of its body."""
    rows = list(utterances(count, seed=2))

    async def fill() -> Path:
        journal = await Journal.open(folder / "size.db", telemetry=Telemetry())
        for at in range(0, count, BATCH):
            journal.append(rows[at : at + BATCH])
            await journal.room()
        await journal.flush()
        while journal.archive.behind(journal.head):
            await asyncio.sleep(0.02)
        await journal.aclose()
        return journal.path

    path = asyncio.run(fill())
    return path.stat().st_size / count, sum(len(row[1]) for row in rows) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=200_000)
    arguments = parser.parse_args()
    rows = list(utterances(arguments.rows))
    runs = {"bare": bare, "journal": journalled(archive=False), "journal + archive": journalled(archive=True)}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(arguments.pairs):
        for name, run in runs.items():
            with tempfile.TemporaryDirectory() as folder:
                spent[name].append(run(rows, Path(folder)))
        sys.stderr.write(".")
    sys.stderr.write("\n")
    for name, seconds in spent.items():
        median = statistics.median(seconds)
        ratio = statistics.median([mine / base for mine, base in zip(seconds, spent["bare"], strict=True)])
        print(f"{name:18} {median / len(rows) * 1e6:6.2f} µs CPU a row, {ratio:5.1f} times a bare append + fdatasync")
    with tempfile.TemporaryDirectory() as folder:
        stored, body = size(arguments.size, Path(folder))
    print(f"{stored / 1000:.2f} GB a million utterances of {body:.0f} bytes each")


if __name__ == "__main__":
    main()
