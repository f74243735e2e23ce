"""What the page shows, made here: a platform that says what a test tells it, and genscribe that listens to it."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genscribe.clock import fresh_id
from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import DEADLINE_S, command, environment, rows, stop, until

_PAGE = re.compile(r"the live page is at (http://127\.0\.0\.1:(\d+))/")


class Served:
    """A process of ours with a page, from `start` to `stop`; it keeps its port when it is started again.

    Args:
        folder: Where its log goes.
        arguments: Of the command.
        env: Variables.
    """

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._log = folder / f"{fresh_id()}.log"
        self._arguments = arguments
        self._env = environment(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.port = 0

    def start(self) -> None:
        """Returns once the page is there."""
        before = self.log.count("the live page is at")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command(*self._arguments, "--web", f"127.0.0.1:{self.port}"),
                env=self._env,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        until(lambda: self.log.count("the live page is at") > before or self._process_ended())
        found = _PAGE.findall(self.log)
        assert found, self.log
        self.url, self.port = found[-1][0], int(found[-1][1])

    def _process_ended(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        return False

    @property
    def log(self) -> str:
        """What it said on standard error."""
        return self._log.read_text() if self._log.exists() else ""

    def stop(self) -> None:
        """SIGTERM, and until it is gone."""
        assert self._process is not None
        assert stop(self._process) == 0, self.log
        self._process = None

    def kill(self) -> None:
        """In any state."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait(DEADLINE_S)
            self._process = None


@contextmanager
def served(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """One that is started, while the block lasts."""
    process = Served(folder, *arguments, env=env)
    try:
        process.start()
        yield process
    finally:
        process.kill()


@dataclass
class Studio:
    """A platform, and `genscribe stream` with its page.

    Attributes:
        cloud: The platform.
        server: The process.
        store: Its file.
    """

    cloud: GenesysCloud
    server: Served
    store: Path

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self.server.url

    def begin(self, **more: Any) -> str:
        """A call that is listened to; its id."""
        conversation = self.cloud.begin(**more)
        if more.get("media_type", "voice") == "voice":
            self.cloud.wait_subscribed(conversation)
        return conversation

    def begin_known(self, **more: Any) -> str:
        """A call of which the store knows."""
        call = self.begin(**more)
        sql = f"select 1 from conversations where conversation_id = '{call}'"
        until(lambda: rows(self.store, sql))
        return call

    def say(self, text: str, conversation: str, speaker: str = "agent", **more: Any) -> None:
        """A line."""
        self.cloud.say(text, conversation=conversation, speaker=speaker, **more)

    def stored(self, text: str) -> None:
        """Waits until that line is in the store."""
        sql = "select 1 from utterances where text = '" + text.replace("'", "''") + "'"
        until(lambda: rows(self.store, sql))

    def heard(self, conversation: str, lines: int) -> None:
        """Waits until so many lines of a call are in the store."""
        sql = f"select count(*) from utterances where conversation_id = '{conversation}'"
        until(lambda: rows(self.store, sql) == [(lines,)])


@contextmanager
def studio(folder: Path, *arguments: str, transcripts: bool = False, names: Sequence[str] = ()) -> Iterator[Studio]:
    """One while the block lasts.

    Args:
        folder: Where its store and its log go.
        arguments: More of `genscribe stream`.
        transcripts: It listens to the transcripts endpoint, and not by notifications.
        names: Of a queue and an agent more, each.
    """
    store = folder / f"{fresh_id()}.db"
    source = "transcripts" if transcripts else "notifications"
    with running(transcripts=transcripts) as cloud:
        for name in names:
            cloud.organisation.add_queue(name)
            cloud.organisation.add_user(name)
        options = ("stream", "--store", str(store), "--source", source, *arguments)
        with served(folder, *options, env=cloud.settings()) as server:
            cloud.wait_connected()
            yield Studio(cloud, server, store)
