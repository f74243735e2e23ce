"""Rotation loses nothing and repeats nothing, whatever step it is stopped at."""

from __future__ import annotations

import errno
import gzip
import importlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.delivery import Delivery
from genscribe.settings import SinkSetting
from genscribe.sinks import jsonl, rotation
from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable
from genscribe.sinks.jsonl import JsonLinesFile
from genscribe.sinks.rotation import Compressor, Rotation, compress, plain_ones, press, read_rotation, rotated_name
from genscribe.telemetry import Telemetry
from tests.fakes import MemoryJournal, record

pytestmark = pytest.mark.anyio

TWO = 1_795_356_000_000
"""2026-11-22T14:00:00Z."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the wall clock, in milliseconds."""
    now = [TWO]
    monkeypatch.setattr(clock, "wall_ms", lambda: now[0])

    def turn(ms: int) -> None:
        now[0] = ms

    return turn


def lines(path: Path) -> list[int]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line)["seq"] for line in data.splitlines()]


def everything(folder: Path) -> list[int]:
    """What a reader of all files finds: a compressed one stands for its plain one."""
    files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    chosen = [file for file in files if not (file.with_name(file.name + ".gz")).exists()]
    return sorted(seq for file in chosen for seq in lines(file))


def setting(**params: str) -> SinkSetting:
    return SinkSetting("calls", "jsonl", "/calls.jsonl", params=params)


class Crash(BaseException):
    """What comes in place of a kill: nothing catches it."""


async def test_by_size(path: Path, at: Callable[[int], None]) -> None:
    one = len(record(1).json()) + 1
    sink = JsonLinesFile(path, Rotation(size=2 * one))
    await sink.open()
    for seq in range(1, 6):
        await sink.write([record(seq)])
    await sink.aclose()
    folder = path.parent
    assert sorted(os.listdir(folder)) == [
        "calls-20261122T140000Z.1.jsonl",
        "calls-20261122T140000Z.jsonl",
        "calls.jsonl",
    ]
    assert lines(folder / "calls-20261122T140000Z.jsonl") == [1, 2]
    assert lines(folder / "calls-20261122T140000Z.1.jsonl") == [3, 4]
    assert lines(path) == [5]
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_a_batch_larger_than_a_file_is_not_cut(path: Path) -> None:
    sink = JsonLinesFile(path, Rotation(size=1))
    await sink.open()
    await sink.write([record(1), record(2)])
    assert lines(path) == [1, 2]
    await sink.aclose()


async def test_by_the_clock_also_over_a_restart(path: Path, at: Callable[[int], None]) -> None:
    at(TWO + 3_599_000)
    sink = JsonLinesFile(path, Rotation(every_s=3600))
    await sink.open()
    await sink.write([record(1)])
    assert sink.due_in_s() == 1.0
    await sink.aclose()
    os.utime(path, (TWO / 1000 + 3599,) * 2)
    at(TWO + 3_600_000)
    await sink.open()
    await sink.write([record(2)])
    await sink.aclose()
    assert lines(path.with_name("calls-20261122T140000Z.jsonl")) == [1]
    assert lines(path) == [2]


async def test_an_hour_without_events_ends_too(path: Path, at: Callable[[int], None]) -> None:
    sink = JsonLinesFile(path, Rotation(every_s=3600))
    assert sink.due_in_s() is None
    await sink.open()
    assert sink.due_in_s() is None, "an empty file is never put away"
    await sink.write([record(1)])
    await sink.tidy()
    assert lines(path) == [1]
    at(TWO + 3_600_000)
    await sink.tidy()
    assert lines(path.with_name("calls-20261122T140000Z.jsonl")) == [1]
    assert lines(path) == []
    await sink.tidy()
    assert len(os.listdir(path.parent)) == 2
    await sink.aclose()


