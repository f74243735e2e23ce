from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import apsw
import pytest

from genscribe import clock
from genscribe.errors import ConfigError, StoreBusy, StoreFailed
from genscribe.events import Position, Record
from genscribe.store import journal as module
from genscribe.store.journal import Journal
from genscribe.store.life import OpenGap, PreviousRun
from genscribe.store.reports import Broke, Healed, Refused
from genscribe.store.retention import Keep
from genscribe.store.rows import Row
from genscribe.store.writer import Writer
from genscribe.telemetry import Telemetry

pytestmark = pytest.mark.anyio

Shell = Callable[[Path, str], list[tuple[object, ...]]]


def rows(*texts: str) -> list[Row]:
    return [("utterance", b'{"kind":"utterance","key":"%b","revision":1}' % text.encode(), None) for text in texts]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "genscribe.db"


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def told(telemetry: Telemetry) -> str:
    return "\n".join(line for _, line in telemetry.recent)


async def opened(path: Path, telemetry: Telemetry | None = None, **settings: object) -> Journal:
    return await Journal.open(path, telemetry=telemetry or Telemetry(), **settings)  # type: ignore[arg-type]


async def test_appended_is_committed_read_and_there_after_opening_again(path: Path, shell: Shell) -> None:
    async with await opened(path) as journal:
        assert journal.head == 0
        journal.append(rows("a", "b"))
        journal.append([])
        assert await journal.wait_beyond(0) == 2
        assert [record.seq for record in await journal.read(0, 10)] == [1, 2]
        journal.append(rows("c"))
        assert await journal.flush() == 3
        assert shell(path, "select count(*) from journal") == [(3,)]
        identity = journal.store_id
    async with await opened(path) as journal:
        assert journal.store_id == identity
        assert journal.head == 3
        assert [(record.seq, record.kind, record.body) for record in await journal.read(1, 1)] == [
            (2, "utterance", rows("b")[0][1])
        ]
        assert await journal.read(3, 5) == []


async def test_the_head_is_read_without_sql_and_the_past_with_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    fetch = module.fetch

    def counted(*anything: object) -> object:
        asked.append(anything)
        return fetch(*anything)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "fetch", counted)
    async with await opened(path, tail_bytes=1) as journal:
        for text in "abc":
            journal.append(rows(text))
            await journal.flush()
        assert [record.seq for record in await journal.read(2, 5)] == [3]
        assert asked == []
        assert [record.seq for record in await journal.read(0, 5)] == [1, 2, 3]
        assert len(asked) == 1


async def test_many_waiters_are_woken(path: Path) -> None:
    async with await opened(path) as journal, anyio.create_task_group() as group:
        woken: list[int] = []

        async def wait(seq: int) -> None:
            woken.append(await journal.wait_beyond(seq))

        for seq in (0, 0, 1):
            group.start_soon(wait, seq)
        await anyio.wait_all_tasks_blocked()
        journal.append(rows("a"))
        await journal.flush()
        await anyio.wait_all_tasks_blocked()
        assert woken == [1, 1]
        journal.append(rows("b"))
    assert woken == [1, 1, 2]


async def test_a_full_buffer_asks_for_patience_and_takes_rows_all_the_same(path: Path) -> None:
    async with await opened(path, buffer_bytes=1000) as journal:
        await journal.room()
        journal.append(rows(*map(str, range(20))))
        assert journal.full
        journal.append(rows("one more"))
        await journal.room()
        assert not journal.full
        assert await journal.flush() == 21


async def test_a_second_process_or_journal_is_refused(path: Path) -> None:
    async with await opened(path):
        with pytest.raises(StoreBusy):
            await opened(path)
    async with await opened(path):  # the lock is free again
        pass


async def test_a_refused_opening_leaves_the_lock_free(path: Path) -> None:
    path.write_bytes(b"not a database")
    for _ in range(2):
        with pytest.raises(ConfigError, match="is not a genscribe store"):
            await opened(path)


