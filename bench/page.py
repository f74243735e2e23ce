"""The live page under load: from the commit to the pixel, the page's main thread, what serving it costs.

    python bench/page.py [--seconds 60] [--live 1000] [--crowd 6000] [--words 200] [--streams 49]

`genscribe stream --web` in a process of its own against the emulator in this one (`callers.py` plays on it): first
without a page, for its CPU, then with one that plain clients and a Chromium, which shows the wall, follow. At last
the wall is opened anew while `--crowd` conversations are live. Exits 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import apsw
import msgspec
from playwright.async_api import Browser, async_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent))
from callers import Callers
from idle import cpu_s
from lookers import SETTLE_S, Load, Seen, follow, load, watch
from notifications import Judge, Subject

from genscribe import clock
from genscribe.emulator import Emulator

PIXEL_MS, LONG_MS, WEB_SHARE = 150, 50, 0.15
"""Targets: p99, none longer, of one core."""
LOADS = 3
DRAWN_MS = 1000
"""A line is due on the wall when its card is drawn from its commit on for so long."""
OVERTAKEN_MS = 500
"""A line that is followed by another of its call so soon may never be drawn."""
WINDOW_S = 10
CHROMIUM = "chromium"
_PAGE = re.compile(r"the live page is at (http://127\.0\.0\.1:(\d+)/)")


# --- the subject -------------------------------------------------------------------------------------------------


def subject(stamps: Path) -> None:
    """The child: `genscribe` as it is, but that it notes in a file up to which seq was committed when."""
    from genscribe import cli
    from genscribe.store import reports, writer

    with stamps.open("a") as file:

        def committed(base: int, rows: Sequence[Any], noted: int) -> reports.Committed:
            if rows:
                file.write(f"{base + len(rows)} {clock.wall_ms()}\n")
            return reports.Committed(base, rows, noted)

        vars(writer)["Committed"] = committed
        cli.main()


class Run(NamedTuple):
    """A running subject. `url` is empty without a page."""

    process: subprocess.Popen[bytes]
    url: str
    port: int

    async def share(self, seconds: float) -> float:
        """Of one core, all threads."""
        began, before = time.monotonic(), cpu_s(self.process.pid)
        await asyncio.sleep(seconds)
        return (cpu_s(self.process.pid) - before) / (time.monotonic() - began)


@contextlib.asynccontextmanager
async def running(folder: Path, emulator: Emulator, callers: Callers, *, web: bool) -> AsyncIterator[Run]:
    """A subject that hears all conversations."""
    log = folder / f"{'page' if web else 'plain'}.log"
    command = [sys.executable, __file__, "--subject", f"{folder}/stamps", "stream", "--source", "notifications"]
    command += ["--store", f"{folder}/bench.db", *(["--web", "127.0.0.1:0"] if web else [])]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env={**os.environ, **emulator.settings()}, stdout=subprocess.DEVNULL, stderr=errors
        )
    try:
        await Subject(process).filled(emulator, callers)
        await asyncio.sleep(SETTLE_S)
        found = _PAGE.search(log.read_text())
        yield Run(process, found[1], int(found[2])) if found else Run(process, "", 0)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.get_running_loop().run_in_executor(None, process.wait)


# --- comparing ---------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A line in the journal, and when it was committed (epoch ms)."""

    seq: int
    conversation: str
    text: str
    received: float
    committed: float


def lines(folder: Path, since: float, until: float) -> list[Line]:
    """Those committed in a time, in order."""
    pairs = [line.split() for line in (folder / "stamps").read_text().splitlines()]
    upto, at = [int(seq) for seq, _ in pairs], [float(ms) for _, ms in pairs]
    found = []
    rows = apsw.Connection(f"{folder}/bench.db", flags=apsw.SQLITE_OPEN_READONLY).execute(
        "select seq, body from journal where kind = 'u' order by seq"
    )
    for seq, body in rows:
        place = bisect_left(upto, seq)
        if place < len(at) and since <= at[place] <= until:
            said = msgspec.json.decode(body)
            received = datetime.fromisoformat(said["received_at"].replace("Z", "+00:00")).timestamp() * 1000
            found.append(Line(seq, said["conversation_id"], said["text"], received, at[place]))
    return found


