"""Answers whoever asks while a pipeline runs: `genscribe sinks`, `dead-letters` and `replay` come here."""

from __future__ import annotations

import os
import socket
from contextlib import aclosing

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from genscribe.control.commands import answers
from genscribe.control.place import CALLERS, listen, peer_uid, socket_path
from genscribe.control.protocol import LONGEST_LINE, Answer, decode_request, encode
from genscribe.errors import GenscribeError
from genscribe.pipeline import Pipeline
from genscribe.telemetry.pipeline import ControlMissing

LINE_S = 5.0
"""How long a caller may take for his line, or to read one of ours."""


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
            listening = await anyio.to_thread.run_sync(listen, self.path)
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
            async with aclosing(answers(self._pipeline, decode_request(line))) as told:
                async for answer in told:
                    await _send(caller, answer)
        except msgspec.MsgspecError:
            await _send(caller, Answer("error", "no such request; is the running process of another version?"))
        except GenscribeError as error:
            await _send(caller, Answer("error", str(error), exit_code=error.exit_code))


def _is_ours(caller: socket.socket) -> bool:
    return peer_uid(caller) in (os.geteuid(), 0)


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
