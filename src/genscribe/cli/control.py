"""Asks the process that holds a store, or changes the store directly where none does."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import apsw
import click
import msgspec

from genscribe import clock, loop, settings, terminal
from genscribe.cli import output
from genscribe.control import commands
from genscribe.control.place import socket_path
from genscribe.control.protocol import LONGEST_LINE, Answer, Request, decode_answer, encode
from genscribe.errors import ConfigError, GenscribeError, NotPermitted, StoreBusy, StoreFailed, UsageError
from genscribe.store import hands
from genscribe.store.database import open_for_writing
from genscribe.store.lock import StoreLock, held
from genscribe.store.reader import Reader
from genscribe.telemetry import status as statuses
from genscribe.telemetry.status import SinkStatus

CONNECT_S = 5.0
ANSWER_S = 30.0
"""How long an answer, or the next word of progress, may take."""
LIST_S = 2.0
"""How long it may take to say how the sinks do: what it said last is in the store."""

_errors: dict[int, type[GenscribeError]] = {
    each.exit_code: each for each in (UsageError, StoreFailed, StoreBusy, NotPermitted, ConfigError)
}


def ask(store: Path, store_id: str, request: Request, *, patience_s: float = ANSWER_S) -> Iterator[Answer]:
    """What the process that holds the store answers; the last answer is `done`.

    Args:
        store: The store.
        store_id: Its id.
        request: What is asked.
        patience_s: How long it may take to answer, or to say how it goes.

    Raises:
        GenscribeError: It cannot be reached, or says that it cannot do it.
    """
    path = socket_path(store, store_id)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(min(CONNECT_S, patience_s))
            link.connect(str(path))
            link.sendall(encode(request) + b"\n")
            link.settimeout(patience_s)
            yield from _answers(link.makefile("rb"))
    except OSError as error:
        why = error.strerror or "it does not answer in time"
        raise StoreBusy(
            f"A process holds the store {store} and cannot be asked at {path}: {why}.",
            advice="Is it of another user, or just starting or stopping? Try again, or stop it first.",
        ) from None


def _answers(lines: Any) -> Iterator[Answer]:
    while line := lines.readline(LONGEST_LINE):
        try:
            answer = decode_answer(line)
        except msgspec.MsgspecError:
            raise ConfigError("The running process is of another version.", advice="Restart it.") from None
        if answer.state == "error":
            raise _errors.get(answer.exit_code, GenscribeError)(answer.text)
        yield answer
        if answer.state == "done":
            return
    raise StoreBusy("The process that holds the store has ended before it answered.", advice="Try again.")


def change(given: dict[str, Any], request: Request) -> Answer:
    """Pauses, resumes or removes a sink, or drops dead letters, whether a process holds the store or not.

    Args:
        given: `store` and `config` of the command line, where they stand.
        request: What to change.
    """
    store = settings.store_path(dict(given))
    with Reader.open(store) as reader:
        store_id, known = reader.stats().store_id, {each.name for each in reader.ask(hands.holds)}
    if not held(store):
        commands.check(request.sink, known | _configured(given))
        try:
            return _directly(store, request)
        except StoreBusy:
            pass  # one has just started
    return list(ask(store, store_id, request))[-1]


def known_sinks(given: dict[str, Any], reader: Reader) -> set[str]:
    """The names of sinks that the store, the process that holds it, or the settings here know."""
    return (
        {each.name for each in running(reader)} | {each.name for each in reader.ask(hands.holds)} | _configured(given)
    )


def running(reader: Reader) -> list[SinkStatus]:
    """The sinks of the process that holds the store: as it tells them now, else as it told them last."""
    if held(reader.path):
        with suppress(GenscribeError):  # it hangs, only replays, or is of another version
            request = Request("list")
            *_, last = ask(reader.path, reader.stats().store_id, request, patience_s=LIST_S)
            return list(last.sinks)
    life = reader.life()
    if life is None or not life.running or life.status is None:
        return []
    try:
        return statuses.decode(life.status).sinks
    except msgspec.MsgspecError:  # another version's
        return []


def _configured(given: dict[str, Any]) -> set[str]:
    try:
        return {each.name for each in settings.load(given).sinks}
    except GenscribeError:  # they are not needed here, and may want what only the process that delivers has
        return set()


def _directly(store: Path, request: Request) -> Answer:
    lock = StoreLock.acquire(store)
    try:
        opened = open_for_writing(store)
        try:
            with opened.db:
                answer = _changed(opened.db, request)
            return answer  # noqa: RET504  # only what is committed is told
        finally:
            opened.db.close(True)
    except apsw.Error as error:
        raise StoreFailed(f"The store {store} cannot be changed: {error}.") from None
    finally:
        lock.release()


def _changed(db: apsw.Connection, request: Request) -> Answer:
    if request.do == "drop":
        return _drop(db, request)
    if request.do == "pause":
        db.execute(hands.PAUSE, (request.sink, clock.now()))
    else:
        db.execute(hands.RESUME, (request.sink,))
    if request.do == "remove":
        db.execute(hands.FORGET_CURSOR, (request.sink,))
    return commands.changed(request.do, request.sink or "")


def _drop(db: apsw.Connection, request: Request) -> Answer:
    count = 0
    while found := hands.letters(db, request.sink, request.seqs):
        db.executemany(hands.FORGIVE, [(seq, sink) for sink, seq, *_ in found])
        count += len(found)
    return commands.dropped(request, count)


def redo(given: dict[str, Any], request: Request, *, as_json: bool) -> Answer:
    """Has events written once more: by the process that holds the store, or here, with the sinks of our settings."""
    store = settings.store_path(dict(given))
    with Reader.open(store) as reader:
        store_id = reader.stats().store_id
        holds = reader.ask(hands.holds)
        life = reader.ask(hands.life_row)
        letters = reader.ask(lambda db: hands.letters(db, request.sink, request.seqs))
    if held(store):
        with shown(as_json=as_json) as show_one:
            return show(ask(store, store_id, request), show_one)
    commands.check(request.sink, {each.name for each in holds} | _configured(given))
    if request.do == "retry" and not letters:
        return show(iter([Answer("done", commands.NO_LETTERS, sink=request.sink)]), Shown(as_json=as_json))
    chosen = settings.load(given)
    present = {sink.name for sink in chosen.sinks}
    refusing = {each.name for each in holds if each.dead_letters and request.sink in (None, each.name)}
    names = refusing if request.do == "retry" else {request.sink or ""}
    for name in sorted(names - present):
        raise commands.absent(name, present)
    if request.do == "replay":
        _check_began(chosen, holds, request.sink or "")
    try:
        with shown(as_json=as_json) as show_one:
            return anyio.run(_redo, chosen, names, request, show_one, backend_options=loop.OPTIONS)
    finally:
        _put_back(store, life)


def _check_began(chosen: settings.Settings, holds: Iterable[hands.Hold], name: str) -> None:
    """Refuses to replay to a sink that gets everything when it is first delivered to."""
    if any(each.name == name and each.cursor is not None for each in holds):
        return
    for each in chosen.sinks:
        if each.name == name and each.scheme != "console" and each.target != "-" and each.start != "now":
            raise commands.not_yet(name)


async def _redo(
    chosen: settings.Settings, names: set[str], request: Request, show_one: Callable[[Answer], None]
) -> Answer:
    from genscribe.assemble import open_deliveries
    from genscribe.telemetry import Telemetry

    last = Answer("done")
    async with (
        open_deliveries(chosen, names, Telemetry()) as (journal, deliveries),
        aclosing(commands.redo(journal, deliveries, request)) as answers,
    ):
        async for last in answers:
            show_one(last)
    return last


def _put_back(store: Path, life: Any) -> None:
    """Nothing was heard: the sign of life says again how the last run ended."""
    if life is None:
        return
    with suppress(GenscribeError, apsw.Error):  # a run that has just started has its own
        lock = StoreLock.acquire(store)
        try:
            opened = open_for_writing(store)
            opened.db.execute(hands.LIFE_BACK, life)
            opened.db.close(True)
        finally:
            lock.release()


def show(answers: Iterator[Answer], show_one: Callable[[Answer], None]) -> Answer:
    """Shows answers as they come, and returns the last."""
    last = Answer("done")
    for last in answers:
        show_one(last)
    return last


@contextmanager
def shown(*, as_json: bool) -> Iterator[Shown]:
    """Shows what comes of a redelivery; where it ends midway, also how far it got."""
    show_one = Shown(as_json=as_json)
    try:
        yield show_one
    except KeyboardInterrupt:
        if show_one.midway is not None:
            show_one.say(f"{_far(show_one.midway)} {commands.AGAIN}")
        raise
    except StoreBusy as error:
        if show_one.midway is None:
            raise
        show_one.say()
        raise StoreBusy(f"{error.message} {_far(show_one.midway)}", advice=commands.AGAIN) from None


class Shown:
    """Shows progress on standard error and what came of it on standard output, or all as JSON Lines there."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._said: tuple[str | None, str | None] | None = None
        self._terminal = sys.stderr.isatty()
        self._open_line = False
        self.midway: Answer | None = None
        """The last of progress, while there is more to come."""

    def say(self, text: str = "") -> None:
        """Ends the line of progress, and shows another on standard error."""
        if self._open_line:
            click.echo("", err=True)
        self._open_line = False
        if text:
            click.echo(f"genscribe: {terminal.safe(text)}", err=True)

    def __call__(self, answer: Answer) -> None:
        """Shows one."""
        self.midway = answer if answer.state == "progress" else None
        if self._as_json:
            output.write_json([encode(answer)])
        elif answer.text:
            self.say()
            output.write(terminal.safe(answer.text) + "\n")
        elif self._terminal:
            self._open_line = True
            click.echo(f"\r{_line(answer)}\x1b[K", nl=False, err=True)
        elif (answer.sink_state, answer.error) != self._said:  # in a log only what is news
            self._said = (answer.sink_state, answer.error)
            click.echo(_line(answer), err=True)


def _far(last: Answer) -> str:
    return f"{last.sink}: stopped after {last.done:,} of {last.total:,} events."


def _line(answer: Answer) -> str:
    line = f"{answer.sink}: {answer.done:,} of {answer.total:,} events, sink {answer.sink_state}"
    return terminal.safe(f"{line}: {answer.error}" if answer.error else line)
