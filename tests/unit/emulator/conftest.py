"""An emulator, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from genscribe.emulator import Emulator
from tests.unit.emulator.channel_client import ChannelClient
from tests.unit.emulator.emulator_client import Client


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(base_url=emulator.url, trust_env=False) as http:
        yield Client(emulator, http)


@pytest.fixture
async def channels(emulator: Emulator) -> AsyncIterator[ChannelClient]:
    async with httpx2.AsyncClient(base_url=emulator.url, trust_env=False) as http:
        yield await ChannelClient.login(emulator, http)
