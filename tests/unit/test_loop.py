"""Names are looked up without blocking, and without holding up the end."""

from __future__ import annotations

import socket
import threading
from typing import Any

import anyio
import pytest

from genscribe.loop import OPTIONS


def run(work: Any) -> Any:
    return anyio.run(work, backend_options=OPTIONS)


def test_a_name_is_looked_up() -> None:
    async def work() -> Any:
        return await anyio.getaddrinfo("localhost", 80, family=socket.AF_INET, type=socket.SOCK_STREAM)

    assert [found[4] for found in run(work)] == [("127.0.0.1", 80)]


def test_what_the_resolver_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*given: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", none)

    async def work() -> None:
        with pytest.raises(socket.gaierror, match="no such name"):
            await anyio.getaddrinfo("nowhere.invalid", 80)

    run(work)


def test_a_resolver_that_hangs_holds_up_neither_its_caller_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def hang(*given: Any) -> list[Any]:
        asked.set()
        answer.wait(50)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def work() -> None:
        with anyio.move_on_after(0.05) as scope:
            await anyio.getaddrinfo("slow.invalid", 80)
        assert scope.cancelled_caught

    run(work)
    assert asked.is_set()
    (left,) = [thread for thread in threading.enumerate() if thread.name == "genscribe-name"]
    assert left.daemon
    answer.set()
    left.join(10)


def test_no_thread_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(OSError, match="no thread"):
            await anyio.getaddrinfo("localhost", 80)
        monkeypatch.undo()

    run(work)
