"""The sink `python:module:name`: a function, a coroutine function or a class of the user's own.

A function is called with each event; the events of a batch that it has taken are not given to it again when a later
one fails. A class gets batches, as every sink of ours does.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol, cast

import anyio
import anyio.lowlevel
import msgspec

from genscribe.errors import GenscribeError
from genscribe.events import KINDS, Event, Record, decode
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, RowsRejected, Sink, SinkMisconfigured
from genscribe.sinks.python_loading import Loaded, judged, load
from genscribe.sinks.python_thread import OwnThread

NOT_AN_EVENT = "not an event of this version"


def make(setting: SinkSetting, means: Means) -> Sink:
    """The sink of a setting. The module is imported here, at start; what is wrong with it is for `open` to tell."""
    return cast("Sink", PythonSink(setting, means))  # its words are its own, not its class's


class Takes(Protocol):
    """Where the events of a batch go."""

    async def write(self, batch: Sequence[Record]) -> None:
        """Gives a batch to the user's code."""


class PythonSink:
    """Whatever stands under `module:name`.

    Args:
        setting: Which; a class that takes `setting` and `means` gets them.
        means: What a sink may need.
    """

    def __init__(self, setting: SinkSetting, means: Means) -> None:
        self._setting = setting
        self._means = means
        self._target = setting.target
        self._thread = OwnThread()
        self._progress = Progress()
        self._takes: Takes | None = None
        self._loaded: Loaded | None = None
        known = Loaded(None, "function")
        with contextlib.suppress(SinkMisconfigured):  # `open` tries again and tells
            self._loaded = known = load(self._target)
        self.kinds = known.kinds
        self.guarantee = known.guarantee

    async def open(self) -> None:
        """Finds the function, or makes and opens the object.

        Raises:
            SinkMisconfigured: There is nothing of that name that takes events; the module is imported anew next time.
            SinkUnavailable: Making or opening it failed.
        """
        loaded = self._loaded
        if loaded is None:
            await self._thread.run(self._load)
            loaded = cast("Loaded", self._loaded)
        if loaded.kinds != self.kinds and self._setting.kinds is None:
            raise SinkMisconfigured(f"{self._target} can be loaded now, and has kinds=.", advice="Restart genscribe.")
        if self._takes is None:
            self._takes = self._made(loaded)
        if isinstance(self._takes, Batches):
            await self._takes.open()

    async def write(self, batch: Sequence[Record]) -> None:
        """Gives a batch to the user's code.

        Raises:
            RowsRejected: It raised that.
            SinkUnavailable: It raised anything that is no error of ours.
            SinkMisconfigured: It has to be awaited and does not look so.
        """
        assert self._takes is not None, "open comes first"
        await self._takes.write(batch)

    async def aclose(self) -> None:
        """Closes the object, whatever it raises, and lets the thread end; idempotent."""
        takes, self._takes = self._takes, None
        self._thread.close()
        if isinstance(takes, Batches):
            with contextlib.suppress(GenscribeError, RowsRejected):  # there is nobody left to whom it matters
                await takes.aclose()

    def _load(self) -> None:
        self._loaded = load(self._target)

    def _made(self, loaded: Loaded) -> Takes:
        if loaded.form == "function":
            return InThread(loaded, self._target, self._thread, self._progress)
        if loaded.form == "coroutine":
            return OnLoop(loaded, self._target, self._progress)
        made = loaded.found
        if loaded.form == "class":
            try:
                made = _construct(cast("Callable[..., object]", made), self._setting, self._means)
            except (Exception, SystemExit) as error:  # noqa: BLE001  # anybody's code
                raise judged(error, loaded, self._target) from None
        return Batches(made, loaded, self._target)


def _construct(kind: Callable[..., object], setting: SinkSetting, means: Means) -> object:
    """With `setting` and `means` where it has parameters of these names, or cannot do without two."""
    try:
        wanted = inspect.signature(kind)
    except (TypeError, ValueError):
        return kind()
    if {"setting", "means"} <= set(wanted.parameters):
        return kind(setting=setting, means=means)
    try:
        wanted.bind()
    except TypeError:
        return kind(setting, means)
    return kind()


class Batches:
    """An object with `async write(batch)`."""

    def __init__(self, made: object, loaded: Loaded, target: str) -> None:
        self._made = made
        self._loaded = loaded
        self._target = target

    async def open(self) -> None:
        """The object's own, if it has one."""
        await self._called("open")

    async def write(self, batch: Sequence[Record]) -> None:
        """The object's own."""
        await self._called("write", batch)

    async def aclose(self) -> None:
        """The object's own, if it has one."""
        await self._called("aclose")

    async def _called(self, name: str, *arguments: object) -> None:
        method = getattr(self._made, name, None)
        if method is not None:
            await guarded(lambda: method(*arguments), self._loaded, self._target)


