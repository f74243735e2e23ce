"""`open_stream` and `open_store` against the emulator: what programs rely on."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import anyio
import pytest

import genscribe
from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import environment

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running() as made:
        yield made


@pytest.fixture
def platform(cloud: GenesysCloud) -> dict[str, Any]:
    names = {
        "client_id": "GENESYS_CLIENT_ID",
        "client_secret": "GENESYS_CLIENT_SECRET",
        "login_url": "GENESYS_LOGIN_URL",
        "api_url": "GENESYS_API_URL",
    }
    values = cloud.settings()
    return {key: values[name] for key, name in names.items()} | {"source": "transcripts"}


async def connected(cloud: GenesysCloud) -> None:
    await anyio.to_thread.run_sync(cloud.wait_connected)


async def take(stream: genscribe.Stream, count: int) -> list[Any]:
    found = []
    async for event in stream:
        found.append(event)
        if len(found) == count:
            break
    return found


async def test_yields_final_utterances_with_aware_times(cloud: GenesysCloud, platform: dict[str, Any]) -> None:
    async with genscribe.open_stream(**platform) as stream:
        await connected(cloud)
        before = datetime.now(timezone.utc)
        cloud.say("how can i help", speaker="agent")
        (utterance,) = await take(stream, 1)
    assert (utterance.speaker, utterance.text, utterance.seq) == ("agent", "how can i help", 1)
    assert utterance.is_final
    assert abs((utterance.spoken_at - before).total_seconds()) < 5
    assert utterance.received_at.tzinfo is not None


async def test_without_a_store_nothing_is_left_behind(
    cloud: GenesysCloud, platform: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with genscribe.open_stream(**platform) as stream:
        await connected(cloud)
        cloud.say("hello")
        await take(stream, 1)
        (folder,) = tmp_path.iterdir()
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert list(tmp_path.iterdir()) == []


async def test_a_caller_who_blocks_his_loop_disconnects_and_loses_nothing(
    cloud: GenesysCloud, platform: dict[str, Any]
) -> None:
    async with genscribe.open_stream(**platform) as stream:
        await connected(cloud)
        talker = threading.Thread(target=lambda: [cloud.say(f"line {n}") or time.sleep(0.001) for n in range(1000)])
        talker.start()
        time.sleep(4)  # the caller's loop stands still
        talker.join()
        found = await take(stream, 1000)
    assert [utterance.text for utterance in found] == [f"line {n}" for n in range(1000)]
    assert cloud.ledger.handshake_count == 1


async def test_a_named_stream_resumes_after_the_last_one_asked_for(
    cloud: GenesysCloud, platform: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    async with genscribe.open_stream(store=store, name="me", **platform) as stream:
        await connected(cloud)
        for number in range(10):
            cloud.say(f"line {number}")
        assert [one.text for one in await take(stream, 4)] == ["line 0", "line 1", "line 2", "line 3"]
    async with genscribe.open_stream(store=store, name="me", **platform) as stream:
        assert [one.text for one in await take(stream, 2)] == ["line 4", "line 5"]


async def test_after_an_exception_the_one_in_hand_comes_again(
    cloud: GenesysCloud, platform: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    with pytest.raises(ZeroDivisionError):
        async with genscribe.open_stream(store=store, name="me", **platform) as stream:
            await connected(cloud)
            for number in range(5):
                cloud.say(f"line {number}")
            async for utterance in stream:
                if utterance.text == "line 2":
                    raise ZeroDivisionError
    async with genscribe.open_stream(store=store, name="me", **platform) as stream:
        assert [one.text for one in await take(stream, 1)] == ["line 2"]


async def test_after_kill_9_only_the_one_in_hand_comes_again(
    cloud: GenesysCloud, platform: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    program = textwrap.dedent(
        f"""
        import asyncio, genscribe
        async def main():
            async with genscribe.open_stream(store={str(store)!r}, name="me", source="transcripts") as stream:
                async for utterance in stream:
                    print(utterance.text, flush=True)
                    await asyncio.sleep(0.5 if utterance.text != "line 3" else 60)
        asyncio.run(main())
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment(cloud.settings()), stdout=subprocess.PIPE, text=True
    )
    try:
        await connected(cloud)
        for number in range(6):
            cloud.say(f"line {number}")
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "line 3":
                break
        time.sleep(1)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    async with genscribe.open_stream(store=store, name="me", **platform) as stream:
        assert [one.text for one in await take(stream, 1)] == ["line 3"]


