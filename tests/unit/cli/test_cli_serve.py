"""`genscribe serve`, as a process of its own."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
from contextlib import closing
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.process.runner import command, environment, stop
from tests.unit.web.serving import filled

pytestmark = pytest.mark.slow


def serve(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("serve", *arguments),
        env=environment(variables),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_a_store_as_a_page(tmp_path: Path) -> None:
    anyio.run(filled, tmp_path / "s.db", "hello")
    with serve("--store", str(tmp_path / "s.db"), "--web", "127.0.0.1:0") as process:
        found = re.search(r"at (http://127\.0\.0\.1:\d+/)$", line(process).strip())
        assert found is not None
        answer = httpx2.get(f"{found[1]}api/page", trust_env=False)
        assert answer.json()["streaming"] is False
        assert stop(process) == 0  # type: ignore[arg-type]


def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    with serve("--store", str(tmp_path / "none.db"), "--web", "127.0.0.1:0") as process:
        assert process.wait(30) == 78
        assert "There is no store at" in line(process)


def test_the_network_is_told_nothing_in_the_clear(tmp_path: Path) -> None:
    anyio.run(filled, tmp_path / "s.db", "hello")
    with serve("--store", str(tmp_path / "s.db"), "--web", "0.0.0.0:0") as process:
        assert process.wait(30) == 78
        assert "in the clear" in line(process)


PROXIED = ("--web", "127.0.0.1:0", "--web-behind-proxy", "127.0.0.1")


def let_in(said: str, token: str) -> bool:
    url = re.search(r"http://[^ ]+/", said)
    assert url is not None
    answer = httpx2.get(f"{url[0]}api/page", headers={"authorization": f"Bearer {token}"}, trust_env=False)
    return answer.status_code == 200


def test_a_token_that_was_made_stays_out_of_logs(tmp_path: Path) -> None:
    """Standard error that is no terminal may be kept: by Docker, by systemd, in a file."""
    store = tmp_path / "s.db"
    anyio.run(filled, store, "hello")
    file = Path(f"{store}.page-token")
    file.write_text("one of an earlier run")
    file.chmod(0o644)
    with serve("--store", str(store), *PROXIED) as process:
        said = line(process)
        assert said.rstrip().endswith(str(file))
        assert file.stat().st_mode & 0o777 == 0o600
        token = file.read_text().strip()
        assert let_in(said, token)
        assert stop(process) == 0  # type: ignore[arg-type]
        assert process.stderr is not None
        assert token not in said + process.stderr.read()


def test_on_a_terminal_a_token_that_was_made_is_printed_once(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    anyio.run(filled, store, "hello")
    ours, theirs = pty.openpty()
    with (
        closing(os.fdopen(ours, "rb", buffering=0)) as screen,
        subprocess.Popen(
            command("serve", "--store", str(store), *PROXIED), env=environment({}), stdout=theirs, stderr=theirs
        ) as process,
    ):
        os.close(theirs)
        said = b""
        while not said.endswith(b"\n"):
            said += screen.read(1000)
        token = said.decode().rsplit(" ", 1)[1].strip()
        assert let_in(said.decode(), token)
        assert stop(process) == 0
        rest = b""
        with contextlib.suppress(OSError):  # the other side was closed
            while piece := screen.read(1000):
                rest += piece
        assert token.encode() not in rest
    assert not Path(f"{store}.page-token").exists()
