"""Owns every task of a run: the source, its ingest, one delivery a sink, the sign of life; and their order of ending.

Soft stop: the source closes its connection and hands over what it read, the journal commits it, sinks get a few
seconds to take it, and only then is anything cancelled. A fatal verdict ends the same way, and is raised at the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from genscribe import clock
from genscribe.core.disk import LOOK_S, DiskWatch
from genscribe.delivery import Delivery, DeliveryState
from genscribe.errors import GenscribeError
from genscribe.ingest import Ingest
from genscribe.secrets import Secret
from genscribe.sources.base import Source
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from genscribe.telemetry import status as statuses
from genscribe.telemetry.pipeline import RunEnded
from genscribe.telemetry.status import Hearing, SinkStatus, Status
from genscribe.telemetry.store import DiskLow
from genscribe.version import __version__

SIGN_OF_LIFE_S = 5.0
"""How often the sign of life is written; older than 30 s it means that nothing runs."""
TOLD_WITHIN_S = 0.05
"""How soon after a connection is lost its reason has been logged."""
DRAIN_S = 5.0
"""What sinks get at a stop, of the ten seconds in which we promise to be gone."""
FATAL_DRAIN_S = 10.0
"""What sinks get when a fatal verdict ends the run."""


class Page(Protocol):
    """The live page, as far as a run knows it.

    Attributes:
        url: Where it is.
        made_token: The token that was made for it, to be shown once; `None` where none was made.
    """

    url: str
    made_token: Secret | None

    async def run(self) -> None:
        """Serves until cancelled."""

    def reopen(self) -> None:
        """Reads its certificate again."""


Background = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Pipeline:
    """One run. Made by `assemble`, which opens and closes what it is given.

    Args:
        source: Runs until stopped.
        ingest: Between source and journal.
        journal: Opened for writing.
        deliveries: One a sink.
        telemetry: Counters and happenings.
        background: What must run beside, such as the token manager; cancelled at the end.
        page: The live page; `None` without one.
    """

    source: Source
    ingest: Ingest
    journal: Journal
    deliveries: list[Delivery]
    telemetry: Telemetry
    background: list[Background] = field(default_factory=list)
    page: Page | None = None
    started_at: str = field(default_factory=clock.now, init=False)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope, init=False)

    async def run(self) -> None:
        """Runs until `stop()` or a fatal verdict.

        Raises:
            GenscribeError: The verdict, after sinks had their time.
        """
        verdict: GenscribeError | None = None
        async with anyio.create_task_group() as tasks:
            for delivery in self.deliveries:
                tasks.start_soon(self._deliver, delivery)
            for work in (*self.background, self._sign_of_life, self._watch_disk):
                tasks.start_soon(work)
            with self._scope:
                tasks.start_soon(self._watch_store)
                verdict = await self._hear()
            verdict = self.journal.failed or verdict
            await self._finish(FATAL_DRAIN_S if verdict else DRAIN_S)
            tasks.cancel_scope.cancel()
        if verdict is not None:
            raise verdict
        self._tell_end()

    def stop(self) -> None:
        """Soft stop; idempotent."""
        self.source.stop()

    def reopen(self) -> None:
        """Lets sinks open their files anew, after a log rotation."""
        for delivery in self.deliveries:
            delivery.reopen()
        if self.page is not None:
            self.page.reopen()

    async def _deliver(self, delivery: Delivery) -> None:
        """Delivers until the stop. When the last reader has gone, as after `| head`, nobody wants more: it stops."""
        await delivery.run()
        if delivery.state().status == "ended" and all(each.state().status == "ended" for each in self.deliveries):
            self.stop()

    def delivery(self, name: str) -> Delivery | None:
        """The delivery to a sink; `None` when this run has none of that name."""
        return next((each for each in self.deliveries if each.name == name), None)

    async def remove(self, delivery: Delivery) -> None:
        """Ends the delivery to a sink for good: its cursor is forgotten, and retention waits for it no more."""
        self.deliveries.remove(delivery)
        await delivery.remove()
        await self.journal.forget_cursor(delivery.name)

    async def tell(self) -> None:
        """Writes the sign of life now, with all that was noted before."""
        self.journal.note_life(status=self._encoded_status())
        await self.journal.flush()

    async def _hear(self) -> GenscribeError | None:
        try:
            await self.ingest.remember()
            await self.source.run(self.ingest)
        except GenscribeError as error:
            return error
        return None

    async def _watch_store(self) -> None:
        """A store that cannot go on ends the run: hearing without keeping would be a lie."""
        try:
            await self.journal.failure()
        except GenscribeError:
            self._scope.cancel()

    async def _finish(self, drain_s: float) -> None:
        if self.journal.failed is not None:
            return
        try:
            with anyio.move_on_after(drain_s):
                await self.journal.flush()
            async with anyio.create_task_group() as tasks:
                for delivery in self.deliveries:
                    tasks.start_soon(delivery.drain, drain_s)
            self.journal.note_life(heard_until=self.ingest.heard_until, status=self._encoded_status())
        except GenscribeError:
            return  # the store failed now; `run` raises it

    async def _sign_of_life(self) -> None:
        turned = self.ingest.turned
        while True:
            try:
                self.journal.note_life(status=self._encoded_status())
            except GenscribeError:
                return
            with anyio.move_on_after(SIGN_OF_LIFE_S):
                await turned.wait()  # `status` should know at once, and also why, which is told right after
            turned = self.ingest.turned  # before the pause: a turn within it counts
            await anyio.sleep(TOLD_WITHIN_S)

    async def _watch_disk(self) -> None:
        watch = DiskWatch()
        while True:
            free = _disk_free(self.journal)
            warning = None if free is None else watch.look(anyio.current_time(), free)
            if warning is not None:
                self.telemetry.emit(DiskLow(str(self.journal.path), *warning))
            await anyio.sleep(LOOK_S)

    def _tell_end(self) -> None:
        counters = self.telemetry.counters
        pending = max((delivery.state().lag_events for delivery in self.deliveries), default=0)
        self.telemetry.emit(RunEnded(sum(counters.utterances.values()), counters.gaps, pending))

    def _encoded_status(self) -> bytes:
        return statuses.encode(self.status())

    def status(self) -> Status:
        """How the run is doing, now."""
        counters = self.telemetry.counters
        connected = self.ingest.connected
        warnings = list(self.telemetry.recent)
        return Status(
            at=clock.now(),
            pid=os.getpid(),
            version=__version__,
            started_at=self.started_at,
            source=self.source.name,
            connected=connected,
            since=self.ingest.since,
            why=None if connected else self.telemetry.trouble,
            missing_since=None if connected else self.ingest.deaf_since,
            head=self.journal.head,
            utterances=sum(counters.utterances.values()),
            duplicates=counters.duplicates,
            gaps=counters.gaps,
            unreadable=counters.unreadable,
            store_full_since=None if self.journal.full_since is None else clock.iso(self.journal.full_since),
            disk_free_bytes=_disk_free(self.journal),
            sinks=[_sink_status(delivery.state()) for delivery in self.deliveries],
            warnings=warnings[-10:],
            hearing=self._hearing(),
        )

    def _hearing(self) -> Hearing | None:
        gauges = self.telemetry.gauges
        if "channels" not in gauges:
            return None
        p95_s = self.telemetry.counters.subscribe_seconds.within(0.95)
        return Hearing(
            conversations=int(gauges["live"]),
            unheard=self.ingest.unheard,
            waiting_s=round(gauges["waiting_s"], 1),
            silent=int(gauges["silent"]),
            channels=int(gauges["channels"]),
            topics=int(gauges["topics"]),
            topics_limit=int(gauges["topics_limit"]),
            subscribe_p95_s=None if p95_s is None or p95_s == float("inf") else p95_s,
        )


def _sink_status(state: DeliveryState) -> SinkStatus:
    return SinkStatus(
        name=state.name,
        state=state.status,
        since=clock.iso(state.since_ms),
        lag_events=state.lag_events,
        lag_seconds=state.lag_seconds,
        dead_letters=state.tally.dead_lettered,
        last_error=state.last_error,
    )


def _disk_free(journal: Journal) -> int | None:
    try:
        return shutil.disk_usage(journal.path.parent).free
    except OSError:
        return None
