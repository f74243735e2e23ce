"""A client of the Notifications API that is none of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import anyio
import httpx2
import websockets

from genscribe.emulator import Emulator
from genscribe.emulator.notifications import CHANNELS
from genscribe.emulator.platform import TOKEN
from genscribe.emulator.topics import transcription

Json = dict[str, Any]


class ChannelClient:
    """Makes channels, subscribes and listens, with one token."""

    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient, token: str) -> None:
        self.emulator = emulator
        self.http = http
        self.token = token

    @classmethod
    async def login(cls, emulator: Emulator, http: httpx2.AsyncClient) -> ChannelClient:
        answer = await http.post(TOKEN, data={"grant_type": "client_credentials"}, auth=("demo", "demo"))
        return cls(emulator, http, answer.json()["access_token"])

    async def call(self, method: str, path: str, body: object = None, **query: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.request(method, path, headers=headers, json=body, params=query)

    async def create(self) -> Json:
        answer = await self.call("POST", CHANNELS)
        assert answer.status_code == 200
        channel: Json = answer.json()
        return channel

    async def subscribe(
        self, channel: Json, topics: Iterable[str], method: str = "POST", **query: str
    ) -> httpx2.Response:
        body = [{"id": topic} for topic in topics]
        return await self.call(method, f"{CHANNELS}/{channel['id']}/subscriptions", body, **query)

    async def topics(self, channel: Json) -> list[str]:
        answer = await self.call("GET", f"{CHANNELS}/{channel['id']}/subscriptions")
        return [one["id"] for one in answer.json()["entities"]]

    async def hearing(self, *conversations: str) -> tuple[Json, websockets.ClientConnection]:
        """A channel with an open socket that has the conversations' topics."""
        channel = await self.create()
        ws = await self.dial(channel)
        if conversations:
            assert (await self.subscribe(channel, map(transcription, conversations))).status_code == 200
        return channel, ws

    async def dial(self, channel: Json) -> websockets.ClientConnection:
        before = self.emulator.ledger.handshake_count
        ws = await self.connect(channel)
        await self.emulator.wait_handshakes(before + 1)
        return ws

    def connect(self, channel: Json) -> Any:
        return websockets.connect(
            channel["connectUri"], proxy=None, compression=None, ping_interval=None, close_timeout=1
        )


async def heard(ws: websockets.ClientConnection, count: int = 1) -> list[Json]:
    with anyio.fail_after(10):
        return [json.loads(await ws.recv()) for _ in range(count)]


async def ask(ws: websockets.ClientConnection, question: object) -> Json:
    await ws.send(json.dumps(question))
    (answer,) = await heard(ws)
    return answer


async def closed(ws: websockets.ClientConnection) -> int:
    """Waits for the end; returns the close code that came."""
    with anyio.fail_after(10):
        await ws.wait_closed()
    assert ws.close_code is not None
    return ws.close_code


def texts(frames: list[Json]) -> list[str]:
    return [
        result["alternatives"][0]["transcript"]
        for frame in frames
        for result in frame["eventBody"].get("transcripts", [])
    ]


async def spoken(ws: websockets.ClientConnection, count: int = 1) -> list[str]:
    """The next words, whatever comes between them."""
    words: list[str] = []
    while len(words) < count:
        words += texts(await heard(ws))
    return words
