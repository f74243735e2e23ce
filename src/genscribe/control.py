"""What people ask of a running process: `genscribe sinks`, `dead-letters` and `replay` come here through a socket.

The socket lies beside the store and is 0600; whoever connects must be our user, or root. One JSON line comes in, JSON
lines go out: progress, then one that says `done` or `error`.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from genscribe.delivery import Delivery
from genscribe.errors import ConfigError, Fatal, GenscribeError
from genscribe.pipeline import Pipeline
from genscribe.redelivery import Letters, Redelivery, Replay
from genscribe.store import files, hands
from genscribe.store.journal import Journal
from genscribe.telemetry.delivery import ChangedByHand
from genscribe.telemetry.pipeline import ControlMissing

LONGEST_PATH = 107 if sys.platform == "linux" else 103
"""Bytes that a Unix socket's path may have (man 7 unix; on macOS `sun_path` is 4 bytes shorter)."""
LONGEST_LINE = 256 * 1024
LINE_S = 5.0
"""How long a caller may take for his line, or to read one of ours."""
CALLERS = 8
PROGRESS_S = 0.5


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked.

    Attributes:
        do: `pause`, `resume`, `remove`, `retry`, `drop` or `replay`.
        sink: The sink's name; `None` = of all, for `retry` and `drop`.
        seqs: Only these dead letters; empty = all.
        since: For `replay`: ISO text in UTC.
        until: The same; `None` = now.
    """

    do: str
    sink: str | None = None
    seqs: tuple[int, ...] = ()
    since: str | None = None
    until: str | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of what is answered.

    Attributes:
        state: `progress`, `done` or `error`.
        text: For people: what was done, or is wrong.
        done: How many events are dealt with, of `total`.
        delivered: How many of them were written.
        refused: How many were refused (again).
        filtered: How many the sink does not want.
        missing: How many the store does not have any more.
        sink_state: How the sink does meanwhile.
        error: Its last error.
        exit_code: For `error`.
    """

    state: str
    text: str = ""
    sink: str | None = None
    done: int = 0
    total: int = 0
    delivered: int = 0
    refused: int = 0
    filtered: int = 0
    missing: int = 0
    sink_state: str | None = None
    error: str | None = None
    exit_code: int = 0


encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_answer = msgspec.json.Decoder(Answer).decode


def socket_path(store: Path, store_id: str) -> Path:
    """Where a store's socket lies: beside it, or in the user's runtime folder where that path would be too long."""
    beside = files.companion(store, ".sock")
    if len(os.fsencode(beside)) <= LONGEST_PATH:
        return beside
    return _runtime_folder() / f"{store_id}.sock"


def _runtime_folder() -> Path:
    """The user's folder for sockets; where the system has none, one of ours among the temporary files."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"):
        if folder.startswith("/") and Path(folder).is_dir():
            return Path(folder) / "genscribe"
    return Path(tempfile.gettempdir()) / f"genscribe-{os.getuid()}"


class Control:
    """Answers callers while a pipeline runs.

    Args:
        pipeline: What they change.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._callers = 0
        self.path = socket_path(pipeline.journal.path, pipeline.journal.store_id)

    async def run(self) -> None:
        """Answers until cancelled; returns when there can be no socket, which a happening tells."""
        try:
            listening = await anyio.to_thread.run_sync(_listen, self.path)
        except (OSError, GenscribeError) as error:
            why = str(error) if isinstance(error, GenscribeError) else error.strerror or type(error).__name__
            self._pipeline.telemetry.emit(ControlMissing(str(self.path), why))
            return
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    await anyio.wait_readable(listening)
                    self._accept(listening, tasks)
        finally:
            listening.close()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.path.unlink, True)

    def _accept(self, listening: socket.socket, tasks: anyio.abc.TaskGroup) -> None:
        try:
            caller, _ = listening.accept()
        except OSError:  # he has gone, or we have no file numbers left
            return
        if self._callers >= CALLERS or not _is_ours(caller):
            caller.close()
            return
        caller.setblocking(False)
        self._callers += 1
        tasks.start_soon(self._serve, caller)

    async def _serve(self, caller: socket.socket) -> None:
        try:
            await self._converse(caller)
        except (OSError, TimeoutError):
            return  # he has gone
        finally:
            caller.close()
            self._callers -= 1

    async def _converse(self, caller: socket.socket) -> None:
        with anyio.fail_after(LINE_S):
            line = await _receive_line(caller)
        try:
            async with aclosing(self.answers(decode_request(line))) as answers:
                async for answer in answers:
                    await _send(caller, answer)
        except msgspec.MsgspecError:
            await _send(caller, Answer("error", "no such request; is the running process of another version?"))
        except GenscribeError as error:
            await _send(caller, Answer("error", str(error), exit_code=error.exit_code))

    async def answers(self, request: Request) -> AsyncGenerator[Answer, None]:
        """Does what is asked, and says how it goes. Raises `GenscribeError` where it cannot be done."""
        if request.do in ("pause", "resume", "remove"):
            yield await self._change(request.do, request.sink)
        elif request.do == "drop":
            yield await self._drop(request)
        else:
            redone = redo(self._pipeline.journal, self._pipeline.deliveries, request)
            async with aclosing(redone) as answers:
                async for answer in answers:
                    yield answer

    async def _change(self, what: str, name: str | None) -> Answer:
        journal = self._pipeline.journal
        if what == "remove" and name is not None and self._pipeline.delivery(name) is None:
            await self._remove_absent(name)
            return Answer("done", f"{name} is removed.", sink=name)
        delivery = find(self._pipeline.deliveries, name)
        if what == "remove":
            await self._pipeline.remove(delivery)
            text = f"{delivery.name} is removed. If the next start still names it, it begins anew."
        elif what == "pause":
            delivery.pause()
            await journal.set_paused(delivery.name, paused=True)
            text = f"{delivery.name} is paused; its events wait in the store, also over restarts."
        else:
            delivery.resume()
            await journal.set_paused(delivery.name, paused=False)
            text = f"{delivery.name} goes on."
        self._pipeline.telemetry.emit(ChangedByHand(delivery.name, f"{what}d"))
        await self._pipeline.tell()
        return Answer("done", text, sink=delivery.name)

    async def _remove_absent(self, name: str) -> None:
        journal = self._pipeline.journal
        known = {each.name: each for each in await journal.ask(hands.holds)}
        if name not in known:
            raise unknown(self._pipeline.deliveries, name)
        if name in journal.retention.needed:
            raise ConfigError(f"{name} is in use by the program that runs.", advice="Stop that first.")
        await journal.forget_cursor(name)
        await journal.flush()

    async def _drop(self, request: Request) -> Answer:
        count = 0
        journal, after = self._pipeline.journal, 0
        while found := await journal.ask(_letters(request, after)):
            for sink, seq, _, _ in found:
                await journal.forget_dead_letter(sink, seq)
            await journal.flush()
            count, after = count + len(found), found[-1][1]
        return Answer("done", dropped(count), sink=request.sink, done=count, total=count)