async def test_cursors_are_saved_and_checked(path: Path, telemetry: Telemetry) -> None:
    async with await opened(path) as journal:
        journal.append(rows("a", "b"))
        await journal.flush()
        assert journal.cursor("file") is None
        await journal.save_cursor("file", 2)
        assert journal.cursor("file") == 2
        await journal.save_cursor("early", 0)
    async with await opened(path, telemetry) as journal:
        assert journal.cursor("file") == 2
        assert journal.cursor("early") == 0
        assert journal.cursor("other") is None
    assert told(telemetry) == ""


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("update cursors set store_id = 'another'", "it belongs to another store"),
        ("update cursors set seq = 9", "it stands at 9, the store ends at 2"),
        ("update cursors set crc = x'00000000'", "event 2 is another one here"),
    ],
)
async def test_a_cursor_of_a_replaced_store_begins_again_and_says_so(
    path: Path, telemetry: Telemetry, damage: str, why: str
) -> None:
    async with await opened(path) as journal:
        journal.append(rows("a", "b"))
        await journal.flush()
        await journal.save_cursor("file", 2)
    db = apsw.Connection(str(path))
    db.execute(damage)
    db.close()
    async with await opened(path, telemetry) as journal:
        assert journal.cursor("file") == 0
    assert f"The cursor of file does not fit this store ({why})" in told(telemetry)


async def test_a_position_that_a_sink_keeps_is_checked(path: Path, telemetry: Telemetry) -> None:
    async with await opened(path, telemetry) as journal:
        journal.append(rows("a", "b"))
        await journal.flush()
        at = await journal.position(2)
        assert at.store_id == journal.store_id
        assert await journal.trusted("sink", at) == 2
        assert await journal.trusted("sink", Position("another", 2, at.crc)) == 0
        assert journal.retention.needed["sink"] == 0
    assert "The cursor of sink does not fit" in told(telemetry)


async def test_dead_letters_are_listed_once(path: Path, shell: Shell) -> None:
    async with await opened(path) as journal:
        journal.append(rows("a"))
        await journal.dead_letter("hook", 1, "422")
        await journal.dead_letter("hook", 1, "422 again")
        await journal.flush()
        await journal.dead_letter("hook", 1, "once more")
    assert shell(path, "select sink, seq from dead_letters") == [("hook", 1)]


async def test_flush_waits_for_notes_too(path: Path, shell: Shell) -> None:
    async with await opened(path) as journal:
        await journal.save_cursor("file", 7)
        await journal.flush()
        assert shell(path, "select name, seq from cursors") == [("file", 7)]


async def test_the_very_first_start_has_no_previous_run(path: Path) -> None:
    async with await opened(path) as journal:
        assert journal.previous is None
        journal.note_life(heard_until=1234, status=b'{"ok":true}')
        journal.note_life(heard_until=1240)
        journal.note_life(status=b'{"ok":false}')
    async with await opened(path) as journal:
        assert journal.previous is not None
        assert (journal.previous.heard_until, journal.previous.clean) == (1240, True)
    async with await opened(path) as journal:  # a run that never heard leaves the moment as it was
        assert journal.previous is not None
        assert journal.previous.heard_until == 1240


async def test_a_run_that_was_cut_off_is_not_clean(path: Path, tmp_path: Path) -> None:
    async with await opened(path) as journal:
        journal.note_life(heard_until=5)
        journal.open_gap(OpenGap("g1", "2026-01-01T00:00:00.000Z", "disconnected", "transcripts"))
        journal.open_gap(OpenGap("g2", "2026-01-01T00:00:01.000Z", "late"))
        journal.end_gap(
            "g2",
            (
                "gap",
                b'{"key":"g2","started_at":"2026-01-01T00:00:01.000Z","ended_at":"2026-01-01T00:00:02.000Z"}',
                None,
            ),
        )
        await journal.flush()
        for suffix in ("", "-wal"):
            (tmp_path / f"copy.db{suffix}").write_bytes((tmp_path / f"genscribe.db{suffix}").read_bytes())
    async with await opened(tmp_path / "copy.db") as journal:
        previous = journal.previous
        assert previous is not None
        assert (previous.heard_until, previous.clean) == (5, False)
        assert [gap.key for gap in previous.open_gaps] == ["g1"]


async def test_recent_gives_the_last_rows_oldest_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT_SLICE", 2)
    async with await opened(path) as journal:
        journal.append(rows(*"abcde"))
        await journal.flush()
        slices = [[record.seq for record in records] async for records in journal.recent()]
        assert slices == [[1, 2], [3, 4], [5]]
        assert [[record.seq for record in records] async for records in journal.recent(limit=3)] == [[3, 4], [5]]
        assert [records async for records in journal.recent(limit=0)] == []


