"""What every sink promises, whoever wrote it: `check_sink`, public as `genscribe.testing.check_sink`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from genscribe.events import KINDS, Record
from genscribe.sinks import conformance_events as samples
from genscribe.sinks import conformance_trouble as trouble
from genscribe.sinks.base import KeepsPosition, Sink
from genscribe.sinks.conformance_events import HOSTILE, events, utterances
from genscribe.sinks.conformance_trial import Act, MakeSink, Trial, conversation, turns

__all__ = ["HOSTILE", "check_sink", "events", "utterances"]

PATIENCE_S = 30.0


async def check_sink(
    make_sink: MakeSink,
    *,
    delivered: Callable[[], Awaitable[Sequence[int]]] | None = None,
    down: Act | None = None,
    up: Act | None = None,
    hold: Act | None = None,
    release: Act | None = None,
    swallow: Act | None = None,
    poison: Callable[[int], Record] | None = None,
    make_for_store: Callable[[str], Sink] | None = None,
    within_s: float = PATIENCE_S,
) -> None:
    """Checks that a sink keeps the contract of `sinks.base.Sink`. What is not given is not checked.

    Args:
        make_sink: Makes a sink, not yet opened; called many times, always towards the same destination, which
            is empty at first.
        delivered: Says which `seq` the destination has, in its order, repetitions included; asked once, at the end.
            Without it only what the sink itself does is checked.
        down: Stops the destination, which keeps what it has. Given together with `up`.
        up: Starts it again.
        hold: Lets the destination, or what stands before it, answer nothing more, connections left open. Given
            together with `release`.
        release: Lets it answer again, what it held back too.
        swallow: Lets the answer to the next write be lost, after the destination has done it.
        poison: Makes a record with that `seq` that the destination refuses for what it holds.
        make_for_store: For a sink that is `KeepsPosition` too: makes one that is fed by the store of that id.
        within_s: Seconds that any one call may take, and that a destination may need to be found again.

    Raises:
        AssertionError: It does not; the message says what.
        ValueError: One of a pair is missing.
    """
    if (down is None) != (up is None) or (hold is None) != (release is None):
        raise ValueError("down and up, and hold and release, are given together or not at all")
    trial = Trial(make_sink, within_s)
    _check_words(make_sink())
    await _closes_unopened(make_sink())
    await _has_no_position(trial)
    for step in (
        _takes_events,
        _takes_them_again,
        _takes_them_after_a_pause,
        _takes_them_after_cancellation,
        _takes_them_after_a_restart_at_every_step,
        _takes_what_is_huge,
    ):
        await step(trial)
    if down is not None and up is not None:
        await trouble.down_at_start(trial, down, up)
        await trouble.dies_and_returns(trial, down, up)
    if hold is not None and release is not None:
        await trouble.is_slow(trial, hold, release)
    if swallow is not None:
        await trouble.loses_the_answer(trial, swallow)
    if poison is not None:
        await trouble.refuses_poison(trial, poison)
    if make_for_store is not None:
        await trouble.keeps_its_position(trial, make_for_store, poison)
    if delivered is not None:
        _check_destination(list(await delivered()), trial, exactly_once=make_sink().guarantee == "exactly-once")


def _check_words(sink: Sink) -> None:
    assert sink.guarantee in ("at-least-once", "exactly-once"), f"no such guarantee: {sink.guarantee!r}"
    assert sink.kinds <= set(KINDS), f"no such kinds: {sorted(sink.kinds - set(KINDS))}"
    assert sink.kinds, "a sink that gets no kind of event"


async def _closes_unopened(sink: Sink) -> None:
    """`aclose` is idempotent and needs no `open`."""
    await sink.aclose()
    await sink.aclose()


async def _has_no_position(trial: Trial) -> None:
    """A destination that has nothing has no place either."""
    sink = trial.make()
    if isinstance(sink, KeepsPosition):
        await trial.within("open", sink.open)
        assert await sink.position() is None, "it has a position before anything was written"
    await sink.aclose()


async def _takes_events(trial: Trial) -> None:
    """Every kind, hostile text, missing fields, a full batch."""
    sink = await trial.opened()
    batch = trial.numbered(events(trial.seq))
    kept = [Record(*row) for row in batch]
    await trial.write(sink, batch)
    assert batch == kept, "write changed the batch it was given"
    await trial.write(sink, trial.utterances(samples.FULL))
    await sink.aclose()
    await sink.aclose()


async def _takes_them_again(trial: Trial) -> None:
    """The same batch comes again when its acknowledgement was lost, to this sink or to the next."""
    batch = trial.utterances(3)
    sink = await trial.opened()
    await trial.write(sink, batch)
    await trial.write(sink, batch)
    await sink.aclose()
    sink = await trial.opened()
    await trial.write(sink, batch)
    await sink.aclose()


async def _takes_them_after_a_pause(trial: Trial) -> None:
    """`open` is called again after errors, without `aclose` between."""
    sink = await trial.opened()
    await trial.within("open", sink.open)
    batch = trial.utterances(2)
    await trial.write(sink, batch[:1])
    await trial.within("open", sink.open)
    await trial.write(sink, batch[1:])
    await sink.aclose()


async def _takes_them_after_cancellation(trial: Trial) -> None:
    """Cancelled at each of its first awaits, it can take the same batch again."""
    batch = trial.utterances(5)
    for steps in range(8):
        sink = await trial.opened()
        await trial.cancelled(partial(trial.attempt, sink, batch), partial(turns, steps))
        await trial.within("open", sink.open)
        await trial.write(sink, batch)
        await sink.aclose()


async def _takes_them_after_a_restart_at_every_step(trial: Trial) -> None:
    """We end after each step of a sink's life, and the next sink goes on from the cursor, which may be behind."""
    batch = trial.utterances(4)
    for steps in range(5):
        sink = trial.make()
        life: list[Act] = [
            sink.open,
            partial(trial.write, sink, batch[:2]),
            partial(trial.write, sink, batch[2:]),
            sink.open,
        ]
        for act in life[:steps]:
            await trial.within("a step", act)
        await sink.aclose()
        following = trial.make()
        await trial.insist(following, batch)
        await following.aclose()


async def _takes_what_is_huge(trial: Trial) -> None:
    """The largest batch there is, and one event of a megabyte, which a destination may refuse as too large."""
    sink = await trial.opened()
    await trial.write(sink, trial.numbered(samples.filled(trial.seq)))
    large = trial.numbered([samples.long(trial.seq)])
    await trial.insist(sink, large)
    await trial.write(sink, trial.utterances(1))
    await sink.aclose()


def _check_destination(found: list[int], trial: Trial, *, exactly_once: bool) -> None:
    missing = sorted(set(trial.sent) - set(found))
    assert not missing, f"{len(missing)} events did not arrive, the first is {missing[0]}"
    invented = sorted(set(found) - set(trial.sent))
    assert not invented, f"{len(invented)} events were never sent, or were refused; the first is {invented[0]}"
    last: dict[str, int] = {}
    for seq in dict.fromkeys(found):
        whose = conversation(trial.sent[seq])
        if whose is not None:
            assert last.get(whose, 0) < seq, f"event {seq} was overtaken: an event overtook another of its conversation"
            last[whose] = seq
    for seq, times in Counter(found).items():
        if exactly_once:
            assert times == 1, f"event {seq} is there twice"
        assert times <= trial.tries[seq], f"event {seq} is there {times} times and was written {trial.tries[seq]} times"
