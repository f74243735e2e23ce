"""What a stream's destinations have in the end, and somebody who speaks all the while."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio

from genscribe.emulator import Emulator
from genscribe.emulator.thread import GenesysCloud
from tests.process.runner import rows
from tests.servers.nats import Message, Nats

RATE = 500
"""Lines a second."""
TICK_S = 0.01
SLICE = 1000


@dataclass
class Speaker:
    """Says `line 0`, `line 1` … in a thread of its own, in these conversations in turn."""

    cloud: GenesysCloud
    conversations: Sequence[str]
    said: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        began = time.monotonic()
        while not self.done.wait(TICK_S):
            self.cloud.run(partial(self._say, int((time.monotonic() - began) * RATE)))

    def _say(self, upto: int, platform: Emulator) -> None:
        while self.said < upto:
            platform.say(f"line {self.said}", conversation=self.conversations[self.said % len(self.conversations)])
            self.said += 1


@contextmanager
def speaking(cloud: GenesysCloud, conversations: Sequence[str]) -> Iterator[tuple[Speaker, Callable[[], None]]]:
    """A speaker, and what silences it; silent afterwards in any case."""
    speaker = Speaker(cloud, conversations)
    thread = threading.Thread(target=speaker.run)

    def silence() -> None:
        speaker.done.set()
        thread.join()

    thread.start()
    try:
        yield speaker, silence
    finally:
        silence()


def number(text: object) -> int:
    """Which line of the speaker this is."""
    return int(str(text).removeprefix("line "))


def journal(store: Path, after: int = 0) -> dict[int, dict[str, Any]]:
    """What is committed after a seq: by seq, the event."""
    return {
        int(str(seq)): json.loads(body if isinstance(body, (str, bytes)) else str(body))
        for seq, body in rows(store, f"select seq, body from journal where seq > {after} order by seq")
    }


def head(store: Path) -> int:
    """The last committed seq."""
    ((seq,),) = rows(store, "select max(seq) from journal") or [(0,)]
    return int(str(seq or 0))


def cursor(store: Path, sink: str) -> int:
    """Where a sink stands, as saved."""
    found = rows(store, f"select seq from cursors where name = '{sink}'")
    return int(str(found[0][0])) if found else 0


def drained(store: Path, sinks: Iterable[str]) -> bool:
    """Whether each of these has all that is committed."""
    end = head(store)
    return all(cursor(store, sink) == end for sink in sinks)


class JsonLines:
    """A JSON Lines file that grows and may be torn; `lines` are those that were ever whole."""

    def __init__(self, path: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        self.path = path
        self._read = 0

    def read_on(self) -> None:
        """Reads the lines that were finished since."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        self.lines += [json.loads(line) for line in whole.splitlines()]


def jetstream(server: Nats, stream: str) -> list[Message]:
    """All messages of a stream, in its order; a hundred times faster than one by one."""

    async def fetched() -> list[Message]:
        import nats
        from nats.js.api import AckPolicy, ConsumerConfig

        client = await nats.connect(f"nats://{server.servers}")
        try:
            streams = client.jetstream()
            count = (await streams.stream_info(stream)).state.messages
            reader = await streams.pull_subscribe(
                f"{stream}.>", stream=stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE)
            )
            found: list[Message] = []
            while len(found) < count:
                batch = await reader.fetch(min(SLICE, count - len(found)), timeout=10)
                found += [Message(one.subject, one.data, dict(one.headers or {})) for one in batch]
            return found
        finally:
            await client.close()

    return anyio.run(fetched)


def firsts(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each event where it came first."""
    once: dict[tuple[str, int], dict[str, Any]] = {}
    for event in events:
        once.setdefault((event["key"], event["revision"]), event)
    return list(once.values())


def assert_in_order(events: Iterable[dict[str, Any]]) -> None:
    """Of each conversation, the speaker's lines stand in the order in which they were said."""
    lanes: dict[str, list[int]] = {}
    for event in events:
        if event["kind"] == "utterance":
            lanes.setdefault(event["conversation_id"], []).append(number(event["text"]))
    broken = {name: lane for name, lane in lanes.items() if any(a >= b for a, b in pairwise(lane))}
    assert not broken, f"{len(broken)} of {len(lanes)} conversations are out of order"