def arrivals(said: Sequence[Line], seen: Seen) -> list[float]:
    """Milliseconds from each commit to the page's script hearing of it."""
    upto = [seq for seq, _ in seen.arrived]
    places = [(line, bisect_left(upto, line.seq)) for line in said]
    return [seen.arrived[place][1] - line.committed for line, place in places if place < len(upto)]


def pixels(said: Sequence[Line], seen: Seen) -> tuple[list[tuple[float, float]], int, int]:
    """When each line was committed whose card was drawn, and milliseconds to its text's being shown; how many were
    overtaken by the next line of the call, how many never shown."""
    shown = {(conversation, text): at for conversation, text, at in reversed(seen.shown)}
    spans: dict[str, list[tuple[float, float]]] = {}
    for conversation, since, until in seen.drawn:
        spans.setdefault(conversation, []).append((since, until))
    times: dict[str, list[float]] = {}
    for line in said:
        times.setdefault(line.conversation, []).append(line.committed)
    waits, overtaken, never = [], 0, 0
    for line in said:
        due = any(a < line.committed and line.committed + DRAWN_MS < b for a, b in spans.get(line.conversation, ()))
        at = shown.get((line.conversation, line.text.strip()))
        if not due:
            continue
        if at is not None:
            waits.append((line.committed, at - line.committed))
        elif any(0 < other - line.committed < OVERTAKEN_MS for other in times[line.conversation]):
            overtaken += 1
        else:
            never += 1
    return waits, overtaken, never


def by_window(waits: Sequence[tuple[float, float]]) -> list[list[float]]:
    """The waits of each `WINDOW_S`."""
    found: dict[int, list[float]] = {}
    for at, ms in waits:
        found.setdefault(int((at - waits[0][0]) / WINDOW_S / 1000), []).append(ms)
    return [found[number] for number in sorted(found)]


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else float("nan")


def spread(values: list[float]) -> str:
    p50, p99 = quantile(values, 0.5), quantile(values, 0.99)
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, worst {max(values, default=float('nan')):.0f} ms"


class Machine:
    """How much of the machine's processors was used, by everything on it."""

    def __init__(self) -> None:
        self._before = self._read()

    @staticmethod
    def _read() -> list[int]:
        return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]

    def told(self) -> str:
        spent = [after - before for after, before in zip(self._read(), self._before, strict=True)]
        idle = spent[3] + spent[4]
        return f"busy {1 - idle / sum(spent):.0%} of {os.cpu_count()} cores, stolen {spent[7] / sum(spent):.1%}"


# --- the measures ------------------------------------------------------------------------------------------------


async def steady(judge: Judge, folder: Path, browser: Browser, arguments: argparse.Namespace) -> None:
    """Plain, then with a page and its followers."""
    async with playing(arguments.live, arguments.words) as (emulator, callers):
        machine = Machine()
        async with running(folder, emulator, callers, web=False) as run:
            plain = await run.share(arguments.seconds / 2)
        async with running(folder, emulator, callers, web=True) as run:
            alone = await run.share(arguments.seconds / 2)
            loads = [await load(browser, run.url) for _ in range(LOADS)]
            clients = [asyncio.create_task(follow(run.port)) for _ in range(arguments.streams)]
            callers.lags.clear()
            seen, full = await watch(browser, run.url, run.share(arguments.seconds))
            until = clock.wall_ms()
            if any(client.done() for client in clients):
                raise RuntimeError("a stream of events ended")
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
        said = lines(folder, until - arguments.seconds * 1000, until - 2 * DRAWN_MS)
        waits, overtaken, never = pixels(said, seen)
        windows = [quantile(some, 0.99) for some in by_window(waits)]
        judge.tell("receive -> commit", spread([line.committed - line.received for line in said]))
        judge.tell("commit -> page's script", spread(arrivals(said, seen)))
        judge.tell("commit -> pixel", f"{spread([ms for _, ms in waits])}; {len(waits)} lines")
        p99 = median(windows) if windows else float("nan")
        judge.tell(
            f"commit -> pixel, p99 in {WINDOW_S} s",
            f"{p99:.0f} ms ({', '.join(f'{ms:.0f}' for ms in windows)})",
            f"{PIXEL_MS} ms",
            met=len(waits) >= arguments.seconds and p99 <= PIXEL_MS,
        )
        judge.tell("of these overtaken, never shown", f"{overtaken}, {never}", "0", met=not never)
        longest = max(seen.tasks)
        judge.tell("the page's longest task", f"{longest:.0f} ms of CPU", f"{LONG_MS} ms", met=longest <= LONG_MS)
        judge.tell(f"tasks over {LONG_MS} ms by the clock", told(seen.long))
        judge.tell("the page's main thread", f"{sum(seen.tasks) / arguments.seconds / 10:.0f} % of one core")
        judge.tell("server's CPU without --web, page not open", f"{plain:.1%}, {alone:.1%}")
        web = full - plain
        judge.tell(
            f"server's CPU with {arguments.streams + 1} streams",
            f"{full:.1%}, the page's part {web:.1%}",
            f"{WEB_SHARE:.0%}",
            met=web <= WEB_SHARE,
        )
        tell_loads(judge, arguments.live, loads)
        judge.tell("the emulator's own lateness", spread([lag * 1000 for lag in callers.lags]))
        judge.tell("the machine", machine.told())


