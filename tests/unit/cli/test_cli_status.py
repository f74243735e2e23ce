from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from genscribe import clock
from genscribe.cli import status
from genscribe.cli.status import drawn, reported
from genscribe.store import life
from genscribe.store.views import LifeSign, Stats
from genscribe.telemetry import status as statuses
from genscribe.telemetry.base import counted
from genscribe.telemetry.pipeline import RunEnded
from genscribe.telemetry.status import Hearing, SinkStatus, Status
from genscribe.terminal import Screen
from tests.unit.cli.filled import NOW_MS, Filled, Result

Run = Callable[..., Result]

WELL = Status(
    at=clock.iso(NOW_MS), pid=4242, version="1.2.3", started_at=clock.iso(NOW_MS - 7_200_000), source="transcripts",
    connected=True, since=clock.iso(NOW_MS - 3_600_000), why=None, missing_since=None, head=10, utterances=5,
    duplicates=0, gaps=2, unreadable=0, store_full_since=None, disk_free_bytes=120_000_000_000,
    sinks=[SinkStatus("console", "running", clock.iso(NOW_MS), 0, 0.0)], warnings=[],
)  # fmt: skip


def runs(filled: Filled, run: Status | None, *, age_ms: int = 1000, ended: bool = False) -> None:
    """Writes a sign of life as the pipeline does."""
    filled.db.execute(life.BEGIN, (NOW_MS - 7_200_000, None))
    text = None if run is None else statuses.encode(run).decode()
    filled.db.execute(life.BEAT, (NOW_MS - age_ms, NOW_MS - age_ms, text))
    if ended:
        filled.db.execute(life.END, (NOW_MS - age_ms,))


def test_all_is_well(run: Run, filled: Filled) -> None:
    runs(filled, WELL)
    result = run("status")
    assert result.code == 0
    assert result.lines == [
        "connected since 2026-03-21 01:01:40 (source transcripts, process 4242, version 1.2.3).",
        "missing       nothing",
        "sink console  running, 0 behind",
        f"store         {filled.path}: 5 utterances, 2 conversations, 2 gaps, {result.lines[3].split(', ')[-1]}",
    ]
    assert result.lines[3].endswith("; 120.0 GB free")


DOWN = msgspec.structs.replace(
    WELL, connected=False, why="The platform does not answer.", missing_since=clock.iso(NOW_MS - 600_000)
)
FULL = msgspec.structs.replace(WELL, store_full_since=clock.iso(NOW_MS - 60_000))
SINK = msgspec.structs.replace(
    WELL, sinks=[SinkStatus("calls", "retrying", clock.iso(NOW_MS - 60_000), 77, 600.0, 3, "It does not answer.")]
)
HEARING = Hearing(1200, 0, 0.0, 0, 2, 1204, 19_000, 0.5)
DEAF_TO_SOME = msgspec.structs.replace(
    WELL, hearing=msgspec.structs.replace(HEARING, unheard=3, waiting_s=42.0, silent=7, channels=1)
)
WARNED = msgspec.structs.replace(DOWN, warnings=[(clock.iso(NOW_MS - 300_000), "lost transcripts")])


@pytest.mark.parametrize(
    ("sign", "lines"),
    [
        ((DOWN,), ["not connected since 2026-03-21 01:51:40", "The platform does not answer.", "10 min ago"]),
        ((FULL,), ["not recording: the disk is full since 2026-03-21 02:00:40. Free some"]),
        (
            (SINK,),
            ["a sink needs help", "retrying since 2026-03-21 02:00:40, 77 behind, the oldest 10 min"],
        ),
        ((SINK,), ["3 refused events in dead_letters: It does not answer."]),
        (
            (DEAF_TO_SOME,),
            [
                "but not everything is heard",
                "what is said in 3 conversations; see the table gaps",
                "1,200 live conversations, 1,204 of 19,000 topics on 1 channel; one waits for its topic for 42 s",
                "; 7 silent, see the warnings",
            ],
        ),
        ((WARNED,), ["warning       5 min ago: lost transcripts"]),
        ((None,), ["running, but it says nothing"]),
        ((WELL, 31_000), ["not running: it crashed, was killed or hangs, last sign of life 31 s ago."]),
        ((WELL, 31_000), ["missing  what was said since 2026-03-21 02:01:09 (31 s ago); what is stored is safe"]),
        ((WELL, 5_000, True), ["not running: it was stopped, last sign of life 5 s ago."]),
    ],
)
def test_what_is_wrong(run: Run, filled: Filled, sign: tuple[Any, ...], lines: list[str]) -> None:
    runs(filled, sign[0], age_ms=sign[1] if len(sign) > 1 else 1000, ended=len(sign) > 2)
    result = run("status")
    assert result.code == 1
    for line in lines:
        assert line in result.out


def test_how_conversations_are_heard(run: Run, filled: Filled) -> None:
    runs(filled, msgspec.structs.replace(WELL, hearing=HEARING))
    result = run("status")
    assert result.code == 0
    assert "1,204 of 19,000 topics on 2 channels; 95 of 100 heard within 0.5 s" in result.out


def test_one_is_not_many(run: Run, filled: Filled) -> None:
    runs(filled, msgspec.structs.replace(WELL, hearing=msgspec.structs.replace(HEARING, conversations=1, channels=1)))
    result = run("status")
    assert " 1 live conversation, 1,204 of 19,000 topics on 1 channel;" in result.out
    assert counted(1, "utterance") == "1 utterance"
    assert counted(2_000, "gap") == "2,000 gaps"
    assert str(RunEnded(1, 1, 0)) == "stopped: 1 utterance and 1 gap committed in this run."


def test_a_store_on_which_nothing_ever_ran(run: Run) -> None:
    result = run("status")
    assert result.code == 1
    assert result.lines[0] == "not running: nothing ever ran on this store. Start `genscribe stream`."
    assert "everything; nothing was ever heard" in result.lines[1]


def test_no_store(run: Run, filled: Filled) -> None:
    result = run("status", "--store", str(filled.path) + "x")
    assert result.code == 78
    assert "There is no store" in result.err


def test_json(run: Run, filled: Filled) -> None:
    runs(filled, WELL)
    result = run("status", "--json")
    report = json.loads(result.out)
    assert result.code == 0
    assert (report["well"], report["running"], report["run"]["connected"]) == (True, True, True)
    assert report["run"]["sinks"][0]["lag_events"] == 0
    runs(filled, DOWN)
    assert json.loads(run("status", "--json").out)["well"] is False


def test_a_status_of_another_version_is_no_crash(filled: Filled) -> None:
    sign = LifeSign(NOW_MS, NOW_MS, NOW_MS, None, '{"at": 1}')
    report = reported("x", sign, Stats("s", 1, 1, 1, 1, 1, 1, 1, 1, 1), {})
    assert report.run is None
    assert not report.well


@pytest.mark.usefixtures("filled")
def test_colours_say_whether_it_is_good_news() -> None:
    sign = LifeSign(NOW_MS, NOW_MS, NOW_MS, None, statuses.encode(WELL).decode())
    stats = Stats("s", 1, 1, 1, 1, 1, 1, 1, 1, 1)
    good = drawn(reported("x", sign, stats, {}), Screen(80, 16), NOW_MS)
    assert good.startswith(f"\x1b[{status.GOOD}mconnected")
    bad = drawn(reported("x", None, stats, {}), Screen(80, 16), NOW_MS)
    assert bad.startswith(f"\x1b[{status.BAD}mnot running")
