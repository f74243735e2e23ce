"""The Notifications API at full size: how soon a call is subscribed, what is lost, what it costs.

    python bench/notifications.py [--minutes 3] [--live 6000] [--turnover 1000] [--words 180]

`genscribe stream --source notifications` in a process of its own, without a sink, against the emulator in this one
(`callers.py` plays on it), which refuses the 301st REST call of a minute. So many conversations are live when it
starts; when all of them are subscribed, the steady state begins and is measured for so many minutes. Then what was
said is compared with what is in the journal, and `subscribed_at` of each conversation with its first event.
Exits 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import quantiles

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parent))
from callers import Callers
from idle import cpu_s, memory_mb

from genscribe import clock
from genscribe.emulator import Emulator
from genscribe.emulator.topics import transcription

SUBSCRIBED_S, CPU_SHARE, MEMORY_MB = 2.0, 0.5, 250.0
"""Targets: p95, of one core, peak."""
FILL_S = 600
SETTLE_S = 3
"""From the last word to the stop: what was said is still under way."""
TICK_S = 0.25
WINDOW_S = 10


@dataclass
class Subject:
    """The process that is measured; its CPU by stretches of `WINDOW_S`, and by thread name."""

    process: subprocess.Popen[bytes]
    shares: list[float] = field(default_factory=list)

    async def filled(self, emulator: Emulator, callers: Callers) -> float:
        """Waits until all that were live before and are still have their topic; seconds since it was started."""
        began, live = time.monotonic(), callers.first
        while live:
            await asyncio.sleep(TICK_S)
            if self.process.poll() is not None or time.monotonic() - began > FILL_S:
                raise RuntimeError(f"{len(live)} conversations are not subscribed")
            known = emulator.organisation.conversations
            live = [
                each for each in live if known[each].live and transcription(each) not in emulator.streaming.confirmed
            ]
        return time.monotonic() - began

    async def watch(self, seconds: float) -> tuple[float, dict[str, float]]:
        """Its share of one core over so many seconds, all threads and each."""
        pid, began = self.process.pid, time.monotonic()
        first, threads, last = cpu_s(pid), thread_cpu_s(pid), (began, cpu_s(pid))
        while time.monotonic() - began < seconds:
            await asyncio.sleep(min(WINDOW_S, seconds))
            now = time.monotonic(), cpu_s(pid)
            self.shares.append((now[1] - last[1]) / (now[0] - last[0]))
            last = now
        spent_s = last[0] - began
        after = thread_cpu_s(pid)
        by_thread = {name: (after[name] - threads.get(name, 0.0)) / spent_s for name in after}
        return (last[1] - first) / spent_s, by_thread


def thread_cpu_s(pid: int) -> Counter[str]:
    """CPU seconds by the threads' names; the first is `loop`."""
    spent: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        head, tail = (task / "stat").read_text().rsplit(")", 1)
        fields = tail.split()
        name = "loop" if task.name == str(pid) else head.split("(", 1)[1]
        spent[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


@dataclass
class Kept:
    """What the journal holds: how often each utterance, since when each conversation is heard, how many gaps."""

    utterances: Counter[str] = field(default_factory=Counter)
    subscribed: dict[str, float | None] = field(default_factory=dict)
    gaps: Counter[str] = field(default_factory=Counter)
    agents: Counter[bool] = field(default_factory=Counter)
    """Participants that are users, by whether their name was known."""

    @classmethod
    def read(cls, path: Path) -> Kept:
        kept = cls()
        rows = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY).execute(
            "select kind, body from journal where kind in ('u', 'c', 'g', 'p') order by seq"
        )
        for kind, body in rows:
            event = json.loads(body)
            if kind == "u":
                kept.utterances[event["utterance_id"]] += 1
            elif kind == "g":
                kept.gaps[event["reason"]] += 1
            elif kind == "p":
                if event["user_id"] is not None:
                    kept.agents[event["user_name"] is not None] += 1
            elif event["state"] == "started":
                at = event.get("subscribed_at")
                moment = None if at is None else datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
                kept.subscribed[event["conversation_id"]] = moment
        return kept


@dataclass
class Judge:
    """Prints figures and remembers whether one missed its target."""

    met: bool = True

    def tell(self, what: str, figure: str, target: str = "", *, met: bool = True) -> None:
        self.met &= met
        aim = f" (target {target}{'' if met else ', MISSED'})" if target else ""
        print(f"{what + ':':44} {figure}{aim}", flush=True)


def spread(seconds: list[float]) -> tuple[str, float]:
    """The quantiles in words, and the p95."""
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [*seconds, 0.0] * 99
    return f"p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, p99 {cuts[98]:.2f} s, worst {max(seconds):.2f} s", cuts[94]


