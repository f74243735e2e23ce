"""Every sink of ours keeps the contract, and the check notices those that do not."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from genscribe.events import Record
from genscribe.sinks.console import Console
from genscribe.sinks.jsonl import JsonLinesFile, JsonLinesOutput
from genscribe.sinks.rotation import Rotation
from genscribe.testing import check_sink


@pytest.mark.anyio
async def test_a_json_lines_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"

    async def delivered() -> list[int]:
        return [json.loads(line)["seq"] for line in path.read_bytes().splitlines()]

    await check_sink(lambda: JsonLinesFile(path), delivered=delivered)


@pytest.mark.anyio
async def test_a_json_lines_file_that_rotates(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"

    async def delivered() -> list[int]:
        packed = [gzip.decompress(file.read_bytes()) for file in tmp_path.glob("*.jsonl.gz")]
        plain = [file.read_bytes() for file in tmp_path.glob("*.jsonl") if not Path(f"{file}.gz").exists()]
        return sorted(json.loads(line)["seq"] for data in (*packed, *plain) for line in data.splitlines())

    await check_sink(lambda: JsonLinesFile(path, Rotation(size=5000, compress="gzip")), delivered=delivered)


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


class Memory:
    """The least that is a sink."""

    guarantee = "at-least-once"
    kinds = frozenset({"utterance"})
    taken: list[int]

    async def open(self) -> None:
        pass

    async def write(self, batch: Sequence[Record]) -> None:
        await anyio.sleep(0)
        self.taken.extend(row.seq for row in batch)

    async def aclose(self) -> None:
        pass


class Forgetful(Memory):
    async def write(self, batch: Sequence[Record]) -> None:
        self.taken.extend(row.seq for row in batch[:-1])


class Backwards(Memory):
    async def write(self, batch: Sequence[Record]) -> None:
        self.taken.extend(row.seq for row in reversed(batch))


class Twice(Memory):
    guarantee = "exactly-once"


class Boastful(Memory):
    guarantee = "always"


class Unknown(Memory):
    kinds = frozenset({"smell"})


class Meddling(Memory):
    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        assert isinstance(batch, list)
        batch.clear()


class Inventive(Memory):
    async def write(self, batch: Sequence[Record]) -> None:
        await super().write(batch)
        self.taken.append(10**6)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Memory, None),
        (Forgetful, "did not arrive"),
        (Backwards, "overtook"),
        (Twice, "twice"),
        (Boastful, "guarantee"),
        (Unknown, "smell"),
        (Meddling, "changed the batch"),
        (Inventive, "never sent"),
    ],
)
async def test_the_check_has_teeth(kind: Any, complaint: str | None) -> None:
    kind = type(kind.__name__, (kind,), {"taken": []})

    async def delivered() -> list[int]:
        return list(kind.taken)

    if complaint is None:
        await check_sink(kind, delivered=delivered)
    else:
        with pytest.raises(AssertionError, match=complaint):
            await check_sink(kind, delivered=delivered)
