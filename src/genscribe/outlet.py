"""One sink, tried until it takes what it is given, and how it is doing meanwhile.

Failures that may heal are tried again without end, with backoff; one that refuses us is looked at again every minute;
one that is paused by hand is left alone until somebody resumes it. What is to be written, and what becomes of events
that are refused, is `delivery`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio

from genscribe import clock
from genscribe.attempts import Pace
from genscribe.core.batches import Sizing
from genscribe.core.tally import Status
from genscribe.errors import Fatal, GenscribeError
from genscribe.sinks.base import RowsRejected, Sink, SinkEnded, Tidies
from genscribe.telemetry import Telemetry
from genscribe.telemetry.delivery import SinkFailing, SinkPaused, SinkRecovered

PAUSE_S = 60.0
"""How often a paused sink is looked at again."""

BY_HAND = "paused by hand; `genscribe sinks resume` lets it go on."
"""What stands where a failing sink has its error."""

CLOSE_S = 2.0
"""What a sink gets to close."""

TIDY_S = 1.0
"""A sink is tidied at most so often."""

LOOK_S = 60.0
"""A sink is asked at least so often when it is due: its clock is the wall's, which jumps, and ours does not."""

Act = Callable[[], Awaitable[None]]


class Rewound(Exception):
    """The destination has been set back: it lacks what it had when we last wrote.

    Args:
        seq: What it has, up to and with this one.
    """

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


class GivenUp(Exception):
    """We stop, and the sink is paused: what is left stays in the journal."""


class Standing(NamedTuple):
    """How a sink stands.

    Attributes:
        since_ms: Epoch milliseconds since which it has this status.
        error: The last failure in a line; `None` while all is well.
    """

    status: Status
    since_ms: int
    error: str | None


