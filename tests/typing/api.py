"""What strict type checkers must accept of the public names; checked by mypy, never run."""

from __future__ import annotations

from datetime import datetime

import genscribe


async def stream() -> None:
    async with genscribe.open_stream(store="calls.db", name="me", start="resume", sinks=["jsonl:-"]) as stream:
        async for utterance in stream:
            text: str = utterance.text
            spoken_at: datetime | None = utterance.spoken_at
            print(utterance.speaker, text, spoken_at)


async def all_kinds() -> None:
    async with genscribe.open_stream(kinds=["utterance", "gap"]) as stream:
        async for event in stream:
            if isinstance(event, genscribe.Gap):
                print(event.started_at, event.reason)


async def follow() -> None:
    with genscribe.open_store("calls.db") as store:
        for utterance in store.search("lost card"):
            at: datetime | None = utterance.spoken_at
            print(at, utterance.confidence)
        async for event in store.follow(after=17):
            print(event.kind, event.seq)


def stop(error: genscribe.errors.GenscribeError) -> int:
    return error.exit_code
