"""What the sink `postgresql://…` does: the contract's tables, each event there once.

A batch is copied into a temporary table and moved from there by `key`, where its revision is higher, together with
the cursor, in one transaction. Whatever breaks where, either both are there or neither, and what comes again is
absorbed.

Where the server refuses rows for what they hold, the bad ones are found in a transaction that is rolled back, and
named. Nothing of the batch is committed then: the cursor would pass rows that are not yet listed as dead letters.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar

import anyio.to_thread
from anyio.lowlevel import checkpoint

from genscribe.events import DELIVERED_KINDS, Position, Record
from genscribe.sinks import postgresql_rows as staging
from genscribe.sinks import postgresql_schema as tables
from genscribe.sinks import postgresql_statements as sql
from genscribe.sinks.base import RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.postgresql_address import Address, system_roots
from genscribe.sinks.postgresql_session import Refused, Session

_CREATING = 5_127_300_914_006_155_091
"""The advisory lock under which tables are created: two who begin at once would stumble over each other."""


class PostgreSQL:
    """Writes to the tables of one schema.

    Args:
        address: The database.
        schema: Where the tables are, or are to be created.
        name: The sink's name, under which its cursor stands.
        store_id: The store that feeds it.
        ca_file: Private roots, trusted as well; `None` = the system's only.
    """

    guarantee: ClassVar[str] = "exactly-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, address: Address, *, schema: str, name: str, store_id: str, ca_file: Path | None = None) -> None:
        self._address = address
        self._schema = schema
        self._name = name
        self._store_id = store_id
        self._ca_file = ca_file
        self._roots: IO[bytes] | None = None
        self._session: Session | None = None
        self._staged = 0

    async def open(self) -> None:
        """Connects, creates the tables that are missing, and sees to it that all of them can be written.

        Raises:
            SinkMisconfigured: Login, rights, tables or TLS are not what they must be.
            SinkUnavailable: There is no server, or it takes no writes now.
        """
        await self._opened()

    async def write(self, batch: Sequence[Record]) -> None:
        """Commits a batch. Raises as `open` does, or `RowsRejected` with all bad rows; then nothing of it is there."""
        await self._deliver(batch, [])

    async def write_at(self, batch: Sequence[Record], position: Position) -> None:
        """Commits a batch together with the cursor."""
        await self._deliver(batch, [staging.position_row(self._name, position)])

    async def position(self) -> Position | None:
        """The cursor of this sink and store that the database has."""
        session = await self._live()
        rows = await session.rows(sql.position(self._schema), (self._name, self._store_id))
        return Position(*rows[0]) if rows else None

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        self._close()
        if self._roots is not None:
            self._roots.close()
            self._roots = None

    # --- getting ready ------------------------------------------------------------------------------------------

    async def _live(self) -> Session:
        return await self._opened() if self._session is None or self._session.closed else self._session

    async def _opened(self) -> Session:
        self._close()
        params = {**self._address.params, **await anyio.to_thread.run_sync(self._trusted)}
        self._session = session = await Session.connect(params, self._address.where)
        try:
            await self._make_sure(session)
        except BaseException:
            self._close()
            raise
        return session

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _trusted(self) -> dict[str, str]:
        """Where all roots that we trust stand: libpq takes one file, and a bundled OpenSSL finds none by itself."""
        if not self._address.needs_roots:
            return {}
        system = system_roots(os.environ)
        if self._ca_file is None:
            return {"sslrootcert": "system" if system is None else str(system)}
        if self._roots is None:
            self._roots = tempfile.NamedTemporaryFile(prefix="genscribe-roots-", suffix=".pem")  # noqa: SIM115
            try:
                parts = [path.read_bytes() for path in (system, self._ca_file) if path is not None]
            except OSError as error:
                raise SinkMisconfigured(f"{error.filename}: {error.strerror}.", advice="Check --ca-file.") from None
            self._roots.write(b"\n".join(parts))
            self._roots.flush()
        return {"sslrootcert": self._roots.name}

    async def _make_sure(self, session: Session) -> None:
        ((encoding,),) = await session.rows("select current_setting('server_encoding')")
        if encoding != "UTF8":
            raise SinkMisconfigured(
                f"the database at {self._address.where} is encoded in {encoding}, which cannot hold all that is said.",
                advice="Name one that was created with encoding UTF8.",
            )
        found = await self._found(session)
        missing = tables.missing_tables(found)
        if missing:
            await self._create(session, missing)
            found = await self._found(session)
        tables.require(found, self._schema)
        # With no rows staged the server itself says what else would refuse them all: rights, types, a replica.
        await session.run(sql.BEGIN, in_words=True)
        await session.run(sql.upserts(self._schema), in_words=True)
        await session.run("rollback")

    async def _found(self, session: Session) -> list[tables.Found]:
        return [tables.Found(*row) for row in await session.rows(tables.look(self._schema))]

    async def _create(self, session: Session, missing: list[str]) -> None:
        named = f"select from pg_namespace where nspname = {tables.literal(self._schema)}"
        schema_too = not await session.rows(named)
        statements = tables.ddl(self._schema, missing=None if schema_too else missing)
        await session.run(f"begin; select pg_advisory_xact_lock({_CREATING}); {statements} commit", in_words=True)

    # --- writing ------------------------------------------------------------------------------------------------

    async def _deliver(self, batch: Sequence[Record], extra: list[staging.Row]) -> None:
        events = staging.decoded(batch)
        session = await self._live()
        await checkpoint()
        try:
            await session.run(sql.BEGIN)
            await self._move(session, [*staging.rows(events), *extra], end=self._commit(len(batch)))
        except Refused as refusal:
            await session.run("rollback")
            refused = await self._refused(session, events)
            if not refused:
                raise SinkUnavailable(
                    f"PostgreSQL at {self._address.where} refused a batch, but no row of it: {refusal.reason}."
                ) from None
            raise RowsRejected(refused) from None

    def _commit(self, count: int) -> str:
        self._staged += count
        if self._staged < sql.ROWS_TO_SHRINK:
            return sql.COMMIT
        self._staged = 0
        return sql.COMMIT_AND_SHRINK

    async def _move(self, session: Session, rows: list[staging.Row], *, end: str) -> None:
        await session.copy(sql.COPY, rows)
        kinds = {str(row[1]) for row in rows}
        await session.run(f"{sql.upserts(self._schema, kinds)};\n{end}".lstrip(";\n"))

    async def _refused(self, session: Session, events: list[staging.Counted]) -> dict[int, str]:
        """The reason by `seq` of every row that is refused. Leaves nothing behind."""
        found: dict[int, str] = {}
        await session.run(sql.BEGIN)
        await self._probe(session, events, found)
        await session.run("rollback")
        return found

    async def _probe(self, session: Session, events: list[staging.Counted], found: dict[int, str]) -> None:
        """Writes what can be written, halving what cannot; a row is also judged beside those before it."""
        try:
            await session.run(sql.PROBE)
            await self._move(session, staging.rows(events), end=sql.PROBED)
        except Refused as refusal:
            await session.run(sql.UNDO_PROBE)
            if len(events) == 1:
                found[events[0][0]] = refusal.reason
                return
            half = len(events) // 2
            await self._probe(session, events[:half], found)
            await self._probe(session, events[half:], found)
