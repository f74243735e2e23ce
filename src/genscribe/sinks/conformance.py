"""What every sink promises, whoever wrote it: `check_sink`, public as `genscribe.testing.check_sink`."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import anyio

from genscribe.core.batches import MAX_EVENTS
from genscribe.events import KINDS, Record
from genscribe.sinks import conformance_events as samples
from genscribe.sinks import conformance_trouble as trouble
from genscribe.sinks.base import KeepsPosition, Sink
from genscribe.sinks.conformance_events import HOSTILE, events, utterances
from genscribe.sinks.conformance_trial import Act, MakeSink, Scenario, Trial, conversation, turns

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
    tear: Act | None = None,
    poison: Callable[[int], Record] | None = None,
    make_for_store: Callable[[str], Sink] | None = None,
    spools: bool = False,
    within_s: float = PATIENCE_S,
) -> None:
    """Checks that a sink keeps the contract of `sinks.base.Sink`.

    Always: what it says of itself; events of every kind, with text, ids and sizes that mean harm; the same batch
    again; a cancelled write; an end of ours after each step; tasks and threads left over. Every argument below lets
    more go wrong, and what is not given is not checked: `check_sink(make_sink)` alone says little. The sink may be a
    real one towards a real server, stopped and started, with a proxy in front that loses answers.

    Args:
        make_sink: Makes a sink, not yet opened; called many times, always towards the same destination, which
            is empty at first.
        delivered: Says which `seq` the destination has, in its order, repetitions included; asked once, at the end.
            Where it has no order of its own (partitions), merge so that each conversation stays in its order.
            Without it only what the sink itself does is checked.
        down: Stops the destination, which keeps what it has. Given together with `up`.
        up: Starts it again.
        hold: Lets the destination, or what stands before it, answer nothing more, connections left open. Given
            together with `release`.
        release: Lets it answer again, what it held back too.
        swallow: Lets the answer to the next write be lost, after the destination has done it.
        tear: Lets the next write break in the middle: the destination gets a part of the batch and, as it likes,
            keeps or forgets that part.
        poison: Makes a record with that `seq` that the destination refuses for what it holds.
        make_for_store: For a sink that is `KeepsPosition` too: makes one that is fed by the store of that id.
        spools: The sink keeps what it was given on a disk of its own first, so `write` may return while the
            destination is down or holds its answers back; at the end everything is there all the same.
        within_s: Seconds that any one call may take, and that a destination may need to be found again.

    Raises:
        AssertionError: It does not: which scenario, what the sink did, and what was expected of it.
        ValueError: One of a pair is missing.
    """
    if (down is None) != (up is None) or (hold is None) != (release is None):
        raise ValueError("down and up, and hold and release, are given together or not at all")
    trial = Trial(make_sink, within_s, spools)
    scenarios = [*_always(trial)]
    if down is not None and up is not None:
        scenarios += trouble.with_outages(trial, down, up)
    if hold is not None and release is not None:
        scenarios += trouble.with_delays(trial, hold, release)
    if swallow is not None:
        scenarios.append(trouble.with_lost_answers(trial, swallow))
    if tear is not None:
        scenarios.append(trouble.with_torn_writes(trial, tear))
    if poison is not None:
        scenarios.append(trouble.with_poison(trial, poison))
    if make_for_store is not None:
        scenarios.append(trouble.with_positions(trial, make_for_store, poison))
    if delivered is not None:
        scenarios.append(_arrived(trial, delivered))
    for scenario in scenarios:
        await scenario.check(trial)


def _always(trial: Trial) -> Iterator[Scenario]:
    """What needs no hand on the destination."""
    every: list[tuple[str, str, Callable[[Trial], Awaitable[None]]]] = [
        ("what it says of itself", "a guarantee and kinds of the contract.", _says_what_it_is),
        ("closed unopened", "aclose needs no open, and may be called twice.", _closes_unopened),
        ("an empty destination", "position() is None where nothing was written.", _has_no_position),
        ("events of every kind", "write takes them all, and leaves its batch as it is.", _takes_events),
        ("ids that mean harm", "each event arrives, each conversation in its order.", _takes_any_id),
        ("the same batch again", "write takes it, for its answer may have been lost.", _takes_them_again),
        ("opened again", "open may be called again, without aclose between.", _takes_them_after_a_pause),
        ("cancelled", "a cancelled write ends, and its batch can be written again.", _takes_them_after_cancellation),
        ("ended after a step", "the next sink takes the same batch.", _takes_them_after_a_restart_at_every_step),
        ("what is huge", "a batch of 1 MiB is written; one event of 1 MB is written or refused.", _takes_what_is_huge),
        ("left behind", "after aclose no task and no thread of the sink goes on.", _leaves_nothing_behind),
    ]
    for name, promise, act in every:
        yield Scenario(name, promise, partial(act, trial))


def _arrived(trial: Trial, delivered: Callable[[], Awaitable[Sequence[int]]]) -> Scenario:
    async def act() -> None:
        once = trial.make().guarantee == "exactly-once"
        _check_destination(list(await delivered()), trial, exactly_once=once)

    promise = "all that was written, nothing else, each conversation in order, once if the guarantee says so."
    return Scenario("what has arrived", promise, act)


async def _says_what_it_is(trial: Trial) -> None:
    sink = trial.make()
    assert sink.guarantee in ("at-least-once", "exactly-once"), f"no such guarantee: {sink.guarantee!r}"
    assert sink.kinds <= set(KINDS), f"no such kinds: {sorted(sink.kinds - set(KINDS))}"
    assert sink.kinds, "a sink that gets no kind of event"


async def _closes_unopened(trial: Trial) -> None:
    sink = trial.make()
    await trial.aclose(sink)
    await trial.aclose(sink)


async def _has_no_position(trial: Trial) -> None:
    """A destination that has nothing has no place either."""
    sink = trial.make()
    if isinstance(sink, KeepsPosition):
        await trial.open(sink)
        assert await sink.position() is None, "it has a position before anything was written"
    await trial.aclose(sink)


async def _takes_events(trial: Trial) -> None:
    """Every kind, hostile text, missing fields, a full batch."""
    sink = await trial.opened()
    batch = trial.numbered(events(trial.seq))
    kept = [Record(*row) for row in batch]
    await trial.write(sink, batch)
    assert batch == kept, "write changed the batch it was given"
    await trial.write(sink, trial.utterances(MAX_EVENTS))
    await trial.aclose(sink)
    await trial.aclose(sink)


async def _takes_any_id(trial: Trial) -> None:
    """Conversations and keys with spaces, wildcards, line ends, or of a kilobyte; and again, as after an outage."""
    sink = await trial.opened()
    batch = trial.numbered(samples.misnamed(trial.seq))
    await trial.write(sink, batch)
    await trial.write(sink, batch)
    await trial.aclose(sink)


async def _takes_them_again(trial: Trial) -> None:
    """The same batch comes again when its acknowledgement was lost, to this sink or to the next."""
    batch = trial.utterances(3)
    sink = await trial.opened()
    await trial.write(sink, batch)
    await trial.write(sink, batch)
    await trial.aclose(sink)
    sink = await trial.opened()
    await trial.write(sink, batch)
    await trial.aclose(sink)


async def _takes_them_after_a_pause(trial: Trial) -> None:
    """`open` is called again after errors, without `aclose` between."""
    sink = await trial.opened()
    await trial.open(sink)
    batch = trial.utterances(2)
    await trial.write(sink, batch[:1])
    await trial.open(sink)
    await trial.write(sink, batch[1:])
    await trial.aclose(sink)


async def _takes_them_after_cancellation(trial: Trial) -> None:
    """Cancelled at each of its first awaits, it can take the same batch again."""
    batch = trial.utterances(5)
    for steps in range(8):
        sink = await trial.opened()
        await trial.cancelled(partial(trial.attempt, sink, batch), partial(turns, steps))
        await trial.open(sink)
        await trial.write(sink, batch)
        await trial.aclose(sink)


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
            await trial.called("a step", act)
        await trial.aclose(sink)
        following = trial.make()
        await trial.insist(following, batch)
        await trial.aclose(following)


async def _takes_what_is_huge(trial: Trial) -> None:
    """The largest batch there is, and one event of a megabyte, which a destination may refuse as too large."""
    sink = await trial.opened()
    await trial.write(sink, trial.numbered(samples.filled(trial.seq)))
    large = trial.numbered([samples.long(trial.seq)])
    await trial.insist(sink, large)
    await trial.write(sink, trial.utterances(1))
    await trial.aclose(sink)


class _Named(NamedTuple):
    """Something that runs."""

    what: str
    name: str
    id: int

    def __str__(self) -> str:
        return f"the {self.what} {self.name!r}"


async def _leaves_nothing_behind(trial: Trial) -> None:
    """Neither an orderly life nor a cancelled one leaves anything that runs."""
    before = _running()
    sink = await trial.opened()
    await trial.write(sink, trial.utterances(2))
    batch = trial.utterances(2)
    await trial.cancelled(partial(trial.attempt, sink, batch), partial(turns, 2))
    await trial.insist(sink, batch)
    await trial.aclose(sink)
    with anyio.move_on_after(trial.within_s):  # servers in this process hear a moment later that nobody is there
        while _running() - before:
            await anyio.sleep(0.01)
    left = sorted(str(each) for each in _running() - before)
    assert not left, f"after aclose still running: {', '.join(left)}"


def _running() -> set[_Named]:
    """Tasks and threads; not those of the pools that anyio and asyncio keep for the next one."""
    pools = ("AnyIO worker thread", "asyncio_")
    threads = [_Named("thread", each.name, id(each)) for each in threading.enumerate()]
    tasks = [_Named("task", each.get_name(), id(each)) for each in asyncio.all_tasks()]
    return {*tasks, *(each for each in threads if not each.name.startswith(pools))}


def _check_destination(found: list[int], trial: Trial, *, exactly_once: bool) -> None:
    def named(seq: int) -> str:
        return f"event {seq} ({trial.where.get(seq, 'of no scenario')})"

    missing = sorted(set(trial.sent) - set(found))
    assert not missing, f"{len(missing)} events did not arrive, the first is {named(missing[0])}"
    invented = sorted(set(found) - set(trial.sent))
    assert not invented, f"{len(invented)} events were never sent, or were refused; the first is {named(invented[0])}"
    last: dict[str, int] = {}
    for seq in dict.fromkeys(found):
        whose = conversation(trial.sent[seq])
        if whose:
            before = last.get(whose, 0)
            assert before < seq, f"{named(seq)} was overtaken by {named(before)} of its own conversation"
            last[whose] = seq
    for seq, times in Counter(found).items():
        if exactly_once:
            assert times == 1, f"{named(seq)} is there twice, and the sink says exactly-once"
        tries = trial.tries[seq]
        assert times <= tries, f"{named(seq)} is there {times} times and was written {tries} times"
