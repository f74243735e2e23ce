"""What is asked and answered through the socket: one JSON line in, JSON lines out."""

from __future__ import annotations

import msgspec

from genscribe.telemetry.status import SinkStatus

LONGEST_LINE = 256 * 1024
"""Bytes of a line, either way."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked.

    Attributes:
        do: `list`, `pause`, `resume`, `remove`, `retry`, `drop` or `replay`.
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
        sinks: For `list`: how each does now.
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
    sinks: tuple[SinkStatus, ...] = ()


encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_answer = msgspec.json.Decoder(Answer).decode
