from __future__ import annotations

import json
import os
import signal

import anyio
import pytest

from genscribe.cli import tail
from genscribe.cli.main import main
from genscribe.events import Gap, Record
from genscribe.store.queries import EVERYTHING, Filters
from genscribe.store.reader import Reader
from tests.unit.cli.filled import BETA, Filled, at, said

pytestmark = pytest.mark.anyio


class Shown(list[int]):
    """The `seq`s that were shown."""

    def __call__(self, record: Record) -> None:
        self.append(record.seq)


@pytest.mark.parametrize(
    ("filters", "lines", "seqs"),
    [
        (EVERYTHING, 2, [7, 10, 11, 13, 14]),
        (EVERYTHING, 0, [11, 13, 14]),
        (EVERYTHING, 100, [3, 4, 6, 7, 10, 11, 13, 14]),
        (Filters(speakers=frozenset({"customer"})), 1, [6, 13, 14]),
        (Filters(conversation_ids=frozenset({BETA})), 5, [6, 13, 14]),
    ],
)
async def test_the_last_lines_then_all_that_comes(
    filled: Filled, filters: Filters, lines: int, seqs: list[int]
) -> None:
    begin = len(seqs) - (3 if filters == EVERYTHING else 2)
    shown = Shown()
    with Reader.open(filled.path) as reader, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tail.follow, reader, filters, lines, shown)
            while len(shown) < begin:
                await anyio.sleep(0.001)
            await anyio.sleep(0.01)
            filled.add(
                said("n1", "new", 50),
                said("n1i", "interim", 51, revision=0, is_final=False),
                said("n2", "new", 52, "customer", BETA, media_type="message"),
                Gap("g9", 1, at(53), at(54), "silent"),
            )
            while len(shown) < len(seqs):
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
    assert shown == seqs


async def test_what_is_committed_and_not_yet_searchable_is_not_missed(filled: Filled) -> None:
    """The archive follows the journal; between the two nothing may fall."""
    filled.add(said("late", "committed", 55), index=False)
    shown = Shown()
    with Reader.open(filled.path) as reader, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tail.follow, reader, EVERYTHING, 1, shown)
            while len(shown) < 2:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
    assert shown == [10, 11]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(filled: Filled, capfd: pytest.CaptureFixture[str], number: int, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    async def follow(*arguments: object) -> None:
        await anyio.sleep(0.01)  # the other tasks have begun
        os.kill(os.getpid(), number)
        await anyio.sleep(10)

    monkeypatch.setattr(tail, "follow", follow)
    assert main(["tail", "--store", str(filled.path)]) == 0
    assert capfd.readouterr().err == ""


def test_when_nobody_reads_any_more_it_ends(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)

    class Gone:
        def fileno(self) -> int:
            return write

    async def silence() -> None:
        await anyio.sleep(30)

    monkeypatch.setattr(tail.sys, "stdout", Gone())
    anyio.run(tail.until_ended, silence)
    os.close(write)


def test_json_lines(filled: Filled, capfd: pytest.CaptureFixture[str]) -> None:
    with Reader.open(filled.path) as reader:
        tail.show_json(reader.read(2, 1)[0])
    assert json.loads(capfd.readouterr().out)["seq"] == 3


def test_lines_for_people(filled: Filled, capfd: pytest.CaptureFixture[str]) -> None:
    show = tail.Shown()
    with Reader.open(filled.path) as reader:
        for record in reader.read(2, 2):
            show(record)
    show(Record(99, "utterance", b'{"kind":"telepathy"}'))
    assert [line.split("\t")[2] for line in capfd.readouterr().out.splitlines()] == ["agent", "customer"]
