"""Defect 7 of the tutorial: no lock on refresh; expiry by the wall clock; a 300 s token fetched on every call; nothing
renewed a token while a socket lived.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count

import anyio
import pytest

from genscribe import clock
from genscribe.genesys.api import HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.telemetry.base import Telemetry
from tests.http_stub import serve, token
from tests.virtual_time import VIRTUAL, move_wall_clock, wall_ms

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


@asynccontextmanager
async def running(life_s):
    numbers = count(1)

    async def slowly(asked):
        await anyio.sleep(0.5)
        return token(f"t{next(numbers)}", life_s)

    async with serve(slowly) as stub, HttpClient(tls_context(), trust_env=False) as http:
        tokens = TokenManager(http, login_url=stub.url, client_id="id", secret=Secret("s"), telemetry=Telemetry())
        async with anyio.create_task_group() as group:
            group.start_soon(tokens.run)
            yield tokens, stub
            group.cancel_scope.cancel()


async def test_no_lock_on_refresh():
    async with running(86_400) as (tokens, stub), anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(tokens.token)
    assert len(stub.asked) == 1


async def test_expiry_by_the_wall_clock(monkeypatch):
    async with running(86_400) as (tokens, stub):
        first = await tokens.token()
        monkeypatch.setattr(clock, "wall_ms", lambda: wall_ms() - 7 * 86_400_000)
        await anyio.sleep(86_000)
        assert await tokens.token() is first
        await anyio.sleep(600)
        assert await tokens.token() is not first
    assert len(stub.asked) == 2


async def test_a_300_s_token_fetched_on_every_call():
    async with running(300) as (tokens, stub):
        for _ in range(1000):
            await tokens.token()
        await anyio.sleep(100)
        await tokens.token()
        assert len(stub.asked) == 1


async def test_nothing_renewed_a_token_while_a_socket_lived():
    async with running(300) as (tokens, stub):
        held = await tokens.token()
        with anyio.fail_after(held.expires_at - anyio.current_time()):
            assert (await tokens.renewed(held)).value == Secret("t2")
        assert len(stub.asked) == 2
