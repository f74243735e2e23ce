"""From the socket to the committed journal: how long an utterance waits, beside a bare append + fdatasync.

    python bench/latency.py [--pairs 10] [--rate 2000]

Windows of a second, interleaved: one in which the platform (a process of its own) speaks at the given rate and the
pipeline commits, one in which this process appends to a file and syncs it at the same rate. Then a burst at full
speed. Measured is the time from the moment at which the socket hands a frame over to the one at which the loop is told
that it is committed. Exits 1 when the p99 is above 5 times the bare one, or 250 ms in the burst.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parent))
from flood import payload

from genscribe import assemble, settings
from genscribe.emulator import Emulator, wire
from genscribe.events import Event
from genscribe.pipeline import Pipeline
from genscribe.telemetry import Telemetry

FRAME_BYTES = 300
BURST = 20_000
WINDOW_S = 1.0
TARGET = 5.0
BURST_TARGET_S = 0.25


async def platform() -> None:
    """The child: says `COUNT RATE` frames for each line of standard input; rate 0 is full speed."""
    async with Emulator() as emulator:
        print(json.dumps(emulator.settings()), flush=True)
        said = 0
        while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            count, rate = (int(word) for word in line.split())
            frames = [wire.text(payload(n, FRAME_BYTES, shape="text")) for n in range(said, said + count)]
            said += count
            await emulator.flood(frames, rate=rate or None)
            print("said", flush=True)


class Stopwatch:
    """Stamps what is accepted, and takes the time when it is committed."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._accept = pipeline.ingest.accept
        self._waiting: deque[tuple[int, int, float]] = deque()
        self._appended = pipeline.journal.head
        self.waits_s: list[float] = []
        pipeline.ingest.accept = self.accept  # type: ignore[method-assign]

    def accept(self, events: Sequence[Event[str]]) -> None:
        now = time.perf_counter()
        self._accept(events)
        self._appended += len(events)
        self._waiting.append((self._appended, len(events), now))

    async def watch(self) -> None:
        head = self._pipeline.journal.head
        while True:
            head = await self._pipeline.journal.wait_beyond(head)
            now = time.perf_counter()
            while self._waiting and self._waiting[0][0] <= head:
                _, count, at = self._waiting.popleft()
                self.waits_s += [now - at] * count

    async def committed(self, count: int) -> list[float]:
        """The waits of the next `count` events."""
        with anyio.fail_after(60):
            while len(self.waits_s) < count:
                await anyio.sleep(0.02)
        waits, self.waits_s = self.waits_s, []
        return waits


def bare(rate: int, path: Path) -> list[float]:
    """A second of appending and syncing at the rate, one at a time."""
    line = b"x" * 600 + b"\n"
    waits = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    began = time.perf_counter()
    for number in range(int(rate * WINDOW_S)):
        due = began + number / rate
        if (early := due - time.perf_counter()) > 0:
            time.sleep(early)
        at = time.perf_counter()
        os.write(file, line)
        os.fdatasync(file)
        waits.append(time.perf_counter() - at)
    os.close(file)
    return waits


def p99_ms(waits_s: list[float]) -> float:
    return quantiles(waits_s, n=100)[98] * 1000


async def measure(child: subprocess.Popen[str], folder: Path, pairs: int, rate: int) -> bool:
    assert child.stdin is not None
    assert child.stdout is not None
    environ = json.loads(child.stdout.readline())
    given = {"source": "transcripts", "store": str(folder / "bench.db")}
    chosen = settings.load(given, environ=environ, command_line=False)

    def say(count: int, rate: int) -> None:
        print(count, rate, file=child.stdin, flush=True)

    async with assemble.open_pipeline(chosen, telemetry=Telemetry()) as pipeline, anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run)
        watch = Stopwatch(pipeline)
        tasks.start_soon(watch.watch)
        while not pipeline.ingest.connected:
            await anyio.sleep(0.05)
        ratios = []
        count = int(rate * WINDOW_S)
        for pair in range(pairs + 1):
            say(count, rate)
            ours = p99_ms(await watch.committed(count))
            plain = p99_ms(await anyio.to_thread.run_sync(bare, rate, folder / "bare"))
            if pair:  # the first one warms up
                ratios.append(ours / plain)
                print(f"  window {pair:2}: p99 {ours:7.2f} ms, bare append + fdatasync {plain:6.2f} ms")
        say(BURST, 0)
        waits = await watch.committed(BURST)
        burst_s = p99_ms(waits) / 1000
        ratio = median(ratios)
        print(f"receive to commit at {rate}/s: p99 {ratio:.1f} times the bare one's (target {TARGET:.0f})")
        print(f"in a burst of {BURST}: p99 {burst_s * 1000:.0f} ms (target {BURST_TARGET_S * 1000:.0f} ms)")
        pipeline.stop()
        tasks.cancel_scope.cancel()
    return ratio <= TARGET and burst_s <= BURST_TARGET_S


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--platform", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.platform:
        asyncio.run(platform())
        return
    command = [sys.executable, __file__, "--platform"]
    with (
        tempfile.TemporaryDirectory(prefix="genscribe-bench-") as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child,
    ):
        try:
            met = asyncio.run(measure(child, Path(folder), arguments.pairs, arguments.rate))
        finally:
            child.kill()
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
