"""The canary run: debug logging through success and every failure, and no secret in anything we leave behind."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import command, environment, stop, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("processes")]

SECRET = "canary+secret/4f1c9a7be2=="
PROXY_PASSWORD = "canary-proxy-77aa"
SPEECH = "my card number is four five five six"


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running(client_id="canary-client", client_secret=SECRET) as made:
        yield made


def spellings(secret: str) -> set[bytes]:
    return {
        secret.encode(),
        quote(secret, safe="").encode(),
        quote(secret).encode(),
        base64.b64encode(secret.encode()),
        base64.b64encode(f"canary-client:{secret}".encode()),
        repr(secret)[1:-1].encode(),
    }


def tokens(cloud: GenesysCloud) -> set[str]:
    return {shake.access_token for shake in cloud.ledger.handshakes if shake.access_token}


def assert_clean(folder: Path, cloud: GenesysCloud, *, speech_in: tuple[str, ...] = ()) -> None:
    issued = tokens(cloud)
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        content = file.read_bytes()
        for secret in (SECRET, PROXY_PASSWORD, *issued):
            for spelling in spellings(secret):
                assert spelling not in content, f"{file.name} shows a secret"
        if not file.name.startswith(speech_in):
            assert SPEECH.encode() not in content, f"{file.name} shows what was said"


def stream(folder: Path, env: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("ab") as errors:
        return subprocess.Popen(
            command("stream", "--log-level", "debug", "--store", str(folder / "s.db"), *arguments),
            env=environment({**env, "PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "default"}),
            stdout=out,
            stderr=errors,
        )


def test_success_shows_no_secret(cloud: GenesysCloud, tmp_path: Path) -> None:
    process = stream(tmp_path, cloud.settings(), "--to", f"jsonl:{tmp_path / 'out.jsonl'}", "--log-format", "json")
    try:
        cloud.wait_connected()
        cloud.say(SPEECH)
        until(lambda: (tmp_path / "out.jsonl").exists() and SPEECH in (tmp_path / "out.jsonl").read_text())
        listed = Path(f"/proc/{process.pid}/cmdline")
        if listed.exists():
            (tmp_path / "cmdline").write_bytes(listed.read_bytes())
        assert stop(process) == 0
    finally:
        process.kill()
        process.wait()
    assert tokens(cloud)
    assert_clean(tmp_path, cloud, speech_in=("s.db", "out.jsonl"))


@pytest.mark.parametrize(
    ("fault", "settings"),
    [("403", {}), ("404", {}), ("invalid_client", {"description": SECRET}), ("token-list", {}), ("redirect", {})],
)
def test_ends_show_no_secret(cloud: GenesysCloud, tmp_path: Path, fault: str, settings: dict[str, Any]) -> None:
    cloud.fault(fault, times=None, **settings)
    process = stream(tmp_path, cloud.settings(), "--source", "transcripts", "--for", "2s")
    process.wait(60)
    assert_clean(tmp_path, cloud)


@pytest.mark.parametrize("proxy", ["http://user:{}@127.0.0.1:9", "http://user:{}@[broken", "socks5://u:{}@127.0.0.1:9"])
def test_a_proxy_password_is_masked(cloud: GenesysCloud, tmp_path: Path, proxy: str) -> None:
    env = {**cloud.settings(), "GENSCRIBE_PROXY": proxy.format(PROXY_PASSWORD)}
    process = stream(tmp_path, env, "--for", "2s")
    process.wait(60)
    assert_clean(tmp_path, cloud)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GENESYS_API_URL", f"https://user:{SECRET}@api.example"),
        ("GENESYS_LOGIN_URL", f"ftp://{SECRET}"),
        ("GENSCRIBE_TO", f"webhook=https://user:{SECRET}@example/x"),
        ("GENESYS_CLIENT_SECRET", f"{SECRET} with blanks"),
    ],
)
def test_wrong_settings_show_no_secret(cloud: GenesysCloud, tmp_path: Path, variable: str, value: str) -> None:
    process = stream(tmp_path, {**cloud.settings(), variable: value}, "--for", "1s")
    assert process.wait(60) in (2, 78)
    assert_clean(tmp_path, cloud)
