"""S3 as moto's server speaks it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.servers.processes import ServerProcess, free_port


@dataclass
class S3:
    """A server; it forgets everything when it dies."""

    port: int
    process: ServerProcess

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, name: str) -> None:
        httpx2.put(f"{self.url}/{name}", trust_env=False).raise_for_status()

    def keys(self, bucket: str) -> list[str]:
        text = httpx2.get(f"{self.url}/{bucket}?list-type=2", trust_env=False).text
        return [part.partition("</Key>")[0] for part in text.split("<Key>")[1:]]

    def get(self, bucket: str, key: str) -> bytes:
        anybody = {"Authorization": "AWS anybody:unsigned"}  # objects are shown to somebody only
        answer = httpx2.get(f"{self.url}/{bucket}/{key}", headers=anybody, trust_env=False)
        return answer.raise_for_status().content


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """One server for all tests; each makes a bucket of its own."""
    pytest.importorskip("moto.server", reason="moto's server is not installed", exc_type=ImportError)
    folder: Path = tmp_path_factory.mktemp("s3")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = ServerProcess(lambda: command, port, folder / "moto.log")
    process.start()
    try:
        yield S3(port, process)
    finally:
        process.stop()
