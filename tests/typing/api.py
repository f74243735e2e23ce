"""What strict type checkers must accept of the public names; checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

import genscribe
from genscribe.secrets import Secret
from genscribe.sinks import (
    KeepsPosition,
    Means,
    Position,
    Record,
    RowsRejected,
    Sink,
    SinkMisconfigured,
    SinkSetting,
    SinkUnavailable,
    decode,
)
from genscribe.testing import check_sink


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


def frames() -> None:
    with genscribe.open_store("calls.db") as store:
        said = store.frame("utterances", since="7d", until=None, speakers=["customer"], media_types={"voice"})
        gaps = store.frame("gaps", since=datetime(2026, 3, 21), conversation_ids=("c1",))
        print(len(said), len(gaps))


class Nowhere:
    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset({"utterance"})

    async def open(self) -> None: ...

    async def write(self, batch: Sequence[Record]) -> None: ...

    async def aclose(self) -> None: ...


class Shelf:
    """A sink that is made with its setting, and refuses in each of the ways there are."""

    guarantee: ClassVar[str] = "exactly-once"
    kinds: ClassVar[frozenset[str]] = frozenset({"utterance"})

    def __init__(self, setting: SinkSetting, means: Means) -> None:
        self.folder = str(setting.options["folder"])
        self.url: Secret | None = setting.url
        self.store_id: str = means.store_id

    async def open(self) -> None:
        raise SinkMisconfigured("there is no such folder.", advice="Make it.")

    async def write(self, batch: Sequence[Record]) -> None:
        for row in batch:
            event = decode(row.json())
            if event.kind == "gap":
                raise RowsRejected({row.seq: "no gaps here"})
        raise SinkUnavailable("the shelf is full.", retry_after_s=60)

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        await self.write(batch)

    async def position(self) -> Position | None:
        return Position(self.store_id, 0, None)

    async def aclose(self) -> None: ...


def make(setting: SinkSetting, means: Means) -> Sink:
    keeps: KeepsPosition = Shelf(setting, means)
    print(keeps)
    return Shelf(setting, means)


async def own_sink(delivered: list[int], poison: Record) -> None:
    async def asked() -> list[int]:
        return delivered

    async def act() -> None: ...

    await check_sink(Nowhere)
    await check_sink(Nowhere, delivered=asked, down=act, up=act, hold=act, release=act, within_s=5)
    await check_sink(Nowhere, swallow=act, poison=lambda seq: poison, make_for_store=lambda store_id: Nowhere())


def stop(error: genscribe.errors.GenscribeError) -> int:
    return error.exit_code
