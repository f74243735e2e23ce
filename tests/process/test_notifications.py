"""`genscribe stream --source notifications` as a process: what it leaves in the store, how it stops, what it hears."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import genscribe
from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import hears, rows, run, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BY_NAME = ("--source", "notifications")


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running(transcripts=False) as made:
        yield made


def texts(store: Path) -> list[object]:
    return [text for (text,) in rows(store, "select text from utterances order by seq")]


def states(store: Path) -> dict[object, bool]:
    """Conversations, and whether they are over."""
    found = rows(store, "select conversation_id, ended_at from conversations where started_at is not null")
    return {conversation: ended_at is not None for conversation, ended_at in found}


def test_calls_are_heard_and_a_stop_and_start_is_one_gap(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    for conversation in ("a", "b"):
        cloud.begin(conversation)
    with streaming(store, cloud.settings(), *BY_NAME) as process:
        for conversation in ("a", "b"):
            cloud.wait_subscribed(conversation)
        until(lambda: hears(store, process))
        report = json.loads(run("status", "--json", "--store", str(store)).stdout)
        assert (report["well"], report["run"]["source"]) == (True, "notifications")
        assert (
            report["run"]["hearing"].items() >= {"conversations": 2, "channels": 1, "topics": 6, "unheard": 0}.items()
        )
        assert "6 of 19,000 topics on 1 channel" in run("status", "--store", str(store)).stdout
        for number in range(100):
            cloud.say(f"line {number}", conversation="ab"[number % 2])
        cloud.begin("chat", media_type="message")
        cloud.message("my card is lost", "chat")
        until(lambda: len(texts(store)) == 101)
        began = time.monotonic()
        assert stop(process) == 0
        assert time.monotonic() - began < 10
    assert {closure.code for closure in cloud.ledger.closures} == {1000}
    cloud.end("a")
    cloud.message("are you there", "chat")
    with streaming(store, cloud.settings(), *BY_NAME) as process:
        until(lambda: states(store).get("a") and "are you there" in texts(store))
        cloud.say("still here", conversation="b")
        until(lambda: "still here" in texts(store))
        assert stop(process) == 0
    heard = texts(store)
    assert len(heard) == len(set(heard)) == 103
    assert states(store) == {"a": True, "b": False, "chat": False}
    assert [reason for (reason,) in rows(store, "select reason from gaps")] == ["stopped"]
    assert {who for (who,) in rows(store, "select distinct purpose from participants")} == {"customer", "acd", "agent"}


def test_the_next_run_puts_in_order_what_a_killed_one_left(cloud: GenesysCloud, tmp_path: Path) -> None:
    """Ids of messages that were not fetched, the open gap of one call, a call that ended meanwhile."""
    store = tmp_path / "s.db"
    cloud.forbidden_topics.add("v2.conversations.denied.transcription")
    cloud.fault("503", at="messages", times=None)
    with streaming(store, cloud.settings(), *BY_NAME) as process:
        cloud.begin("heard")
        cloud.wait_subscribed("heard", within_s=30)
        cloud.begin("denied")
        cloud.begin("chat", media_type="message")
        cloud.message("one", "chat")
        cloud.say("before", conversation="heard")
        until(lambda: rows(store, "select 1 from journal where kind = 'm'"))
        until(lambda: rows(store, "select 1 from gaps where conversation_ids = '[\"denied\"]' and ended_at is null"))
        until(lambda: "before" in texts(store))
        process.kill()
        process.wait()
    assert texts(store) == ["before"]
    cloud.lift()
    cloud.forbidden_topics.clear()
    cloud.end("heard")
    with streaming(store, cloud.settings(), *BY_NAME) as process:
        until(lambda: states(store).get("heard") and "one" in texts(store))
        cloud.say("after", conversation="denied")
        until(lambda: "after" in texts(store))
        assert stop(process) == 0
    assert sorted(map(str, texts(store))) == ["after", "before", "one"]
    gaps = dict(rows(store, "select reason, ended_at is not null from gaps"))
    assert gaps == {"late": 1, "crashed": 1}


def test_it_hears_what_was_asked_for(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    asked = ("--queues", "S*", "--exclude-queues", "Sales", "--media-types", "voice")
    for queue in ("Support", "Sales", "Billing"):
        cloud.begin(queue, queue=queue)
    cloud.begin("chat", queue="Support", media_type="message")
    with streaming(store, cloud.settings(), *asked) as process:
        cloud.wait_subscribed("Support")
        for conversation in ("Sales", "Billing", "Support"):
            cloud.say(f"in {conversation}", conversation=conversation)
        cloud.message("written", "chat")
        cloud.say("last", conversation="Support")
        until(lambda: "last" in texts(store))
        assert stop(process) == 0
    assert texts(store) == ["in Support", "last"]
    topics = cloud.run(lambda emulator: {topic for one in emulator.channels.all for topic in one.topics})
    assert len(topics) == 2, "one queue, one call"


def test_it_hears_only_the_conversations_that_were_named(cloud: GenesysCloud, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    for conversation in ("a", "b"):
        cloud.begin(conversation)
    cloud.begin("chat", media_type="message")
    asked = ("--conversation-ids", "a,chat", "--media-types", "chat")
    with streaming(store, cloud.settings(), *BY_NAME, *asked) as process:
        until(lambda: hears(store, process))
        for conversation in ("a", "b"):
            cloud.say(f"in {conversation}", conversation=conversation)
        cloud.message("written", "chat")
        until(lambda: texts(store))
        assert stop(process) == 0
    assert texts(store) == ["written"]


@pytest.mark.parametrize("fault", ["no-answer", "503"])
def test_it_stops_in_time_while_rest_is_down(cloud: GenesysCloud, tmp_path: Path, fault: str) -> None:
    with streaming(tmp_path / "s.db", cloud.settings(), *BY_NAME) as process:
        cloud.begin("a")
        cloud.wait_subscribed("a", within_s=30)
        cloud.fault(fault, at="api", times=None)
        cloud.begin("b")
        cloud.fault("drop")
        cloud.wait_disconnected()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - began < 10


def test_it_stops_in_time_though_no_channel_hangs_up(cloud: GenesysCloud, tmp_path: Path) -> None:
    with streaming(tmp_path / "s.db", cloud.settings(), *BY_NAME) as process:
        cloud.begin("a")
        cloud.wait_subscribed("a", within_s=30)
        cloud.fault("silence", read=False)
        began = time.monotonic()
        assert stop(process) == 0
        assert time.monotonic() - began < 10


def test_a_client_that_may_not_hear_calls_is_77_in_one_line(cloud: GenesysCloud, tmp_path: Path) -> None:
    cloud.permissions.discard("conversation:transcription:view")
    cloud.begin("a")
    done = run("stream", "--store", str(tmp_path / "s.db"), env=cloud.settings())
    assert done.returncode == 77
    assert "conversation:transcription:view" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.anyio
async def test_open_stream_yields_what_channels_bring(cloud: GenesysCloud) -> None:
    names = {
        "client_id": "GENESYS_CLIENT_ID",
        "client_secret": "GENESYS_CLIENT_SECRET",
        "login_url": "GENESYS_LOGIN_URL",
        "api_url": "GENESYS_API_URL",
    }
    values = cloud.settings()
    platform: dict[str, Any] = {key: values[name] for key, name in names.items()}
    async with genscribe.open_stream(source="notifications", kinds=("utterance", "conversation"), **platform) as stream:
        cloud.begin("a")
        await anyio.to_thread.run_sync(cloud.wait_subscribed, "a")
        cloud.say("how can i help", conversation="a", speaker="agent")
        found: dict[str, Any] = {}
        async for event in stream:
            found[event.kind] = event
            if len(found) == 2:
                break
    assert found["conversation"].state == "started"
    assert (found["utterance"].speaker, found["utterance"].text) == ("agent", "how can i help")
    assert found["utterance"].source == "notifications"
