"""Signals, `--for` and the service manager, in processes of their own."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

PRELUDE = """
import contextlib, sys, time
import anyio
from genscribe.cli import run as runner
from genscribe.cli.run import Signals, run

def say(text):
    print(text, flush=True)

class Pipeline:
    def __init__(self):
        self.stopped = anyio.Event()
    async def run(self):
        say("running")
        await self.stopped.wait()
    def stop(self):
        say("stop")
        self.stopped.set()
    def reopen(self):
        say("reopen")

@contextlib.asynccontextmanager
async def opened(made=Pipeline):
    try:
        yield made()
    finally:
        say("closed")
"""


class Child:
    """A Python process that says what it does, a line each."""

    def __init__(self, body: str, **popen: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(body)],
            stdout=subprocess.PIPE,
            text=True,
            **{"stderr": subprocess.PIPE, **popen},  # type: ignore[call-overload]
        )

    def says(self, line: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == line + "\n"

    def ends(self, code: int) -> tuple[str, str]:
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == code, err
        return out, err or ""


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        child.process.kill()
        child.process.communicate()


def child(children: list[Child], body: str, **popen: object) -> Child:
    made = Child(body, **popen)
    children.append(made)
    return made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_softly(number: signal.Signals, children: list[Child]) -> None:
    process = child(children, "run(opened, Signals())")
    process.says("running")
    process.process.send_signal(number)
    assert process.ends(0) == ("stop\nclosed\n", "")


def test_a_signal_before_there_is_a_loop_is_remembered(children: list[Child]) -> None:
    body = """
    signals = Signals()
    say("early")
    sys.stdin.readline()
    run(opened, signals)
    say("after")
    """
    process = child(children, body, stdin=subprocess.PIPE)
    process.says("early")
    process.process.send_signal(signal.SIGTERM)
    assert process.process.stdin is not None
    process.process.stdin.write("go\n")
    process.process.stdin.flush()
    out, _ = process.ends(0)
    assert out in ("after\n", "closed\nafter\n", "stop\nclosed\nafter\n", "running\nstop\nclosed\nafter\n")


def test_a_signal_while_opening_ends_the_opening(children: list[Child]) -> None:
    body = """
    runner.STOP_DEADLINE_S = 3600
    @contextlib.asynccontextmanager
    async def slowly():
        say("waiting for the store")
        await anyio.sleep_forever()
        yield Pipeline()
    run(slowly, Signals())
    say("after")
    """
    process = child(children, body)
    process.says("waiting for the store")
    process.process.send_signal(signal.SIGINT)
    assert process.ends(0)[0] == "after\n"


def test_the_second_interrupt_ends_at_once_even_in_a_busy_loop(children: list[Child]) -> None:
    body = """
    class Busy(Pipeline):
        async def run(self):
            say("running")
            while True:
                time.sleep(0.01)
    run(lambda: opened(Busy), Signals())
    """
    process = child(children, body)
    process.says("running")
    process.process.send_signal(signal.SIGINT)
    process.process.send_signal(signal.SIGTERM)
    assert process.process.poll() is None
    process.process.send_signal(signal.SIGINT)
    while process.process.poll() is None:  # two that come together are one for the system
        process.process.send_signal(signal.SIGINT)
        select.select([], [], [], 0.01)
    assert process.ends(130)[0] == ""


def test_terminate_twice_is_no_reason_to_hurry(children: list[Child]) -> None:
    body = """
    class Slow(Pipeline):
        async def run(self):
            await super().run()
            say("draining")
            await anyio.to_thread.run_sync(sys.stdin.readline)
            say("drained")
    run(lambda: opened(Slow), Signals())
    """
    process = child(children, body, stdin=subprocess.PIPE)
    process.says("running")
    process.process.send_signal(signal.SIGTERM)
    process.says("stop")
    process.says("draining")
    process.process.send_signal(signal.SIGTERM)
    process.says("stop")
    assert process.process.stdin is not None
    process.process.stdin.write("\n")
    process.process.stdin.flush()
    assert process.ends(0)[0] == "drained\nclosed\n"


def test_a_stop_that_takes_too_long_is_cut(children: list[Child]) -> None:
    body = """
    runner.STOP_DEADLINE_S = 0.05
    class Deaf(Pipeline):
        async def run(self):
            say("running")
            await anyio.sleep_forever()
    run(lambda: opened(Deaf), Signals())
    """
    process = child(children, body)
    process.says("running")
    process.process.send_signal(signal.SIGTERM)
    out, err = process.ends(0)
    assert out == "stop\nclosed\n"
    assert "with work left" in err


def test_a_signal_wakes_a_loop_that_has_nothing_else_to_wake_for(children: list[Child]) -> None:
    body = """
    import signal
    class Idle(Pipeline):
        async def run(self):
            wakes = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(wakes)
            say(f"wakes {wakes >= 0}")
            await anyio.sleep_forever()
        def stop(self):
            raise SystemExit(0)
    run(lambda: opened(Idle), Signals())
    """
    process = child(children, body)
    process.says("wakes True")


def test_hang_up_reopens(children: list[Child]) -> None:
    process = child(children, "run(opened, Signals())")
    process.says("running")
    process.process.send_signal(signal.SIGHUP)
    process.says("reopen")
    process.process.send_signal(signal.SIGTERM)
    process.says("stop")
    process.ends(0)


def test_a_terminal_that_is_gone_stops(children: list[Child]) -> None:
    leader, follower = pty.openpty()
    process = child(children, "run(opened, Signals())", stderr=follower)
    process.says("running")
    process.process.send_signal(signal.SIGHUP)
    process.says("reopen")
    os.close(follower)
    os.close(leader)
    process.process.send_signal(signal.SIGHUP)
    process.says("stop")
    process.ends(0)


def test_for_stops_by_itself(children: list[Child]) -> None:
    process = child(children, "run(opened, Signals(), for_s=0.01)")
    assert process.ends(0)[0] == "running\nstop\nclosed\n"


def test_for_does_not_hold_up_an_earlier_end(children: list[Child]) -> None:
    body = """
    class Short(Pipeline):
        async def run(self):
            say("done")
    run(lambda: opened(Short), Signals(), for_s=3600)
    """
    assert child(children, body).ends(0)[0] == "done\nclosed\n"


def test_a_failure_comes_out_with_its_code(children: list[Child]) -> None:
    body = """
    from genscribe.cli import failure
    from genscribe.errors import StoreFailed
    class Broken(Pipeline):
        async def run(self):
            raise StoreFailed("the disk failed.", advice="Replace it.")
    try:
        run(lambda: opened(Broken), Signals())
    except BaseException as error:
        sys.exit(failure.tell(error))
    """
    assert child(children, body).ends(74) == ("closed\n", "genscribe: the disk failed. Replace it.\n")


def test_the_service_manager_is_told(children: list[Child], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}
        process = child(children, "run(opened, Signals())", env=environ)
        assert manager.recv(100) == b"READY=1"
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        process.process.send_signal(signal.SIGTERM)
        while (state := manager.recv(100)) != b"STOPPING=1":
            assert state == b"WATCHDOG=1"
        process.ends(0)