async def redo(journal: Journal, deliveries: Sequence[Delivery], request: Request) -> AsyncGenerator[Answer, None]:
    """Does `retry` and `replay` with deliveries that run, and says how it goes."""
    if request.do == "retry":
        found = await journal.ask(_letters(request, 0))
        jobs: list[tuple[Delivery, Redelivery]] = [
            (find(deliveries, name), Letters([seq for sink, seq, *_ in found if sink == name]))
            for name in sorted({sink for sink, *_ in found})
        ]
        if not jobs:
            yield Answer("done", "No dead letters.", sink=request.sink)
    elif request.do == "replay":
        delivery, head, since = find(deliveries, request.sink), journal.head, request.since or ""
        after, upto = await journal.ask(lambda db: hands.span(db, head, since, request.until))
        jobs = [(delivery, Replay(after, upto))]
        journal.hold(f"replay {id(jobs)}", after)
    else:
        raise ConfigError(f"the running process knows no {request.do[:30]!r}.")
    try:
        for number, (delivery, work) in enumerate(jobs, 1):
            async with aclosing(_watch(journal, delivery, work, last=number == len(jobs))) as answers:
                async for answer in answers:
                    yield answer
    finally:
        journal.hold(f"replay {id(jobs)}", None)


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
        raise Fatal(f"{delivery.name} ended before all was written: {work.done} of {work.total} events.")
    await journal.flush()
    yield _progress("done" if last else "progress", delivery, work, told(delivery.name, work))


def find(deliveries: Sequence[Delivery], name: str | None) -> Delivery:
    """The delivery to a sink.

    Raises:
        ConfigError: There is none of that name.
    """
    for delivery in deliveries:
        if delivery.name == name:
            return delivery
    raise unknown(deliveries, name)


def unknown(deliveries: Sequence[Delivery], name: str | None) -> ConfigError:
    """What to say where there is no such sink."""
    names = ", ".join(each.name for each in deliveries) or "none"
    return ConfigError(f"there is no sink {name or ''!r} in this run.", advice=f"It has: {names}.")


def dropped(count: int) -> str:
    """What to tell after `drop`."""
    return f"{count} dead {'letter' if count == 1 else 'letters'} dropped."


def told(name: str, work: Redelivery) -> str:
    """What to tell after a redelivery."""
    parts = [f"{name}: {work.tally.delivered} events written once more"]
    if work.refused:
        parts.append(f"{len(work.refused)} refused, see `genscribe dead-letters`")
    if work.tally.filtered:
        parts.append(f"{work.tally.filtered} that it does not want")
    if work.tally.purged:
        parts.append(f"{work.tally.purged} that are no longer in the store")
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


def _letters(request: Request, after: int) -> Callable[[Any], list[tuple[str, int, str, str]]]:
    return lambda db: hands.letters(db, request.sink, request.seqs, after)


def _listen(path: Path) -> socket.socket:
    """A listening socket, 0600 before anybody can connect. We hold the store's lock: an old socket is dead."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError("its path is too long")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.lstat()
    if not stat.S_ISDIR(folder.st_mode) or (is_shared(path) and folder.st_uid != os.geteuid()):
        raise ConfigError(f"{path.parent} is another user's")
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError("another file is there")
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(CALLERS)
    except BaseException:
        listening.close()
        raise
    return listening


def is_shared(path: Path) -> bool:
    """Whether a socket lies in the runtime folder, which others could have made before us."""
    return path.parent == _runtime_folder()


def _is_ours(caller: socket.socket) -> bool:
    return peer_uid(caller) in (os.geteuid(), 0)


def peer_uid(peer: socket.socket) -> int:
    """The user at the other end (man 7 unix, SO_PEERCRED; on macOS man 4 unix, LOCAL_PEERCRED)."""
    if sys.platform == "linux":
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    return int(struct.unpack("2I", peer.getsockopt(0, 1, 76)[:8])[1])


async def _receive_line(caller: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if len(line) > LONGEST_LINE:
            raise ConnectionError("too long")
        await anyio.wait_readable(caller)
        piece = caller.recv(65536)
        if not piece:
            raise ConnectionError("he has gone")
        line += piece
    return line


async def _send(caller: socket.socket, answer: Answer) -> None:
    rest = encode(answer) + b"\n"
    with anyio.fail_after(LINE_S):
        while rest:
            await anyio.wait_writable(caller)
            rest = rest[caller.send(rest) :]
