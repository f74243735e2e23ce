"""What is done when somebody asks, and what he is told."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import anyio

from genscribe.control.protocol import Answer, Request
from genscribe.errors import ConfigError, Fatal
from genscribe.redelivery import Letters, Redelivery, Replay
from genscribe.settings.nearest import nearest
from genscribe.store import hands
from genscribe.telemetry.base import counted
from genscribe.telemetry.delivery import ChangedByHand

if TYPE_CHECKING:  # not imported: `genscribe sinks` ends in a fifth of a second
    from genscribe.delivery import Delivery
    from genscribe.pipeline import Pipeline
    from genscribe.store.journal import Journal

PROGRESS_S = 0.5

CHANGED = {
    "pause": "{} is paused; its events wait in the store, also over restarts.",
    "resume": "{} is no longer paused.",
    "remove": "{} is removed. If a start names it again, it begins anew.",
}
"""What to tell after each change."""

_OF_URLS = re.compile(r"[?@=]")

NO_LETTERS = "No dead letters."

AGAIN = "It does not go on by itself: give the command once more. What comes twice has the same key."
"""What to tell where a redelivery ended midway."""


async def answers(pipeline: Pipeline, request: Request) -> AsyncGenerator[Answer, None]:
    """Does what is asked of a running pipeline, and says how it goes.

    Raises:
        GenscribeError: It cannot be done.
    """
    if request.do == "list":
        yield Answer("done", sinks=tuple(pipeline.status().sinks))
    elif request.do in CHANGED:
        yield await _change(pipeline, request.do, request.sink or "")
    elif request.do == "drop":
        yield await _drop(pipeline, request)
    else:
        async with aclosing(redo(pipeline.journal, pipeline.deliveries, request)) as told:
            async for answer in told:
                yield answer


async def _change(pipeline: Pipeline, what: str, name: str) -> Answer:
    journal, delivery = pipeline.journal, pipeline.delivery(name)
    if delivery is None:
        await _change_absent(pipeline, what, name)
    elif what == "remove":
        await pipeline.remove(delivery)
    elif what == "pause":
        delivery.pause()
        await journal.set_paused(name, paused=True)
    else:
        delivery.resume()
        await journal.set_paused(name, paused=False)
    pipeline.telemetry.emit(ChangedByHand(name, f"{what}d"))
    await pipeline.tell()
    return changed(what, name)


async def _change_absent(pipeline: Pipeline, what: str, name: str) -> None:
    """Changes a sink that the store knows and this run does not deliver to."""
    journal = pipeline.journal
    await _check(journal, pipeline.deliveries, name)
    if what == "remove" and name in journal.retention.needed:
        raise ConfigError(f"{name} is in use by the program that runs.", advice="Stop that first.")
    if what == "remove":
        await journal.forget_cursor(name)
        await journal.flush()
    else:
        await journal.set_paused(name, paused=what == "pause")


async def _drop(pipeline: Pipeline, request: Request) -> Answer:
    journal, count = pipeline.journal, 0
    await _check(journal, pipeline.deliveries, request.sink)
    while found := await journal.ask(lambda db: hands.letters(db, request.sink, request.seqs)):
        for sink, seq, _, _ in found:
            await journal.forget_dead_letter(sink, seq)
        await journal.flush()
        count += len(found)
    return dropped(request, count)


async def redo(journal: Journal, deliveries: Sequence[Delivery], request: Request) -> AsyncGenerator[Answer, None]:
    """Does `retry` and `replay` with deliveries that run, and says how it goes."""
    await _check(journal, deliveries, request.sink)
    if request.do == "retry":
        letters = await _letters(journal, request)
        jobs: list[tuple[Delivery, Redelivery]] = [
            (find(deliveries, name), Letters(seqs)) for name, seqs in letters.items()
        ]
        if not jobs:
            yield Answer("done", NO_LETTERS, sink=request.sink)
    elif request.do == "replay":
        delivery, head, since = find(deliveries, request.sink or ""), journal.head, request.since or ""
        after, upto = await journal.ask(lambda db: hands.span(db, head, since, request.until))
        got = delivery.got(upto)
        if got <= after < upto:
            raise not_yet(delivery.name)
        jobs = [(delivery, Replay(after, got))]
        journal.hold(f"replay {id(jobs)}", after)
    else:
        raise ConfigError(f"the running process knows no {request.do[:30]!r}.")
    try:
        for number, (delivery, work) in enumerate(jobs, 1):
            async with aclosing(_watch(journal, delivery, work, last=number == len(jobs))) as told:
                async for answer in told:
                    yield answer
    finally:
        journal.hold(f"replay {id(jobs)}", None)


async def _letters(journal: Journal, request: Request) -> dict[str, list[int]]:
    """By sink, the dead letters that are asked for."""
    found: dict[str, list[int]] = {}
    for each in await journal.ask(hands.holds):
        if each.dead_letters and request.sink in (None, each.name):
            found[each.name] = await _seqs(journal, each.name, request.seqs)
    return {name: seqs for name, seqs in found.items() if seqs}


async def _seqs(journal: Journal, name: str, only: Sequence[int]) -> list[int]:
    """Slice by slice, for there may be many."""
    found: list[int] = []
    while rows := await journal.ask(partial(hands.letters, sink=name, seqs=only, after=found[-1] if found else 0)):
        found += [seq for _, seq, *_ in rows]
    return found


async def _watch(journal: Journal, delivery: Delivery, work: Redelivery, *, last: bool) -> AsyncGenerator[Answer, None]:
    if delivery.state().status == "paused":
        why = delivery.state().last_error or "it just was"
        advice = f"First: genscribe sinks resume {delivery.name}"
        raise ConfigError(f"{delivery.name} is paused: {why}", advice=advice)
    delivery.redeliver(work)
    try:
        while not work.ended.is_set():
            with anyio.move_on_after(PROGRESS_S):
                await work.ended.wait()
            if not work.ended.is_set():
                yield _progress("progress", delivery, work)
    finally:
        delivery.give_up(work)
    if not work.finished:
        what = f"{delivery.name} ended before all was written: {work.done:,} of {work.total:,} events."
        raise Fatal(what, advice=AGAIN)
    await journal.flush()
    yield _progress("done" if last else "progress", delivery, work, _told(delivery.name, work))


async def _check(journal: Journal, deliveries: Iterable[Delivery], name: str | None) -> None:
    """Raises `ConfigError` for a sink that neither the run nor the store knows."""
    known = {each.name for each in deliveries}
    if name is not None and name not in known:
        check(name, known | {each.name for each in await journal.ask(hands.holds)})


def check(name: str | None, known: Collection[str]) -> None:
    """Refuses the name of a sink that is not there; `None` means all, and passes.

    Raises:
        ConfigError: With the nearest name, and all that there are.
    """
    if name is None or name in known:
        return
    near = nearest(name, known)
    hint = f"Did you mean {near}? " if near is not None else ""
    names = f"There are: {', '.join(sorted(known))}." if known else "There is none."
    if _OF_URLS.search(name):  # it may hold a password
        raise ConfigError("there is no sink of that name; it looks like a URL.", advice=names)
    raise ConfigError(f"there is no sink {name[:100]!r}.", advice=hint + names)


def find(deliveries: Sequence[Delivery], name: str) -> Delivery:
    """The delivery to a sink that the store knows.

    Raises:
        ConfigError: This run does not deliver to it.
    """
    for delivery in deliveries:
        if delivery.name == name:
            return delivery
    raise absent(name, [each.name for each in deliveries])


def absent(name: str, present: Iterable[str]) -> ConfigError:
    """What to say where the store knows a sink, and nothing here delivers to it."""
    names = ", ".join(sorted(present)) or "none"
    return ConfigError(
        f"nothing delivers to {name!r} here: the settings have {names}.",
        advice="Name it with its URL in GENSCRIBE_TO or in the configuration file, as a run gets it.",
    )


def not_yet(name: str) -> ConfigError:
    """What to say where a sink is yet to get for the first time what it is to get once more."""
    return ConfigError(
        f"{name} has not got these events yet: it would get them twice.",
        advice="They come by themselves while `genscribe stream` delivers to it; see `genscribe sinks`.",
    )


def changed(what: str, name: str) -> Answer:
    """What to tell after `pause`, `resume` or `remove`."""
    return Answer("done", CHANGED[what].format(name), sink=name)


def dropped(request: Request, count: int) -> Answer:
    """What to tell after `drop`."""
    text = f"{counted(count, 'dead letter')} dropped."
    return Answer("done", text, sink=request.sink, done=count, total=count)


def _told(name: str, work: Redelivery) -> str:
    """What to tell after a redelivery."""
    count = work.tally.delivered
    parts = [f"{name}: {counted(count, 'event')} written once more"]
    if work.refused:
        parts.append(f"{len(work.refused):,} refused, see `genscribe dead-letters`")
    if work.tally.filtered:
        parts.append(f"{work.tally.filtered:,} that it does not want")
    if work.tally.purged:
        parts.append(f"{work.tally.purged:,} that are no longer in the store")
    return ", ".join(parts) + "."


def _progress(state: str, delivery: Delivery, work: Redelivery, text: str = "") -> Answer:
    now = delivery.state()
    return Answer(
        state,
        text,
        sink=delivery.name,
        done=work.done,
        total=work.total,
        delivered=work.tally.delivered,
        refused=len(work.refused),
        filtered=work.tally.filtered,
        missing=work.tally.purged,
        sink_state=now.status,
        error=now.last_error,
    )
