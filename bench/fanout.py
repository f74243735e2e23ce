"""What five sinks cost the intake: from the socket to the committed journal, with them and without any sink.

    python bench/fanout.py [--pairs 8] [--rate 2000] [--seconds 8]

Each window is a process of its own with a store of its own, which runs the pipeline of `genscribe stream`; the two
kinds of windows take turns, now one first, now the other. The five sinks are a JSON Lines file, PostgreSQL, NATS, a
Python function that takes 50 events a second, and a webhook where nobody listens; the servers run on this machine and
take their share of it. Exits 1 when the p99 with sinks is above twice that without, or when a sink is not as it is to
be at the end: the healthy ones up to date, the slow one behind, the dead one with nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from flood import payload

from genscribe import assemble, settings
from genscribe.emulator import Emulator, wire
from genscribe.events import Event
from genscribe.loop import OPTIONS
from genscribe.pipeline import Pipeline
from genscribe.telemetry import Telemetry
from tests.servers.nats import running_nats
from tests.servers.postgres import server as running_postgres
from tests.servers.processes import free_port

FRAME_BYTES = 300
WARM_UP_S = 2
CATCH_UP_S = 5.0
SLOW_S = 0.02
HEALTHY = ("file", "postgres", "nats")
TARGET = 2.0


def slow(event: object) -> None:
    """The function of the slow sink, `python:fanout:slow`."""
    time.sleep(SLOW_S)


# --- the platform, a process -------------------------------------------------------------------------------------


async def platform(rate: int) -> None:
    """Says `COUNT FILE` frames for each line of standard input, and writes into the file when it sent each."""
    async with Emulator() as emulator:
        print(json.dumps(emulator.settings()), flush=True)
        while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            count, file = line.split()
            frames = [wire.text(payload(n, FRAME_BYTES, shape="text")) for n in range(int(count))]
            at = array("d")

            def sent(frames: Sequence[bytes] = frames, at: array[float] = at) -> Iterator[bytes]:
                for frame in frames:
                    at.append(time.perf_counter())
                    yield frame

            await emulator.flood(sent(), rate=rate)
            Path(file).write_bytes(at.tobytes())
            print("said", flush=True)


# --- a window, a process ------------------------------------------------------------------------------------------


class Stopwatch:
    """Notes when each event was accepted and when the loop was told that it is committed."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.accepted, self.committed = array("d"), array("d")
        self._pipeline = pipeline
        self._accept = pipeline.ingest.accept
        self._before = pipeline.journal.head
        pipeline.ingest.accept = self.accept  # type: ignore[method-assign]

    def accept(self, events: Sequence[Event[str]]) -> None:
        self.accepted.extend([time.perf_counter()] * len(events))
        self._accept(events)

    async def watch(self) -> None:
        while True:
            head = await self._pipeline.journal.wait_beyond(self._before + len(self.committed))
            self.committed.extend([time.perf_counter()] * (head - self._before - len(self.committed)))


async def window(environ: dict[str, str], folder: Path, sinks: list[str], count: int) -> None:
    """Prints when it hears, and when it has heard all, what it measured, as JSON."""
    given = {"source": "transcripts", "store": str(folder / "bench.db"), "to": sinks}
    chosen = settings.load(given, environ=environ, command_line=False)
    async with assemble.open_pipeline(chosen, telemetry=Telemetry()) as pipeline, anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run)
        watch = Stopwatch(pipeline)
        tasks.start_soon(watch.watch)
        while not pipeline.ingest.connected:
            await anyio.sleep(0.05)
        print("hears", flush=True)
        began = time.process_time()
        with anyio.fail_after(300):
            while len(watch.committed) < count:
                await anyio.sleep(0.1)
        cpu_s = time.process_time() - began
        until = anyio.current_time() + CATCH_UP_S
        while any(_lags(pipeline).get(name) for name in HEALTHY) and anyio.current_time() < until:
            await anyio.sleep(0.05)
        found = {"cpu_s": cpu_s, "lags": _lags(pipeline), "head": pipeline.journal.head}
        found |= {"accepted": watch.accepted.tolist(), "committed": watch.committed.tolist()}
        (folder / "found.json").write_text(json.dumps(found))
        tasks.cancel_scope.cancel()


def _lags(pipeline: Pipeline) -> dict[str, int]:
    return {delivery.name: delivery.state().lag_events for delivery in pipeline.deliveries}


# --- the run ------------------------------------------------------------------------------------------------------


@contextmanager
def servers(folder: Path) -> Iterator[list[str]]:
    """Yields the sinks, as `--to` takes them; FOLDER and NAME stand for what is a window's own."""
    with running_postgres("fsync=on") as postgres, running_nats(folder) as nats:
        yield [
            "file=jsonl:FOLDER/out.jsonl",
            f"postgres={postgres.url()}?schema=NAME",
            f"nats=nats://{nats.servers}/NAME",
            "slow=python:fanout:slow",
            f"dead=http://127.0.0.1:{free_port()}/",
        ]


