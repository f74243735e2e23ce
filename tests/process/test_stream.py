"""`genscribe stream` as a process: exit codes, signals and last words, as the contract has them."""

from __future__ import annotations

import json
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import rows, run, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running() as made:
        yield made


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def test_403_at_the_handshake_is_77_in_one_line(cloud: GenesysCloud, tmp_path: Path) -> None:
    cloud.fault("403", times=None)
    done = run("stream", "--source", "transcripts", "--store", str(tmp_path / "s.db"), env=cloud.settings())
    assert done.returncode == 77
    assert "conversation:transcript:read" in last_line(done.stderr)
    assert "Traceback" not in done.stderr


def test_invalid_client_is_78_after_at_most_two_requests_and_names_the_region(
    cloud: GenesysCloud, tmp_path: Path
) -> None:
    cloud.fault("invalid_client", times=None)
    began = time.monotonic()
    done = run("stream", "--region", "eu-central-1", "--store", str(tmp_path / "s.db"), env=cloud.settings())
    assert done.returncode == 78
    assert time.monotonic() - began < 15
    assert cloud.ledger.token_count <= 2
    assert "eu-central-1" in last_line(done.stderr)


@pytest.mark.parametrize("status", ["404", "405", "410"])
def test_a_missing_endpoint_asked_for_by_name_is_78(cloud: GenesysCloud, tmp_path: Path, status: str) -> None:
    cloud.fault(status, times=None)
    done = run("stream", "--source", "transcripts", "--store", str(tmp_path / "s.db"), env=cloud.settings())
    assert done.returncode == 78


@pytest.mark.parametrize("fault", ["429", "503", "500", "html"])
def test_auto_decides_nothing_on_a_passing_answer(cloud: GenesysCloud, tmp_path: Path, fault: str) -> None:
    settings = {"status": 418} if fault == "html" else {}
    cloud.fault(fault, at="probe", **settings)
    with streaming(tmp_path / "s.db", cloud.settings()) as process:
        cloud.wait_connected(within_s=30)
        assert stop(process) == 0


def test_no_credentials_is_78(tmp_path: Path) -> None:
    done = run("stream", "--store", str(tmp_path / "s.db"))
    assert done.returncode == 78
    assert "GENESYS_CLIENT_ID" in last_line(done.stderr)


