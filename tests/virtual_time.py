"""An event loop whose time jumps: when nothing is ready, the next timer's moment is now.

Sockets on loopback are real; an hour of token renewals takes as long as its work. Use it in a test module with

    @pytest.fixture
    def anyio_backend():
        return VIRTUAL

and `move_wall_clock(monkeypatch)`, so that wall time follows. Sleeping, deadlines and `anyio.current_time()` follow by
themselves, those of libraries too. It does not jump while threads that it knows are at work: its executor's, and with
`move_wall_clock` those of `anyio.to_thread` and the journal's writers. Others are not seen.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import anyio.to_thread
import pytest

from genscribe import clock
from genscribe.store.thread import WriterThread

EPOCH_MS = 1_774_000_000_000
PATIENCE_S = 10.0
LOOK_S = 0.001


class Deadlock(RuntimeError):
    """Nothing is ready, nothing is scheduled, and nothing came for ten real seconds."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]  # the platform's best
    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = super().select(PATIENCE_S)
            if not ready:
                raise Deadlock("every task waits, and no timer is set")
            return ready
        if self.loop.in_executor:
            ready = super().select(PATIENCE_S)
        patience = PATIENCE_S
        while not ready and patience > 0 and self.loop.writing:
            ready = super().select(LOOK_S)
            patience -= LOOK_S
        if not ready:
            self.loop.virtual_s += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`virtual_s` is its time, from 0."""

    newest: VirtualTimeLoop | None = None

    def __init__(self) -> None:
        VirtualTimeLoop.newest = self
        self.virtual_s = 0.0
        self.in_executor = 0
        self.writers: list[WriterThread] = []
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual_s

    @property
    def writing(self) -> bool:
        """A journal's writer is at work: what it will say is still to come, in no virtual time at all."""
        return any(one._thread.is_alive() and (one._awake or not one.resting) for one in self.writers)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self.in_executor += 1
        future.add_done_callback(self._left_executor)
        return future

    def _left_executor(self, future: Any) -> None:
        self.in_executor -= 1

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self.in_executor += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self.in_executor -= 1


VIRTUAL = ("asyncio", {"loop_factory": VirtualTimeLoop})


def wall_ms() -> int:
    """The wall clock that moves with the running virtual loop."""
    return EPOCH_MS + round(_loop().time() * 1000)


def _loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a thread, such as the journal's
        assert VirtualTimeLoop.newest is not None
        return VirtualTimeLoop.newest


def move_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `genscribe.clock` follow the virtual loop, shows threads to it, and makes chance the same in every run."""
    monkeypatch.setattr(clock, "wall_ms", wall_ms)
    clock.seed(7)
    in_thread, start = anyio.to_thread.run_sync, WriterThread.start

    async def run_sync(*args: Any, **options: Any) -> Any:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualTimeLoop):
            return await in_thread(*args, **options)
        loop.in_executor += 1
        try:
            return await in_thread(*args, **options)
        finally:
            loop.in_executor -= 1

    def started(writer: WriterThread) -> None:
        loop = _loop()
        if isinstance(loop, VirtualTimeLoop):
            loop.writers.append(writer)
        start(writer)

    monkeypatch.setattr(anyio.to_thread, "run_sync", run_sync)
    monkeypatch.setattr(WriterThread, "start", started)
