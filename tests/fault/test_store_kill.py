"""kill -9 at any moment: what was accepted is there, once, and the archive catches up. Fault matrix, row J5."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genscribe.store.ground import lay_ground
from genscribe.store.reader import Reader
from genscribe.store.reports import Committed
from genscribe.store.retention import Keep
from genscribe.store.rows import AFTER, fetch
from genscribe.store.writer import Writer

CHILD = """
import pathlib, sys
import anyio
from genscribe.events import Utterance, encode
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry

async def main():
    journal = await Journal.open(pathlib.Path(sys.argv[1]), telemetry=Telemetry())
    count = journal.head
    async def append():
        nonlocal count
        while True:
            rows = []
            for _ in range(7):
                count += 1
                event = Utterance(f"k{count}", 1, conversation_id=f"c{count % 9}", text=f"word{count} spoken")
                rows.append(("utterance", encode(event), None))
            journal.append(rows)
            await journal.room()
            await anyio.sleep(0)
    async with anyio.create_task_group() as group:
        group.start_soon(append)
        head = journal.head
        while True:
            head = await journal.wait_beyond(head)
            await journal.save_cursor("file", head, at_once=True)
            print(head, flush=True)

anyio.run(main)
"""


def killed_after(path: Path, lines: int) -> int:
    """Runs a writer until it has said so many times what is accepted, kills it, and returns the last it said."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, path], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    child.wait()
    return int([line for line in said + rest if line.endswith("\n")][-1])


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    path = tmp_path / "genscribe.db"
    chance = random.Random(5)
    head = 0
    for _ in range(12):
        accepted = killed_after(path, chance.randrange(1, 60))
        ground = lay_ground(path, Keep())
        assert ground.opened.aside is None
        assert ground.previous is not None
        assert not ground.previous.clean
        records, damaged = [], []
        while found := fetch(ground.reading, AFTER, (head + len(records), 1 << 60, 5000)):
            if not found.records:
                break
            records += found.records
            damaged += found.damaged
        assert damaged == []
        assert [record.seq for record in records] == list(range(head + 1, head + 1 + len(records)))
        assert all(f'"key":"k{record.seq}"'.encode() in record.body for record in records)
        head += len(records)
        assert head == ground.head >= accepted
        assert ground.positions["file"].seq <= head
        ground.reading.close()
        ground.opened.db.close(True)
        ground.lock.release()
    catch_up(path)
    with Reader.open(path) as reader:
        assert reader.stats().utterances == head
        assert [record.seq for record in reader.search(f"word{head}")] == [head]


def catch_up(path: Path) -> None:
    ground = lay_ground(path, Keep())
    reports: list[object] = []
    writer = Writer(ground.opened, ground.head, reports.append, (ground.archive,))
    now = 0.0
    while ground.archive.behind(writer.head):
        now += 1
        writer.turn(now)
    ground.reading.close()
    writer.finish()
    ground.lock.release()
    assert not [report for report in reports if not isinstance(report, Committed)]
