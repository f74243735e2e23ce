"""What is compared with the tutorial's loop, each in a process of its own.

    python bench/subjects.py NAME PORT MESSAGES FOLDER

`decode`: socket to typed events, nothing kept; what a reader of frames costs at least.
`journal`: the real pipeline, from the socket to the committed journal; the archive is held back.
`everything`: the real pipeline with the archive and one JSON Lines sink; done when both have all of it.

Prints what it took as JSON, for `bench/stream.py`. CPU time is that of the whole process, all its threads, from the
first message, after which the platform pauses, until the last one is where it belongs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import websockets

from genscribe import assemble, settings
from genscribe.core.decode import transcripts
from genscribe.pipeline import Pipeline
from genscribe.telemetry import Telemetry

PATH = "/api/v2/interactions/conversations/transcripts?access_token=bench"
LOOK_S = 0.02


async def decode(port: int, messages: int, folder: Path) -> tuple[int, float]:
    seen = utterances = 0
    began = 0.0
    async with websockets.connect(f"ws://127.0.0.1:{port}{PATH}", compression=None) as socket:
        async for message in socket:
            decoded = transcripts.decode(message, binary=False, received_at="2026-03-21T01:09:56.000Z")
            utterances += len(decoded.events)
            seen += 1
            began = began or time.process_time()
            if seen == messages:
                return utterances, time.process_time() - began
    raise ConnectionError("the stream ended early")


async def journal(port: int, messages: int, folder: Path) -> tuple[int, float]:
    return await _stream(port, messages, folder, archive=False)


async def everything(port: int, messages: int, folder: Path) -> tuple[int, float]:
    return await _stream(port, messages, folder, f"jsonl:{folder / 'out.jsonl'}", archive=True)


async def _stream(port: int, messages: int, folder: Path, *sinks: str, archive: bool) -> tuple[int, float]:
    url = f"http://127.0.0.1:{port}"
    chosen = settings.load(
        {"source": "transcripts", "store": str(folder / "bench.db"), "to": list(sinks)},
        environ={
            "GENESYS_CLIENT_ID": "bench",
            "GENESYS_CLIENT_SECRET": "bench-secret",
            "GENESYS_LOGIN_URL": url,
            "GENESYS_API_URL": url,
        },
        command_line=False,
    )
    async with assemble.open_pipeline(chosen, telemetry=Telemetry()) as pipeline, anyio.create_task_group() as tasks:
        if not archive:
            pipeline.journal.archive.wait = lambda now, head, *, closing: None  # type: ignore[method-assign]
        tasks.start_soon(pipeline.run)
        await pipeline.journal.wait_beyond(0)
        began = time.process_time()
        await pipeline.journal.wait_beyond(messages - 1)
        while archive and not _delivered(pipeline):
            await anyio.sleep(LOOK_S)
        # The orderly stop that follows is no part of it.
        done = pipeline.journal.head, time.process_time() - began
        pipeline.stop()
    return done


def _delivered(pipeline: Pipeline) -> bool:
    head = pipeline.journal.head
    return pipeline.journal.archive.behind(head) == 0 and all(
        delivery.state().cursor >= head for delivery in pipeline.deliveries
    )


SUBJECTS: dict[str, Callable[[int, int, Path], Coroutine[Any, Any, tuple[int, float]]]] = {
    "decode": decode,
    "journal": journal,
    "everything": everything,
}


def main() -> None:
    name, port, messages, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    logging.basicConfig(filename=folder / "genscribe.log", level=logging.INFO)
    utterances, cpu_s = asyncio.run(SUBJECTS[name](port, messages, folder))
    print(json.dumps({"cpu_s": cpu_s, "utterances": utterances}))


if __name__ == "__main__":
    main()
