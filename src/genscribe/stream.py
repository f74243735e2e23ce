"""`open_stream`: transcripts as an async iterator, for programs.

The pipeline runs in a thread of its own, with a loop of its own: a caller who blocks his event loop disconnects
nothing and loses nothing. He pulls batches from the journal, so however far he lags, memory stays flat.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast, overload

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from genscribe import loop, settings
from genscribe.assemble import open_pipeline
from genscribe.attempts import unless
from genscribe.core.batches import MAX_EVENTS, Choice
from genscribe.errors import ConfigError, GenscribeError
from genscribe.events import DELIVERED_KINDS, Event, Record, Utterance, decode
from genscribe.pipeline import Pipeline
from genscribe.settings.values import duration_s
from genscribe.telemetry import Telemetry

Start = Literal["now", "resume", "beginning"]
E = TypeVar("E", bound=Event[datetime])

CONNECT_S = 10.0
"""How long the block waits for the first connection before it begins without one."""
LINGER_S = 0.05
"""How long a batch at the journal's end gathers, so that a burst of commits is one hand-over."""


class Stream(Generic[E]):
    """What `open_stream` gives: `async for event in stream`.

    Times are aware datetimes; `event.seq` is the journal's count. Iteration ends after a stop, and raises the
    `genscribe.errors` class of a fatal end after everything committed has been handed over.
    """

    def __init__(self, portal: BlockingPortal, choice: Choice, name: str | None, start: Start) -> None:
        self._portal = portal
        self._choice = choice
        self._cursor_name = None if name is None else f"open_stream:{name}"
        self._start = start
        self._batch: deque[Record] = deque()
        self._read_to = 0
        self._in_hand: int | None = None
        self._delivered = 0
        self._saving = False
        # Below: touched on the pipeline's loop only.
        self._pipeline: Pipeline
        self._opened = False
        self._verdict: GenscribeError | None = None
        self._ended = anyio.Event()
        self._released = anyio.Event()

    def __aiter__(self) -> Stream[E]:
        return self

    async def __anext__(self) -> E:
        """The next event; asking for it says that the one before is dealt with."""
        self._settle()
        while not self._batch:
            records = await asyncio.wrap_future(self._portal.start_task_soon(self._next_records))
            if not records:
                raise StopAsyncIteration
            self._batch.extend(record for record in records if self._choice.wants(record))
        record = self._batch.popleft()
        self._in_hand = record.seq
        return cast("E", decode(record.json()))

    def stop(self) -> None:
        """Soft stop: the connection is closed, and iteration ends after what is committed."""
        self._portal.start_task_soon(self._pipeline.stop)

    # On the caller's loop.

    def _settle(self) -> None:
        if self._in_hand is None:
            return
        self._delivered, self._in_hand = self._in_hand, None
        if self._cursor_name is not None and not self._saving:
            self._saving = True
            self._portal.start_task_soon(self._save)

    # On the pipeline's loop.

    async def _save(self) -> None:
        self._saving = False
        if self._cursor_name is not None:
            await self._pipeline.journal.save_cursor(self._cursor_name, self._delivered, at_once=True)

    async def _serve(self, chosen: settings.Settings, ready: Future[None]) -> None:
        try:
            async with open_pipeline(chosen, telemetry=Telemetry(), reader=self._cursor_name) as self._pipeline:
                self._read_to = self._delivered = self._beginning()
                self._opened = True
                if self._released.is_set():
                    self._pipeline.stop()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._run)
                    with anyio.move_on_after(CONNECT_S):
                        await self._connected_or_ended()
                    ready.set_result(None)
                await self._released.wait()
                if self._cursor_name is not None and self._pipeline.journal.failed is None:
                    await self._save()
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _run(self) -> None:
        try:
            await self._pipeline.run()
        except GenscribeError as error:
            self._verdict = error
        self._ended.set()

    async def _connected_or_ended(self) -> None:
        async def connected() -> None:
            while not self._pipeline.ingest.connected:
                await self._pipeline.ingest.turned.wait()

        await unless(self._ended, lambda: unless(self._released, connected))

    def _beginning(self) -> int:
        journal = self._pipeline.journal
        saved = None if self._cursor_name is None else journal.cursor(self._cursor_name)
        if self._start == "now":
            return journal.head
        return (saved or 0) if self._start == "resume" else 0

    async def _next_records(self) -> list[Record]:
        """The next of the journal, wanted or not; empty when the run has ended and all of it was read."""
        journal = self._pipeline.journal
        if journal.head <= self._read_to and not self._ended.is_set():
            await self._wait_for_more()
        if journal.failed is not None:
            raise journal.failed
        if journal.head <= self._read_to:
            if self._verdict is not None:
                raise self._verdict
            return []
        records = await journal.read(self._read_to, MAX_EVENTS)
        self._read_to = records[-1].seq if records else journal.head
        return records

    async def _wait_for_more(self) -> None:
        journal = self._pipeline.journal

        async def committed() -> None:
            head = await journal.wait_beyond(self._read_to)
            if head - self._read_to < MAX_EVENTS:
                await anyio.sleep(LINGER_S)

        with suppress(GenscribeError):  # `_next_records` looks for what failed
            await unless(self._ended, committed)

    def _release(self) -> None:
        self._released.set()
        if self._opened:
            self._pipeline.stop()


