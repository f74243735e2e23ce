"""Every fault of the emulator, one after the other, with everything logged at debug: no secret in any record.

The records are looked at as they are made, before the log's own masking: that one is the second line of defence.
"""

from __future__ import annotations

import base64
import logging
import traceback
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from genscribe.emulator import FAULTS, Emulator
from tests.fault.rig import rig
from tests.virtual_time import VirtualTimeLoop, move_wall_clock

pytestmark = pytest.mark.anyio

SECRET = "canary+secret/4f1c9a7be2=="
SPEECH = "my card number is four five six"
FATAL = {"403", "404", "invalid_client", "refuse-basic", "refuse-form"}
UNSEEN = {"token-bomb", "slow"}
"""Those that only take long."""


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"loop_factory": lambda: VirtualTimeLoop(grace_s=0.003)}


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
