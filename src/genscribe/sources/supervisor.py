"""Keeps one link alive: reconnects with patience, hands over before a link ends, tells every time without one.

```
          dial fails: wait, as `Pace` says
             ┌────┐
             ▼    │         link lost, none left: gap begins
 start ──▶ dialling ◀──────────────────────────────────┐
             │  opened: gap ends                        │
             ▼                                          │
            live ── handover due ──▶ live + dialling ───┤
             ▲                            │ opened      │
             └── old closed after 2 s ─ overlapping ────┘
```
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.abc import TaskGroup

from genscribe import clock
from genscribe.attempts import Pace, unless
from genscribe.core.retry import ProvenLink
from genscribe.errors import GenscribeError, Passing, Unreachable, Verdict
from genscribe.sources.base import Frame, Inlet, Link
from genscribe.telemetry import Telemetry
from genscribe.telemetry.link import HandoverBegun, HandoverDone, HandoverFailed, LinkLost, LinkOpened, LinkRefused

OVERLAP_S = 2.0
"""How long two links live side by side after the new one has been seen live."""
SEEN_LIVE_S = 10.0
"""How long a new link may take to answer a ping before the handover starts again."""
PORTION_BYTES = 512 * 1024
"""How much is decoded before we ask again whether the journal has room."""
PULSE_S = 5.0
"""How often we say until when we have heard; the journal keeps it, so a crash opens a gap at most this early."""


@dataclass(eq=False)
class _Live:
    """A link that is being read.

    Attributes:
        opened_at: Since when it hears, epoch milliseconds.
        waits: What has arrived waits until the journal has room.
    """

    link: Link
    proof: ProvenLink
    opened_at: int
    error: GenscribeError | None = None
    waits: bool = False
    _read_to: int = 0

    def heard_until(self) -> int:
        """Up to when all that came was handed over, epoch milliseconds."""
        if not self.waits:
            self._read_to = self.link.heard_at
        return max(self._read_to, self.opened_at)


@dataclass
class Supervisor:
    """Keeps one link alive until `stop()`.

    Args:
        source: The source's name, for the log.
        dial: Opens a link or raises a `GenscribeError`; called again and again.
        hear: Takes the frames of one wake-up; returns how many events they held. Never raises, never blocks.
        inlet: Where gaps are told, and who says when to wait.
        make_pace: Makes the patience between dials; one for reconnecting, one for handovers.
        telemetry: Where happenings go.
    """

    source: str
    dial: Callable[[], Awaitable[Link]]
    hear: Callable[[list[Frame]], int]
    inlet: Inlet
    make_pace: Callable[[], Pace]
    telemetry: Telemetry
    _live: list[_Live] = field(default_factory=list, init=False)
    _lost: anyio.Event = field(default_factory=anyio.Event, init=False)
    _stopping: anyio.Event = field(default_factory=anyio.Event, init=False)
    _deaf_since: str | None = field(default=None, init=False)
    _ended_by: GenscribeError | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._pace = self.make_pace()
        self._handovers = self.make_pace()

    async def run(self, *, deaf_since: str | None = None) -> None:
        """Runs until `stop()`.

        Args:
            deaf_since: Since when nothing is heard, as the journal remembers it, for the log; `None`: never heard.

        Raises:
            Fatal: Going on is pointless.
        """
        self._deaf_since = deaf_since
        fatal: GenscribeError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pulse)
            tasks.start_soon(self._close_on_stop)
            try:
                await self._keep_alive(tasks)
            except GenscribeError as error:
                fatal = error
            tasks.cancel_scope.cancel()
        if fatal is not None:
            raise fatal

    def stop(self) -> None:
        """Soft stop: no more dials; live links are closed, and what they had received is handed over."""
        self._stopping.set()

    async def _keep_alive(self, tasks: TaskGroup) -> None:
        while not self._stopping.is_set():
            link = await self._open()
            if link is None:
                return
            live = self._begin(link, tasks)
            while not self._lost.is_set():
                live = await self._hand_over(live, tasks) or live
            await self._bear_loss(self._ended_by)

    # Dialling

    async def _open(self) -> Link | None:
        """Dials until a link is up; `None` when stopped first."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await unless(self._stopping, partial(self._dial, self._pace))
            except Passing as error:
                delay = self._pace.next_delay(error)
                self.telemetry.emit(LinkRefused(self.source, why=str(error), retry_in_s=delay, attempt=attempt))
            await unless(self._stopping, partial(anyio.sleep, delay))
            if self._stopping.is_set():
                return None

    async def _dial(self, pace: Pace) -> Link:
        await pace.turn()
        return await self.dial()

    def _begin(self, link: Link, tasks: TaskGroup) -> _Live:
        live = _Live(link, ProvenLink(opened_at=anyio.current_time()), clock.wall_ms())
        if not self._live:
            self._lost = anyio.Event()
            self.inlet.hearing(heard_at=live.opened_at)
            self.telemetry.emit(LinkOpened(self.source, missed_since=self._deaf_since))
        self._live.append(live)
        tasks.start_soon(self._serve, live)
        if self._stopping.is_set():
            tasks.start_soon(link.aclose)
        return live

    async def _bear_loss(self, error: GenscribeError | None) -> None:
        """No link is left: raises what is fatal, else waits before the next dial, a clean close or not."""
        if error is None or self._stopping.is_set():
            return
        if error.verdict is Verdict.STOP:
            raise error
        reason = error.reason if isinstance(error, Passing) else "error"
        delay = self._pace.next_delay(error)
        self.telemetry.emit(
            LinkLost(self.source, why=str(error), since=self._deaf_since or "", reason=reason, retry_in_s=delay)
        )
        await unless(self._stopping, partial(anyio.sleep, delay))

    # Reading

    async def _serve(self, live: _Live) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(live.link.keepalive)
                live.error = await self._read(live)
                tasks.cancel_scope.cancel()
        finally:  # a hard stop closes too
            await live.link.aclose()
        self._live.remove(live)
        if live.proof.proved(anyio.current_time()):
            self._pace.reset()
        if self._live:
            self._tell_missed(live)
            return
        self._tell_deaf(live)
        self._ended_by = live.error
        self._lost.set()

    async def _read(self, live: _Live) -> GenscribeError:
        try:
            while True:
                portions = _portions(await live.link.receive())
                for number, frames in enumerate(portions, 1):
                    if self.hear(frames):
                        live.proof.heard(anyio.current_time())
                    if self.inlet.full:
                        live.waits = number < len(portions)
                        await unless(self._stopping, self.inlet.room)  # a full disk must not hold up a stop
                        live.waits = False
        except GenscribeError as error:
            return error

    def _tell_deaf(self, live: _Live) -> None:
        heard_at = live.link.heard_at
        self._deaf_since = clock.iso(heard_at)
        self.inlet.hearing(heard_at=heard_at)
        if not self._stopping.is_set():
            reason = "silent" if getattr(live.error, "reason", "") == "silent" else "disconnected"
            self.inlet.deaf(since=heard_at, reason=reason)

    def _tell_missed(self, ended: _Live) -> None:
        """A link that was dead before its successor was open: in between nobody heard."""
        since, until = ended.link.heard_at, min(live.opened_at for live in self._live)
        if since < until:
            self.inlet.deaf(since=since, reason="silent")
            self.inlet.hearing(heard_at=until)

    async def _pulse(self) -> None:
        while True:
            await anyio.sleep(PULSE_S)
            if self._live:
                self.inlet.hearing(heard_at=_heard_until(self._live))

    async def _close_on_stop(self) -> None:
        await self._stopping.wait()
        for live in list(self._live):
            await live.link.aclose()

    # Handing over

    async def _hand_over(self, old: _Live, tasks: TaskGroup) -> _Live | None:
        """Waits until a handover is due and makes it; `None` when every link was lost first."""
        why = await unless(self._lost, old.link.handover_due)
        if why is None:
            return None
        self.telemetry.emit(HandoverBegun(self.source, why=why))
        while not self._lost.is_set():
            try:
                new = await self._succeed(old, tasks)
            except Passing as error:
                delay = self._handovers.next_delay(error)
                self.telemetry.emit(HandoverFailed(self.source, why=str(error), retry_in_s=delay))
                await unless(self._lost, partial(anyio.sleep, delay))
                continue
            if new is not None:
                await old.link.aclose()
                self._handovers.reset()
                self.telemetry.emit(HandoverDone(self.source))
                return new
        return None

    async def _succeed(self, old: _Live, tasks: TaskGroup) -> _Live | None:
        """A second link, seen live and overlapping for `OVERLAP_S`; `None` when the first was lost before it opened."""
        link = await unless(self._lost, partial(self._dial, self._handovers))
        if link is None:
            return None
        new = self._begin(link, tasks)
        try:
            with anyio.fail_after(SEEN_LIVE_S):
                await link.ping()
        except (GenscribeError, TimeoutError):
            await link.aclose()
            raise Unreachable("the new connection did not answer a ping.") from None
        with anyio.move_on_after(SEEN_LIVE_S), suppress(GenscribeError):  # no answer: it may have been dead before
            await old.link.ping()
        await anyio.sleep(OVERLAP_S)
        if new not in self._live:
            raise new.error or Unreachable("the new connection ended at once.")
        return new


def _heard_until(lives: list[_Live]) -> int:
    """Up to when links, in the order of their opening, have heard without a break."""
    until = lives[0].heard_until()
    for live in lives[1:]:
        if live.opened_at <= until:
            until = max(until, live.heard_until())
    return until


def _portions(frames: list[Frame]) -> list[list[Frame]]:
    """Frames in portions of about `PORTION_BYTES`: a mebibyte of tiny lines becomes a hundred of events."""
    if sum(map(len, frames)) <= PORTION_BYTES:
        return [frames]
    portions: list[list[Frame]] = [[]]
    size = 0
    for frame in frames:
        if size > PORTION_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(frame)
        size += len(frame)
    return portions
