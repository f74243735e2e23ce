"""The parquet sink against duckdb, which reads, and moto, which keeps a bucket."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest

from genscribe import clock
from genscribe.delivery import Delivery
from genscribe.events import Position, Record
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, RowsRejected, Sink, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.parquet import ParquetSink, make
from genscribe.sinks.parquet_files import COLUMNS
from genscribe.telemetry import Telemetry
from genscribe.testing import check_sink
from tests.fakes import MemoryJournal, record
from tests.servers.s3 import S3, s3_server

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed", exc_type=ImportError)
pytestmark = pytest.mark.anyio

__all__ = ["s3_server"]

STORE = "5f2c8a1e" * 4


def sink_of(target: str, store: str = STORE, spool: Path | None = None, **params: str) -> ParquetSink:
    means = Means("lake", store, ssl.create_default_context, store=spool)
    made = make(SinkSetting("lake", "parquet", target, params=params), means)
    assert isinstance(made, ParquetSink)
    return made


def rows(root: Path | str, what: str = "seq", kind: str = "*") -> list[tuple[object, ...]]:
    found = duckdb.sql(
        f"SELECT {what} FROM read_parquet('{root}/kind={kind}/**/*.parquet', hive_partitioning=true,"
        " union_by_name=true) ORDER BY seq"
    )
    return [tuple(row) for row in found.fetchall()]


def seqs(root: Path) -> list[int]:
    return [int(str(row[0])) for row in rows(root)]


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.parquet"))


async def test_the_contract(tmp_path: Path) -> None:
    root = tmp_path / "lake"

    async def delivered() -> Sequence[int]:
        return seqs(root)

    def poison(seq: int) -> Record:
        return Record(seq, "utterance", b'{"kind":"utterance","key":7,"revision":1}')

    await check_sink(
        lambda: sink_of(str(root)),
        delivered=delivered,
        poison=poison,
        make_for_store=lambda store: sink_of(str(root), store),
    )


@pytest.mark.slow
async def test_the_contract_in_a_bucket(tmp_path: Path, s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_server.make_bucket("contract")
    credentials(monkeypatch)

    async def delivered() -> Sequence[int]:
        for number, key in enumerate(s3_server.keys("contract")):
            place = tmp_path / "got" / key.removeprefix("in/here/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.with_name(f"{number}.parquet").write_bytes(s3_server.get("contract", key))
        return seqs(tmp_path / "got")

    await check_sink(
        lambda: sink_of("s3://contract/in/here", spool=tmp_path / "store.db", endpoint=s3_server.url),
        delivered=delivered,
    )
    assert all(key.startswith("in/here/kind=") for key in s3_server.keys("contract"))


async def test_a_file_an_hour_and_kind_with_types(tmp_path: Path) -> None:
    sink = sink_of(str(tmp_path))
    await sink.open()
    await sink.write([record(1), record(2, kind="conversation"), record(3, kind="gap"), record(4)])
    assert files(tmp_path) == [], "nothing has its name before it is whole"
    await sink.aclose()
    names = files(tmp_path)
    assert [name.rpartition("-")[0] for name in names] == [
        "kind=conversation/date=2026-03-21/hour=01-5f2c8a1e-2-2",
        "kind=gap/date=2026-03-21/hour=01-5f2c8a1e-3-3",
        "kind=utterance/date=2026-03-21/hour=01-5f2c8a1e-1-4",
    ]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o600}
    assert rows(tmp_path, "seq, text, date::VARCHAR, epoch_ms(received_at)", "utterance") == [
        (1, "text 1", "2026-03-21", 1774055341000),
        (4, "text 4", "2026-03-21", 1774055344000),
    ]
    for name in names:
        described = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{tmp_path / name}', hive_partitioning=false)")
        kind = name.partition("/")[0].partition("=")[2]
        types = {column: type_.replace('"', "") for column, type_, *_ in described.fetchall()}
        assert types == {
            column: type_.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") for column, type_ in COLUMNS[kind].items()
        }


async def test_events_are_in_the_hour_in_which_they_were_heard(tmp_path: Path) -> None:
    sink = sink_of(str(tmp_path))
    await sink.open()
    late = Record(2, "utterance", record(2).body.replace(b"T01:09", b"T02:00"))
    await sink.write([record(1), late])
    later = Record(3, "utterance", record(3).body.replace(b"T01:09", b"T02:01"))
    await sink.write([later])
    assert [name.rpartition("/")[2][:7] for name in files(tmp_path)] == ["hour=01", "hour=02"]
    await sink.aclose()
    assert seqs(tmp_path) == [1, 2, 3]


async def test_files_are_made_by_the_clock_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_795_356_000_000]
    monkeypatch.setattr(clock, "wall_ms", lambda: now[0])
    sink = sink_of(str(tmp_path), every="15m")
    await sink.open()
    assert sink.due_in_s() is None
    await sink.write([record(1)])
    assert sink.due_in_s() == 900
    await sink.tidy()
    assert files(tmp_path) == []
    now[0] += 900_000
    await sink.tidy()
    assert seqs(tmp_path) == [1]
    now[0] += 2_690_000
    await sink.write([record(2)])
    assert sink.due_in_s() == 20, "the hour ends sooner, and what is on its way may come"
    await sink.aclose()


async def test_a_delivery_with_nothing_to_deliver_makes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_795_356_000_000]
    monkeypatch.setattr(clock, "wall_ms", lambda: now[0])
    journal = MemoryJournal([record(1)])
    delivery = Delivery("lake", sink_of(str(tmp_path), every="1s"), journal, Telemetry())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        while delivery.cursor < 1:
            await anyio.sleep(0.01)
        assert files(tmp_path) == []
        now[0] += 1000
        while not files(tmp_path):
            await anyio.sleep(0.01)
        assert seqs(tmp_path) == [1]
        journal.say(1)
        assert await delivery.drain(60)
    assert seqs(tmp_path) == [1, 2], "what is still spooled becomes a file at the end"


def died(sink: ParquetSink) -> None:
    """What a kill leaves: no file is closed in order, the lock is gone."""
    sink._spool.close()


async def test_what_was_written_survives_a_crash_and_is_there_once(tmp_path: Path) -> None:
    first = sink_of(str(tmp_path))
    await first.open()
    await first.write_at([record(1), record(2)], Position(STORE, 2, "aa"))
    died(first)
    second = sink_of(str(tmp_path))
    await second.open()
    assert await second.position() == Position(STORE, 2, "aa")
    assert seqs(tmp_path) == [1, 2], "what is left is finished at start"
    await second.write_at([record(3)], Position(STORE, 3, "bb"))
    await second.aclose()
    third = sink_of(str(tmp_path))
    await third.open()
    assert await third.position() == Position(STORE, 3, "bb")
    await third.aclose()
    assert seqs(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("lost", range(1, 300, 23))
async def test_a_torn_batch_goes_as_a_whole(tmp_path: Path, lost: int) -> None:
    sink = sink_of(str(tmp_path))
    await sink.open()
    await sink.write_at([record(1)], Position(STORE, 1, "aa"))
    await sink.write_at([record(2), record(3)], Position(STORE, 3, "bb"))
    written = sink._spool.written
    assert written is not None
    died(sink)
    data = written.path.read_bytes()
    written.path.write_bytes(data[: len(data) - lost] + (b"\0" * lost if lost % 2 else b""))
    again = sink_of(str(tmp_path))
    await again.open()
    assert await again.position() == Position(STORE, 1, "aa")
    await again.write_at([record(2), record(3)], Position(STORE, 3, "bb"))
    await again.aclose()
    assert seqs(tmp_path) == [1, 2, 3]


class Crash(BaseException):
    """What comes in place of a kill."""


@pytest.mark.parametrize("step", range(9))
async def test_a_crash_while_files_are_made_doubles_nothing(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that changes a name is a step."""
    sink = sink_of(str(tmp_path))
    await sink.open()
    await sink.write_at([record(1), record(2, kind="gap")], Position(STORE, 2, "aa"))
    left = [step]

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **more: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return real(*given, **more)

        return call

    crashed = False
    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        try:
            await sink.aclose()
        except Crash:
            crashed = True
    assert crashed == (step < 8)
    again = sink_of(str(tmp_path))
    await again.open()
    assert await again.position() == Position(STORE, 2, "aa")
    await again.aclose()
    assert rows(tmp_path, "seq, kind") == [(1, "utterance"), (2, "gap")]
    assert not again._spool.sealed()
    assert not list(tmp_path.rglob("*.part"))


