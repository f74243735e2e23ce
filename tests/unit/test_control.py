"""The socket: private from the start, for us only, never in the place of another file, and gone afterwards."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from genscribe.control import place, server
from genscribe.control.place import peer_uid, socket_path
from genscribe.control.protocol import Answer, Request, decode_answer, encode
from genscribe.control.server import Control
from genscribe.errors import ConfigError
from genscribe.telemetry import Telemetry
from genscribe.telemetry.pipeline import ControlMissing


def test_a_path_that_is_too_long_goes_to_the_runtime_folder(tmp_path: Path) -> None:
    fits = Path("/" + "d" * (place.LONGEST_PATH - len("/s.db.sock") - 1)) / "s.db"
    assert socket_path(fits, "id") == Path(f"{fits}.sock")
    assert len(str(socket_path(fits, "id"))) == place.LONGEST_PATH
    longer = fits.with_name("st.db")
    assert socket_path(longer, "id").name == "id.sock"
    assert socket_path(longer, "id").parent != fits.parent


def test_a_runtime_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "genscribe").mkdir()
    path = tmp_path / "genscribe" / "id.sock"
    place.listen(path).close()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(ConfigError, match="another user"):
        place.listen(path)


def test_the_other_end_is_known_by_its_user() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert peer_uid(left) == os.geteuid()


class Run:
    """As much of a pipeline as the socket needs."""

    def __init__(self, path: Path) -> None:
        self.journal: Any = SimpleNamespace(path=path, store_id="id", ask=self._ask)
        self.deliveries: list[Any] = []
        self.telemetry = Telemetry()

    def delivery(self, name: str) -> None:
        return None

    async def _ask(self, query: Any) -> list[Any]:
        return []


async def asked(path: Path, line: bytes) -> bytes:
    async with await anyio.connect_unix(path) as link:
        await link.send(line)
        try:
            return await link.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b""


@pytest.mark.anyio
async def test_it_answers_whoever_is_ours_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control: Any = Control(Run(tmp_path / "s.db"))  # type: ignore[arg-type]
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(control.path))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(control.run)
        with anyio.fail_after(5):
            while not control.path.exists() or stat.S_IMODE(control.path.stat().st_mode) != 0o600:
                await anyio.sleep(0.01)
            await anyio.sleep(0.05)
        answer = decode_answer(await asked(control.path, encode(Request("pause", "x")) + b"\n"))
        assert (answer.state, answer.exit_code) == ("error", 78)
        assert "no sink 'x'" in answer.text
        assert decode_answer(await asked(control.path, b'{"do":1}\n')).state == "error"
        assert "knows no 'dance'" in decode_answer(await asked(control.path, b'{"do":"dance"}\n')).text
        monkeypatch.setattr(server, "peer_uid", lambda caller: os.geteuid() + 1)
        assert await asked(control.path, encode(Request("pause", "x")) + b"\n") == b""
        tasks.cancel_scope.cancel()
    assert not control.path.exists()
    assert control._callers == 0


@pytest.mark.anyio
async def test_so_many_callers_at_once_and_each_has_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LINE_S", 0.3)
    control: Any = Control(Run(tmp_path / "s.db"))  # type: ignore[arg-type]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(control.run)
        with anyio.fail_after(5):
            while not control.path.exists():
                await anyio.sleep(0.01)
            await anyio.sleep(0.05)
            silent = [await anyio.connect_unix(control.path) for _ in range(place.CALLERS)]
            while control._callers < place.CALLERS:
                await anyio.sleep(0.01)
            assert await asked(control.path, b"{}\n") == b""
            while control._callers:
                await anyio.sleep(0.01)
        assert await asked(control.path, b"{}\n") != b""
        for link in silent:
            await link.aclose()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_another_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    run = Run(tmp_path / "s.db")
    told: list[Any] = []
    run.telemetry.emit = told.append  # type: ignore[method-assign,assignment]
    control: Any = Control(run)  # type: ignore[arg-type]
    control.path.write_text("mine")
    await control.run()
    assert control.path.read_text() == "mine"
    assert isinstance(told[0], ControlMissing)
    assert "another file" in str(told[0])


def test_answers_leave_out_what_they_do_not_say() -> None:
    assert encode(Answer("done", "ok")) == b'{"state":"done","text":"ok"}'
