"""The fixture as a user has it: in a synchronous test, and in one with another event loop."""

from __future__ import annotations

import threading

import anyio.to_thread
import httpx2
import pytest
import websockets
import websockets.sync.client

from genscribe.emulator import Line, wire
from genscribe.emulator.platform import TOKEN, TRANSCRIPTS
from genscribe.emulator.thread import running
from genscribe.errors import ConfigError
from genscribe.testing import GenesysCloud, genesys_cloud

__all__ = ["genesys_cloud"]


def address(cloud: GenesysCloud) -> str:
    settings = cloud.settings()
    answer = httpx2.post(
        f"{settings['GENESYS_LOGIN_URL']}{TOKEN}",
        data={"grant_type": "client_credentials"},
        auth=(settings["GENESYS_CLIENT_ID"], settings["GENESYS_CLIENT_SECRET"]),
        trust_env=False,
    )
    token = httpx2.QueryParams({"access_token": answer.json()["access_token"]})
    return f"{settings['GENESYS_API_URL'].replace('http', 'ws')}{TRANSCRIPTS}?{token}"


def test_a_synchronous_test_hears_what_it_says(genesys_cloud: GenesysCloud) -> None:
    with websockets.sync.client.connect(address(genesys_cloud), proxy=None) as ws:
        genesys_cloud.wait_connected()
        assert genesys_cloud.connected == 1
        said = genesys_cloud.say("how can i help")
        genesys_cloud.emit([Line("hello")])
        genesys_cloud.send("raw")
        assert genesys_cloud.flood([wire.text("flood")] * 2) == 2
        heard = [str(ws.recv(timeout=5)) for _ in range(5)]
        assert ["how can i help" in heard[0], "hello" in heard[1], *heard[2:]] == [True, True, "raw", "flood", "flood"]
        assert said.connections == [1]
        genesys_cloud.fault("drop")
        genesys_cloud.wait_disconnected()
        with pytest.raises(websockets.ConnectionClosed):
            ws.recv(timeout=5)
    genesys_cloud.end()
    genesys_cloud.wait_token_requests(1)
    ledger = genesys_cloud.ledger
    assert (ledger.token_count, ledger.handshake_count, ledger.said()) == (1, 1, ["how can i help", "hello"])


def test_faults_are_lifted_and_tokens_revoked(genesys_cloud: GenesysCloud) -> None:
    url = address(genesys_cloud)
    genesys_cloud.fault("503", times=None)
    with pytest.raises(websockets.InvalidStatus, match="503"):
        websockets.sync.client.connect(url, proxy=None)
    genesys_cloud.lift("503")
    genesys_cloud.revoke()
    with pytest.raises(websockets.InvalidStatus, match="401"):
        websockets.sync.client.connect(url, proxy=None)
    with pytest.raises(ConfigError):
        genesys_cloud.fault("nonsense")


@pytest.mark.anyio
async def test_an_asynchronous_test_may_call_it_from_its_loop(genesys_cloud: GenesysCloud) -> None:
    url = await anyio.to_thread.run_sync(address, genesys_cloud)
    async with websockets.connect(url, proxy=None) as ws:
        await anyio.to_thread.run_sync(genesys_cloud.wait_connected)
        genesys_cloud.say("from another loop")
        assert "from another loop" in str(await ws.recv())


def test_the_ledger_is_a_copy(genesys_cloud: GenesysCloud) -> None:
    before = genesys_cloud.ledger
    genesys_cloud.say("later")
    assert (before.said(), genesys_cloud.ledger.said()) == ([], ["later"])


def test_it_leaves_no_thread_behind_and_takes_the_emulators_settings() -> None:
    before = threading.active_count()
    with running(client_id="other", expires_in=300) as cloud:
        assert cloud.settings()["GENESYS_CLIENT_ID"] == "other"
    assert threading.active_count() == before
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(cloud.url, trust_env=False)


def test_a_synchronous_test_has_conversations_and_channels(genesys_cloud: GenesysCloud) -> None:
    genesys_cloud.transcripts = False
    assert not genesys_cloud.transcripts
    with pytest.raises(websockets.InvalidStatus, match="404"):
        websockets.sync.client.connect(address(genesys_cloud), proxy=None)
    call = genesys_cloud.begin(connected=False, queue="Sales", agent="Priya Patel")
    genesys_cloud.connect(call)
    genesys_cloud.consult(call)
    genesys_cloud.transfer(call, queue="Billing")
    spoken = genesys_cloud.say("hello", conversation=call, duration_ms=300)
    assert (spoken.communication_id is None, spoken.interim) == (False, False)
    assert genesys_cloud.say("hel", conversation=call, interim=True).interim
    chat = genesys_cloud.begin("chat-1", media_type="chat")
    assert genesys_cloud.message("hi", chat)
    genesys_cloud.end(call)
    live = genesys_cloud.run(lambda emulator: [one.id for one in emulator.organisation.live()])
    assert live == ["chat-1"]
    assert [queue.name for queue in genesys_cloud.organisation.conversations[call].queues] == ["Sales", "Billing"]
    assert genesys_cloud.permissions
    assert genesys_cloud.forbidden_topics == set()
    with pytest.raises(TimeoutError):
        genesys_cloud.wait_subscribed(call, within_s=0.01)
    with pytest.raises(TimeoutError):
        genesys_cloud.wait_topics(1, within_s=0.01)
