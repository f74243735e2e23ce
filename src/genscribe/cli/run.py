"""Runs a pipeline to its end: signals, `--for`, the service manager. Linux and macOS.

SIGTERM and the first SIGINT ask for a soft stop, the second SIGINT ends the process at once (130; the store stands
any crash), SIGHUP has sinks open their files anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import FrameType
from typing import Protocol

import anyio
import anyio.abc

from genscribe import loop
from genscribe.cli.failure import INTERRUPTED
from genscribe.cli.notify import ALIVE, READY, STOPPING, notify, watchdog_s

STOP_DEADLINE_S = 9.0
"""A soft stop that takes longer is cut: the contract promises 10 s from signal to exit."""

_log = logging.getLogger("genscribe.cli")


class Runnable(Protocol):
    """What a command runs. `stop` and `reopen` are called on the event loop's thread, `stop` once or more often."""

    async def run(self) -> None:
        """Works until stopped; raises `GenscribeError` when it cannot go on. Cancellation is the hard stop."""

    def stop(self) -> None:
        """Soft stop: `run` returns once what was heard is committed and sinks had their time."""

    def reopen(self) -> None:
        """Opens files anew, for log rotation."""


class Signals:
    """Catches signals from the moment it is made, also before there is an event loop to handle them.

    The handlers are Python's own, not the loop's: a second Ctrl-C must work while the loop is busy.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._interrupts = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waker: socket.socket | None = None
        self._waked: socket.socket | None = None
        self._on_stop: Callable[[], None] = _nothing
        self._on_reopen: Callable[[], None] = _nothing
        self._terminal = _is_terminal()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._caught)

    def attach(self, *, stop: Callable[[], None], reopen: Callable[[], None]) -> None:
        """Has the running loop call these; `stop` at once if a signal came before."""
        self._loop, self._on_stop, self._on_reopen = asyncio.get_running_loop(), stop, reopen
        self._waker, waked = socket.socketpair()
        self._waked = waked
        for end in (self._waker, waked):
            end.setblocking(False)
        self._loop.add_reader(waked, self._drain)
        # Without it a signal that comes right before the loop goes to sleep is handled when something else wakes it.
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        if self.stopping:
            self._call(stop)

    def detach(self) -> None:
        """Goes back to remembering only."""
        if self._loop is None or self._waker is None or self._waked is None:
            return
        signal.set_wakeup_fd(-1)
        self._loop.remove_reader(self._waked)
        self._waker.close()
        self._waked.close()
        self._loop = self._waker = self._waked = None

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._waked is not None and self._waked.recv(64):
                pass

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not (self._terminal and not _is_terminal()):
            self._call(self._on_reopen)
            return
        if number == signal.SIGINT:
            self._interrupts += 1
            if self._interrupts > 1:
                os._exit(INTERRUPTED)
            _log.info("stopping; Ctrl-C again ends at once")
        self.stopping = True
        self._call(self._on_stop)

    def _call(self, function: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(function)


def run(
    open_runnable: Callable[[], AbstractAsyncContextManager[Runnable]], signals: Signals, *, for_s: float | None = None
) -> None:
    """Opens, runs and closes what a command runs, in a new event loop, until it ends or is told to stop.

    Args:
        open_runnable: An async context manager: inside it everything is open, which is what systemd calls ready.
        signals: Made as early as possible by the command.
        for_s: Seconds after which to stop; `None` = only when told to.

    Raises:
        GenscribeError: Why it could not go on; possibly inside an exception group.
    """
    anyio.run(_run, open_runnable, signals, for_s, backend_options=loop.OPTIONS)


async def _run(
    open_runnable: Callable[[], AbstractAsyncContextManager[Runnable]], signals: Signals, for_s: float | None
) -> None:
    with anyio.CancelScope() as scope:
        started: list[Runnable] = []

        def stop() -> None:
            notify(STOPPING)
            if not started:
                scope.cancel()
            scope.deadline = min(scope.deadline, anyio.current_time() + STOP_DEADLINE_S)
            for runnable in started:
                runnable.stop()

        def reopen() -> None:
            for runnable in started:
                runnable.reopen()

        signals.attach(stop=stop, reopen=reopen)
        try:
            async with open_runnable() as runnable, anyio.create_task_group() as tasks:
                started.append(runnable)
                notify(READY)
                if for_s is not None:
                    tasks.start_soon(_after, for_s, stop)
                tasks.start_soon(_watchdog)
                await runnable.run()
                tasks.cancel_scope.cancel()
        finally:
            signals.detach()
    if scope.cancelled_caught and started:
        _log.warning(
            "stopped after %.0f s with work left: what is committed stays in the store; what was not yet is in the gap",
            STOP_DEADLINE_S,
        )


async def _after(seconds: float, then: Callable[[], None]) -> None:
    await anyio.sleep(seconds)
    then()


async def _watchdog() -> None:
    """On the loop on purpose: a loop that hangs must be found."""
    every_s = watchdog_s()
    while every_s is not None:
        notify(ALIVE)
        await anyio.sleep(every_s)


def _is_terminal() -> bool:
    """Whether standard error is a terminal that is still there."""
    try:
        return os.isatty(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False


def _nothing() -> None:
    """What a signal does while nobody is attached."""
