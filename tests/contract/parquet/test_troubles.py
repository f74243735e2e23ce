"""The parquet sink keeps the contract on a disk that fails, and towards a bucket that comes and goes."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from genscribe.events import Record
from genscribe.sinks import s3
from genscribe.sinks.base import SinkUnavailable
from genscribe.testing import check_sink
from tests.contract.parquet.test_parquet import credentials, seqs, sink_of
from tests.servers.s3 import S3, s3_server
from tests.servers.trouble import trouble

pytestmark = pytest.mark.anyio

__all__ = ["s3_server"]


def poison(seq: int) -> Record:
    return Record(seq, "utterance", b'{"kind":"utterance","key":7,"revision":1}')


class Disk:
    """Stands in for `os.fsync`: full, or broken after the data was written."""

    def __init__(self) -> None:
        self.full = self.broken = False

    def sync(self, fd: int) -> None:
        if self.full or self.broken:
            self.broken = False
            raise OSError(28, "No space left on device")

    async def down(self) -> None:
        self.full = True

    async def up(self) -> None:
        self.full = False

    async def fail(self) -> None:
        self.broken = True


async def test_a_disk_that_is_full_and_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, disk = tmp_path / "lake", Disk()
    monkeypatch.setattr("genscribe.sinks.parquet_spool.os.fsync", disk.sync)

    async def delivered() -> Sequence[int]:
        return seqs(root)

    await check_sink(
        lambda: sink_of(str(root)),
        delivered=delivered,
        down=disk.down,
        up=disk.up,
        swallow=disk.fail,
        tear=disk.fail,
        poison=poison,
        make_for_store=lambda store: sink_of(str(root), store),
    )


@pytest.mark.slow
async def test_a_bucket_that_comes_and_goes(tmp_path: Path, s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spooled when nobody is there is uploaded later, under the same name however often."""
    monkeypatch.setattr(s3, "SILENCE_S", 0.5)
    s3_server.make_bucket("troubles")
    credentials(monkeypatch)

    async def delivered() -> Sequence[int]:
        for key in s3_server.keys("troubles"):
            place = tmp_path / "got" / key.removeprefix("in/here/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(s3_server.get("troubles", key))
        return seqs(tmp_path / "got")

    async with trouble(s3_server.port, asks=b"PUT /troubles/", answers=b"HTTP/1.1 200") as there:

        async def hold() -> None:
            s3_server.process.freeze()

        async def release() -> None:
            s3_server.process.thaw()

        await check_sink(
            lambda: sink_of(
                "s3://troubles/in/here", spool=tmp_path / "store.db", endpoint=f"http://127.0.0.1:{there.port}"
            ),
            delivered=delivered,
            hold=hold,
            release=release,
            poison=poison,
            spools=True,
            **there.hooks,
        )
        assert (there.lost, there.tears) == (2, 2)
    assert all(key.startswith("in/here/kind=") for key in s3_server.keys("troubles"))
    assert not list(tmp_path.rglob("*.sealed")) + list(tmp_path.rglob("upload.part"))


async def test_a_file_that_cannot_be_read_is_uploaded_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)
    bucket = s3.parse_bucket("s3://troubles", {"endpoint": "http://127.0.0.1:9"}, os.environ)
    uploader = s3.Uploader(bucket, ssl.create_default_context)
    with pytest.raises(SinkUnavailable, match=r"gone\.parquet cannot be read: No such file"):
        await uploader.put(tmp_path / "gone.parquet", "kind=gap/one.parquet")
    await uploader.aclose()
