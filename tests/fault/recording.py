"""The whole way from the emulator's socket to store and sinks, in one loop, as the command assembles it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from genscribe import settings
from genscribe.assemble import open_pipeline
from genscribe.emulator import Emulator
from genscribe.errors import GenscribeError
from genscribe.events import Event, decode
from genscribe.pipeline import Pipeline
from genscribe.telemetry import Telemetry


@dataclass
class Recording:
    """One run of the pipeline."""

    platform: Emulator
    pipeline: Pipeline
    ended: GenscribeError | None = None
    done: anyio.Event = field(default_factory=anyio.Event)

    async def committed(self, count: int, *, within_s: float = 300) -> None:
        """Waits until that many events are in the journal."""
        with anyio.fail_after(within_s):
            await self.pipeline.journal.wait_beyond(count - 1)

    async def events(self) -> list[Event[Any]]:
        """All that was committed, in order."""
        return [decode(record.json()) for record in await self.pipeline.journal.read(0, 100_000)]

    async def run(self) -> None:
        try:
            await self.pipeline.run()
        except GenscribeError as error:
            self.ended = error
        self.done.set()


def chosen(platform: Emulator, store: Path, *to: str, **given: Any) -> settings.Settings:
    """Settings that lead to the emulator, and nowhere else."""
    values = {
        "store": store,
        "to": to,
        "source": "transcripts",
        "client_id": platform.client_id,
        "client_secret": platform.client_secret.reveal(),
        "login_url": platform.url,
        "api_url": platform.url,
        **given,
    }
    return settings.load(values, environ={}, command_line=False)


@asynccontextmanager
async def recording(
    platform: Emulator, store: Path, *to: str, change: Callable[[Pipeline], None] | None = None, **given: Any
) -> AsyncIterator[Recording]:
    """A run while the block lasts, then a soft stop. `change` alters the pipeline before it runs."""
    async with open_pipeline(chosen(platform, store, *to, **given), telemetry=Telemetry()) as pipeline:
        if change is not None:
            change(pipeline)
        made = Recording(platform, pipeline)
        tasks: TaskGroup
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.run)
            await platform.wait_connected()
            yield made
            pipeline.stop()
            # Virtual seconds pass while the journal's thread works, the more of them the busier the machine is.
            with anyio.fail_after(600):
                await made.done.wait()
