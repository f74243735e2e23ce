"""Defect 6 of the tutorial: a 429 recursed without bound, `int()` failed on an HTTP date, and there was no cap."""

from __future__ import annotations

import sys
from itertools import pairwise

import anyio
import pytest

from genscribe.genesys.api import HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.telemetry.base import Telemetry
from tests.http_stub import Reply, serve, token
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


async def waits(replies: list[Reply]) -> list[float]:
    """Seconds between the token requests until one is answered with a token."""
    left = iter([*replies, token()])
    async with serve(lambda asked: next(left)) as stub, HttpClient(tls_context(), trust_env=False) as http:
        tokens = TokenManager(http, login_url=stub.url, client_id="id", secret=Secret("s"), telemetry=Telemetry())
        async with anyio.create_task_group() as group:
            group.start_soon(tokens.run)
            await tokens.token()
            group.cancel_scope.cancel()
        at = [asked.at for asked in stub.asked]
    return [later - earlier for earlier, later in pairwise(at)]


def throttled(retry_after: str, **headers: str) -> Reply:
    return Reply(429, headers={"Retry-After": retry_after, **headers})


async def test_429_more_often_than_the_stack_is_deep():
    assert len(await waits([throttled("7")] * (sys.getrecursionlimit() + 100))) == sys.getrecursionlimit() + 100


async def test_429_with_an_http_date():
    (wait,) = await waits([throttled("Wed, 21 Oct 2015 07:28:30 GMT", Date="Wed, 21 Oct 2015 07:28:00 GMT")])
    assert 30 <= wait <= 36.1


async def test_429_for_a_month_is_an_hour():
    (wait,) = await waits([throttled("2592000")])
    assert 3600 <= wait <= 3600 * 1.2 + 0.1


async def test_429_with_nonsense_is_our_own_backoff():
    (wait,) = await waits([throttled("later")])
    assert wait <= 1.1