async def crowd(judge: Judge, folder: Path, browser: Browser, arguments: argparse.Namespace) -> None:
    """First loads among many."""
    async with (
        playing(arguments.crowd, arguments.words) as (emulator, callers),
        running(folder, emulator, callers, web=True) as run,
    ):
        machine = Machine()
        tell_loads(judge, arguments.crowd, [await load(browser, run.url) for _ in range(LOADS)])
        judge.tell("the machine", machine.told())


def tell_loads(judge: Judge, live: int, loads: Sequence[Load]) -> None:
    first, later = loads[0], loads[1:]
    judge.tell(f"first load, {live} live", f"{first.drawn:.0f} ms, then {median(one.drawn for one in later):.0f} ms")
    for one in (first, later[0]):
        print(f"    list asked at {one.asked:.0f} ms, there at {one.there:.0f} ms, {one.size / 1e6:.1f} MB", end="")
        print(f"; longest task {one.longest:.0f} ms of CPU", flush=True)


def told(long: Sequence[float]) -> str:
    return ", ".join(f"{ms:.0f}" for ms in long) or "none"


@contextlib.asynccontextmanager
async def playing(live: int, words: float) -> AsyncIterator[tuple[Emulator, Callers]]:
    """A platform of so many conversations; each lasts six minutes."""
    async with Emulator(ledger_limit=None, transcripts=False) as emulator:
        callers = Callers(emulator, live=live, turnover=live / 6, words=words)
        play = asyncio.create_task(callers.run())
        try:
            yield emulator, callers
        finally:
            play.cancel()


async def measure(folder: Path, arguments: argparse.Namespace) -> bool:
    judge = Judge()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"])
        parts = {"steady": steady, **({"crowd": crowd} if arguments.crowd else {})}
        for name, part in parts.items():
            (folder / name).mkdir()
            await part(judge, folder / name, browser, arguments)
        await browser.close()
    return judge.met


def main() -> None:
    if sys.argv[1:2] == ["--subject"]:
        stamps = Path(sys.argv[2])
        del sys.argv[1:3]
        subject(stamps)
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60, help="measured, with the page open")
    parser.add_argument("--live", type=int, default=1000, help="conversations at a time")
    parser.add_argument("--crowd", type=int, default=6000, help="conversations at a time, for first loads; 0 = none")
    parser.add_argument("--words", type=float, default=200, help="utterances a second")
    parser.add_argument("--streams", type=int, default=49, help="plain clients beside the browser")
    arguments = parser.parse_args()
    if shutil.which(CHROMIUM) is None:
        sys.exit("page.py: no chromium here, nothing is measured. `make browser` installs Debian's.")
    with tempfile.TemporaryDirectory(prefix="genscribe-bench-") as folder:
        sys.exit(0 if asyncio.run(measure(Path(folder), arguments)) else 1)


if __name__ == "__main__":
    main()