async def test_beginning_now_and_kinds(cloud: GenesysCloud, platform: dict[str, Any], tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    async with genscribe.open_stream(store=store, **platform) as stream:
        await connected(cloud)
        cloud.say("yesterday")
        await take(stream, 1)
    async with genscribe.open_stream(store=store, start="beginning", kinds=("utterance", "gap"), **platform) as stream:
        assert [event.kind for event in await take(stream, 2)] == ["utterance", "gap"]
    async with genscribe.open_stream(store=store, **platform) as stream:
        await connected(cloud)
        cloud.say("today")
        assert [one.text for one in await take(stream, 1)] == ["today"]


async def test_stop_after_ends_the_iteration(cloud: GenesysCloud, platform: dict[str, Any]) -> None:
    async with genscribe.open_stream(stop_after=1.5, **platform) as stream:
        await connected(cloud)
        cloud.say("last words")
        assert [one.text async for one in stream] == ["last words"]


async def test_a_fatal_end_raises_its_class_with_its_exit_code(cloud: GenesysCloud, platform: dict[str, Any]) -> None:
    cloud.fault("403", times=None)
    with pytest.raises(genscribe.errors.NotPermitted) as caught:
        async with genscribe.open_stream(**platform) as stream:
            await take(stream, 1)
    assert caught.value.exit_code == 77


async def test_a_store_held_by_another_raises_store_busy(
    cloud: GenesysCloud, platform: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    async with genscribe.open_stream(store=store, **platform):
        with pytest.raises(genscribe.errors.StoreBusy) as caught:
            async with genscribe.open_stream(store=store, **platform):
                pass
    assert caught.value.exit_code == 75


async def test_sinks_are_fed_besides(cloud: GenesysCloud, platform: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    async with genscribe.open_stream(sinks=[f"jsonl:{out}"], **platform) as stream:
        await connected(cloud)
        cloud.say("hello")
        await take(stream, 1)
    assert '"text":"hello"' in out.read_text()


async def test_cancelling_the_caller_closes_everything(cloud: GenesysCloud, platform: dict[str, Any]) -> None:
    async def wait_for_ever() -> None:
        async with genscribe.open_stream(**platform) as stream:
            await take(stream, 1)

    task = asyncio.create_task(wait_for_ever())
    await connected(cloud)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await anyio.to_thread.run_sync(cloud.wait_disconnected)
    assert [thread.name for thread in threading.enumerate() if thread.name == "genscribe-writer"] == []


async def test_an_open_store_is_read_while_it_is_written(
    cloud: GenesysCloud, platform: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    async with genscribe.open_stream(store=store, **platform) as stream:
        await connected(cloud)
        cloud.say("i lost my card", conversation="call-1", speaker="customer")
        await take(stream, 1)
        with genscribe.open_store(store) as reading:
            with anyio.fail_after(10):
                async for event in reading.follow(after=0):
                    assert event.text == "i lost my card"
                    break
            with anyio.fail_after(10):
                while not reading.search("lost card"):
                    await anyio.sleep(0.05)
            (found,) = reading.search("lost card")
            assert found.conversation_id == "call-1"
            assert [one.text for one in reading.conversation("call-1")] == ["i lost my card"]
            assert [one.conversation_id for one in reading.conversations()] == ["call-1"]


def test_no_store_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(genscribe.errors.ConfigError):
        genscribe.open_store(tmp_path / "none.db")


def test_importing_genscribe_is_cheap() -> None:
    heavy = "apsw httpx2 websockets rich starlette uvicorn"
    program = f"import sys, genscribe; print([name for name in {heavy.split()!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_block_begins_connected(cloud: GenesysCloud, platform: dict[str, Any]) -> None:
    async with genscribe.open_stream(**platform) as stream:
        cloud.say("said at once")
        assert [one.text for one in await take(stream, 1)] == ["said at once"]


async def test_the_block_begins_without_a_platform_that_is_down(
    cloud: GenesysCloud, platform: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genscribe.stream.CONNECT_S", 0.3)
    cloud.fault("503", times=None)
    async with genscribe.open_stream(stop_after=0.5, **platform) as stream:
        assert [one.text async for one in stream] == []


async def test_cancelling_before_the_first_connection_closes_everything(
    cloud: GenesysCloud, platform: dict[str, Any]
) -> None:
    cloud.fault("503", times=None)
    with anyio.move_on_after(1) as scope:
        async with genscribe.open_stream(**platform):
            raise AssertionError("nobody is there to connect to")
    assert scope.cancelled_caught
    assert [thread.name for thread in threading.enumerate() if thread.name == "genscribe-writer"] == []