def test_a_second_process_on_the_store_is_75(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    with streaming(store, cloud.settings()):
        cloud.wait_connected()
        done = run("stream", "--store", str(store), env=cloud.settings())
        assert done.returncode == 75
        assert str(store) in last_line(done.stderr)


def test_a_file_that_is_no_store_is_78_and_stays_as_it_is(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    store.write_bytes(b"my precious notes, no database at all\n" * 100)
    before = store.read_bytes()
    done = run("stream", "--store", str(store), env=cloud.settings())
    assert done.returncode == 78
    assert store.read_bytes() == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where even root may not write")
def test_a_folder_that_cannot_be_written_is_74(cloud: GenesysCloud) -> None:
    done = run("stream", "--store", "/proc/nowhere/s.db", env=cloud.settings())
    assert done.returncode == 74
    assert "/proc/nowhere" in last_line(done.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly_and_everything_said_is_committed(
    cloud: GenesysCloud, tmp_path: Path, number: signal.Signals
) -> None:
    store = tmp_path / "s.db"
    with streaming(store, cloud.settings(), "--to", f"jsonl:{tmp_path / 'o.jsonl'}") as process:
        cloud.wait_connected()
        for index in range(200):
            cloud.say(f"line {index}")
        process.send_signal(number)
        began = time.monotonic()
        assert process.wait(30) == 0
        assert time.monotonic() - began < 10
    heard = len(rows(store, "select 1 from utterances"))
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == heard
    assert {closure.code for closure in cloud.ledger.closures} == {1000}


def test_stopping_does_not_wait_for_a_peer_that_never_hangs_up(cloud: GenesysCloud, tmp_path: Path) -> None:
    with streaming(tmp_path / "s.db", cloud.settings()) as process:
        cloud.wait_connected()
        cloud.fault("silence", read=False)
        began = time.monotonic()
        assert stop(process) == 0
        assert time.monotonic() - began < 10


def test_stopping_works_while_the_platform_is_down(cloud: GenesysCloud, tmp_path: Path) -> None:
    cloud.fault("503", times=None, retry_after=600)
    with streaming(tmp_path / "s.db", cloud.settings()) as process:
        until(lambda: cloud.ledger.requests)
        assert stop(process) == 0


def test_a_second_interrupt_ends_at_once_with_130(cloud: GenesysCloud, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with streaming(tmp_path / "s.db", cloud.settings(), log=log) as process:
        until(lambda: "connected to transcripts" in log.read_text())  # one that still connects has nothing to wait for
        cloud.fault("silence", read=False)  # makes the soft stop take its time
        process.send_signal(signal.SIGINT)
        until(lambda: "Ctrl-C again ends at once" in log.read_text())  # two that come together are one for the system
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130


def test_for_stops_cleanly(cloud: GenesysCloud, tmp_path: Path) -> None:
    done = run("stream", "--for", "1s", "--store", str(tmp_path / "s.db"), env=cloud.settings())
    assert done.returncode == 0


def test_every_file_we_make_is_0600(cloud: GenesysCloud, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    out = tmp_path / "o.jsonl"
    with streaming(folder / "s.db", cloud.settings(), "--to", f"jsonl:{out}") as process:
        cloud.wait_connected()
        cloud.say("hello")
        until(lambda: out.exists() and out.stat().st_size)
        files = [*folder.iterdir(), out]
        assert len(files) >= 4
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stop(process) == 0


def test_a_restart_is_one_gap_between_stop_and_start(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    for _ in range(2):
        with streaming(store, cloud.settings()) as process:
            cloud.wait_connected()
            cloud.say("hello")
            until(lambda: rows(store, "select 1 from utterances"))
            assert stop(process) == 0
            cloud.wait_disconnected()
    assert [reason for (reason,) in rows(store, "select reason from gaps")] == ["stopped"]


def test_a_sink_added_later_gets_everything_from_the_beginning(cloud: GenesysCloud, tmp_path: Path) -> None:
    store, out = tmp_path / "s.db", tmp_path / "late.jsonl"
    with streaming(store, cloud.settings()) as process:
        cloud.wait_connected()
        for index in range(20):
            cloud.say(f"line {index}")
        until(lambda: len(rows(store, "select 1 from utterances")) == 20)
        assert stop(process) == 0
    done = run("stream", "--for", "1s", "--to", f"jsonl:{out}", "--store", str(store), env=cloud.settings())
    assert done.returncode == 0
    assert len(out.read_text().splitlines()) == 21, "twenty lines and the gap of the restart"


def test_a_frozen_process_tells_the_whole_time_in_which_it_may_have_missed_something(
    cloud: GenesysCloud, tmp_path: Path
) -> None:
    """A connection that was lost during the freeze was lost at an unknown moment of it."""
    store = tmp_path / "s.db"
    with streaming(store, cloud.settings()) as process:
        cloud.wait_connected()
        cloud.say("before")
        until(lambda: rows(store, "select 1 from utterances"))
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        cloud.fault("clean-close")
        cloud.wait_disconnected()
        missed = cloud.say("missed")
        time.sleep(6)
        process.send_signal(signal.SIGCONT)
        until(lambda: rows(store, "select 1 from gaps where ended_at is not null"))
        assert stop(process) == 0
    ((started_at, ended_at),) = rows(store, "select started_at, ended_at from gaps where reason = 'disconnected'")
    assert str(started_at) < missed.timestamp < str(ended_at)


def test_status_says_at_once_why_nothing_is_heard(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"

    def said() -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(run("status", "--json", "--store", str(store)).stdout)["run"]
        return answer

    with streaming(store, cloud.settings()):
        cloud.wait_connected()
        cloud.send("{not json")  # its warning is no reason for silence
        until(lambda: rows(store, "select 1 from unreadable") and said()["connected"])
        cloud.fault("503", times=None, at="handshake")
        cloud.fault("drop")
        while (answer := said())["connected"]:
            pass
        assert "connected to transcripts" in answer["why"] or "lost transcripts" in answer["why"]
