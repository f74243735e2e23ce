"""Defect 10 of the tutorial, the rest of it: what was said exists only in the loop that prints it. Order is that of
luck, a time without a connection leaves no trace, a connection that died quietly is waited on for ever, and work that
takes long stops the reading, so that the library misses its pongs and hangs up.
"""

from __future__ import annotations

from datetime import datetime

import anyio
import pytest

from genscribe import open_store
from genscribe.delivery import Delivery
from genscribe.emulator import Emulator
from tests.fault.recording import recording
from tests.fault.rig import rig
from tests.virtual_time import EPOCH_MS, VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


class SlowSink:
    """Takes half a minute for each batch."""

    guarantee = "at-least-once"
    kinds = frozenset({"utterance"})

    def __init__(self):
        self.seqs = []

    async def open(self):
        pass

    async def write(self, batch):
        await anyio.sleep(30)
        self.seqs += [record.seq for record in batch]

    async def aclose(self):
        pass


async def test_what_was_said_is_there_after_the_process(tmp_path):
    store = tmp_path / "s.db"
    async with Emulator() as platform, recording(platform, store) as made:
        for number in range(50):
            platform.say(f"line {number}")
        await made.committed(50)
    with open_store(store) as read:
        assert [one.text for one in read.utterances()] == [f"line {number}" for number in range(50)]


async def test_order_is_kept_as_it_came_and_read_as_it_was_spoken(tmp_path):
    store = tmp_path / "s.db"
    async with Emulator() as platform, recording(platform, store) as made:
        for second in (3, 1, 2):
            platform.say(f"second {second}", conversation="c", at=EPOCH_MS + second * 1000)
        await made.committed(3)
    with open_store(store) as read:
        assert [one.text for one in read.utterances()] == ["second 3", "second 1", "second 2"]
        assert [one.text for one in read.conversation("c")] == ["second 1", "second 2", "second 3"]


async def test_what_comes_again_after_a_reconnect_is_stored_once(tmp_path):
    store = tmp_path / "s.db"
    async with Emulator() as platform, recording(platform, store) as made:
        platform.say("hello", at=EPOCH_MS)
        await made.committed(1)
        platform.fault("drop")
        await platform.wait_disconnected()
        await platform.wait_connected(within_s=60)
        platform.say("hello", at=EPOCH_MS)
        platform.say("goodbye", at=EPOCH_MS + 1)
        await made.committed(3)
        journal = await made.events()
        assert [getattr(one, "text", one.kind) for one in journal] == ["hello", "gap", "goodbye"]


async def test_a_time_without_a_connection_is_on_record(tmp_path):
    store = tmp_path / "s.db"
    async with Emulator() as platform, recording(platform, store) as made:
        platform.say("before")
        await made.committed(1)
        platform.fault("503", times=3)
        platform.fault("drop")
        await platform.wait_disconnected()
        missed = platform.say("said to nobody")
        await platform.wait_connected(within_s=120)
        await made.committed(2)
    with open_store(store) as read:
        (gap,) = read.gaps()
        said_at = datetime.fromisoformat(missed.timestamp.replace("Z", "+00:00"))
        assert gap.started_at <= said_at <= gap.ended_at
        assert gap.reason == "disconnected"


async def test_a_connection_that_died_quietly_is_noticed_within_a_minute():
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("silence", read=False)
        await run.heard.until(lambda: run.heard.open_gap is not None, within_s=60)
        await run.platform.wait_handshakes(2, within_s=60)


async def test_work_that_takes_long_disconnects_nothing_and_loses_nothing(tmp_path):
    slow = SlowSink()

    def feed(pipeline):
        pipeline.deliveries = [Delivery("slow", slow, pipeline.journal, pipeline.telemetry)]

    async with Emulator() as platform, recording(platform, tmp_path / "s.db", change=feed) as made:
        for number in range(600):
            platform.say(f"line {number}")
            await anyio.sleep(1)
        await made.committed(600)
        assert len(platform.ledger.handshakes) == 1
        assert made.pipeline.status().gaps == 0
        assert 0 < len(slow.seqs) < 600, "the sink lags, and nobody else does"


async def test_a_journal_without_room_slows_the_platform_down_and_loses_nothing():
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.heard.full = True
        said = [f"{number} " + "x" * 10_000 for number in range(1500)]
        for text in said:
            run.platform.say(text)
        await anyio.sleep(50)
        assert len(run.heard.texts) < len(said) / 2
        run.heard.full = False
        run.heard.hearing(heard_at=0)
        await run.hears(said[-1])
        assert run.heard.texts == said
        assert len(run.platform.ledger.handshakes) == 1