async def test_recent_leaves_out_what_is_long_past(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await opened(path) as journal:
        journal.append(rows(*"abc"))
    db = apsw.Connection(str(path))
    db.execute("insert or replace into marks values (2, ?)", (clock.wall_ms() - 3_600_000,))
    db.close()
    async with await opened(path) as journal:
        assert [[record.seq for record in records] async for records in journal.recent()] == [[3]]


async def test_a_damaged_row_is_said_once_and_passed_by(
    path: Path, telemetry: Telemetry, flip: Callable[[Path, bytes, int], None]
) -> None:
    async with await opened(path) as journal:
        journal.append(rows("left", "middle", "right"))
    flip(path, b'"key":"middle"', 9)
    async with await opened(path, telemetry) as journal:
        records = await journal.read(0, 10)
        await journal.read(0, 10)
    assert [record.kind for record in records] == ["utterance", "unreadable", "utterance"]
    assert records[0] == Record(1, "utterance", rows("left")[0][1])
    assert told(telemetry).count("Journal row 2 is damaged") == 1


async def test_a_disk_that_refuses_stops_intake_until_it_heals(path: Path) -> None:
    async with await opened(path) as journal, anyio.create_task_group() as group:
        healed: list[tuple[int, int]] = []
        journal.on_healed = lambda since, until: healed.append((since, until))
        journal._report(Refused(1000))
        with anyio.fail_after(10):
            while journal.full_since is None:
                await anyio.sleep(0)
        assert journal.full
        assert journal.full_since == 1000
        roomy = anyio.Event()

        async def wait() -> None:
            await journal.room()
            roomy.set()

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert not roomy.is_set()
        journal._report(Healed(1000, 2000))
        with anyio.fail_after(10):
            await roomy.wait()
        assert journal.full_since is None
        assert healed == [(1000, 2000)]


async def test_a_clock_far_ahead_is_said_at_opening(
    path: Path, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await opened(path) as journal:
        journal.append(rows("a"))
        await journal.flush()
        with anyio.fail_after(10):
            while journal.retention.wait(time.monotonic(), 1, closing=False) == 0:
                await anyio.sleep(0.001)
    ahead = clock.wall_ms() + 73 * 365 * 24 * 3600 * 1000
    monkeypatch.setattr(clock, "wall_ms", lambda: ahead)
    async with await opened(path, telemetry):
        pass
    assert "The clock says that 26645 days have passed" in told(telemetry)


async def test_a_store_that_cannot_be_written_at_opening_leaves_the_lock_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await opened(path):
        pass
    with monkeypatch.context() as patch:
        patch.setattr("genscribe.store.ground.life.BEGIN", "insert into nowhere values (?, ?)")
        with pytest.raises(StoreFailed, match="cannot be opened for writing: no such table"):
            await opened(path)
    async with await opened(path):
        pass


async def test_bookkeeping_that_is_not_what_we_wrote_is_damage(path: Path, telemetry: Telemetry) -> None:
    async with await opened(path):
        pass
    db = apsw.Connection(str(path))
    db.execute("insert into open_gaps values ('k', 'then', 'late', null, '[cut off')")
    db.close()
    async with await opened(path, telemetry):
        pass
    assert "THE STORE WAS DAMAGED" in told(telemetry)


async def test_a_broken_store_ends_every_wait(path: Path) -> None:
    journal = await opened(path)
    error = StoreFailed("the disk is gone")
    outcomes: list[str] = []

    async def expect(wait: Callable[[], object]) -> None:
        with pytest.raises(StoreFailed, match="the disk is gone"):
            await wait()  # type: ignore[misc]
        outcomes.append("raised")

    async with anyio.create_task_group() as group:
        group.start_soon(expect, lambda: journal.wait_beyond(0))
        group.start_soon(expect, journal.failure)
        await anyio.wait_all_tasks_blocked()
        journal._report(Broke(error))
    assert outcomes == ["raised"] * 2
    assert journal.failed is error
    for call in (journal.room, journal.flush, lambda: journal.wait_beyond(0)):
        await expect(call)
    with pytest.raises(StoreFailed):
        journal.append(rows("a"))
    await journal.aclose()


async def test_a_closed_journal_takes_nothing_and_waits_for_nothing(path: Path) -> None:
    journal = await opened(path)
    done = anyio.Event()

    async def watch() -> None:
        await journal.failure()
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        await journal.aclose()
        await done.wait()
    await journal.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        journal.append(rows("a"))
    with pytest.raises(anyio.ClosedResourceError):
        await journal.wait_beyond(0)


async def test_closing_empties_the_log_and_indexes_what_was_committed(path: Path, shell: Shell) -> None:
    async with await opened(path) as journal:
        journal.append(rows("a", "b"))
    assert not path.with_name("genscribe.db-wal").exists()
    assert shell(path, "select count(*) from utterances") == [(2,)]


async def test_duplicates_found_by_the_archive_are_counted(path: Path, telemetry: Telemetry) -> None:
    async with await opened(path, telemetry) as journal:
        journal.append(rows("a", "b", "a"))
    assert telemetry.counters.duplicates == 1


async def test_the_writer_rests_when_there_is_nothing_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    turn = Writer.turn

    def counted(self: Writer, now: float) -> float | None:
        turns.append(now)
        return turn(self, now)

    monkeypatch.setattr(Writer, "turn", counted)
    async with await opened(path) as journal:
        await journal.flush()
        with anyio.fail_after(10):
            while journal.stalled_s:
                await anyio.sleep(0.001)
        assert turns
        turns.clear()
        await anyio.sleep(0.2)
        assert len(turns) < 10


async def test_a_store_set_aside_while_running_leaves_when_it_was_last_written(path: Path) -> None:
    aside = path.with_name("genscribe.db.damaged-20260101T000000000Z")
    aside.touch()
    async with await opened(path) as journal:
        written = int(aside.stat().st_mtime * 1000)
        assert journal.previous == PreviousRun(written, clean=False, ended_at=written)


async def test_nothing_that_the_store_does_blocks_the_loop(path: Path) -> None:
    from blockbuster import blockbuster_ctx

    with blockbuster_ctx():
        async with await opened(path, tail_bytes=1) as journal:
            for number in range(50):
                journal.append(rows(str(number)))
                await journal.save_cursor("file", number)
                journal.note_life(heard_until=number)
                await journal.wait_beyond(number)
            assert len(await journal.read(0, 100)) == 50


async def test_a_dead_letter_is_never_later_than_the_cursor_that_passes_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genscribe.store.writer.ROWS_A_COMMIT", 2)
    reports: list[tuple[int, int]] = []
    async with await opened(path) as journal:
        take = journal._writer._take

        def taken(now: float) -> object:
            batch = take(now)
            if batch is not None:
                words = [note.sql.split()[2] for note in batch.notes]
                reports.append((words.count("dead_letters"), words.count("cursors")))
            return batch

        monkeypatch.setattr(journal._writer, "_take", taken)
        journal.append(rows(*"abcdefghij"))
        await journal.dead_letter("sink", 1, "refused")
        await journal.save_cursor("sink", 1, at_once=True)
        await journal.flush()
    passed = [number for number, (_, cursors) in enumerate(reports) if cursors]
    listed = [number for number, (dead, _) in enumerate(reports) if dead]
    assert len(passed) == len(listed) == 1
    assert listed[0] <= passed[0]


async def test_retention_waits_from_the_first_moment_for_the_readers_of_this_run(path: Path) -> None:
    """It looks as soon as the store is open; a sink asks for its cursor only when all else is there."""
    async with await opened(path) as journal:
        journal.append(rows(*"abcdef"))
        for name in ("here", "removed"):
            await journal.save_cursor(name, 2)
        await journal.flush()
    an_hour_ago = clock.wall_ms() - 3600_000
    for readers, left in ((["here", "new"], [3, 4, 5, 6]), ([], [])):
        with closing(apsw.Connection(str(path))) as db:
            db.execute("delete from marks; insert into marks values (6, ?)", (an_hour_ago,))
            db.execute("update cursors set saved_at = ?", (clock.iso(an_hour_ago),))
        async with await opened(path, keep=Keep(max_age_s=600), readers=readers) as journal:
            with anyio.fail_after(10):
                while not journal._thread.resting:
                    await anyio.sleep(0.01)
            assert [record.seq for record in await journal.read(0, 10)] == left
