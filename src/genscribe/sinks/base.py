"""The contract of a sink. Delivery (retry, cursor, dead letters) is written once, in `delivery.py`, for all of them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from genscribe.errors import ConfigError, Fatal, Passing
from genscribe.events import Position, Record
from genscribe.secrets import Secret


class SinkUnavailable(Passing):
    """The destination cannot take the batch now; the same batch comes again later."""

    reason = "sink_unavailable"


class SinkMisconfigured(ConfigError):
    """The destination refuses us for what we are (login, missing table): the sink pauses and keeps its backlog."""


class SinkEnded(Fatal):
    """Whoever read us has gone for good, as `| head` does: nothing failed, and there is nobody left to write to."""

    exit_code = 0


class RowsRejected(Exception):
    """The destination refuses some rows for what they hold. They become dead letters; the rest comes again.

    Args:
        reasons: Reason by `seq`, for the rows that are known to be bad; `{}` when the destination only refused
            the batch as a whole, which delivery then bisects.
    """

    def __init__(self, reasons: dict[int, str], message: str = "rejected") -> None:
        super().__init__(message)
        self.reasons = reasons
        self.message = message


class Sink(Protocol):
    """A destination.

    `write` returns only when the destination has the batch durably, by its own meaning of durable. It raises
    `SinkUnavailable` to get the same batch again, `RowsRejected` for poison, `SinkMisconfigured` or any `Fatal` to
    pause. It may be cancelled at any await and must then leave the destination able to take the same batch again.
    """

    guarantee: ClassVar[str]
    """`at-least-once` or `exactly-once`, for the docs and `check`."""
    kinds: ClassVar[frozenset[str]]
    """The kinds it gets unless its settings say otherwise."""

    async def open(self) -> None:
        """Gets ready, raising as `write` does. Called again after an error."""

    async def write(self, batch: Sequence[Record]) -> None:
        """Delivers a batch in `seq` order; never empty."""

    async def aclose(self) -> None:
        """Releases everything; idempotent; also called after a failed `open`."""


@runtime_checkable
class KeepsPosition(Protocol):
    """A sink whose destination keeps the cursor beside the data, in one transaction: then nothing is there twice."""

    async def position(self) -> Position | None:
        """Where the destination stands for this sink and store; `None` when it has nothing of them. After `open`."""

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        """`write` and, in the same transaction, the place that is right once the batch is there."""


@runtime_checkable
class Reopens(Protocol):
    """A sink that lets go of its file when asked to, for log rotation."""

    def reopen(self) -> None:
        """Opens it anew with the next batch."""


@runtime_checkable
class Tidies(Protocol):
    """A sink that has something to do when time passes, though nothing is written: to rotate a file, to finish one."""

    def due_in_s(self) -> float | None:
        """Seconds until `tidy` has something to do; `None` when it has not. Asked often: it does not block."""

    async def tidy(self) -> None:
        """Does what is due, if anything is, raising as `open` does. After `open`, never beside another call."""


@runtime_checkable
class Reaches(Protocol):
    """A sink whose `open` asks nobody, and that can ask whether somebody is there: for `genscribe check`."""

    async def reach(self) -> None:
        """Asks, after `open`, without writing anything, raising as `write` does when nobody answers."""


@runtime_checkable
class Looks(Protocol):
    """A sink whose `open` makes or finishes something on this machine, which `genscribe check` must not."""

    async def look(self) -> None:
        """Instead of `open`: whether it could be written to, raising as `open` does, and changing nothing."""


@dataclass(frozen=True)
class Means:
    """What a sink may need of the run that it is part of.

    Attributes:
        name: The sink's name.
        store_id: The store that feeds it.
        tls: Makes the one TLS context, with the private roots of `--ca-file`.
        ca_file: Those roots, for clients that want the file; `None` = the system's only.
        proxy: `--proxy`, for sinks that speak HTTP; `None` = the environment's.
        store: The store's file: beside it stands what a sink has to keep; `None` = the user's data folder.
    """

    name: str
    store_id: str
    tls: Callable[[], ssl.SSLContext]
    ca_file: Path | None = None
    proxy: Secret | None = None
    store: Path | None = None


def missing_extra(scheme: str, extra: str) -> SinkMisconfigured:
    """What to say when a sink's library is not installed."""
    return SinkMisconfigured(
        f"the {scheme} sink needs a library that is not installed.",
        advice=f"Install it: pip install 'genscribe[{extra}]'",
    )
