"""Calls that nobody tells us of in time: found, told and ended all the same, and what was not heard is a gap."""

from __future__ import annotations

import anyio
import pytest

from genscribe import clock
from genscribe.emulator import Emulator
from genscribe.emulator.organisation import Organisation
from genscribe.sources.notifications import Wanted
from tests.fault.channels import channel_rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


async def test_an_event_that_first_tells_of_a_call_in_which_an_agent_talks_for_long_is_late() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.organisation.analytics_lag_s = 60
        platform.fault("lose-queue-events", times=10)
        await anyio.sleep(1)
        began = clock.wall_ms()
        platform.begin("c")
        await anyio.sleep(10)
        platform.lift()
        platform.consult("c")
        await rig.heard.until(lambda: rig.heard.missed and rig.heard.missed[0].until)
        (missed,) = rig.heard.missed
        assert (missed.conversation_ids, missed.reason) == (("c",), "late")
        assert abs(missed.since - began) < 1000


async def test_a_call_of_which_we_first_hear_that_it_is_over_is_told_and_is_a_gap() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.fault("lose-queue-events", times=10)
        await anyio.sleep(10)
        platform.begin("c")
        await anyio.sleep(10)
        platform.lift()
        platform.end("c")
        await rig.heard.until(lambda: rig.states("c") == ["started", "ended"])
        (missed,) = rig.heard.missed
        assert missed.until is not None
        assert missed.until - missed.since >= 9_000
        assert rig.participants("c")


async def test_a_short_direct_call_between_two_sweeps_leaves_a_trace() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await anyio.sleep(40)
        platform.begin("short", queue=None)
        await anyio.sleep(9)
        platform.end("short")
        await rig.heard.until(lambda: rig.states("short") == ["started", "ended"], within_s=60)
        assert [missed.conversation_ids for missed in rig.heard.missed] == [("short",)]


async def test_a_direct_call_ends_soon_after_its_session_has() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("direct", queue=None)
        platform.say("hello", conversation="direct")
        await rig.hears("hello")
        await anyio.sleep(60)
        ended = clock.wall_ms()
        platform.end("direct")
        await rig.heard.until(lambda: "ended" in rig.states("direct"), within_s=60)
        assert clock.wall_ms() - ended <= 15_000


async def test_the_messages_of_an_excluded_queue_are_never_asked_for() -> None:
    async with Emulator() as platform:
        platform.begin("hidden", queue="Sales", media_type="message")
        platform.message("secret of sales", "hidden")
        async with channel_rig(platform, wanted=Wanted(exclude_queues=("Sales",))) as rig:
            await rig.listens()
            platform.begin("chat", queue="Support", media_type="message")
            platform.message("hello", "chat")
            await rig.hears("hello")
            platform.transfer("chat", queue="Sales")
            await anyio.sleep(5)
            platform.message("secret", "chat")
            platform.message("another secret", "hidden")
            await anyio.sleep(60)
            assert rig.heard.texts == ["hello"]
            assert not rig.states("hidden")


async def test_a_call_that_goes_to_an_excluded_queue_is_unsubscribed_at_once() -> None:
    async with Emulator() as platform, channel_rig(platform, wanted=Wanted(exclude_queues=("Sales",))) as rig:
        await rig.listens()
        await rig.call("c", queue="Support")
        platform.transfer("c", queue="Sales")
        await anyio.sleep(3)
        assert not platform.channels.holds("v2.conversations.c.transcription")


async def test_a_consult_with_an_excluded_queue_does_not_silence_the_call() -> None:
    async with Emulator() as platform, channel_rig(platform, wanted=Wanted(exclude_queues=("Sales",))) as rig:
        await rig.listens()
        await rig.call("c", queue="Support")
        platform.consult("c")
        await anyio.sleep(5)
        platform.say("still here", conversation="c", speaker="customer")
        await rig.hears("still here")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_whatever_a_lost_channel_answers_a_new_one_is_made(status: int) -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        await anyio.sleep(100)
        platform.fault(str(status), at="handshake", times=1)
        platform.fault("drop")
        await rig.heard.until(lambda: rig.heard.gaps, within_s=60)
        platform.say("on the new one", conversation="c")
        await rig.hears("on the new one")
        assert platform.channels.made == 2


async def test_names_that_come_late_are_told_then() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.fault("503", at="users", times=3)
        await rig.call("c")
        await rig.heard.until(lambda: any(one.user_name for one in rig.participants("c")), within_s=120)


async def test_credentials_refused_in_mid_run_end_it_once_the_token_has_ended_though_the_channel_stays() -> None:
    async with Emulator(expires_in=1200) as platform:
        platform.streaming.silent.add("token")
        async with channel_rig(platform) as rig:
            await rig.listens()
            platform.fault("invalid_client", times=None)
            with anyio.fail_after(1800):
                await rig.done.wait()
            assert rig.ended is not None
            assert rig.ended.exit_code == 78


async def test_a_conversation_whose_texts_are_refused_holds_up_no_other_and_is_asked_for_again() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.fault("403", at="messages", times=1)
        platform.begin("refused", media_type="message")
        platform.message("later", "refused")
        await anyio.sleep(5)
        before = rig.memory.cursors["(texts)"]
        platform.begin("other", media_type="message")
        platform.message("now", "other")
        asked = clock.wall_ms()
        await rig.hears("now")
        assert clock.wall_ms() - asked <= 10_000
        assert rig.memory.cursors["(texts)"] == before, "the refused one is asked for again after a crash"
        await rig.hears("later")
        await rig.heard.until(lambda: rig.memory.cursors["(texts)"] > before + 1)


async def test_names_are_looked_up_where_the_list_of_conversations_is_forbidden() -> None:
    async with Emulator() as platform:
        platform.permissions -= {"analytics:conversationDetail:view", "analytics:agentConversationDetail:view"}
        async with channel_rig(platform) as rig:
            await rig.listens()
            await rig.call("c")
            await rig.heard.until(lambda: any(one.user_name for one in rig.participants("c")), within_s=120)


async def test_a_call_that_began_just_before_the_first_sweep_is_found_soon_although_analytics_lags() -> None:
    async with Emulator(organisation=Organisation(analytics_lag_s=5)) as platform:
        platform.begin("c")
        began = clock.wall_ms()
        async with channel_rig(platform) as rig:
            await rig.listens()
            assert not rig.states("c")
            await platform.wait_subscribed("c", within_s=60)
            assert clock.wall_ms() - began <= 10_000
