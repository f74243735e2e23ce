"""`python -m tests.simulation`: whole days, one a seed, each with and without outages; for `make simulate`."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from genscribe import clock
from tests.simulation.day import Day, check, run_day
from tests.virtual_time import VirtualTimeLoop, wall_ms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="days to play [3]")
    parser.add_argument("--first", type=int, default=1, help="the first seed [1]")
    parser.add_argument("--hours", type=float, default=24.0, help="how long a day is [24]")
    parser.add_argument("--every", type=float, default=6.0, help="seconds between two things that happen [6]")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    failed = 0
    for seed in range(given.first, given.first + given.seeds):
        for outages in (0.0, 3.0):
            failed += not _play(seed, given.hours, given.every, outages)
    return 1 if failed else 0


def _play(seed: int, hours: float, every_s: float, outages: float) -> bool:
    clock.wall_ms = wall_ms
    clock.seed(seed)
    began = time.monotonic()
    loop = VirtualTimeLoop()
    try:
        day = loop.run_until_complete(run_day(seed, hours=hours, every_s=every_s, outages=outages))
    finally:
        loop.close()
    verdict = _verdict(day, outages > 0)
    sys.stdout.write(
        f"seed {seed}, {hours:g} h, {len(day.struck)} faults: {day.calls} calls, {day.said} lines, {len(day.due)} due, "
        f"{len(day.missing())} missed within {len(day.gaps())} gaps: {verdict or 'well'} "
        f"({time.monotonic() - began:.0f} s)\n"
    )
    sys.stdout.flush()
    return not verdict


def _verdict(day: Day, outages: bool) -> str:
    try:
        check(day, outages=outages)
    except AssertionError as error:
        return f"BROKEN: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
