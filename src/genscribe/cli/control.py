"""Asks the process that holds a store, or changes the store directly where none does."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import anyio
import apsw
import click
import msgspec

from genscribe import clock, control, loop, settings, terminal
from genscribe.cli import output
from genscribe.control import Answer, Request
from genscribe.errors import ConfigError, GenscribeError, StoreBusy, StoreFailed
from genscribe.store import hands
from genscribe.store.database import open_for_writing
from genscribe.store.lock import StoreLock, held
from genscribe.store.reader import Reader

CONNECT_S = 5.0
ANSWER_S = 30.0
"""How long an answer, or the next word of progress, may take."""

_errors: dict[int, type[GenscribeError]] = {74: StoreFailed, 75: StoreBusy, 78: ConfigError}


def ask(store: Path, store_id: str, request: Request) -> Iterator[Answer]:
    """What the process that holds the store answers; the last answer is `done`.

    Raises:
        GenscribeError: It cannot be reached, or says that it cannot do it.
    """
    path = control.socket_path(store, store_id)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(CONNECT_S)
            link.connect(str(path))
            link.sendall(control.encode(request) + b"\n")
            link.settimeout(ANSWER_S)
            yield from _answers(link.makefile("rb"))
    except OSError as error:
        why = error.strerror or "it does not answer in time"
        raise StoreBusy(
            f"A process holds the store {store} and cannot be asked at {path}: {why}.",
            advice="Is it of another user, or just starting or stopping? Try again, or stop it first.",
        ) from None


def _answers(lines: Any) -> Iterator[Answer]:
    while line := lines.readline(control.LONGEST_LINE):
        try:
            answer = control.decode_answer(line)
        except msgspec.MsgspecError:
            raise ConfigError("The running process is of another version.", advice="Restart it.") from None
        if answer.state == "error":
            raise _errors.get(answer.exit_code, GenscribeError)(answer.text)
        yield answer
        if answer.state == "done":
            return
    raise StoreBusy("The process that holds the store has ended before it answered.", advice="Try again.")


def change(store: Path, request: Request) -> Answer:
    """Pauses, resumes or removes a sink, or drops dead letters, whether a process holds the store or not."""
    with Reader.open(store) as reader:
        store_id, known = reader.stats().store_id, {each.name for each in reader.ask(hands.holds)}
    if not held(store):
        try:
            return _directly(store, request, known)
        except StoreBusy:
            pass  # one has just started
    return list(ask(store, store_id, request))[-1]


def _directly(store: Path, request: Request, known: set[str]) -> Answer:
    if request.sink is not None and request.sink not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"the store knows no sink {request.sink!r}.", advice=f"It knows: {names}.")
    lock = StoreLock.acquire(store)
    try:
        opened = open_for_writing(store)
        try:
            with opened.db:
                answer = _DIRECTLY[request.do](opened.db, request)
            return answer  # noqa: RET504  # only what is committed is told
        finally:
            opened.db.close(True)
    except apsw.Error as error:
        raise StoreFailed(f"The store {store} cannot be changed: {error}.") from None
    finally:
        lock.release()


def _pause(db: apsw.Connection, request: Request) -> Answer:
    db.execute(hands.PAUSE, (request.sink, clock.now()))
    return Answer("done", f"{request.sink} is paused: the next start leaves its events in the store.", request.sink)


def _resume(db: apsw.Connection, request: Request) -> Answer:
    db.execute(hands.RESUME, (request.sink,))
    return Answer("done", f"{request.sink} goes on with the next start.", request.sink)


def _remove(db: apsw.Connection, request: Request) -> Answer:
    db.execute(hands.FORGET_CURSOR, (request.sink,))
    db.execute(hands.RESUME, (request.sink,))
    text = f"{request.sink} is removed. If the next start still names it, it begins anew."
    return Answer("done", text, request.sink)


def _drop(db: apsw.Connection, request: Request) -> Answer:
    count = 0
    while found := hands.letters(db, request.sink, request.seqs):
        db.executemany(hands.FORGIVE, [(seq, sink) for sink, seq, *_ in found])
        count += len(found)
    return Answer("done", control.dropped(count), request.sink, done=count, total=count)


_DIRECTLY = {"pause": _pause, "resume": _resume, "remove": _remove, "drop": _drop}


def redo(options: dict[str, Any], request: Request, *, as_json: bool) -> Answer:
    """Has events written once more: by the process that holds the store, or here, with the sinks of our settings."""
    given = {name: options.pop(name, None) for name in ("store", "config")}
    store = settings.store_path(dict(given))
    with Reader.open(store) as reader:
        store_id = reader.stats().store_id
        letters = reader.ask(lambda db: hands.letters(db, request.sink, request.seqs))
        life = reader.ask(hands.life_row)
    if held(store):
        return show(ask(store, store_id, request), as_json=as_json)
    names = {sink for sink, *_ in letters} if request.do == "retry" else {request.sink or ""}
    chosen = settings.load(given)
    missing = sorted(names - {sink.name for sink in chosen.sinks})
    if missing:
        raise ConfigError(
            f"nothing runs on {store}, and the settings here have no sink {missing[0]!r}.",
            advice="Start `genscribe stream`, or give its --config or GENSCRIBE_TO here too.",
        )
    try:
        return anyio.run(_redo, chosen, names, request, as_json, backend_options=loop.OPTIONS)
    finally:
        _put_back(store, life)


async def _redo(chosen: settings.Settings, names: set[str], request: Request, as_json: bool) -> Answer:
    from genscribe.assemble import open_deliveries
    from genscribe.telemetry import Telemetry

    last = Answer("done")
    show_one = Shown(as_json=as_json)
    async with (
        open_deliveries(chosen, names, Telemetry()) as (journal, deliveries),
        aclosing(control.redo(journal, deliveries, request)) as answers,
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


def show(answers: Iterator[Answer], *, as_json: bool) -> Answer:
    """Shows answers as they come, and returns the last."""
    last = Answer("done")
    show_one = Shown(as_json=as_json)
    for last in answers:
        show_one(last)
    return last


class Shown:
    """Shows progress on standard error and what came of it on standard output, or all as JSON Lines there."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._said: tuple[str | None, str | None] | None = None
        self._terminal = sys.stderr.isatty()
        self._open_line = False

    def __call__(self, answer: Answer) -> None:
        """Shows one."""
        if self._as_json:
            output.write_json([control.encode(answer)])
        elif answer.text:
            if self._open_line:
                click.echo("", err=True)
            self._open_line = False
            output.write(terminal.safe(answer.text) + "\n")
        elif self._terminal:
            self._open_line = True
            click.echo(f"\r{_line(answer)}\x1b[K", nl=False, err=True)
        elif (answer.sink_state, answer.error) != self._said:  # in a log only what is news
            self._said = (answer.sink_state, answer.error)
            click.echo(_line(answer), err=True)


def _line(answer: Answer) -> str:
    line = f"{answer.sink}: {answer.done:,} of {answer.total:,} events, sink {answer.sink_state}"
    return terminal.safe(f"{line}: {answer.error}" if answer.error else line)