async def test_a_delivery_with_nothing_to_deliver_ends_the_hour(path: Path, at: Callable[[int], None]) -> None:
    at(TWO + 3_599_950)
    journal = MemoryJournal([record(1)])
    delivery = Delivery("calls", JsonLinesFile(path, Rotation(every_s=3600)), journal, Telemetry())
    rotated = path.with_name("calls-20261122T140000Z.jsonl")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        while delivery.cursor < 1:
            await anyio.sleep(0.01)
        assert not rotated.exists()
        at(TWO + 3_600_000)
        while not rotated.exists():
            await anyio.sleep(0.01)
        journal.say(1)
        assert await delivery.drain(60)
    assert (lines(rotated), lines(path)) == ([1], [2])


async def test_a_file_that_cannot_be_put_away_is_put_away_later(
    path: Path, at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is closed and due by no clock of its own: delivery must remember it."""
    monkeypatch.setattr(clock, "uniform", lambda low, high: low)
    at(TWO + 3_599_950)
    journal = MemoryJournal([record(1)])
    delivery = Delivery("calls", JsonLinesFile(path, Rotation(every_s=3600)), journal, Telemetry())
    rename, tries = Path.rename, []

    def refuse(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) == 1:
            os.utime(path, ((TWO + 3_599_950) / 1000,) * 2)  # the test's clock is not the file system's
            raise OSError(errno.EIO, "disk trouble")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        while delivery.cursor < 1:
            await anyio.sleep(0.01)
        at(TWO + 3_600_000)
        while not tries:
            await anyio.sleep(0.01)
        while not path.with_name("calls-20261122T140000Z.jsonl").exists():
            await anyio.sleep(0.01)
        assert await delivery.drain(60)
    assert len(tries) == 2
    assert everything(path.parent) == [1]


async def test_a_name_is_not_used_twice_though_the_file_was_taken_away(path: Path, at: Callable[[int], None]) -> None:
    sink = JsonLinesFile(path, Rotation(size=1))
    await sink.open()
    await sink.write([record(1)])
    await sink.write([record(2)])
    path.with_name("calls-20261122T140000Z.jsonl").unlink()
    await sink.write([record(3)])
    assert lines(path.with_name("calls-20261122T140000Z.1.jsonl")) == [2]
    await sink.aclose()


async def test_rotated_files_are_compressed_and_plain_ones_go(path: Path, at: Callable[[int], None]) -> None:
    sink = JsonLinesFile(path, Rotation(size=1, compress="gzip"))
    await sink.open()
    for seq in (1, 2, 3):
        await sink.write([record(seq)])
    compressor = sink._compressor
    assert compressor is not None
    compressor.close(finish=True)
    await sink.aclose()
    assert sorted(os.listdir(path.parent)) == [
        "calls-20261122T140000Z.1.jsonl.gz",
        "calls-20261122T140000Z.jsonl.gz",
        "calls.jsonl",
    ]
    assert everything(path.parent) == [1, 2, 3]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def test_log_rotation_from_outside_still_works_beside_ours(path: Path, at: Callable[[int], None]) -> None:
    sink = JsonLinesFile(path, Rotation(size=10_000, every_s=3600))
    await sink.open()
    await sink.write([record(1)])
    path.rename(path.with_name("calls.1"))
    sink.reopen()
    await sink.write([record(2)])
    await sink.aclose()
    assert lines(path) == [2]


@pytest.mark.parametrize("step", range(12))
async def test_a_crash_at_any_step_loses_and_repeats_nothing(
    path: Path, at: Callable[[int], None], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that changes names is a step; the process dies before it, and another one goes on."""
    left = [step]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return real(*given, **more)

        return call

    chosen = Rotation(size=1, compress="gzip")
    sink = JsonLinesFile(path, chosen)
    delivered = [1]
    died = False
    with monkeypatch.context() as patch:
        patch.setattr(rotation.Compressor, "ask", lambda self: None)  # also when it opens: its thread may begin late
        await sink.open()
        await sink.write([record(1)])
        for name in ("rename", "replace", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        patch.setattr(jsonl, "sync_folder", dying(rotation.sync_folder))
        patch.setattr(rotation, "sync_folder", dying(rotation.sync_folder))
        try:
            await sink.write([record(2)])
            delivered.append(2)
            compress(path.with_name("calls-20261122T140000Z.jsonl"), "gzip")
        except Crash:
            died = True
    await sink.aclose()
    assert died == (step < 7)
    again = JsonLinesFile(path, chosen)
    await again.open()
    if delivered == [1]:
        await again.write([record(2)])
    assert again._compressor is not None
    again._compressor.close(finish=True)
    await again.aclose()
    assert everything(path.parent) == [1, 2]
    assert not [name for name in os.listdir(path.parent) if name.startswith(".")]
    assert not plain_ones(path, os.listdir(path.parent))


def test_a_stopped_compression_leaves_the_plain_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "calls-20261122T140000Z.jsonl"
    file.write_bytes(b"{}\n" * 1000)
    compress(file, "gzip", lambda: True)
    assert os.listdir(tmp_path) == [file.name]
    assert file.read_bytes() == b"{}\n" * 1000


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    link = tmp_path / "calls-20261122T140000Z.jsonl"
    link.symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        compress(link, "gzip")
    compressor = Compressor(tmp_path / "calls.jsonl", "gzip")
    compressor.ask()
    compressor.close(finish=True)
    assert sorted(os.listdir(tmp_path)) == [link.name, "secret"]


async def test_a_live_link_is_refused(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(SinkMisconfigured, match="symbolic link"):
        await JsonLinesFile(path, Rotation(size=1)).open()


async def test_a_folder_that_cannot_be_renamed_in_is_told(
    path: Path, at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = JsonLinesFile(path, Rotation(size=1))
    await sink.open()
    await sink.write([record(1)])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(5, "input/output error")))
        with pytest.raises(SinkUnavailable):
            await sink.write([record(2)])
    await sink.open()
    await sink.write([record(2)])
    await sink.aclose()
    assert everything(path.parent) == [1, 2]


def test_names() -> None:
    live = Path("/x/calls.jsonl")
    stamp = "20261122T140000Z"
    assert rotated_name(live, stamp, []) == f"calls-{stamp}.jsonl"
    assert rotated_name(live, stamp, [f"calls-{stamp}.jsonl.gz"]) == f"calls-{stamp}.1.jsonl"
    assert rotated_name(live, stamp, [f"calls-{stamp}.9.jsonl", f"calls-{stamp}.10.jsonl.zst"]) == (
        f"calls-{stamp}.11.jsonl"
    )
    names = [f"calls-{stamp}.jsonl", f"calls-{stamp}.2.jsonl", f"calls-{stamp}.3.jsonl.gz", "calls-2.jsonl", "x.jsonl"]
    assert plain_ones(live, names) == [f"calls-{stamp}.2.jsonl", f"calls-{stamp}.jsonl"]


def test_parameters() -> None:
    assert read_rotation(setting()) == Rotation()
    assert read_rotation(setting(rotate_size="100MB", rotate_every="1d", compress="gzip")) == Rotation(
        100_000_000, 86400, "gzip"
    )


@pytest.mark.parametrize(
    "params",
    [
        {"rotate_size": "much"},
        {"rotate_size": "0MB"},
        {"rotate_size": "10"},
        {"rotate_size": "3d"},
        {"rotate_every": "7h"},
        {"rotate_every": "1s"},
        {"rotate_every": "2d"},
        {"rotate_every": "often"},
        {"compress": "gzip"},
        {"rotate_size": "1MB", "compress": "rar"},
    ],
)
def test_parameters_that_mean_nothing(params: dict[str, str]) -> None:
    with pytest.raises(SinkMisconfigured):
        read_rotation(setting(**params))


def test_standard_output_is_not_rotated() -> None:
    with pytest.raises(SinkMisconfigured, match="standard output"):
        read_rotation(SinkSetting("calls", "jsonl", "-", params={"rotate_size": "1MB"}))


def test_zstd_without_a_library_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str, *rest: Any) -> Any:
        if "zstd" in name or "zstandard" in name:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(SinkMisconfigured, match=r"pip install 'genscribe\[zstd\]'"):
        press("zstd")


def test_zstd_with_a_library(tmp_path: Path) -> None:
    try:
        machine = press("zstd")
    except SinkMisconfigured:
        pytest.skip("no zstd in this Python, and no package with it")
    data = machine.compress(b"{}\n" * 10) + machine.flush()
    assert data.startswith(b"\x28\xb5\x2f\xfd")
