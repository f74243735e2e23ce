"""Finds the live conversations: the queues' topics tell of new ones, sweeps of all the rest.

Queues are subscribed before the first sweep, so nothing falls between. Analytics lags a few seconds behind: what a
sweep does not show may still be live, so only a conversation's own details end it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio

from genscribe import clock
from genscribe.core.queues import QueueChoice
from genscribe.core.snapshot import Snapshot
from genscribe.errors import GenscribeError, NotPermitted, RequestRefused
from genscribe.genesys import conversations, directory
from genscribe.genesys.api import ApiClient
from genscribe.genesys.directory import Queue
from genscribe.sources.names import NameBook
from genscribe.telemetry import Telemetry
from genscribe.telemetry.notifications import (
    NoQueues,
    QueueAdded,
    QueuesVisible,
    QueueUnmatched,
    SweepDone,
    SweepFailed,
    SweepRefused,
)

NEWEST_EVERY_S = 30.0
ALL_EVERY_S = 600.0
AGAIN_S = 30.0
QUEUES_EVERY_S = 60.0
AFTER_OUTAGE_S = 2.0
SOON_S = 8.0
"""Analytics lags: what began just before the first sweep, or just before one after an outage, the newest show then."""
LAG_MS = 120_000
"""How late analytics may show a conversation."""
MOST_PAGES = 400
"""Forty thousand conversations: more than 19 channels hold."""
BACK_DAYS = 7
"""Text conversations stay open for days."""
DETAILS_AT_ONCE = 50


@dataclass
class Discovery:
    """Looks for conversations, and for queues.

    Args:
        api: For the queries.
        names: Is given the queues' names.
        choice: Which queues are heard.
        found: Told what a sweep shows; `late` is whether it is a sweep after the first.
        live: The ids of what we take for live and analytics should know: those that a whole sweep does not show are
            looked at one by one.
        queues_changed: Told the ids of the queues whose topics are wanted, whenever they change.
        telemetry: Where happenings go.
    """

    api: ApiClient
    names: NameBook
    choice: QueueChoice
    found: Callable[[Iterable[Snapshot], bool], None]
    live: Callable[[], list[str]]
    queues_changed: Callable[[list[str]], None]
    telemetry: Telemetry
    swept: bool = field(default=False, init=False)
    """Whether the first sweep is done."""
    queues: dict[str, Queue] = field(default_factory=dict, init=False)
    _known: set[str] = field(default_factory=set, init=False)
    _hurry: anyio.Event = field(default_factory=anyio.Event, init=False)
    _forbidden: bool = field(default=False, init=False)
    _failing: bool = field(default=False, init=False)
    _back_days: int = field(default=BACK_DAYS, init=False)
    _swept_at: int = field(default_factory=lambda: clock.wall_ms(), init=False)

    def hurry(self) -> None:
        """Something may have been missed: the whole list is due."""
        self._hurry.set()

    async def run(self) -> None:
        """Sweeps until cancelled; the first sweep and the first list of queues were made by then."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_sweeping)
            tasks.start_soon(self._keep_listing)

    async def list_queues(self) -> None:
        """Asks for the queues. Raises what the REST call raises."""
        listed = {queue.id: queue for queue in await directory.queues(self.api)}
        first, before = not self.queues, self.queues
        self.queues = listed
        self.names.queues.update({queue.id: queue.name for queue in listed.values()})
        chosen = [queue.id for queue in listed.values() if self.choice.chosen(queue.id, queue.name)]
        if first and not listed:
            self.telemetry.emit(NoQueues())
        elif first:
            divisions = {queue.division_id for queue in listed.values() if queue.division_id}
            self.telemetry.emit(QueuesVisible(len(listed), len(divisions), len(chosen)))
            for pattern in self.choice.unmatched((queue.id, queue.name) for queue in listed.values()):
                self.telemetry.emit(QueueUnmatched(pattern))
        else:
            for queue_id in chosen:
                if queue_id not in before:
                    self.telemetry.emit(QueueAdded(listed[queue_id].name))
        if first or listed.keys() != before.keys():
            self.queues_changed(chosen)

    async def sweep_all(self) -> bool:
        """Reads the whole list of live conversations; whether that worked."""
        shown: set[str] = set()
        total: int | None = None
        for page in range(1, MOST_PAGES + 1):
            read = await self._page(page, back_days=self._back_days)
            if read is None:
                self.names.paused = False
                return False
            total = read.total if read.total is not None else total
            shown.update(snapshot.conversation_id for snapshot in read.snapshots)
            self._show(read.snapshots)
            if not read.snapshots or (total is not None and page * conversations.PAGE_SIZE >= total):
                break
        self.names.paused = False
        if not self.swept:
            self.telemetry.emit(SweepDone(len(shown)))
        self.swept = True
        await self.look_up([known for known in self.live() if known not in shown])
        return True

    async def look_up(self, ids: list[str]) -> tuple[list[Snapshot], list[str]]:
        """Asks for conversations by id, and shows them: those that have ended unseen end here.

        Returns:
            What was read, and the ids that could not be asked for now.
        """
        read: list[Snapshot] = []
        for first in range(0, len(ids), DETAILS_AT_ONCE):
            try:
                page = await conversations.details(self.api, ids[first : first + DETAILS_AT_ONCE])
            except GenscribeError as error:
                self._failed(error)
                return read, ids[first:]
            self.found(page.snapshots, self.swept)
            read += page.snapshots
        return read, []

    async def _keep_sweeping(self) -> None:
        next_whole = anyio.current_time() + AGAIN_S  # the pages of the first shifted while it read them
        rest_s = SOON_S
        while True:
            with anyio.move_on_after(rest_s):
                await self._hurry.wait()
            rest_s = NEWEST_EVERY_S
            if self._hurry.is_set():
                await anyio.sleep(AFTER_OUTAGE_S)
                self._hurry = anyio.Event()
                next_whole, rest_s = 0.0, SOON_S
            if not self.swept or anyio.current_time() >= next_whole:
                if await self.sweep_all():
                    next_whole = anyio.current_time() + ALL_EVERY_S
            else:
                await self._sweep_newest()

    async def _sweep_newest(self) -> None:
        """The newest by start, descending, until a page brings nothing new, or what began before the sweep before.

        Ended ones too: a short call outside queues may have begun and ended since.
        """
        since, self._swept_at = self._swept_at - LAG_MS, clock.wall_ms()
        for page in range(1, MOST_PAGES + 1):
            read = await self._page(page, ended=True)
            if read is None:
                if page > 1:
                    self.hurry()  # what is behind this page would count as known
                return
            new = [snapshot for snapshot in read.snapshots if snapshot.conversation_id not in self._known]
            self._show(read.snapshots)
            oldest = min((each.started_at for each in read.snapshots if each.started_at is not None), default=0)
            if not new or oldest < since or len(read.snapshots) < conversations.PAGE_SIZE:
                return

    async def _page(self, number: int, *, back_days: int = 1, ended: bool = False) -> conversations.Page | None:
        try:
            page = await conversations.live(self.api, page=number, back_days=back_days, ended=ended)
        except RequestRefused as error:
            self._back_days = 1  # no document says how long an interval may be
            self._failed(error)
            return None
        except GenscribeError as error:
            self._failed(error)
            return None
        self._forbidden = self._failing = False
        return page

    def _show(self, snapshots: Iterable[Snapshot]) -> None:
        if len(self._known) > 200_000:
            self._known.clear()
        self._known.update(snapshot.conversation_id for snapshot in snapshots)
        self.found(snapshots, self.swept)

    def _failed(self, error: GenscribeError) -> None:
        if isinstance(error, NotPermitted):
            if not self._forbidden:
                self.telemetry.emit(SweepRefused(str(error)))
            self._forbidden = True
        elif not self._failing:
            self.telemetry.emit(SweepFailed(str(error)))
        self._failing = True

    @property
    def forbidden(self) -> bool:
        """Whether the platform forbids us the list of conversations."""
        return self._forbidden

    async def _keep_listing(self) -> None:
        while True:
            await anyio.sleep(QUEUES_EVERY_S)
            try:
                await self.list_queues()
            except GenscribeError as error:
                self._failed(error)