def compare(judge: Judge, emulator: Emulator, callers: Callers, kept: Kept, steady_from: int, steady_to: int) -> None:
    for phase, since, until in (
        ("while filling", steady_from - FILL_S * 1000, steady_from),
        ("steady", steady_from, steady_to),
    ):
        begun = {
            each: at for each, at in callers.begun.items() if since <= at < until and each not in set(callers.first)
        }
        waits = [moment - begun[each] / 1000 for each in begun if (moment := kept.subscribed.get(each)) is not None]
        if waits:
            words, p95 = spread(waits)
            steady = phase == "steady"
            target = f"p95 {SUBSCRIBED_S:.0f} s" if steady else ""
            judge.tell(f"begun -> subscribed, {phase}", words, target, met=not steady or p95 <= SUBSCRIBED_S)
        judge.tell(f"begun {phase}", f"{len(begun)}, of them without subscribed_at {len(begun) - len(waits)}")
    ledger = emulator.ledger
    confirmed = [said for said in ledger.emissions if said.confirmed]
    lost = [said for said in confirmed if not kept.utterances[said.utterance_id or ""]]
    doubled = [each for each, times in kept.utterances.items() if times > 1]
    judge.tell("said", f"{len(ledger.emissions)}, of them after their subscription {len(confirmed)}")
    judge.tell("of these lost", f"{len(lost)}", "0", met=not lost)
    judge.tell("written twice", f"{len(doubled)}", "0", met=not doubled)
    judge.tell("gaps", ", ".join(f"{reason} {count}" for reason, count in kept.gaps.items()) or "none")
    judge.tell("participants told without their name", f"{kept.agents[False]} of {kept.agents.total()}")
    judge.tell("REST calls by minute", " ".join(str(window.count) for window in ledger.windows))
    judge.tell("REST calls refused", f"{ledger.rate_limited}", "0", met=not ledger.rate_limited)
    tally = Counter(f"{one.method} {place(one.path)}" for one in ledger.requests)
    for what, count in tally.most_common():
        print(f"    {count:6} {what}")


def place(path: str) -> str:
    """The path without ids."""
    return "/".join("{id}" if len(part) > 30 else part for part in path.split("/"))


async def measure(folder: Path, arguments: argparse.Namespace) -> bool:
    judge = Judge()
    async with Emulator(ledger_limit=None, transcripts=False) as emulator:
        callers = Callers(emulator, live=arguments.live, turnover=arguments.turnover, words=arguments.words)
        command = [sys.executable, "-m", "genscribe", "stream", "--source", "notifications"]
        command += ["--store", f"{folder}/bench.db"]
        environment = {**os.environ, **emulator.settings()}
        with (folder / "log").open("wb") as log, (folder / "out").open("wb") as out:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=log)
            playing = asyncio.create_task(callers.run())
            subject = Subject(process)
            try:
                filled_s = await subject.filled(emulator, callers)
                judge.tell(
                    f"all {arguments.live} subscribed after", f"{filled_s:.1f} s, CPU {cpu_s(process.pid):.1f} s"
                )
                steady_from = clock.wall_ms()
                share, threads = await subject.watch(arguments.minutes * 60)
                steady_to = clock.wall_ms() - 2 * round(SUBSCRIBED_S * 1000)
                playing.cancel()
                await asyncio.sleep(SETTLE_S)
                memory = memory_mb(process.pid)
            finally:
                playing.cancel()
                process.send_signal(signal.SIGTERM)
                await asyncio.get_running_loop().run_in_executor(None, process.wait)
        judge.tell("CPU, of one core", f"{share:.0%}", f"{CPU_SHARE:.0%}", met=share <= CPU_SHARE)
        judge.tell(f"CPU, the busiest {WINDOW_S} s", f"{max(subject.shares):.0%}")
        judge.tell("CPU by thread", ", ".join(f"{name} {part:.1%}" for name, part in threads.items() if part > 0.001))
        judge.tell("memory, peak", f"{memory:.0f} MB", f"{MEMORY_MB:.0f} MB", met=memory <= MEMORY_MB)
        kept = Kept.read(folder / "bench.db")
        compare(judge, emulator, callers, kept, steady_from, steady_to)
        judge.tell("the emulator's own lateness", spread(callers.lags)[0])
        print((folder / "log").read_text(), file=sys.stderr)
    return judge.met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=3, help="of steady state")
    parser.add_argument("--live", type=int, default=6000, help="conversations at a time")
    parser.add_argument("--turnover", type=float, default=1000, help="starts a minute, and ends")
    parser.add_argument("--words", type=float, default=180, help="utterances a second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="genscribe-bench-") as folder:
        sys.exit(0 if asyncio.run(measure(Path(folder), arguments)) else 1)


if __name__ == "__main__":
    main()
