"""The steps of `check_sink` that need a hand on the destination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import anyio

from genscribe.errors import Passing
from genscribe.events import Position, Record
from genscribe.sinks.base import KeepsPosition, RowsRejected, Sink
from genscribe.sinks.conformance_trial import Act, Trial, turns

OURS = "conformance-1"
OTHER = "conformance-2"


async def down_at_start(trial: Trial, down: Act, up: Act) -> None:
    """Nobody is there when it starts: it says so each time, and delivers once somebody is."""
    batch = trial.utterances(3)
    await down()
    sink = trial.make()

    async def begin() -> None:
        await sink.open()
        await trial.attempt(sink, batch)

    for _ in range(2):
        await trial.is_refused_for_now("the destination is down at start", begin, batch)
    await trial.within("aclose while the destination is down", sink.aclose)
    sink = trial.make()
    await trial.is_refused_for_now("the destination is down at start", begin, batch)
    await up()
    await trial.insist(sink, batch)
    await sink.aclose()


async def dies_and_returns(trial: Trial, down: Act, up: Act) -> None:
    """It dies under an open sink and comes back: to that sink, and to the next one."""
    for restarted in (False, True):
        sink = await trial.opened()
        await trial.write(sink, trial.utterances(2))
        batch = trial.utterances(3)
        await down()
        await trial.is_retryable("the destination died", sink, batch)
        if restarted:
            await trial.within("aclose while the destination is down", sink.aclose)
            sink = trial.make()
        await up()
        await trial.insist(sink, batch)
        await trial.write(sink, trial.utterances(2))
        await sink.aclose()


async def is_slow(trial: Trial, hold: Act, release: Act) -> None:
    """While the destination holds its answer back nothing is claimed, and giving up is possible."""
    sink = await trial.opened()
    batch = trial.utterances(3)
    ended: list[Exception | None] = []

    async def write() -> None:
        try:
            await trial.attempt(sink, batch)
        except Exception as error:  # noqa: BLE001  # raised below, outside the group that would wrap it
            ended.append(error)
        else:
            ended.append(None)

    await hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await _a_while()
        claimed = None in ended
        await release()
    assert not claimed, "the destination has not answered, and it says that it has written the batch"
    if ended[0] is None:
        trial.count(batch)
    elif isinstance(ended[0], Passing):
        await trial.insist(sink, batch)
    else:
        raise ended[0]

    batch = trial.utterances(3)
    await hold()
    give_up = partial(trial.cancelled, partial(trial.attempt, sink, batch), _a_while)
    await trial.within("a write that is cancelled while the destination is slow", give_up)
    await release()
    await trial.insist(sink, batch)
    await sink.aclose()


async def _a_while() -> None:
    """Long enough for a thread or a socket to have done something, if it were going to."""
    for _ in range(20):
        await anyio.sleep(0.01)


async def loses_the_answer(trial: Trial, swallow: Act) -> None:
    """The destination has the batch and we do not know: it comes again, from the same sink or from the next."""
    for restarted in (False, True):
        sink = await trial.opened()
        await trial.write(sink, trial.utterances(1))
        batch = trial.utterances(3)
        await swallow()
        trial.tries.update(record.seq for record in batch)  # the client may have asked a second time by itself
        with suppress(Passing):
            await trial.attempt(sink, batch)
        if restarted:
            await sink.aclose()
            sink = trial.make()
        refused = await trial.insist(sink, batch)
        assert not refused, f"a batch that came again is refused: {next(iter(refused.values()))}"
        await sink.aclose()


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
        await sink.aclose()


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
    await sink.aclose()

    sink, keeper = await _keeper(trial, make_for, OTHER)
    assert await keeper.position() is None, "it gives the position of another store"
    batch = trial.utterances(2)
    await _write_at(trial, keeper, batch, Position(OTHER, 1, None))
    assert await keeper.position() == Position(OTHER, 1, None), "a position without a checksum is not kept as it is"
    await sink.aclose()

    sink, keeper = await _keeper(trial, make_for, OURS)
    assert await keeper.position() == at, "the position did not survive a restart, or another store moved it"
    back = Position(OURS, at.seq - 1, "00000001")
    await _write_at(trial, keeper, first[:2], back)
    assert await keeper.position() == back, "a position that goes back is not believed"
    if poison is not None:
        await _stays_where_it_is(trial, keeper, poison)
    await sink.aclose()
    await _all_or_nothing(trial, make_for)


async def _keeper(trial: Trial, make_for: Callable[[str], Sink], store_id: str) -> tuple[Sink, KeepsPosition]:
    sink = make_for(store_id)
    assert isinstance(sink, KeepsPosition), "it does not keep a position: leave make_for_store out"
    await trial.within("open", sink.open)
    return sink, sink


async def _write_at(trial: Trial, keeper: KeepsPosition, batch: Sequence[Record], at: Position) -> None:
    trial.tries.update(record.seq for record in batch)
    await trial.within("write_at", lambda: keeper.write_at(batch, at))
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
        await sink.aclose()
        sink, keeper = await _keeper(trial, make_for, OURS)
        found = await keeper.position()
        assert found in (before, at), "the position is neither the old one nor the new one"
        trial.count(batch)  # where the place is the new one, so is the data
        if found == before:
            await _write_at(trial, keeper, batch, at)
        await sink.aclose()
