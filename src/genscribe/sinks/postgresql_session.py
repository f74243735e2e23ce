"""One connection to PostgreSQL. The only module that speaks with psycopg; its exceptions end here.

Nothing is prepared by name and nothing but a temporary table outlives a transaction, so a pooler that hands each
transaction to another server process (pgbouncer) is no hindrance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import psycopg
from psycopg import AsyncConnection
from psycopg.waiting import wait_async

from genscribe.sinks.base import SinkUnavailable
from genscribe.sinks.postgresql_errors import Verdict, judge, no_connection, reason, refusal
from genscribe.sinks.postgresql_rows import Row
from genscribe.sinks.turns import in_turns

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")

ANSWER_S = 300.0
"""Longer than any statement may take: what answers by then with nothing at all hangs."""


WAKE_S = 1.0
"""How often psycopg looks up from waiting for the server."""


class Refused(Exception):
    """The server refuses what rows hold; the transaction is to be rolled back.

    Attributes:
        reason: By SQLSTATE, without anything of the row.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.reason = why


class _Connection(AsyncConnection[Any]):
    """One that is closed at once when it is cancelled, where psycopg would take seconds to ask the server to cancel."""

    cancelled: BaseException | None = None

    async def wait(self, gen: PQGen[T], interval: float = WAKE_S, timeout: float | None = None) -> T:
        more = {} if timeout is None else {"timeout": timeout}  # psycopg 3.2 knows none
        try:
            return await wait_async(gen, self.pgconn.socket, interval, **more)
        except anyio.get_cancelled_exc_class() as cancelled:
            self.cancelled = cancelled
            self.pgconn.finish()
            raise


class Session:
    """A connection in which every transaction is begun and ended by statements.

    After any error but `Refused`, and after cancellation at any await, it is closed: the server rolls back what it
    was not told to commit.

    Args:
        connection: With `autocommit`.
        where: The server and database, for messages.
    """

    def __init__(self, connection: _Connection, where: str) -> None:
        self._connection = connection
        self._where = where

    @classmethod
    async def connect(cls, params: Mapping[str, str], where: str) -> Session:
        """Connects. Raises `SinkUnavailable` or `SinkMisconfigured`."""
        try:
            connection = await _Connection.connect(**_keywords(params), autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise no_connection(error, where) from None
        return cls(connection, where)

    @property
    def closed(self) -> bool:
        """Whether it can be used no more."""
        return self._connection.closed

    async def rows(self, query: str, values: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self._answered():
            cursor = await self._connection.execute(query.encode(), values)
            return await cursor.fetchall()

    async def run(self, statements: str, *, in_words: bool = False) -> None:
        """Runs statements in one round trip.

        Args:
            statements: Separated by `;`.
            in_words: Whether an error may quote the server, because no event has been sent yet.
        """
        with self._answered(in_words=in_words):
            await self._connection.execute(statements.encode())

    async def copy(self, statement: str, rows: Iterable[Row]) -> None:
        """Sends rows by COPY."""
        with self._answered():
            async with self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                async for row in in_turns(rows):
                    await copy.write_row(row)

    def close(self) -> None:
        """Closes at once, whatever is under way."""
        self._connection.pgconn.finish()

    @contextmanager
    def _answered(self, *, in_words: bool = False) -> Iterator[None]:
        try:
            with anyio.fail_after(ANSWER_S), self._translated(in_words=in_words):
                yield
        except TimeoutError:
            raise SinkUnavailable(f"PostgreSQL at {self._where} does not answer any more.") from None

    @contextmanager
    def _translated(self, *, in_words: bool) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if self._connection.cancelled is not None:  # this is only what came of it
                raise self._connection.cancelled from None
            if not self.closed and judge(error.sqlstate) is Verdict.ROWS:
                raise Refused(reason(error)) from None
            self.close()
            raise refusal(error, self._where, in_words=in_words) from None
        except BaseException:
            self.close()
            raise


def _keywords(params: Mapping[str, str]) -> dict[str, Any]:
    """For libpq, which knows their types."""
    return dict(params)
