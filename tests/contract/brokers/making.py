"""What the tests of the broker sinks share: a sink as `--to` makes it, what people say, and a driver that retries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path

import anyio

from genscribe.events import Gap, Record, Utterance, encode
from genscribe.genesys.tls import tls_context
from genscribe.settings.sinks import sink_of_table
from genscribe.sinks.base import Means, Sink, SinkUnavailable
from genscribe.sinks.registry import make_sink

_serial = count(1)


def name(what: str = "calls") -> str:
    """A topic, subject or stream of this test alone."""
    return f"{what}{next(_serial)}"


def sink(url: str, *, options: Mapping[str, object] | None = None, ca_file: Path | None = None) -> Sink:
    """The sink that this URL and `[sinks.NAME.options]` make."""
    table = {"url": url, "options": dict(options or {})}
    setting = sink_of_table("test", table, lambda text: text)  # type: ignore[arg-type]
    return make_sink(setting, Means("test", "store-1", lambda: tls_context(ca_file), ca_file))


def talk(
    count: int, *, conversations: int = 3, after: int = 0, large: Iterable[int] = (), size: int = 30_000
) -> list[Record]:
    """Utterances of some conversations in turn; those whose `seq` is in `large` hold so many letters."""
    return [
        Record(
            seq,
            "utterance",
            encode(
                Utterance[str](
                    key=f"key-{seq}",
                    revision=1,
                    conversation_id=f"conversation-{seq % conversations}",
                    text="x" * size if seq in set(large) else f"this is line {seq}",
                )
            ),
        )
        for seq in range(after + 1, after + count + 1)
    ]


def poison_of(size: int) -> Callable[[int], Record]:
    """Makes records that a destination with a limit refuses: with so many letters."""
    return lambda seq: talk(1, after=seq - 1, large={seq}, size=size)[0]


def gap(seq: int) -> Record:
    at = "2026-03-21T01:09:55.225Z"
    return Record(
        seq, "gap", encode(Gap[str](key=f"gap-{seq}", revision=1, started_at=at, ended_at=at, reason="silent"))
    )


async def insist(sink: Sink, batch: Sequence[Record], trouble: list[str] | None = None) -> None:
    """Writes as delivery does: opens and writes again until the sink has it."""
    while True:
        try:
            await sink.open()
            await sink.write(batch)
        except SinkUnavailable as error:
            (trouble if trouble is not None else []).append(str(error))
            await anyio.sleep(0.05)
        else:
            return


def firsts(seqs: Iterable[int]) -> list[int]:
    """Without repetitions."""
    return list(dict.fromkeys(seqs))
