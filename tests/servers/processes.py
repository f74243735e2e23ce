"""A test server in a process of its own: started on a free port, waited for, ended for sure."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A server that listens on `port` once it is up; may be killed and started again on that port.

    Args:
        command: Makes the command line.
        log: Where its output goes.
        env: Added to ours.
        ready: Whether it serves, once it listens; `None` = it does then.
    """

    def __init__(
        self,
        command: Callable[[], Sequence[str]],
        port: int,
        log: Path,
        env: Mapping[str, str] | None = None,
        *,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._env = {**os.environ, **(env or {})}
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and returns when it accepts connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=self._env)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                if self._ready is None or self._ready():
                    return
            assert self._process.poll() is None, f"it ended at once:\n{self._log.read_text()[-2000:]}"
            time.sleep(0.01)
        raise AssertionError(f"it does not listen:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Kills it, as a crash would."""
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Lets it stand still, connections open; returns once it does, which is later than the signal."""
        self._signal(signal.SIGSTOP)
        if self._process is not None:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """A crash and a start."""
        self.stop()
        self.start()

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