async def test_another_stores_leftovers_are_finished(tmp_path: Path) -> None:
    first = sink_of(str(tmp_path), "a" * 32)
    await first.open()
    await first.write_at([record(1)], Position("a" * 32, 1, None))
    busy = sink_of(str(tmp_path), "b" * 32)
    await busy.open()
    assert files(tmp_path) == [], "it is in use"
    await busy.aclose()
    died(first)
    second = sink_of(str(tmp_path), "b" * 32)
    await second.open()
    assert await second.position() is None
    await second.aclose()
    assert "-aaaaaaaa-1-1-" in files(tmp_path)[0]


async def test_the_query_of_the_page_reads_what_we_write(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/sinks/parquet.md").read_text()
    query = page.partition("```text\n")[2].partition("```")[0]
    sink = sink_of(str(tmp_path))
    await sink.open()
    await sink.write([record(1), record(2, kind="gap")])
    await sink.aclose()
    asked = (
        query.replace("/srv/lake", str(tmp_path)).replace("2026-11-22", "2026-03-21").replace("spoken_at, s", "s", 1)
    )
    assert duckdb.sql(asked).fetchall() == [("c", "agent", "text 1")]


async def test_only_one_writes(tmp_path: Path) -> None:
    first, second = sink_of(str(tmp_path)), sink_of(str(tmp_path))
    await first.open()
    with pytest.raises(SinkUnavailable, match="Another process"):
        await second.open()
    await second.aclose()
    await first.aclose()


async def test_a_full_disk_takes_nothing_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = sink_of(str(tmp_path))
    await sink.open()
    await sink.write([record(1)])

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("genscribe.sinks.parquet_spool.os.fsync", full)
        with pytest.raises(SinkUnavailable, match="No space"):
            await sink.write([record(2)])
    await sink.open()
    await sink.write([record(2)])
    await sink.aclose()
    assert seqs(tmp_path) == [1, 2]


async def test_what_no_file_could_be_made_of_is_refused_before_it_is_taken(tmp_path: Path) -> None:
    bad = [
        Record(2, "utterance", b'{"kind":"utterance","key":"k","revision":1,"received_at":"yesterday"}'),
        Record(3, "utterance", b'{"kind":"utterance","key":"k","revision":99999999999999999999}'),
        Record(4, "utterance", b"{"),
        Record(5, "later", b'{"kind":"later","key":"k"}'),
        Record(6, "utterance", record(6, text="x" * 17_000_000).body),
    ]
    sink = sink_of(str(tmp_path))
    await sink.open()
    with pytest.raises(RowsRejected) as caught:
        await sink.write([record(1), *bad])
    assert set(caught.value.reasons) == {2, 3, 4, 5, 6}
    await sink.aclose()
    assert files(tmp_path) == []


async def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sink = sink_of(str(tmp_path / "file"))
    with pytest.raises(SinkMisconfigured):
        await sink.open()
    await sink.aclose()


@pytest.mark.parametrize(
    ("target", "params"),
    [
        ("/lake", {"every": "2h"}),
        ("/lake", {"every": "soon"}),
        ("/lake", {"compression": "rar"}),
        ("/lake*", {}),
        ("s3://", {}),
        ("s3://bucket", {"endpoint": "http://example.com"}),
        ("s3://bucket", {"endpoint": "nonsense"}),
        ("s3://bucket", {"region": "../x"}),
        ("gs://bucket", {}),
    ],
)
def test_settings_that_mean_nothing(target: str, params: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)
    with pytest.raises(SinkMisconfigured):
        make(SinkSetting("lake", "parquet", target, params=params), Means("lake", STORE, ssl.create_default_context))


def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-key")


@pytest.mark.slow
async def test_a_bucket_that_is_not_there_pauses(
    tmp_path: Path, s3_server: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials(monkeypatch)
    sink: Sink = sink_of("s3://nobody", spool=tmp_path / "store.db", endpoint=s3_server.url)
    with pytest.raises(SinkMisconfigured, match="404 NoSuchBucket"):
        await sink.open()
    s3_server.make_bucket("nobody")
    await sink.open()
    await sink.write([record(1)])
    await sink.aclose()
    (key,) = s3_server.keys("nobody")
    assert key.startswith("kind=utterance/date=2026-03-21/hour=01-5f2c8a1e-1-1-")
    assert s3_server.get("nobody", key).startswith(b"PAR1")
    assert not list((tmp_path / "store.db.spool").rglob("*.sealed"))