class Progress:
    """Which events of an unfinished batch were taken: they are not to be given again when the rest is."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def lacks(self, record: Record) -> bool:
        """Whether it is still to be given."""
        return record.seq not in self._taken

    def took(self, record: Record) -> None:
        """It was taken."""
        self._taken.add(record.seq)

    def finished(self, batch: Sequence[Record]) -> None:
        """All of the batch was taken; when one of its events comes again, somebody wants it again."""
        self._taken.difference_update(record.seq for record in batch)


class OnLoop:
    """A coroutine function, awaited with each event."""

    def __init__(self, loaded: Loaded, target: str, progress: Progress) -> None:
        self._call = cast("Callable[[object], Awaitable[object]]", loaded.found)
        self._loaded = loaded
        self._target = target
        self._progress = progress

    async def write(self, batch: Sequence[Record]) -> None:
        """One event after the other."""
        for record in filter(self._progress.lacks, batch):
            event = typed(record)
            try:
                await guarded(lambda event=event: self._call(event), self._loaded, self._target)  # type: ignore[misc]
            except RowsRejected as refusal:
                raise _rejected(record, refusal) from None
            self._progress.took(record)
            await anyio.lowlevel.checkpoint()  # many a coroutine function never waits
        self._progress.finished(batch)


class InThread:
    """A function, called with each event in a thread of its own."""

    def __init__(self, loaded: Loaded, target: str, thread: OwnThread, progress: Progress) -> None:
        self._call = cast("Callable[[object], object]", loaded.found)
        self._loaded = loaded
        self._target = target
        self._thread = thread
        self._progress = progress

    async def write(self, batch: Sequence[Record]) -> None:
        """One event after the other; cancelled, it leaves at once, and the event in hand is the thread's last."""
        left = threading.Event()
        try:
            await self._thread.run(lambda: self._give(batch, left))
        finally:
            left.set()

    def _give(self, batch: Sequence[Record], left: threading.Event) -> None:
        for record in filter(self._progress.lacks, batch):
            if left.is_set():
                return
            self._give_one(record)
            self._progress.took(record)
        self._progress.finished(batch)

    def _give_one(self, record: Record) -> None:
        event = typed(record)
        try:
            result = self._call(event)
        except RowsRejected as refusal:
            raise _rejected(record, refusal) from None
        except BaseException as error:  # noqa: BLE001  # anybody's code
            raise judged(error, self._loaded, self._target) from None
        if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
            if inspect.iscoroutine(result):
                result.close()
            raise _not_awaited(self._target)


def typed(record: Record) -> Event[datetime] | dict[str, object]:
    """An event with aware datetimes, as `open_stream` yields it; a document of `per=conversation` as plain JSON.

    Raises:
        RowsRejected: It is neither.
    """
    try:
        if record.kind in KINDS:
            return decode(record.json())
        document: dict[str, object] = msgspec.json.decode(record.json())
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RowsRejected({record.seq: NOT_AN_EVENT}) from None
    return document


async def guarded(call: Callable[[], object], loaded: Loaded, target: str) -> None:
    """Awaits what `call` returns, and raises errors of ours only."""
    try:
        result = call()
        if not inspect.isawaitable(result):
            raise _not_awaitable(target)
        await result
    except asyncio.CancelledError as error:
        if _cancelled():
            raise
        raise judged(error, loaded, target) from None  # something of its own was cancelled, not we
    except (Exception, SystemExit) as error:  # noqa: BLE001  # anybody's code
        raise judged(error, loaded, target) from None


def _cancelled() -> bool:
    """Whether it is this task that somebody cancels."""
    cancelling = getattr(asyncio.current_task(), "cancelling", None)  # Python 3.10 does not say
    return cancelling is None or cancelling() > 0 or anyio.current_effective_deadline() == -math.inf


def _rejected(record: Record, refusal: RowsRejected) -> RowsRejected:
    return RowsRejected({record.seq: refusal.reasons.get(record.seq, refusal.message)})


def _not_awaited(target: str) -> SinkMisconfigured:
    return SinkMisconfigured(
        f"{target} returns what would have to be awaited.", advice="Make it an async def, or a plain function."
    )


def _not_awaitable(target: str) -> SinkMisconfigured:
    return SinkMisconfigured(f"{target} is not to be awaited.", advice="Its open, write and aclose are async def.")
