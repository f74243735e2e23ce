"""Messages per CPU-second: genscribe against the tutorial's loop, on the same frames, in the same run.

    python bench/stream.py [--pairs 7] [--messages 100000] [--subjects journal,everything]

Pairs are interleaved (tutorial, subject, tutorial, subject, ...), so that what else the machine does meets both alike;
read the ratios, not the absolute rates. Exits 1 when a median ratio misses its target.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 300


@dataclass(frozen=True)
class Subject:
    """A child process that reads all messages and says what CPU time it took.

    Attributes:
        command: Followed by the port, the number of messages and a folder to write into.
        targets: How many times the tutorial's messages per CPU-second it must reach, on small and on big frames.
    """

    command: tuple[str, ...]
    targets: tuple[float, float] | None


TUTORIAL = (sys.executable, str(HERE / "tutorial.py"))
SUBJECTS = {
    "decode": Subject((sys.executable, str(HERE / "subjects.py"), "decode"), None),
    "journal": Subject((sys.executable, str(HERE / "subjects.py"), "journal"), (2.5, 1.8)),
    "everything": Subject((sys.executable, str(HERE / "subjects.py"), "everything"), (1.0, 1.0)),
}
FRAMES = ((300, "text"), (1250, "text"), (1250, "words"))
"""Size in bytes, and what fills them: see `flood.payload`."""


@contextmanager
def flood(messages: int, size: int, shape: str) -> Iterator[int]:
    """The platform's side in a process of its own; yields its port."""
    command = [sys.executable, str(HERE / "flood.py"), f"--messages={messages}", f"--bytes={size}", f"--shape={shape}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def rate(command: tuple[str, ...], port: int, messages: int) -> float:
    """Messages per CPU-second of one run."""
    with tempfile.TemporaryDirectory(prefix="genscribe-bench-") as folder:
        run = subprocess.run(
            [*command, str(port), str(messages), folder], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
    took = json.loads(run.stdout.splitlines()[-1])
    if took["utterances"] != messages:
        sys.exit(f"{' '.join(command)} heard {took['utterances']} of {messages} utterances")
    return messages / float(took["cpu_s"])


def compare(name: str, port: int, messages: int, frame: tuple[int, str], pairs: int) -> bool:
    """Runs the pairs, prints a line, and says whether the target was met."""
    subject = SUBJECTS[name]
    rates = [(rate(TUTORIAL, port, messages), rate(subject.command, port, messages)) for _ in range(pairs)]
    ratios = sorted(ours / theirs for theirs, ours in rates)
    target = subject.targets[frame != FRAMES[0]] if subject.targets else None
    met = target is None or median(ratios) >= target
    print(
        f"{frame[0]:5} B {frame[1]:<5}  {name:<10}  tutorial {median(theirs for theirs, _ in rates):8,.0f}/s"
        f"  genscribe {median(ours for _, ours in rates):8,.0f}/s"
        f"  ratio {median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        + (f"  target {target:.1f}: {'met' if met else 'MISSED'}" if target else ""),
        flush=True,
    )
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--messages", type=int, default=100_000, help="of 300 bytes; half as many of 1250")
    parser.add_argument("--subjects", default="decode,journal,everything")
    arguments = parser.parse_args()
    print(f"messages per CPU-second, medians of {arguments.pairs} interleaved pairs, Python {sys.version.split()[0]}")
    met = True
    for frame in FRAMES:
        messages = arguments.messages if frame == FRAMES[0] else arguments.messages // 2
        with flood(messages, *frame) as port:
            for name in arguments.subjects.split(","):
                met &= compare(name, port, messages, frame, arguments.pairs)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
