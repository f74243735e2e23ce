"""Defect 5 of the tutorial: a 403 "halted" but looped, and bad credentials were retried for ever."""

from __future__ import annotations

import anyio
import pytest

from genscribe.attempts import keep_trying
from genscribe.core.verdicts import of_handshake_status
from genscribe.errors import InvalidClient, NotPermitted
from genscribe.genesys.api import HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.telemetry.base import Telemetry
from tests.http_stub import Reply, json, serve
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


async def requests_until(reply: Reply, error: type[Exception]) -> int:
    async with serve(lambda asked: reply) as stub, HttpClient(tls_context(), trust_env=False) as http:
        tokens = TokenManager(
            http, login_url=stub.url, client_id="id", secret=Secret("s"), telemetry=Telemetry(), region="api.eu"
        )
        async with anyio.create_task_group() as group:
            group.start_soon(tokens.run)
            with pytest.raises(error, match=r"127\.0\.0\.1 \(region api\.eu\)"):
                await tokens.token()
            await anyio.sleep(3600)
        return len(stub.asked)


async def test_bad_credentials_retried_for_ever():
    """They end after two requests, the second in the tutorial's own form, with exit code 78 and the region named."""
    assert await requests_until(json(400, error="invalid_client"), InvalidClient) == 2
    assert InvalidClient.exit_code == 78


async def test_a_client_that_may_not_have_a_token_ends_after_one_request():
    assert await requests_until(Reply(403), NotPermitted) == 1
    assert NotPermitted.exit_code == 77


async def test_a_403_at_the_handshake_halts():
    dials = 0

    async def dial() -> None:
        nonlocal dials
        dials += 1
        raise of_handshake_status(403)

    with pytest.raises(NotPermitted, match="conversation:transcript:read"):
        await keep_trying(dial)
    assert dials == 1
