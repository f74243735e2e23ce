"""A process whose surroundings fail it: no descriptors left, a resolver that hangs, a log that nobody reads."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import command, environment, rows, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running() as made:
        yield made


def texts(store: Path) -> list[object]:
    return [text for (text,) in rows(store, "select text from utterances order by seq")]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="sets another process's limits")
def test_n10_without_descriptors_it_goes_on_hearing_and_comes_back_when_there_are_some(
    cloud: GenesysCloud, tmp_path: Path
) -> None:
    store, log = tmp_path / "s.db", tmp_path / "log"
    with streaming(store, cloud.settings(), "--to", f"jsonl:{tmp_path / 'o.jsonl'}", log=log) as process:
        cloud.wait_connected()
        cloud.say("before")
        until(lambda: texts(store) == ["before"])
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        for number in range(50):
            cloud.say(f"line {number}")
        until(lambda: len(texts(store)) == 51)
        assert cloud.ledger.handshake_count == 1, "the connection that is open, and the journal, need no more"
        cloud.fault("drop")
        until(lambda: "Too many open files" in log.read_text())
        assert cloud.connected == 0
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        cloud.wait_connected(within_s=30)
        cloud.say("after")
        until(lambda: texts(store)[-1] == "after")
        assert stop(process) == 0
    assert len(rows(store, "select 1 from gaps")) == 1
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 53


def test_n1_a_resolver_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socket, time\nsocket.getaddrinfo = lambda *given, **more: time.sleep(60)\n"
    )
    env = {"GENESYS_CLIENT_ID": "a", "GENESYS_CLIENT_SECRET": "b", "PYTHONPATH": str(tmp_path)}
    log = tmp_path / "log"
    with streaming(tmp_path / "s.db", env, log=log) as process:
        until(lambda: log.exists() and "store: Began" in log.read_text())
        time.sleep(0.5)
        began = time.monotonic()
        assert stop(process) == 0
        assert time.monotonic() - began < 10


def test_a_log_that_nobody_reads_stops_neither_hearing_nor_stopping(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"." * 512)
    os.set_blocking(writer, True)
    process = subprocess.Popen(
        command("stream", "--store", str(store), "--log-level", "debug"),
        env=environment(cloud.settings()),
        stderr=writer,
    )
    os.close(writer)
    try:
        cloud.wait_connected()
        cloud.fault("drop")
        cloud.wait_disconnected()
        cloud.wait_connected(within_s=30)
        cloud.say("heard")
        until(lambda: texts(store) == ["heard"])
        assert stop(process) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_parent_that_closed_the_standard_streams(cloud: GenesysCloud, tmp_path: Path, closed: str) -> None:
    """Our files would get their numbers, and whatever is written to standard error would go into the store."""
    store, lines = tmp_path / "s.db", tmp_path / "o.jsonl"
    program = " ".join(command("stream", "--store", str(store), "--to", f"jsonl:{lines}"))
    process = subprocess.Popen(["/bin/sh", "-c", f"exec {program} {closed}"], env=environment(cloud.settings()))
    try:
        cloud.wait_connected()
        cloud.say("heard")
        until(lambda: texts(store) == ["heard"])
        assert stop(process) == 0
    finally:
        process.kill()
        process.wait()
    assert len(lines.read_text().splitlines()) == 1


def test_sighup_lets_a_rotated_file_go(cloud: GenesysCloud, tmp_path: Path) -> None:
    store, lines = tmp_path / "s.db", tmp_path / "o.jsonl"
    with streaming(store, cloud.settings(), "--to", f"jsonl:{lines}") as process:
        cloud.wait_connected()
        cloud.say("to the old file")
        until(lambda: lines.exists() and lines.stat().st_size)
        lines.rename(tmp_path / "o.jsonl.1")
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        cloud.say("to the new file")
        until(lambda: lines.exists() and lines.stat().st_size)
        assert stop(process) == 0
        assert cloud.ledger.handshake_count == 1
    assert "to the old file" in (tmp_path / "o.jsonl.1").read_text()
    assert "to the new file" in lines.read_text()


def test_a_platform_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    env = {"GENESYS_CLIENT_ID": "demo", "GENESYS_CLIENT_SECRET": "demo"}
    with streaming(tmp_path / "s.db", {**env, "GENESYS_LOGIN_URL": url, "GENESYS_API_URL": url}) as process:
        until(lambda: (tmp_path / "s.db").exists())
        time.sleep(1)
        with running(port=port) as cloud:
            cloud.wait_connected(within_s=30)
            assert stop(process) == 0
