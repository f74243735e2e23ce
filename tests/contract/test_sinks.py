"""The sinks that need no server keep the contract."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from genscribe.sinks import jsonl
from genscribe.sinks.console import Console
from genscribe.sinks.jsonl import JsonLinesFile, JsonLinesOutput
from genscribe.sinks.rotation import Rotation
from genscribe.testing import check_sink


class Disk:
    """Stands in for the calls that reach a disk: full, torn in the middle of a batch, or broken once all is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = self.torn = self.broken = False
        self._sync, self._write = jsonl._sync, os.write
        monkeypatch.setattr(jsonl, "_sync", self.sync)
        monkeypatch.setattr(os, "write", self.write)

    def sync(self, fd: int) -> None:
        self._sync(fd)
        if self.full or self.broken:
            self.broken = False
            raise OSError(28, "No space left on device")

    def write(self, fd: int, data: bytes) -> int:
        if self.torn and stat.S_ISREG(os.fstat(fd).st_mode):
            self.torn = False
            self._write(fd, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return self._write(fd, data)

    def hooks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        def turn(what: str, on: bool) -> Callable[[], Awaitable[None]]:
            async def act() -> None:
                setattr(self, what, on)

            return act

        return {
            "down": turn("full", True),
            "up": turn("full", False),
            "swallow": turn("broken", True),
            "tear": turn("torn", True),
        }


@pytest.mark.anyio
async def test_a_json_lines_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, disk = tmp_path / "calls.jsonl", Disk(monkeypatch)

    async def delivered() -> list[int]:
        return [json.loads(line)["seq"] for line in path.read_bytes().splitlines()]

    await check_sink(lambda: JsonLinesFile(path), delivered=delivered, **disk.hooks())
    assert not disk.broken
    assert not disk.torn


@pytest.mark.anyio
async def test_a_json_lines_file_that_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, disk = tmp_path / "calls.jsonl", Disk(monkeypatch)

    async def delivered() -> list[int]:
        packed = [gzip.decompress(file.read_bytes()) for file in tmp_path.glob("*.jsonl.gz")]
        plain = [file.read_bytes() for file in tmp_path.glob("*.jsonl") if not Path(f"{file}.gz").exists()]
        return sorted(json.loads(line)["seq"] for data in (*packed, *plain) for line in data.splitlines())

    rotation = Rotation(size=5000, compress="gzip")
    await check_sink(lambda: JsonLinesFile(path, rotation), delivered=delivered, **disk.hooks())


class Pipe:
    """A pipe that is read to its end in a thread."""

    def __init__(self) -> None:
        self._read, self.fd = os.pipe()
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()

    def _drain(self) -> None:
        while chunk := os.read(self._read, 65536):
            self._chunks.append(chunk)

    def text(self) -> str:
        """Everything that was written; closes the pipe."""
        self.close()
        return b"".join(self._chunks).decode()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self._thread.join()
            os.close(self._read)
            self.fd = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.mark.anyio
async def test_json_lines_on_standard_output(pipe: Pipe) -> None:
    async def delivered() -> list[int]:
        return [json.loads(line)["seq"] for line in pipe.text().encode().splitlines()]

    await check_sink(lambda: JsonLinesOutput(pipe.fd), delivered=delivered)


@pytest.mark.anyio
async def test_the_console(pipe: Pipe) -> None:
    await check_sink(lambda: Console(pipe.fd))
    lines = pipe.text().splitlines()
    assert all(len(line.split("\t")) == 4 for line in lines)
    assert any(line.endswith("this is utterance 500") for line in lines)
