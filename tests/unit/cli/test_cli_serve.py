"""`genscribe serve`, as a process of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.process.runner import command, environment, stop
from tests.unit.web.serving import filled

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


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


def test_a_token_is_printed_once_and_where_logs_are_kept_goes_into_a_file(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    anyio.run(filled, store, "hello")
    proxied = ("--store", str(store), "--web", "127.0.0.1:0", "--web-behind-proxy", "127.0.0.1")
    with serve(*proxied) as process:
        said = line(process)
        token = said.rsplit(" ", 1)[1].strip()
        url = re.search(r"http://[^ ]+", said)
        assert url is not None
        bearer = {"authorization": f"Bearer {token}"}
        assert httpx2.get(f"{url[0]}api/page", headers=bearer, trust_env=False).status_code == 200
        assert stop(process) == 0  # type: ignore[arg-type]
        assert process.stderr is not None
        assert token not in process.stderr.read()
    with serve(*proxied, JOURNAL_STREAM="1:2") as process:
        said = line(process)
        file = Path(f"{store}.page-token")
        assert str(file) in said
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.read_text().strip() not in said
        assert stop(process) == 0  # type: ignore[arg-type]