class Outlet:
    """A sink and what is known of it.

    Args:
        name: What it is called.
        sink: The sink; opened and closed here.
        telemetry: Where trouble is told.
        pending: How many events wait for it.
        stopping: Set when we stop: then nothing waits that could be tried once more now.
        opened: Is awaited whenever the sink has been opened, before anything is written; may raise `Rewound`.

    Attributes:
        sizing: How many events it takes at once.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        telemetry: Telemetry,
        pending: Callable[[], int],
        stopping: anyio.Event,
        opened: Act,
    ) -> None:
        self.sizing = Sizing()
        self._name = name
        self._sink = sink
        self._telemetry = telemetry
        self._pending = pending
        self._stopping = stopping
        self._opened = opened
        self._pace = Pace()
        self._status: Status = "new"
        self._since_ms = clock.wall_ms()
        self._error: str | None = None
        self._failing_since_ms: int | None = None
        self._open = False
        self._waiting = anyio.CancelScope()
        self._held: anyio.Event | None = None
        self._held_since_ms = 0
        self._tidies = sink if isinstance(sink, Tidies) else None
        self._tidy_pace = Pace()
        self._tidy_at = 0.0
        self._untidy = False

    @property
    def standing(self) -> Standing:
        """How it stands, now."""
        if self._held is not None and self._status not in ("ended", "stopped"):
            return Standing("paused", self._held_since_ms, BY_HAND)
        return Standing(self._status, self._since_ms, self._error)

    def become(self, status: Status) -> None:
        """Takes note of a status."""
        if status != self._status:
            self._status, self._since_ms = status, clock.wall_ms()

    def hold(self) -> None:
        """Begins no try until `resume`. Idempotent."""
        if self._held is None:
            self._held, self._held_since_ms = anyio.Event(), clock.wall_ms()

    def resume(self) -> None:
        """Goes on after `hold`, and tries at once what waits for its next try; the backoff begins anew. Idempotent."""
        if self._held is not None:
            self._held.set()
            self._held = None
        self._pace.reset()
        self._tidy_pace.reset()
        self._tidy_at = 0.0
        self._waiting.cancel()

    def stop(self) -> None:
        """Sets `stopping`, and ends the wait of one that is held."""
        self._stopping.set()
        if self._held is not None:
            self._held.set()

    async def attempt(self, act: Act | None = None, events: int = 0) -> bool:
        """Opens the sink if need be and acts, again and again; `False` when it is too slow for so many events.

        Args:
            act: What to do once it is open; `None` = nothing more.
            events: How many events it writes; 0 = it writes none, and cannot refuse any.

        Raises:
            RowsRejected: It refuses events.
            SinkEnded: Whoever read it has gone.
            Rewound: It was opened again and has been set back meanwhile.
            GivenUp: We stop while it is paused.
        """
        while True:
            await self._while_held()
            began = anyio.current_time()
            error = await self._failure(act, writes=events > 0)
            if events:
                self.sizing.took(anyio.current_time() - began, events, failed=error is not None)
            if error is None:
                return True
            await self._wait(self._fail(error, self._pace))
            if events > self.sizing.events:
                return False

    def due_in_s(self) -> float | None:
        """Seconds until `tidy` is to be called, though nothing is written; `None` when time alone gives it nothing."""
        if self._tidies is None or self._held is not None:
            return None
        try:
            due_s = 0.0 if self._untidy else self._tidies.due_in_s()
        except Exception:  # noqa: BLE001  # a sink is anyone's code; let `tidy` say what is wrong
            due_s = 0.0
        return None if due_s is None else max(min(due_s, LOOK_S), self._tidy_at - anyio.current_time(), 0.0)

    async def tidy(self) -> None:
        """Lets the sink do what time alone asks of it, if that is due: one try, so that events need not wait for it.

        Raises:
            SinkEnded: Whoever read it has gone.
            Rewound: It was opened again and has been set back meanwhile.
        """
        if self._tidies is None or self.due_in_s() != 0.0:
            return
        error = await self._failure(self._tidies.tidy, tidies=True)
        delay = TIDY_S
        if error is not None:
            self._untidy = True
            delay = max(self._fail(error, self._tidy_pace), TIDY_S)
        self._tidy_at = anyio.current_time() + delay
        self._tidy_pace.budget.take(self._tidy_at)

    async def aclose(self) -> None:
        """Closes the sink, in `CLOSE_S` even where the caller is cancelled."""
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._sink.aclose()

    async def _failure(self, act: Act | None, *, writes: bool = False, tidies: bool = False) -> Exception | None:
        """One try: `None` when it went well, else why it is to be tried again."""
        try:
            if not self._open:
                await self._sink.open()
                await self._opened()
                self._open = True
            if act is not None:
                await act()
        except Rewound:
            self._open = True
            raise
        except SinkEnded:
            self._recover(tidies=False)
            raise
        except Exception as error:  # a sink is anyone's code: its bugs must stop nobody else
            if isinstance(error, RowsRejected) and writes and self._open:
                self._recover(tidies=False)
                raise
            self._open = False
            return error
        self._recover(tidies=tidies)
        return None

    def _fail(self, error: Exception, pace: Pace) -> float:
        """Says what is wrong, when it is news; the seconds until the next try."""
        if self._failing_since_ms is None:
            self._failing_since_ms = clock.wall_ms()
        # The text of a foreign exception may hold what was said.
        why = str(error) if isinstance(error, GenscribeError) else f"{type(error).__name__} in its code."
        news = why != self._error
        self._error = why
        since = clock.iso(self._failing_since_ms)
        if isinstance(error, Fatal):
            self.become("paused")
            if news:
                self._telemetry.emit(SinkPaused(self._name, why, since, self._pending(), PAUSE_S))
            return PAUSE_S
        self.become("retrying")
        if news:
            self._telemetry.emit(SinkFailing(self._name, why, since, self._pending()))
        return pace.next_delay(error if isinstance(error, GenscribeError) else None)

    async def _wait(self, seconds: float) -> None:
        """Waits; a stop that begins meanwhile ends the wait, so that it sees one more try."""
        if not self._stopping.is_set():
            with anyio.move_on_after(seconds) as self._waiting:
                await self._stopping.wait()
        elif self._status == "paused":
            raise GivenUp
        else:
            await anyio.sleep(seconds)
        self._pace.budget.take(anyio.current_time())

    async def _while_held(self) -> None:
        """Waits while somebody has paused the sink; a stop does not wait for him."""
        while self._held is not None and not self._stopping.is_set():
            await self._held.wait()
        if self._held is not None:
            raise GivenUp

    def _recover(self, *, tidies: bool) -> None:
        """It took what it was given. What it failed to tidy, it has to tidy before all is well."""
        (self._tidy_pace if tidies else self._pace).reset()
        self._untidy = self._untidy and not tidies
        if self._untidy:
            self.become("retrying")
            return
        if self._failing_since_ms is not None:
            self._telemetry.emit(SinkRecovered(self._name, clock.iso(self._failing_since_ms), self._pending()))
        self._failing_since_ms = self._error = None
        self.become("running")
