"""The sink `parquet:PATH` and `parquet:s3://bucket/prefix`: files by kind, date and hour, for duckdb and its like.

A file of Parquet cannot be appended to. So events are first spooled, synced, with their place in the journal
(`parquet_spool`), and become files when their hour is over, or `every`, or at the end; a file gets its name when it is
whole. The place that counts is the spool's: what has become durable there is not asked for again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

import anyio.to_thread
import msgspec

from genscribe import clock
from genscribe.errors import GenscribeError
from genscribe.events import DELIVERED_KINDS, Message, Position, Record, Utterance, decode
from genscribe.settings import SinkSetting
from genscribe.settings.values import BadValue, duration_s
from genscribe.sinks.base import Means, RowsRejected, Sink, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.parquet_files import COMPRESSIONS, LARGEST, Part, hour_of, make_parts
from genscribe.sinks.parquet_spool import Spool
from genscribe.sinks.rotation import sync_folder
from genscribe.sinks.s3 import Uploader, parse_bucket

HOUR_S = 3600
FULL = 128 * 1024 * 1024
"""Bytes of spooled JSON after which files are made at once: it bounds their size and the memory for them."""

GRACE_S = 10.0
"""An hour is over so long after its end: what was heard in it may be on its way."""

T = TypeVar("T")


class Destination(Protocol):
    """Where finished files belong."""

    async def check(self) -> None:
        """Raises what `write` would, where that shows before the first file."""

    def place(self, part: Part) -> Path:
        """Where to write a file, before it gets its name. Blocks; may raise `OSError`."""

    async def put(self, written: Path, part: Part) -> None:
        """Gives a written file its name, replacing one of that name."""

    async def aclose(self) -> None:
        """Releases everything; idempotent."""


@dataclass(frozen=True)
class ParquetSettings:
    """How files are made.

    Attributes:
        spool: This sink's own folder for what is not yet in a file; those beside it are its predecessors'.
        store_id: The store that feeds it.
        every_s: Seconds after which files are made, at the latest.
        compression: `zstd`, `snappy`, `gzip` or `none`.
    """

    spool: Path
    store_id: str
    every_s: int = HOUR_S
    compression: str = "zstd"


class ParquetSink:
    """Makes Parquet files.

    Args:
        settings: How.
        destination: Where they belong.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, settings: ParquetSettings, destination: Destination) -> None:
        self._settings = settings
        self._destination = destination
        self._spool = Spool(settings.spool)

    async def open(self) -> None:
        """Finishes what an earlier run left spooled, and looks whether the destination is there.

        Raises:
            SinkMisconfigured: No permission, no such bucket, credentials refused.
            SinkUnavailable: The disk is full or failing, the bucket does not answer, another process writes there.
        """
        await self._blocking(self._spool.open)
        await self._destination.check()
        await self._finish(self._spool)
        await self._finish_others()

    async def look(self) -> None:
        """Whether the destination is there, for `genscribe check`; changes nothing, raises as `open` does."""
        await self._destination.check()

    async def position(self) -> Position | None:
        """Up to where everything is in files or spooled; `None` when nothing is, of this store."""
        position = self._spool.position
        return position if position is not None and position.store_id == self._settings.store_id else None

    async def write(self, batch: Sequence[Record]) -> None:
        """Spools a batch, and makes files first where it is time. Raises as `open` does.

        Raises:
            RowsRejected: Some are no events of this version, or too large.
        """
        await self._write(batch, None)

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        """`write`, with the place in the journal. Raises as `write` does."""
        await self._write(batch, position)

    def due_in_s(self) -> float | None:
        """Seconds until `tidy` has something to do; `None` when nothing is spooled."""
        written = self._spool.written
        if written is None:
            return None
        ends = (written.began_s // HOUR_S + 1) * HOUR_S + GRACE_S
        return max(min(ends, written.began_s + self._settings.every_s) - clock.wall_ms() / 1000, 0.0)

    async def tidy(self) -> None:
        """Makes files of what is due, though nothing more is to be written. Raises as `open` does."""
        if self.due_in_s() == 0.0:
            await self._blocking(self._spool.seal)
        await self._finish(self._spool)

    async def aclose(self) -> None:
        """Makes files of what is spooled; where that does not succeed, the next `open` does it. Idempotent."""
        try:
            with contextlib.suppress(GenscribeError):
                await self._blocking(self._spool.seal)
                await self._finish(self._spool)
        finally:
            self._spool.close()
            await self._destination.aclose()

    async def _write(self, batch: Sequence[Record], position: Position | None) -> None:
        heard = await anyio.to_thread.run_sync(_checked, batch)
        now_s = clock.wall_ms() / 1000
        hour = hour_of(heard or datetime.fromtimestamp(now_s, timezone.utc))
        written = self._spool.written
        if written is not None and (hour > written.hour or written.size > FULL or self.due_in_s() == 0.0):
            await self._blocking(self._spool.seal)
        await self._finish(self._spool)
        lines = [record.json() + b"\n" for record in batch]
        await self._blocking(lambda: self._append(lines, position, hour, now_s))

    def _append(self, lines: Sequence[bytes], position: Position | None, hour: str, now_s: float) -> None:
        self._spool.open()
        self._spool.append(lines, position, hour, now_s)

    async def _finish(self, spool: Spool) -> None:
        """Makes files of what is sealed, and puts them where they belong."""
        for path in await self._blocking(spool.sealed) if spool.is_open else ():
            # The store's id of a predecessor's spool stands in its folder's name.
            making = make_parts(path, spool.folder.name, self._settings.compression, self._destination.place)
            with contextlib.closing(making):
                while True:
                    made = await self._blocking(lambda parts=making: next(parts, None))  # type: ignore[misc]
                    if made is None:
                        break
                    await self._destination.put(made[1], made[0])
            await self._blocking(lambda done=path: spool.remove(done))  # type: ignore[misc]

    async def _finish_others(self) -> None:
        """Finishes what was spooled for a store that is no more, or for a sink that is called otherwise now."""
        parent = self._settings.spool.parent
        for folder in await self._blocking(lambda: sorted(parent.iterdir())):
            if folder == self._settings.spool or folder.is_symlink() or not (folder / "lock").is_file():
                continue
            other = Spool(folder)
            try:
                await self._blocking(other.open)
            except SinkUnavailable:  # it is in use
                continue
            try:
                await self._finish(other)
            finally:
                other.close()

    async def _blocking(self, act: Callable[[], T]) -> T:
        """Acts in a worker thread."""
        try:
            return await anyio.to_thread.run_sync(act)
        except PermissionError as error:
            raise SinkMisconfigured(_said(error), advice="Let this user write there.") from None
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise SinkMisconfigured(_said(error), advice="Name a folder.") from None
        except OSError as error:
            raise SinkUnavailable(_said(error)) from None


class LocalFiles:
    """A folder. Files are written beside their place, hidden, and renamed.

    Args:
        root: The folder; made when missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def check(self) -> None:
        """Whether files can be made there, or the folder itself."""
        there = next(folder for folder in (self._root, *self._root.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise SinkMisconfigured(f"{there} is no folder.", advice="Name a folder, or move the file away.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise SinkMisconfigured(f"This user may not write {there}.", advice="Change its owner or mode.")

    def place(self, part: Part) -> Path:
        """Makes the folders and names a hidden file in them."""
        final = self._root / part.name
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return final.with_name(f".{final.name}.part")

    async def put(self, written: Path, part: Part) -> None:
        """Renames."""
        await anyio.to_thread.run_sync(self._rename, written, self._root / part.name)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _rename(self, written: Path, final: Path) -> None:
        try:
            written.replace(final)
            for folder in (final.parent, final.parent.parent, self._root):
                sync_folder(folder)
        except OSError as error:
            raise SinkUnavailable(_said(error)) from None


class BucketFiles:
    """A bucket. Files are written beside the spool and uploaded.

    Args:
        uploader: Knows the bucket.
        folder: For the one file that is on its way.
    """

    def __init__(self, uploader: Uploader, folder: Path) -> None:
        self._uploader = uploader
        self._folder = folder

    async def check(self) -> None:
        """Asks whether the bucket is there."""
        await self._uploader.check()

    def place(self, part: Part) -> Path:
        """A file beside the spool."""
        return self._folder / "upload.part"

    async def put(self, written: Path, part: Part) -> None:
        """Uploads, and removes the local file."""
        await self._uploader.put(written, part.name)
        await anyio.to_thread.run_sync(written.unlink)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._uploader.aclose()


def make(setting: SinkSetting, means: Means) -> Sink:
    """The sink of a setting.

    Raises:
        SinkMisconfigured: A parameter that it cannot mean, no bucket, no credentials.
    """
    every_s = _every(setting.params.get("every"))
    compression = setting.params.get("compression", "zstd")
    if compression not in COMPRESSIONS:
        raise SinkMisconfigured(
            "the parquet sink's compression= is unknown.", advice=f"Write one of {', '.join(COMPRESSIONS)}."
        )
    own = f"{means.store_id}-{_safe(means.name)}"
    if "://" not in setting.target:
        root = Path(setting.target)
        if re.search(r"[*?\[]", setting.target):  # duckdb would look for what matches
            raise SinkMisconfigured("the parquet sink's path has *, ? or [ in it.", advice="Name another folder.")
        return ParquetSink(
            ParquetSettings(root / ".spool" / own, means.store_id, every_s, compression), LocalFiles(root)
        )
    bucket = parse_bucket(setting.target, _texts(setting.options) | dict(setting.params), os.environ)
    place = hashlib.sha256(f"{bucket.base}{bucket.root}/{bucket.prefix}".encode()).hexdigest()[:16]
    spool = _spool_folder(setting, means) / place / own
    destination = BucketFiles(Uploader(bucket, means.tls, means.proxy), spool)
    return ParquetSink(ParquetSettings(spool, means.store_id, every_s, compression), destination)


def _spool_folder(setting: SinkSetting, means: Means) -> Path:
    """Where to spool for a bucket: what is asked for, else beside the store, which is as durable as the journal."""
    asked = setting.params.get("spool") or setting.options.get("spool")
    if isinstance(asked, str):
        return Path(asked).expanduser().absolute()
    if means.store is not None:
        return means.store.with_name(f"{means.store.name}.spool")
    import platformdirs

    return platformdirs.user_data_path("genscribe", appauthor=False) / "spool"


def _texts(options: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name, value in options.items() if isinstance(value, str)}


def _safe(name: str) -> str:
    return f"{re.sub('[^A-Za-z0-9_-]+', '-', name)[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _every(text: str | None) -> int:
    if text is None:
        return HOUR_S
    try:
        seconds = duration_s(text)
    except BadValue:
        seconds = 0.0
    if not 1 <= seconds <= HOUR_S:
        raise SinkMisconfigured(
            "the parquet sink's every= is no duration from 1s to 1h.", advice="Write every=15m, or leave it out."
        )
    return int(seconds)


def _checked(batch: Sequence[Record]) -> datetime | None:
    """When the first event was heard that says so; refuses what no file could be made of, before it is spooled."""
    heard: datetime | None = None
    refused: dict[int, str] = {}
    for record in batch:
        try:
            event = decode(record.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            refused[record.seq] = "not an event of this version"
            continue
        if len(record.body) > LARGEST:
            refused[record.seq] = f"larger than {LARGEST} bytes"
        elif not -(2**63) <= event.revision < 2**63:
            refused[record.seq] = "a revision that no file can hold"
        if heard is None and isinstance(event, (Utterance, Message)):
            heard = event.received_at
    if refused:
        raise RowsRejected(refused)
    return heard


def _said(error: OSError) -> str:
    return f"{error.filename or 'a file of the parquet sink'} cannot be written: {error.strerror or error}."
