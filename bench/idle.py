"""What a process costs that only waits: CPU and memory with a thousand conversations live.

    python bench/idle.py [--seconds 20]

`genscribe stream` in a process of its own, with a JSON Lines sink, hears ten lines of each of a thousand
conversations, then silence. Then, for the record, the usual load of a thousand calls: 180 utterances a second.
Exits 1 when it takes more than 1 % of a core in silence, or more than 100 MB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from genscribe.emulator import wire
from genscribe.emulator.thread import GenesysCloud, running

sys.path.insert(0, str(Path(__file__).resolve().parent))
from flood import payload

LINES = 10 * 1000
LOAD = 180
CPU_TARGET = 0.01
MEMORY_TARGET_MB = 100.0


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("no VmHWM")


def share(pid: int, seconds: float) -> float:
    """Of one core, over `seconds`."""
    before = cpu_s(pid)
    time.sleep(seconds)
    return (cpu_s(pid) - before) / seconds


def measure(cloud: GenesysCloud, pid: int, seconds: float) -> bool:
    cloud.wait_connected()
    calls = (payload(n, 300, shape="text").replace(b"-1d7e-", b"-%04d-" % (n % 2)) for n in range(LINES))
    cloud.flood([wire.text(call) for call in calls])
    time.sleep(3)
    silent = share(pid, seconds)
    frames = [wire.text(payload(LINES + n, 300, shape="text")) for n in range(int(LOAD * seconds))]
    before = cpu_s(pid)
    cloud.flood(frames, rate=LOAD)
    loaded = (cpu_s(pid) - before) / seconds
    memory = memory_mb(pid)
    print(f"silence, 1,000 conversations live: {silent:.2%} of a core (target {CPU_TARGET:.0%})")
    print(f"{LOAD} utterances a second:           {loaded:.2%} of a core")
    print(f"memory, peak:                      {memory:.0f} MB (target {MEMORY_TARGET_MB:.0f} MB)")
    return silent <= CPU_TARGET and memory <= MEMORY_TARGET_MB


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="genscribe-bench-") as folder, running() as cloud:
        command = [sys.executable, "-m", "genscribe", "stream", "--source", "transcripts"]
        command += ["--store", f"{folder}/bench.db", "--to", f"jsonl:{folder}/out.jsonl"]
        with subprocess.Popen(command, env={**os.environ, **cloud.settings()}, stderr=subprocess.DEVNULL) as process:
            try:
                met = measure(cloud, process.pid, seconds)
            finally:
                process.terminate()
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
