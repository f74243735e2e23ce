"""A client that is none of ours: httpx2 and websockets, as they come."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlencode

import httpx2
import websockets

from genscribe.emulator import Emulator
from genscribe.emulator.platform import TOKEN, TRANSCRIPTS


class Client:
    """Asks the emulator for tokens and opens WebSockets on it."""

    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http

    async def ask_token(self) -> httpx2.Response:
        return await self.http.post(TOKEN, data={"grant_type": "client_credentials"}, auth=("demo", "demo"))

    async def token(self) -> str:
        token = (await self.ask_token()).json()["access_token"]
        assert isinstance(token, str)
        return token

    async def probe(self, token: str) -> int:
        answer = await self.http.get(TRANSCRIPTS, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    def url(self, token: str, **query: str) -> str:
        return f"{self.emulator.url.replace('http', 'ws')}{TRANSCRIPTS}?{urlencode({'access_token': token, **query})}"

    async def connect(
        self, token: str | None = None, query: dict[str, str] | None = None, **options: Any
    ) -> AbstractAsyncContextManager[websockets.ClientConnection]:
        """Use as `async with await client.connect() as ws`; the emulator knows the connection by then."""
        before = self.emulator.ledger.handshake_count
        url = self.url(token if token is not None else await self.token(), **(query or {}))
        settings: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None, "close_timeout": 1}
        ws = await websockets.connect(url, **settings | options)
        await self.emulator.wait_handshakes(before + 1)
        return ws