@overload
def open_stream(
    *,
    store: str | Path | None = None,
    name: str | None = None,
    start: Start | None = None,
    kinds: Sequence[str],
    sinks: Sequence[str] = (),
    stop_after: float | str | None = None,
    **given: Any,
) -> AbstractAsyncContextManager[Stream[Event[datetime]]]: ...


@overload
def open_stream(
    *,
    store: str | Path | None = None,
    name: str | None = None,
    start: Start | None = None,
    sinks: Sequence[str] = (),
    stop_after: float | str | None = None,
    **given: Any,
) -> AbstractAsyncContextManager[Stream[Utterance[datetime]]]: ...


def open_stream(
    *,
    store: str | Path | None = None,
    name: str | None = None,
    start: Start | None = None,
    kinds: Sequence[str] = ("utterance",),
    sinks: Sequence[str] = (),
    stop_after: float | str | None = None,
    **given: Any,
) -> AbstractAsyncContextManager[Stream[Any]]:
    """Connects, commits and hands over what is said, while the block lasts.

    The block begins once connected, at latest after ten seconds: a platform that is down is waited for inside it.
    Settings come from keyword arguments, then the environment (`GENESYS_CLIENT_ID`, ...), then the file that `config`
    names; the keywords are the long options with `_` (`media_types`, `region`, `keep`), besides `client_id`,
    `client_secret`, `client_secret_file`, `login_url` and `api_url`. asyncio only.

    Args:
        store: The SQLite file. `None` uses a temporary one (mode 0600) that is gone afterwards.
        name: Gives the stream a durable cursor in the store: an event counts as delivered when the next one is asked
            for, or when the block ends without an exception; after a crash the one in hand comes again. `None`: no
            cursor.
        start: `now`, `resume` (where the cursor of `name` stands; the beginning when it has none yet) or `beginning`
            (the oldest event that the store has). `None` means `resume` with a name, else `now`.
        kinds: Which events: `utterance` (final ones), `conversation`, `participant`, `gap`.
        sinks: Sinks to feed besides, as `--to` takes them.
        stop_after: Seconds, or a duration such as `5m`, after which to stop; `None` runs until the block is left.
        **given: Other settings, by the names of the long options.

    Raises:
        StoreBusy: Another process holds the store.
        ConfigError: The settings are wrong; see `genscribe.errors` for all of them, each with its `exit_code`.
    """
    return _open_stream(store, name, start, kinds, sinks, stop_after, given)


@asynccontextmanager
async def _open_stream(
    store: str | Path | None,
    name: str | None,
    start: Start | None,
    kinds: Sequence[str],
    sinks: Sequence[str],
    stop_after: float | str | None,
    given: dict[str, Any],
) -> AsyncIterator[Stream[Any]]:
    wrong = [kind for kind in kinds if kind not in DELIVERED_KINDS]
    if wrong or start not in (None, "now", "resume", "beginning"):
        raise ConfigError(f"open_stream knows no {wrong[0] if wrong else start!r}.", advice="See its documentation.")
    folder = None if store is not None else tempfile.mkdtemp(prefix="genscribe-")
    try:
        path = Path(store) if store is not None else Path(folder or "") / "genscribe.db"
        chosen = settings.load({**given, "store": path, "to": tuple(sinks)}, command_line=False)
        if chosen.page is not None and chosen.page.wants_token and chosen.page.token is None:
            raise ConfigError(
                "the live page needs a token, and nobody would see one that was made.", advice="Give one: web_token."
            )
        with start_blocking_portal(backend_options=loop.OPTIONS) as portal:
            stream: Stream[Any] = Stream(portal, Choice(frozenset(kinds)), name, start or ("resume" if name else "now"))
            async with _serving(portal, stream, chosen, stop_after):
                yield stream
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _serving(
    portal: BlockingPortal, stream: Stream[Any], chosen: settings.Settings, stop_after: float | str | None
) -> AsyncIterator[None]:
    ready: Future[None] = Future()
    served = portal.start_task_soon(stream._serve, chosen, ready)
    timer = None
    try:
        await asyncio.shield(asyncio.wrap_future(ready))
        if stop_after is not None:
            seconds = duration_s(stop_after) if isinstance(stop_after, str) else stop_after
            timer = asyncio.get_running_loop().call_later(seconds, stream.stop)
        yield
        stream._settle()
    finally:
        if timer is not None:
            timer.cancel()
        portal.start_task_soon(stream._release)
        with anyio.CancelScope(shield=True):
            await asyncio.wrap_future(served)