class Windows:
    """Runs windows, one after the other, against one platform."""

    def __init__(self, child: subprocess.Popen[str], folder: Path, rate: int, seconds: int) -> None:
        self._child, self._folder, self._rate = child, folder, rate
        self._warm_up, self._count = rate * WARM_UP_S, rate * (WARM_UP_S + seconds)
        self._environ = self._told(child)
        self._number = 0

    def _told(self, child: subprocess.Popen[str]) -> str:
        assert child.stdout is not None
        return child.stdout.readline().strip()

    def run(self, sinks: list[str]) -> dict[str, Any]:
        """How long each event of each second took, in seconds; the share of a core; how many events each sink lacks."""
        self._number += 1
        name = f"w{self._number}"
        folder = self._folder / name
        folder.mkdir()
        own = [sink.replace("FOLDER", str(folder)).replace("NAME", name) for sink in sinks]
        told = json.dumps([self._environ, str(folder), own, self._count])
        command = [sys.executable, __file__, "--window", told]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                if self._told(process) != "hears":
                    sys.exit("a window ended before it heard anything")
                print(self._count, folder / "sent", file=self._child.stdin, flush=True)
                self._told(self._child)
                if process.wait(300) != 0:
                    sys.exit("a window failed")
            finally:
                process.kill()
        return self._measured(folder, sinks)

    def _measured(self, folder: Path, sinks: list[str]) -> dict[str, Any]:
        found = json.loads((folder / "found.json").read_text())
        sent = array("d", (folder / "sent").read_bytes())
        accepted, committed = found["accepted"], found["committed"]
        if not len(sent) == len(accepted) == len(committed) == self._count:
            sys.exit(f"sent {len(sent)}, accepted {len(accepted)}, committed {len(committed)} events")
        receive = [done - at for at, done in zip(accepted, committed, strict=True)]
        send = [done - at for at, done in zip(sent, committed, strict=True)]
        return {
            "receive": [receive[at : at + self._rate] for at in range(self._warm_up, self._count, self._rate)],
            "send": [send[at : at + self._rate] for at in range(self._warm_up, self._count, self._rate)],
            "cpu": found["cpu_s"] / (committed[-1] - sent[0]),
            "lags": found["lags"],
            "sound": not sinks or sound(found["lags"], found["head"]),
        }


def sound(lags: dict[str, int], head: int) -> bool:
    """Whether every sink is as it is to be."""
    return not any(lags[name] for name in HEALTHY) and lags["slow"] > head / 2 and lags["dead"] == head


def percentile(seconds: list[list[float]], nth: int) -> float:
    """Milliseconds, of the median second: one in which something else took disk or processor says nothing of us."""
    return median(quantiles(waits, n=100)[nth - 1] for waits in seconds) * 1000


def ratio(pairs: list[dict[str, dict[str, Any]]], what: str, nth: int, target: float | None = None) -> float:
    """Prints what the pairs say of a percentile; the median of their ratios."""
    each = [{who: percentile(one[what], nth) for who, one in pair.items()} for pair in pairs]
    ratios = sorted(one["sinks"] / one["alone"] for one in each)
    alone, with_sinks = (median(one[who] for one in each) for who in ("alone", "sinks"))
    print(
        f"{what:>7} to commit, p{nth}: {alone:6.2f} ms without, {with_sinks:6.2f} ms with five sinks"
        f"  ratio {median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        + (f"  target {target:.1f}: {'met' if median(ratios) <= target else 'MISSED'}" if target else "")
    )
    return median(ratios)


def compare(windows: Windows, sinks: list[str], count: int) -> bool:
    """Runs the pairs, prints them and what comes of them, and says whether the target was met."""
    asked: dict[str, list[str]] = {"alone": [], "sinks": sinks}
    pairs: list[dict[str, dict[str, Any]]] = []
    for number in range(count):
        pair = {who: windows.run(asked[who]) for who in sorted(asked, reverse=number % 2 == 1)}
        pairs.append(pair)
        alone, with_sinks = (percentile(pair[who]["receive"], 99) for who in ("alone", "sinks"))
        print(f"  pair {number + 1:2}: p99 {alone:6.2f} ms without, {with_sinks:6.2f} ms with sinks", flush=True)
    ratio(pairs, "receive", 50)
    met = ratio(pairs, "receive", 99, TARGET) <= TARGET
    ratio(pairs, "send", 50)
    ratio(pairs, "send", 99)
    alone, with_sinks = (median(pair[who]["cpu"] for pair in pairs) for who in ("alone", "sinks"))
    print(f"CPU of one core: {alone:.0%} without, {with_sinks:.0%} with five sinks")
    in_order = all(pair["sinks"]["sound"] for pair in pairs)
    print(f"left at the end: {pairs[-1]['sinks']['lags']}: {'as it is to be' if in_order else 'WRONG'}")
    return met and in_order


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--platform", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--window", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.platform:
        asyncio.run(platform(arguments.rate))
        return 0
    if arguments.window:
        environ, folder, sinks, count = json.loads(arguments.window)
        logging.basicConfig(filename=f"{folder}/genscribe.log", level=logging.INFO)
        anyio.run(window, json.loads(environ), Path(folder), sinks, count, backend_options=OPTIONS)
        return 0
    command = [sys.executable, __file__, "--platform", "--rate", str(arguments.rate)]
    with (
        tempfile.TemporaryDirectory(prefix="genscribe-bench-") as folder,
        servers(Path(folder)) as sinks,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child,
    ):
        try:
            windows = Windows(child, Path(folder), arguments.rate, arguments.seconds)
            return 0 if compare(windows, sinks, arguments.pairs) else 1
        finally:
            child.kill()


if __name__ == "__main__":
    sys.exit(main())
