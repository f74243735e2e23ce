"""Hands on a running process: pause over a restart, replay, dead letters, backup; and the same where nothing runs."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import hears, rows, run, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running() as made:
        yield made


def seqs(file: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in file.read_text().splitlines()] if file.exists() else []


def listed(store: Path) -> dict[str, Any]:
    done = run("sinks", "--json", "--store", str(store))
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}


def did(*arguments: str, store: Path, **more: Any) -> str:
    done = run(*arguments, "--store", str(store), **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sink_is_paused_stays_so_and_goes_on(cloud: GenesysCloud, tmp_path: Path) -> None:
    store, file = tmp_path / "s.db", tmp_path / "out.jsonl"
    socket_file = tmp_path / "s.db.sock"
    to = ("--to", f"calls=jsonl:{file}")
    with streaming(store, cloud.settings(), *to) as process:
        until(lambda: hears(store, process))
        assert stat.S_IMODE(socket_file.stat().st_mode) == 0o600
        cloud.say("one")
        until(lambda: len(seqs(file)) == 1)
        assert "paused" in did("sinks", "pause", "calls", store=store)
        cloud.say("two")
        until(lambda: rows(store, "select count(*) from journal where kind = 'u'") == [(2,)])
        until(lambda: listed(store)["calls"]["lag_events"] == 1)
        assert listed(store)["calls"]["state"] == "paused"
        assert stop(process) == 0
    assert not socket_file.exists()
    assert listed(store)["calls"]["state"] == "paused"
    with streaming(store, cloud.settings(), *to) as process:
        until(lambda: hears(store, process))
        assert listed(store)["calls"]["state"] == "paused"
        assert len(seqs(file)) == 1
        did("sinks", "resume", "calls", store=store)
        until(lambda: len(seqs(file)) >= 2)
        assert listed(store)["calls"]["state"] == "running"
        assert stop(process) == 0


def test_replay_sends_the_same_events_again_and_a_removed_sink_is_gone(cloud: GenesysCloud, tmp_path: Path) -> None:
    store, file = tmp_path / "s.db", tmp_path / "out.jsonl"
    env = {"GENSCRIBE_TO": f"calls=jsonl:{file}"}
    with streaming(store, {**cloud.settings(), **env}) as process:
        until(lambda: hears(store, process))
        for text in ("one", "two", "three"):
            cloud.say(text)
        until(lambda: len(seqs(file)) == 3)
        before = file.read_text().splitlines()
        did("replay", "--to", "calls", "--since", "1h", store=store)
        assert file.read_text().splitlines() == before * 2
        assert "no sink 'other'" in run("replay", "--to", "other", "--since", "1h", "--store", str(store)).stderr
        assert run("sinks", "pause", "other", "--store", str(store)).returncode == 78
        assert stop(process) == 0
    life = rows(store, "select * from life")
    did("replay", "--to", "calls", "--since", "1h", store=store, env=env)
    assert [seq for seq in seqs(file) if seq <= 3] == [1, 2, 3] * 3
    assert rows(store, "select started_at, at, heard_until, ended_at from life") == [row[1:5] for row in life]
    with streaming(store, {**cloud.settings(), **env}) as process:
        until(lambda: hears(store, process))
        did("sinks", "remove", "calls", store=store)
        assert "calls" not in listed(store)
        assert rows(store, "select * from cursors") == []
        assert process.poll() is None, "the run goes on without it"
        assert stop(process) == 0


def test_sinks_are_listed_as_they_are_now(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        to = ("--to", f"hook=http://127.0.0.1:{nobody.getsockname()[1]}/")
        with streaming(store, cloud.settings(), *to) as process:
            until(lambda: hears(store, process))
            for number in range(1, 6):  # faster than the signs of life in the store
                cloud.say(f"line {number}")
                until(lambda: rows(store, "select count(*) from journal where kind = 'u'") == [(number,)])  # noqa: B023
                head = rows(store, "select max(seq) from journal")
                assert (listed(store)["hook"]["lag_events"],) in [*head, *rows(store, "select max(seq) from journal")]
            assert stop(process) == 0


def test_a_copy_made_while_it_is_written_is_a_whole_store(cloud: GenesysCloud, tmp_path: Path) -> None:
    store, copy = tmp_path / "s.db", tmp_path / "copy.db"
    with streaming(store, cloud.settings()) as process:
        until(lambda: hears(store, process))
        for count in range(1, 30):
            cloud.say(f"line {count}")
        did("backup", str(copy), store=store)
        assert run("backup", str(copy), "--store", str(store)).returncode == 78
        cloud.say("later")
        until(lambda: rows(store, "select count(*) from journal where kind = 'u'") == [(30,)])
        did("backup", str(copy), "--force", store=store)
        assert stop(process) == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert rows(copy, "select count(*) from utterances") == [(30,)] or rows(
        copy, "select count(*) from journal where kind = 'u'"
    ) == [(30,)]
    assert rows(copy, "pragma integrity_check") == [("ok",)]
    assert sorted(each.name for each in tmp_path.iterdir() if "part" in each.name) == []


def test_the_socket_stands_nonsense_and_a_stale_file(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "s.db.sock"))
    stale.close()
    with streaming(store, cloud.settings()) as process:
        until(lambda: hears(store, process))
        for nonsense in (b"{}\n", b"\xff\n", b'{"do":"pause","sink":7}\n', b"[" * 300_000):
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(10)
                link.connect(str(tmp_path / "s.db.sock"))
                try:
                    link.sendall(nonsense)
                    answer = link.recv(1000)
                except (BrokenPipeError, ConnectionResetError):
                    answer = b""
                assert answer == b"" or json.loads(answer)["state"] == "error"
        assert process.poll() is None
        assert stop(process) == 0


def test_a_path_too_long_for_a_socket_goes_to_the_runtime_folder(cloud: GenesysCloud, tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 90) / ("e" * 60)
    folder.mkdir(parents=True)
    runtime = Path("/tmp") / f"genscribe-test-{os.getpid()}"
    runtime.mkdir(mode=0o700)
    store, env = folder / "s.db", {"XDG_RUNTIME_DIR": str(runtime)}
    try:
        with streaming(store, {**cloud.settings(), **env}, "--to", f"calls=jsonl:{tmp_path}/out") as process:
            until(lambda: hears(store, process))
            assert "paused" in did("sinks", "pause", "calls", store=store, env=env)
            assert len(list(runtime.glob("genscribe/*.sock"))) == 1
            assert stop(process) == 0
    finally:
        for each in sorted(runtime.rglob("*"), reverse=True):
            each.rmdir() if each.is_dir() else each.unlink()
        runtime.rmdir()
