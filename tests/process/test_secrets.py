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
from tests.process.runner import command, environment, run, stop, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

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
    ledger = cloud.ledger
    issued = {asked.issued for asked in ledger.token_requests if asked.issued}
    return issued | {shake.access_token for shake in ledger.handshakes if shake.access_token}


def channels(cloud: GenesysCloud) -> set[str]:
    """The ids of notification channels, which their addresses hold."""
    paths = (shake.target.partition("/channels/") for shake in cloud.ledger.handshakes if shake.channel)
    return {identity.removeprefix("streaming-0-") for _, _, identity in paths}


def assert_clean(folder: Path, cloud: GenesysCloud, *, speech_in: tuple[str, ...] = ()) -> None:
    issued = tokens(cloud) | channels(cloud)
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


def test_channels_show_no_secret(cloud: GenesysCloud, tmp_path: Path) -> None:
    """Success, an evicted channel, a revoked token; `test_canary.py` has the rest of what befalls channels."""
    out = tmp_path / "out.jsonl"
    process = stream(tmp_path, cloud.settings(), "--source", "notifications", "--to", f"jsonl:{out}")
    try:
        for number, fault in enumerate(("evict", "token-revoked")):
            cloud.begin(f"c{number}")
            cloud.wait_subscribed(f"c{number}", within_s=30)
            cloud.say(f"{SPEECH} {number}", conversation=f"c{number}")
            until(lambda said=f"{SPEECH} {number}": out.exists() and said in out.read_text())
            cloud.fault(fault)
            cloud.wait_disconnected()
            cloud.wait_connected(within_s=30)
        (tmp_path / "cmdline").write_bytes(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        status = run("status", "--json", "--store", str(tmp_path / "s.db"))
        (tmp_path / "status").write_text(status.stdout + status.stderr)
        assert stop(process) == 0
    finally:
        process.kill()
        process.wait()
    assert len(channels(cloud)) == 3
    assert "removed the channel" in (tmp_path / "stderr").read_text()
    assert_clean(tmp_path, cloud, speech_in=("s.db", "out.jsonl"))


@pytest.mark.parametrize(
    ("fault", "settings"), [("403", {"at": "channels"}), ("404", {"at": "handshake"}), ("html", {"at": "channels"})]
)
def test_channels_that_never_open_show_no_secret(
    cloud: GenesysCloud, tmp_path: Path, fault: str, settings: dict[str, Any]
) -> None:
    cloud.fault(fault, times=None, **settings)
    process = stream(tmp_path, cloud.settings(), "--source", "notifications", "--for", "1s")
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
