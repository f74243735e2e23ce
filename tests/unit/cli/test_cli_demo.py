"""`demo` and `emulate`: what they read, what they leave, what they say."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genscribe.cli import demo
from genscribe.cli.main import main
from genscribe.errors import UsageError
from genscribe.store.reader import Reader

CALL = {
    "id": "call-1",
    "utterances": [
        {"speaker": "agent", "offset_ms": 0, "duration_ms": 10, "text": "good morning"},
        {"speaker": "customer", "offset_ms": 20, "duration_ms": 10, "text": "my parcel"},
    ],
}


@contextmanager
def started(*arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "genscribe", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_the_demo_needs_nothing_and_touches_nothing_of_production(tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    calls.write_text(json.dumps(CALL) + "\n")
    poison = {
        "GENESYS_CLIENT_ID": "production",
        "GENESYS_CLIENT_SECRET": "production-secret",
        "GENESYS_API_URL": "https://api.production.invalid",
        "GENESYS_CLIENT_SECRET_FILE": "/nowhere",
        "GENSCRIBE_TO": f"jsonl:{tmp_path}/production.jsonl",
        "GENSCRIBE_STORE": f"{tmp_path}/production.db",
        "GENSCRIBE_CONFIG": "/nowhere.toml",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "TMPDIR": str(tmp_path),
    }
    with started("demo", "--no-web", "--calls", str(calls), "--speed", "20", **poison) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert sorted(line.split("\t")[1:] for line in lines) == [
        ["call-1", "agent", "good morning\n"],
        ["call-1", "customer", "my parcel\n"],
    ]
    store = next(tmp_path.glob("genscribe-demo-*/genscribe.db"))
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    assert str(store) in err
    assert f"2 utterances of 1 conversation stored in {store}" in out
    assert f"genscribe show call-1 --store {store}" in out
    assert "genscribe search" in out
    assert not list(tmp_path.glob("production*"))
    with Reader.open(store) as reader:
        assert reader.stats().utterances == 2


@pytest.mark.slow
def test_the_emulator_prints_what_a_client_needs() -> None:
    with started("emulate") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
    assert set(variables) == {"GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_LOGIN_URL", "GENESYS_API_URL"}
    assert variables["GENESYS_API_URL"].startswith("http://127.0.0.1:")


def test_the_console_is_always_in_the_demo(tmp_path: Path) -> None:
    store = str(tmp_path / "x.db")
    names = lambda *to: [sink.name for sink in demo.demo_settings({"to": to, "store": store}).sinks]  # noqa: E731
    assert names() == ["console"]
    assert names("jsonl:-") == ["console", "jsonl:-"]
    assert names("mine=console?interim=yes") == ["mine"]


def test_a_refused_demo_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(UsageError):
        demo.demo_settings({"web": "nowhere"})
    assert list(tmp_path.iterdir()) == []
    assert demo.demo_settings({}).store.parent.parent == tmp_path


def test_a_summary_of_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert "no store" in demo.summary(tmp_path / "none.db")


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "1001"])
@pytest.mark.parametrize("name", ["demo", "emulate"])
def test_a_speed_that_is_none(name: str, speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--speed", speed]) == 2
    assert "--speed" in capsys.readouterr().err
