"""The steps of `check_sink` that need a hand on the destination."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

import anyio

from genscribe.events import Position, Record
from genscribe.sinks.base import KeepsPosition, RowsRejected, Sink
from genscribe.sinks.conformance_trial import Act, Scenario, Trial, turns

OURS = "conformance-1"
OTHER = "conformance-2"

LONG = 240
"""Events in a batch in the middle of which something is to happen."""


def with_outages(trial: Trial, down: Act, up: Act) -> Iterator[Scenario]:
    """With a destination that can be stopped."""
    promise = "SinkUnavailable while nobody is there, and the batch taken once somebody is."
    for name, act in (
        ("down at start", down_at_start),
        ("died and returned", dies_and_returns),
        ("died during a write", dies_during_a_write),
    ):
        yield Scenario(name, promise, partial(act, trial, down, up))


def with_delays(trial: Trial, hold: Act, release: Act) -> Iterator[Scenario]:
    """With a destination that can be made to answer nothing."""
    promise = "write returns no sooner than the destination has answered."
    yield Scenario("slow", promise, partial(is_slow, trial, hold, release))
    promise = "a write that waits for an answer can be cancelled, and its batch written again."
    yield Scenario("cancelled while slow", promise, partial(is_given_up, trial, hold, release))


def with_lost_answers(trial: Trial, swallow: Act) -> Scenario:
    """With answers that are lost."""
    promise = "SinkUnavailable, and the same batch taken again."
    return Scenario("answer lost", promise, partial(loses_the_answer, trial, swallow))


def with_torn_writes(trial: Trial, tear: Act) -> Scenario:
    """With writes that break in the middle."""
    promise = "SinkUnavailable unless all of it is there, and the same batch taken again."
    return Scenario("torn in the middle", promise, partial(is_torn, trial, tear))


def with_poison(trial: Trial, poison: Callable[[int], Record]) -> Scenario:
    """With records that the destination refuses."""
    promise = (
        "RowsRejected for these rows, by seq with a reason or as a whole, and the others taken when they come again."
    )
    return Scenario("poison", promise, partial(refuses_poison, trial, poison))


def with_positions(trial: Trial, make_for: Callable[[str], Sink], poison: Callable[[int], Record] | None) -> Scenario:
    """With a destination that keeps the cursor."""
    promise = "position() is what write_at wrote last for that store, together with its batch or not at all."
    return Scenario("position", promise, partial(keeps_its_position, trial, make_for, poison))


async def down_at_start(trial: Trial, down: Act, up: Act) -> None:
    """Nobody is there when it starts: it says so each time, and delivers once somebody is."""
    batch = trial.utterances(3)
    await down()
    sink = trial.make()

    async def begin() -> None:
        await trial.open(sink)
        await trial.attempt(sink, batch)

    for _ in range(2):
        await trial.is_refused_for_now(begin, batch)
    await trial.aclose(sink, "while the destination is down")
    sink = trial.make()
    await trial.is_refused_for_now(begin, batch)
    await up()
    await trial.finish(sink, batch)
    await trial.aclose(sink)


async def dies_and_returns(trial: Trial, down: Act, up: Act) -> None:
    """It dies under an open sink and comes back: to that sink, and to the next one."""
    for restarted in (False, True):
        sink = await trial.opened()
        await trial.write(sink, trial.utterances(2))
        batch = trial.utterances(3)
        await down()
        await trial.is_refused_for_now(partial(trial.attempt, sink, batch), batch)
        if restarted:
            await trial.aclose(sink, "while the destination is down")
            sink = trial.make()
        await up()
        await trial.finish(sink, batch)
        await trial.write(sink, trial.utterances(2))
        await trial.aclose(sink)


async def dies_during_a_write(trial: Trial, down: Act, up: Act) -> None:
    """Wherever a long batch stands when it dies, what is claimed is there, and nothing is overtaken."""
    for steps in (1, 4, 16, 64):
        sink = await trial.opened()
        batch = trial.utterances(LONG)
        await _meanwhile(trial, sink, batch, partial(_in_the_middle, steps, down))
        await up()
        await trial.finish(sink, batch)
        await trial.aclose(sink)


async def _in_the_middle(steps: int, act: Act) -> None:
    await turns(steps)
    await act()


async def _meanwhile(trial: Trial, sink: Sink, batch: Sequence[Record], act: Act) -> None:
    """Acts while a batch is being written."""
    failed: list[Exception] = []

    async def run(what: Callable[[], Awaitable[object]]) -> None:
        try:
            await what()
        except Exception as error:  # noqa: BLE001  # raised below, outside the group that would wrap it
            failed.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, partial(trial.tried, sink, batch))
        await run(act)
    if failed:
        raise failed[0]


async def is_slow(trial: Trial, hold: Act, release: Act) -> None:
    """While the destination holds its answer back nothing is claimed."""
    sink = await trial.opened()
    batch = trial.utterances(3)
    claimed = False

    async def act() -> None:
        nonlocal claimed
        await _a_while()
        claimed = trial.claims(batch)
        await release()

    await hold()
    await _meanwhile(trial, sink, batch, act)
    assert trial.spools or not claimed, "the destination has not answered, and it says that it has written the batch"
    await trial.finish(sink, batch)
    await trial.aclose(sink)


async def is_given_up(trial: Trial, hold: Act, release: Act) -> None:
    """Nobody waits for a destination that does not answer: not a pause, not an end."""
    for restarted in (False, True):
        sink = await trial.opened()
        batch = trial.utterances(3)
        await hold()
        give_up = partial(trial.cancelled, partial(trial.attempt, sink, batch), _a_while)
        await trial.within("a write that is cancelled while the destination is slow", give_up)
        if restarted:
            await trial.aclose(sink, "while the destination is slow")
            sink = trial.make()
        await release()
        await trial.insist(sink, batch)
        await trial.aclose(sink)


async def _a_while() -> None:
    """Long enough for a thread or a socket to have done something, if it were going to."""
    for _ in range(20):
        await anyio.sleep(0.01)


async def loses_the_answer(trial: Trial, swallow: Act) -> None:
    """The destination has the batch and we do not know: it comes again, from the same sink or from the next."""
    await _breaks(trial, swallow, 3)


async def is_torn(trial: Trial, tear: Act) -> None:
    """The destination has a part of the batch, and we do not know which: it comes again as a whole."""
    await _breaks(trial, tear, 12)


async def _breaks(trial: Trial, act: Act, size: int) -> None:
    for restarted in (False, True):
        sink = await trial.opened()
        await trial.write(sink, trial.utterances(1))
        batch = trial.utterances(size)
        await act()
        trial.tries.update(record.seq for record in batch)  # the client may have asked a second time by itself
        await trial.tried(sink, batch)
        if restarted:
            await trial.aclose(sink)
            sink = trial.make()
        await trial.finish(sink, batch)
        await trial.write(sink, trial.utterances(3))
        await trial.aclose(sink)


async def refuses_poison(trial: Trial, poison: Callable[[int], Record]) -> None:
    """Wherever the bad row stands: it is refused, with a reason, and nothing else is."""
    size = 5
    for places in [{place} for place in range(size)] + [{0, size - 1}, {1, 2}, set(range(size))]:
        sink = await trial.opened()
        batch = trial.utterances(size)
        batch = [poison(record.seq) if place in places else record for place, record in enumerate(batch)]
        bad = {record.seq for place, record in enumerate(batch) if place in places}
        assert {batch[place].seq for place in places} == bad, "poison(seq) makes a record with that seq"
        refused = await trial.insist(sink, batch)
        where = f"poison at {sorted(places)} of {size}"
        spared = bad - set(refused)
        assert not spared, f"{where}: {len(spared)} of them are said to be written"
        assert set(refused) == bad, f"{where}: good events are refused with it: {sorted(set(refused) - bad)}"
        await trial.write(sink, trial.utterances(1))
        await trial.aclose(sink)


async def keeps_its_position(
    trial: Trial, make_for: Callable[[str], Sink], poison: Callable[[int], Record] | None
) -> None:
    """The place is of one store, is there with its batch or not at all, and survives us."""
    first = trial.utterances(3)
    at = Position(OURS, first[-1].seq, "0badcafe")
    sink, keeper = await _keeper(trial, make_for, OURS)
    assert await keeper.position() is None, "it has a position before anything was written"
    await trial.write(sink, first)
    assert await keeper.position() is None, "`write` made up a position"
    await _write_at(trial, keeper, first, at)
    assert await keeper.position() == at, "the position is not the one that was written"
    await trial.aclose(sink)

    sink, keeper = await _keeper(trial, make_for, OTHER)
    assert await keeper.position() is None, "it gives the position of another store"
    batch = trial.utterances(2)
    await _write_at(trial, keeper, batch, Position(OTHER, 1, None))
    assert await keeper.position() == Position(OTHER, 1, None), "a position without a checksum is not kept as it is"
    await trial.aclose(sink)

    sink, keeper = await _keeper(trial, make_for, OURS)
    assert await keeper.position() == at, "the position did not survive a restart, or another store moved it"
    back = Position(OURS, at.seq - 1, "00000001")
    await _write_at(trial, keeper, first[:2], back)
    assert await keeper.position() == back, "a position that goes back is not believed"
    if poison is not None:
        await _stays_where_it_is(trial, keeper, poison)
    await trial.aclose(sink)
    await _all_or_nothing(trial, make_for)


async def _keeper(trial: Trial, make_for: Callable[[str], Sink], store_id: str) -> tuple[Sink, KeepsPosition]:
    sink = make_for(store_id)
    assert isinstance(sink, KeepsPosition), "it does not keep a position: leave make_for_store out"
    await trial.open(sink)
    return sink, sink


async def _write_at(trial: Trial, keeper: KeepsPosition, batch: Sequence[Record], at: Position) -> None:
    trial.tries.update(record.seq for record in batch)
    await trial.called("write_at", lambda: keeper.write_at(batch, at))
    trial.count(batch)


async def _stays_where_it_is(trial: Trial, keeper: KeepsPosition, poison: Callable[[int], Record]) -> None:
    before = await keeper.position()
    good, bad = trial.utterances(2)
    try:
        await keeper.write_at([good, poison(bad.seq)], Position(OURS, bad.seq, None))
    except RowsRejected:
        pass
    else:
        raise AssertionError("write_at takes poison")
    assert await keeper.position() == before, "the position moved without its batch"
    await _write_at(trial, keeper, [good], Position(OURS, bad.seq, None))


async def _all_or_nothing(trial: Trial, make_for: Callable[[str], Sink]) -> None:
    """Cancelled anywhere, a batch and its position are both there or neither."""
    for steps in range(8):
        sink, keeper = await _keeper(trial, make_for, OURS)
        before = await keeper.position()
        batch = trial.utterances(3)
        at = Position(OURS, batch[-1].seq, "00000002")
        trial.tries.update(record.seq for record in batch)
        await trial.cancelled(partial(keeper.write_at, batch, at), partial(turns, steps))
        await trial.aclose(sink)
        sink, keeper = await _keeper(trial, make_for, OURS)
        found = await keeper.position()
        assert found in (before, at), "the position is neither the old one nor the new one"
        trial.count(batch)  # where the place is the new one, so is the data
        if found == before:
            await _write_at(trial, keeper, batch, at)
        await trial.aclose(sink)
