"""Every fault of the emulator, one after the other, with everything logged at debug: no secret in any record.

The records are looked at as they are made, before the log's own masking: that one is the second line of defence.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from genscribe.emulator import FAULTS, Emulator
from genscribe.emulator.faults import Stage
from tests.fault.certificates import Authority
from tests.fault.channels import ChannelRig, channel_rig
from tests.fault.rig import rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio

SECRET = "canary+secret/4f1c9a7be2=="
SPEECH = "my card number is four five six"
FATAL = {"403", "404", "invalid_client", "refuse-basic", "refuse-form"}
UNSEEN = {"token-bomb", "slow"}
"""Those that only take long."""


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


def spellings(secret: str) -> set[str]:
    encoded = {base64.b64encode(text.encode()).decode() for text in (secret, f"canary:{secret}")}
    return {secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1], *encoded}


def text_of(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[1]:
        return record.getMessage() + "".join(traceback.format_exception(record.exc_info[1]))
    return record.getMessage()


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - UNSEEN))
async def test_no_secret_in_any_log_record(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    platform = Emulator(client_id="canary", client_secret=SECRET, expires_in=900)
    settings = {"value": SECRET + "\r\n"} if name == "token-value" else {}
    async with rig(platform) as run:
        await platform.wait_connected()
        platform.fault(name, times=1, **settings)
        platform.say(SPEECH)
        platform.fault("drop")
        platform.revoke()
        with anyio.move_on_after(400):
            await platform.wait_handshakes(2, within_s=390)
        if name not in FATAL and run.ended is None:
            await platform.wait_connected(within_s=600)
    issued = {shake.access_token for shake in platform.ledger.handshakes if shake.access_token}
    assert issued
    said = "\n".join(text_of(record) for record in caplog.records)
    for secret in (SECRET, *issued):
        assert not [spelling for spelling in spellings(secret) if spelling in said]
    assert SPEECH not in said


ANSWERS = ("401", "403", "404", "410", "429", "500", "redirect", "html", "no-answer", "reset-answer", "bad-accept")
CHANNEL = [
    *((name, {}) for name, fault in sorted(FAULTS.items()) if fault.stage is Stage.CHANNEL),
    *((name, {"at": ("channels", "subscriptions", "handshake", "analytics")}) for name in ANSWERS),
    *(
        (name, {})
        for name in ("drop", "clean-close", "silence", "violation", "malformed", "late-topic", "reject-topic")
    ),
]
BASES = (
    "wss://127.0.0.1:{port}",
    "ws://127.0.0.1:9",
    "wss://[broken",
    "http://127.0.0.1:{port}",
    "wss://user:pass word@",
    "",
    "wss://" + "x" * 300 + ".invalid",
)


def channel_secrets(platform: Emulator) -> set[str]:
    """Ids of all channels, which the addresses end with, and all tokens."""
    ids = {shake.target.partition("/channels/")[2].partition("?")[0] for shake in platform.ledger.handshakes}
    ids |= {channel.id for channel in platform.channels.all}
    ids |= {id_of.removeprefix("streaming-0-") for id_of in ids}
    issued = {asked.issued for asked in platform.ledger.token_requests if asked.issued}
    return {SECRET, *issued, *(each for each in ids if each)}


def told(run: ChannelRig, caplog: pytest.LogCaptureFixture) -> str:
    """All that a run has said: log records, its end, what `status` shows."""
    ended = [] if run.ended is None else traceback.format_exception(run.ended)
    status = [str(run.telemetry.trouble), *(line for _, line in run.telemetry.recent)]
    return "\n".join([*map(text_of, caplog.records), *ended, *status, repr(run.source), repr(run.memory.kept)])


def assert_silent(platform: Emulator, said: str) -> None:
    secrets = channel_secrets(platform)
    for secret in secrets:
        assert not [spelling for spelling in spellings(secret) if spelling in said]
    assert SPEECH not in said


@pytest.mark.parametrize(("name", "settings"), CHANNEL, ids=[name for name, _ in CHANNEL])
async def test_no_channel_in_any_log_record(
    name: str, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    async with Emulator(client_id="canary", client_secret=SECRET) as platform, channel_rig(platform) as run:
        await run.listens()
        await run.call("c")
        platform.fault(name, times=6, **settings)
        platform.say(SPEECH, conversation="c")
        platform.begin("d")
        if "at" in settings:
            platform.fault("evict")
        with anyio.move_on_after(60):
            await run.done.wait()
        assert channel_secrets(platform) > {SECRET}
        assert_silent(platform, told(run, caplog))


@pytest.mark.parametrize("base", BASES)
async def test_no_address_of_a_channel_in_any_log_record(base: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Emulator(client_id="canary", client_secret=SECRET) as platform:
        platform._notifications.base = base.format(port=platform.url.rpartition(":")[2])
        async with channel_rig(platform) as run:
            with anyio.move_on_after(30):
                await run.done.wait()
            assert channel_secrets(platform) > {SECRET}
            assert not run.heard.connected
            assert_silent(platform, told(run, caplog))


async def test_no_address_of_a_channel_whose_certificate_is_not_trusted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        Emulator(client_id="canary", client_secret=SECRET) as platform,
        Emulator(tls=Authority(tmp_path).server()) as elsewhere,
    ):
        platform._notifications.base = elsewhere.url.replace("http", "ws", 1)
        async with channel_rig(platform) as run:
            with anyio.move_on_after(30):
                await run.done.wait()
            assert_silent(platform, told(run, caplog))
            assert "certificate" in told(run, caplog)
