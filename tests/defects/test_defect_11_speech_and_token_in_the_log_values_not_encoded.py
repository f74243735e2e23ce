"""Defect 11 of the tutorial: it logs what customers say at INFO, puts the token into a URL that debug logs and
exception texts print, and pastes values into the query as they are.
"""

from __future__ import annotations

import logging
import traceback
from urllib.parse import quote

import pytest

from genscribe.emulator import Emulator
from genscribe.errors import GenscribeError
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.sources.transcripts import Filters, endpoint
from genscribe.sources.websocket import Dialer
from tests.fault.recording import recording
from tests.fault.rig import rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio

SPEECH = "my card number is four five six"
TOKEN = "to+ken/with=all&that#breaks?a query"


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


async def test_nothing_that_was_said_and_no_token_is_logged_at_any_level(tmp_path, caplog):
    caplog.set_level(1)
    async with Emulator() as platform, recording(platform, tmp_path / "s.db") as made:
        platform.say(SPEECH)
        platform.send(f'["{SPEECH}"]')
        await made.committed(2)
        platform.fault("401")
        platform.fault("drop")
        await platform.wait_disconnected()
        await platform.wait_connected(within_s=60)
        tokens = {asked.access_token for asked in platform.ledger.handshakes}
    assert len(tokens) == 2
    assert "genscribe.link" in {record.name for record in caplog.records}
    said = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    for secret in (SPEECH, *tokens):
        assert secret not in said
        assert quote(secret, safe="") not in said


@pytest.mark.parametrize(
    "base", ["wss://127.0.0.1:9", "wss://[::1", "http://127.0.0.1:9", "wss://example.invalid:99999", "wss://"]
)
async def test_no_token_in_the_text_of_any_error(base):
    url = endpoint(base, Secret(TOKEN), Filters())
    assert TOKEN not in repr(url)
    assert quote(TOKEN, safe="") not in f"{url} {url!r}"
    with pytest.raises((GenscribeError, ValueError)) as caught:
        await Dialer(tls_context(), None, "test").dial(url)
    printed = "".join(traceback.format_exception(caught.value))
    assert "access_token" not in printed
    assert quote(TOKEN, safe="") not in printed


async def test_every_value_of_the_query_is_encoded():
    platform = Emulator()
    platform.fault("token-value", value=TOKEN.replace(" ", ""))
    filters = Filters(media_types=("voice", "a&b=c"), conversation_ids=("é#1", "50%"))
    async with rig(platform, filters=filters) as run:
        await platform.wait_connected()
        (asked,) = run.platform.ledger.handshakes
        assert asked.access_token == TOKEN.replace(" ", "")
        assert asked.query == {"mediaTypes": "voice,a&b=c", "conversationIds": "é#1,50%"}
        assert set("+#&= ") & set(asked.target.partition("access_token=")[2].partition("&")[0]) == set()
