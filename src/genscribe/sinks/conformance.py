"""What every sink promises, whoever wrote it: `check_sink`, public as `genscribe.testing.check_sink`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.lowlevel

from genscribe.events import KINDS, Conversation, Event, Gap, Message, Participant, Record, Utterance, Word, encode
from genscribe.sinks.base import Sink

HOSTILE = (
    "",
    "quotes \" and \\ and ' and `",
    "line\nbreak\r\n and\ttab",
    "\x1b[2J\x1b]0;title\x07",
    "'; drop table utterances; --",
    "=1+1",
    "Grüße, 日本語, 한국어, ไทย, עברית, 👩‍👧",
    "\u202eright to left\u2069",
    "x" * 100_000,
)


async def check_sink(
    make_sink: Callable[[], Sink], *, delivered: Callable[[], Awaitable[Sequence[int]]] | None = None
) -> None:
    """Checks that a sink keeps the contract of `sinks.base.Sink`.

    Args:
        make_sink: Makes a sink, not yet opened; called several times, always towards the same destination, which
            is empty at first.
        delivered: Says which `seq` the destination has, in its order, repetitions included. Without it only what
            the sink itself does is checked.

    Raises:
        AssertionError: It does not; the message says what.
    """
    _check_words(make_sink())
    await _closes_unopened(make_sink())
    sent: list[int] = []
    for step in (_takes_events, _takes_them_again, _takes_them_after_a_pause, _takes_them_after_cancellation):
        sent += await step(make_sink, len(sent))
    if delivered is not None:
        _check_destination(list(await delivered()), sent, exactly_once=make_sink().guarantee == "exactly-once")


def _check_words(sink: Sink) -> None:
    assert sink.guarantee in ("at-least-once", "exactly-once"), f"no such guarantee: {sink.guarantee!r}"
    assert sink.kinds <= set(KINDS), f"no such kinds: {sorted(sink.kinds - set(KINDS))}"
    assert sink.kinds, "a sink that gets no kind of event"


async def _closes_unopened(sink: Sink) -> None:
    """`aclose` is idempotent and needs no `open`."""
    await sink.aclose()
    await sink.aclose()


async def _takes_events(make_sink: Callable[[], Sink], before: int) -> list[int]:
    """Every kind, hostile text, missing fields, a full batch."""
    sink = make_sink()
    batch = events(before)
    kept = [Record(*row) for row in batch]
    await sink.open()
    await sink.write(batch)
    assert batch == kept, "write changed the batch it was given"
    full = utterances(batch[-1].seq, 500)
    await sink.write(full)
    await sink.aclose()
    await sink.aclose()
    return [row.seq for row in [*batch, *full]]


async def _takes_them_again(make_sink: Callable[[], Sink], before: int) -> list[int]:
    """The same batch comes again when its acknowledgement was lost, to this sink or to the next."""
    batch = utterances(before, 3)
    sink = make_sink()
    await sink.open()
    await sink.write(batch)
    await sink.write(batch)
    await sink.aclose()
    sink = make_sink()
    await sink.open()
    await sink.write(batch)
    await sink.aclose()
    return [row.seq for row in batch]


async def _takes_them_after_a_pause(make_sink: Callable[[], Sink], before: int) -> list[int]:
    """`open` is called again after errors, without `aclose` between."""
    sink = make_sink()
    await sink.open()
    await sink.open()
    batch = utterances(before, 2)
    await sink.write(batch[:1])
    await sink.open()
    await sink.write(batch[1:])
    await sink.aclose()
    return [row.seq for row in batch]


async def _takes_them_after_cancellation(make_sink: Callable[[], Sink], before: int) -> list[int]:
    """Cancelled at each of its first awaits, it can take the same batch again."""
    batch = utterances(before, 5)
    for turns in range(8):
        sink = make_sink()
        await sink.open()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sink.write, batch)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        await sink.open()
        await sink.write(batch)
        await sink.aclose()
    return [row.seq for row in batch]


def _check_destination(found: list[int], sent: list[int], *, exactly_once: bool) -> None:
    missing = sorted(set(sent) - set(found))
    assert not missing, f"{len(missing)} events did not arrive, the first is {missing[0]}"
    invented = sorted(set(found) - set(sent))
    assert not invented, f"{len(invented)} events were never sent, the first is {invented[0]}"
    firsts = list(dict.fromkeys(found))
    assert firsts == sorted(firsts), "an event overtook another"
    if exactly_once:
        assert len(found) == len(set(found)), "an event is there twice"


def utterances(after: int, count: int) -> list[Record]:
    """Plain final utterances with the next `seq`s."""
    return [_record(seq, _utterance(seq, f"this is utterance {seq}")) for seq in range(after + 1, after + count + 1)]


def events(after: int) -> list[Record]:
    """One of every kind, fields missing and full, and text that means harm."""
    at = "2026-03-21T01:09:55.225Z"
    full = Utterance[str](
        key="full",
        revision=2,
        conversation_id="c1",
        communication_id="m1",
        utterance_id="u1",
        media_type="voice",
        speaker="customer",
        side="external",
        participant_id="p1",
        user_id="a1",
        queue_id="q1",
        text="how can i help",
        spoken_at=at,
        offset_ms=17820,
        duration_ms=80.5,
        confidence=0.94,
        language="en-US",
        words=[Word("how", 17820, 40, 0.9), Word()],
        emitted_at=at,
        received_at=at,
        source="notifications",
    )
    bare: list[Event[str]] = [
        Utterance[str](key="bare", revision=1),
        full,
        Utterance[str](key="interim", revision=0, conversation_id="c1", text="how", is_final=False),
        Conversation[str](key="c1:started", revision=1, conversation_id="c1", state="started"),
        Conversation[str](key="c1:ended", revision=1, conversation_id="c1", state="ended", at=at, media_type="voice"),
        Participant[str](key="c1:p1:", revision=1, conversation_id="c1"),
        Participant[str](key="c1:p2:", revision=1, conversation_id="c1", user_name="=cmd|' /C calc'!A0", left_at=at),
        Gap[str](key="g1", revision=1, started_at=at, ended_at=at, reason="disconnected"),
        Gap[str](key="g2", revision=1, started_at=at, ended_at=at, reason="late", conversation_ids=["c1", "c2"]),
        Message[str](key="c1::n1", revision=1, conversation_id="c1", message_id="n1"),
    ]
    hostile = [_utterance(n, text) for n, text in enumerate(HOSTILE)]
    return [_record(seq, event) for seq, event in enumerate([*bare, *hostile], start=after + 1)]


def _utterance(n: int, text: str) -> Utterance[str]:
    at = f"2026-03-21T01:09:{n % 60:02d}.000Z"
    return Utterance[str](
        key=f"key-{n}", revision=1, conversation_id=f"c{n % 3}", speaker="agent", text=text, spoken_at=at
    )


def _record(seq: int, event: Event[str]) -> Record:
    return Record(seq, type(event).kind, encode(event))
