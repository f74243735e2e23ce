"""Row J9: a run that is cancelled at any step ends, leaves no task and no thread, and a store that is whole.

A step is one turn of the event loop; whatever waits at that turn is cancelled where it waits.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from genscribe import open_store
from genscribe.assemble import open_pipeline
from genscribe.emulator import Emulator
from genscribe.telemetry import Telemetry
from tests.fault.recording import chosen
from tests.virtual_time import VirtualTimeLoop, move_wall_clock

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # asyncio's own race over several addresses loses a socket that connected in the very turn of the cancellation
    # (`asyncio.staggered`); CPython closes it at once, with this warning.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

EVERY = int(os.environ.get("GENSCRIBE_TEST_CANCEL_EVERY", "7"))
"""Each so many-th step is tried; 1 tries them all."""
STEPS = 700


class SteppingLoop(VirtualTimeLoop):
    """Calls `at_step` in the turn of that number."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.step = 0
        self.at_step: Any = None

    def _run_once(self) -> None:
        self.steps += 1
        if self.at_step is not None and self.steps == self.step:
            self.call_soon(self.at_step)
        super()._run_once()  # type: ignore[misc]


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"loop_factory": SteppingLoop, "debug": True}


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


def ours() -> set[asyncio.Task[Any]]:
    """All tasks but this one and the emulator's."""

    def file(task: asyncio.Task[Any]) -> str:
        return str(getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", ""))

    return {task for task in asyncio.all_tasks() if "emulator" not in file(task)} - {asyncio.current_task()}


async def life(platform: Emulator, store: Path, lines: Path) -> None:
    """A run with a bit of everything: speech, a lost connection, a renewed token, a stop."""
    settings = chosen(platform, store, f"jsonl:{lines}")
    async with open_pipeline(settings, telemetry=Telemetry()) as pipeline, anyio.create_task_group() as tasks:

        async def play() -> None:
            for number in range(6):
                await platform.wait_connected(within_s=60)
                platform.say(f"line {number}")
                await anyio.sleep(0.01)
                if number == 1:
                    platform.fault("drop")
                    await platform.wait_disconnected()
                if number == 3:
                    await anyio.sleep(120)  # the token lives 200 s: a handover
            pipeline.stop()

        tasks.start_soon(play)
        await pipeline.run()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("step", [0, *range(1, STEPS, EVERY)])
async def test_cancelled_at_a_step(step: int, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppingLoop)
    store, lines = tmp_path / "s.db", tmp_path / "o.jsonl"
    trouble: list[str] = []
    loop.set_exception_handler(lambda _, context: trouble.append(str(context["message"])))
    threads = set(threading.enumerate())
    async with Emulator(expires_in=200) as platform:
        tasks = ours()
        with anyio.CancelScope() as scope:
            loop.steps, loop.step, loop.at_step = 0, step, scope.cancel
            await life(platform, store, lines)
        loop.at_step = None
        assert ours() <= tasks, "no task is left"
        left = {thread for thread in set(threading.enumerate()) - threads if "worker thread" not in thread.name}
        assert not [thread for thread in left if not thread.name.startswith("asyncio_")], "and no thread"
        said = [str(emission.text) for emission in platform.ledger.emissions]
        if step == 0:
            assert not scope.cancelled_caught
            assert loop.steps < STEPS, f"{loop.steps} steps: raise STEPS, or the last are not tried"
    assert not [line for line in trouble if "incoming connection" not in line]
    check(store, said, whole=step == 0)
    if step:
        async with Emulator() as platform:
            await life(platform, store, lines)
            said += [str(emission.text) for emission in platform.ledger.emissions]
        check(store, said, whole=False)


def check(store: Path, said: list[str], *, whole: bool) -> None:
    """What is stored was said, once, in order, and `seq` is dense."""
    if not store.exists():
        assert not whole
        return
    with open_store(store) as read:
        events = list(read.events())
    seqs = [event.seq for event in events]
    assert seqs == list(range(1, len(seqs) + 1))
    texts = [event.text for event in events if event.kind == "utterance"]
    left = iter(said)
    assert all(text in left for text in texts), "a subsequence of what was said"
    if whole:
        assert texts == said
        assert [event.kind for event in events].count("gap") == 1
