"""Rows G1 to G10 of the fault matrix, and what else may befall a channel, in virtual time."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.core.subscriptions import Plan
from genscribe.emulator import Emulator
from genscribe.emulator.organisation import Organisation
from genscribe.errors import NotPermitted
from genscribe.sources.notifications import Wanted
from tests.fault.channels import MemoryJournal, channel_rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


async def test_a_call_is_heard_from_its_subscription_to_its_end() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c", queue="Sales")
        platform.say("hello", conversation="c", speaker="customer")
        said = await rig.hears("hello")
        assert (said.speaker, said.side, said.media_type, said.source) == (
            "customer",
            "external",
            "voice",
            "notifications",
        )
        platform.end("c")
        await rig.heard.until(lambda: rig.states("c") == ["started", "ended"])
        assert {one.purpose for one in rig.participants("c")} == {"customer", "acd", "agent"}
        assert not rig.heard.gaps
        assert not rig.heard.missed


async def test_g1_a_channel_that_nears_its_end_is_replaced_without_a_gap() -> None:
    async with Emulator(channel_life_s=1200) as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        for minute in range(0, 100, 10):
            await anyio.sleep(600)
            platform.say(f"minute {minute}", conversation="c")
            await rig.hears(f"minute {minute}")
        assert not rig.heard.gaps
        assert not rig.heard.missed
        assert platform.channels.made >= 5


async def test_g2_socket_closing_is_answered_by_a_new_channel_before_the_old_one_closes() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        platform.fault("socket-closing", warnings=3)
        for second in range(90):
            platform.say(f"line {second}", conversation="c")
            await anyio.sleep(1)
        await rig.hears("line 89")
        assert sorted(set(rig.heard.texts)) == sorted(f"line {second}" for second in range(90))
        assert not rig.heard.gaps
        assert rig.telemetry.counters.reconnects["handover"] == 1


@pytest.mark.parametrize(
    ("fault", "settings", "reason", "word"),
    [
        ("evict", {}, "evicted", "20 channels"),
        ("no-longer-subscribed", {}, "evicted", "no_longer_subscribed"),
        ("token-revoked", {}, "disconnected", "token_revoked"),
        ("heartbeat-stops", {}, "silent", "did not answer a ping"),
        ("drop", {}, "disconnected", "lost notifications"),
        ("clean-close", {"code": 1001}, "disconnected", "lost notifications"),
        ("1008", {}, "disconnected", "lost notifications"),
        ("silence", {}, "silent", "silent"),
    ],
)
async def test_a_lost_channel_is_one_gap_that_says_why(
    fault: str, settings: dict[str, object], reason: str, word: str
) -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        platform.say("before", conversation="c")
        await rig.hears("before")
        await anyio.sleep(100)
        began = clock.wall_ms()
        platform.fault(fault, **settings)
        await anyio.sleep(200)
        platform.say("after", conversation="c")
        await rig.hears("after")
        ((since, until, why),) = rig.heard.gaps
        assert why == reason
        assert began - 40_000 <= since <= until
        assert until - since <= 120_000
        assert word in rig.logged()


async def test_a_channel_lost_before_we_say_that_we_hear_is_swept_after_at_once_and_a_gap() -> None:
    """A call is heard as soon as it is subscribed, which is before the first sweep is known to be whole."""
    async with Emulator() as platform:
        platform.begin("first")
        async with channel_rig(platform) as rig:
            await platform.wait_subscribed("first")
            platform.say("before", conversation="first")
            await rig.hears("before")
            assert not rig.heard.connected
            lost = clock.wall_ms()
            platform.fault("evict")
            await platform.wait_disconnected()
            platform.begin("second")
            platform.say("missed", conversation="first")
            await platform.wait_subscribed("second", within_s=15)
            assert rig.heard.connected
            ((since, until, why),) = rig.heard.gaps
            assert why == "evicted"
            assert since <= lost + 1000 < until


async def test_a_handover_does_not_hide_that_the_old_channel_was_dead() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        await anyio.sleep(61)
        dead = clock.wall_ms()
        platform.fault("silence")
        await anyio.sleep(10)
        rig.source._shards[0]._links[0].replace("a test wants it")
        platform.say("missed", conversation="c")
        await anyio.sleep(60)
        platform.say("heard", conversation="c")
        await rig.hears("heard")
        ((since, until, why),) = rig.heard.gaps
        assert why == "silent"
        assert since <= dead
        assert until >= dead + 10_000


async def test_a_call_that_begins_while_we_are_deaf_is_found_and_has_a_gap_of_its_own() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await anyio.sleep(100)
        platform.fault("503", at=("channels", "subscriptions", "handshake"), times=10)
        platform.fault("drop")
        await rig.heard.until(lambda: rig.heard.open_gap)
        began = clock.wall_ms()
        platform.begin("c")
        await platform.wait_subscribed("c", within_s=600)
        platform.say("found", conversation="c")
        await rig.hears("found")
        await rig.heard.until(lambda: rig.heard.missed and rig.heard.missed[0].until)
        (missed,) = rig.heard.missed
        assert missed.conversation_ids == ("c",)
        assert missed.reason == "late"
        assert missed.since <= began


async def test_a_direct_call_is_found_by_a_sweep_with_a_gap_from_its_start() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await anyio.sleep(31)
        began = clock.wall_ms()
        await rig.call("direct", queue=None)
        await rig.heard.until(lambda: rig.heard.missed and rig.heard.missed[0].until)
        (missed,) = rig.heard.missed
        assert (missed.conversation_ids, missed.reason, missed.since) == (("direct",), "late", began)
        assert clock.wall_ms() - began <= 40_000


async def test_a_call_in_progress_at_the_very_first_start_has_no_gap() -> None:
    async with Emulator() as platform:
        platform.begin("old", queue=None)
        await anyio.sleep(300)
        async with channel_rig(platform) as rig:
            await rig.listens()
            platform.say("heard", conversation="old")
            await rig.hears("heard")
            await anyio.sleep(60)
            assert not rig.heard.missed


async def test_a_topic_that_is_confirmed_late_is_a_gap_of_that_call_only() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.fault("429", at="subscriptions", times=1, retry_after=20)
        began = clock.wall_ms()
        await rig.call("c")
        await rig.heard.until(lambda: rig.heard.missed and rig.heard.missed[0].until)
        (missed,) = rig.heard.missed
        assert (missed.conversation_ids, missed.reason) == (("c",), "late")
        assert abs(missed.since - began) < 1000
        assert missed.until is not None
        assert missed.until - missed.since >= 20_000
        assert not rig.heard.gaps


async def test_g4_more_calls_than_fit_on_a_channel_get_another_one() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        for number in range(2_200):
            platform.begin(f"c{number}")
        await platform.wait_topics(2_204, within_s=600)
        assert max(len(channel.topics) for channel in platform.channels.all) <= 1_000
        platform.say("last", conversation="c2199")
        await rig.hears("last")
        assert not rig.heard.gaps


async def test_g5_a_forbidden_topic_costs_only_itself_and_is_named() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.forbidden_topics.add("v2.conversations.secret.transcription")
        platform.begin("secret")
        await rig.call("plain")
        platform.say("heard", conversation="plain")
        await rig.hears("heard")
        await anyio.sleep(30)
        assert rig.ended is None
        assert "conversation:transcription:view" in rig.logged()


async def test_all_forbidden_ends_the_run_with_77() -> None:
    async with Emulator() as platform:
        platform.permissions.discard("conversation:transcription:view")
        async with channel_rig(platform) as rig:
            await rig.listens()
            platform.begin("c")
            with anyio.fail_after(60):
                await rig.done.wait()
            assert isinstance(rig.ended, NotPermitted)
            assert "conversation:transcription:view" in str(rig.ended)


async def test_g6_topics_that_the_platform_loses_are_found_missing_and_asked_for_again() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        for number in range(8):
            await rig.call(f"c{number}")
        platform.fault("forget-topics", count=12)
        await anyio.sleep(400)
        platform.say("again", conversation="c3")
        await rig.hears("again")
        lost = {one for missed in rig.heard.missed for one in missed.conversation_ids}
        assert lost == {f"c{number}" for number in range(8)}
        assert all(missed.until for missed in rig.heard.missed)


async def test_a_call_that_loses_its_topic_waits_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        await anyio.sleep(1000)
        gauges = rig.telemetry.gauges
        assert gauges["waiting_s"] == 0
        miss = rig.heard.miss

        def miss_and_refuse(*args: Any, **more: Any) -> str:
            platform.fault("503", at="subscriptions", times=None, retry_after=1)
            return miss(*args, **more)

        monkeypatch.setattr(rig.heard, "miss", miss_and_refuse)
        platform.fault("forget-topics", count=12)
        with anyio.fail_after(400):
            while gauges["waiting_s"] == 0:
                await anyio.sleep(0.1)
        assert gauges["waiting_s"] < 2
        await anyio.sleep(20)
        assert 15 < gauges["waiting_s"] < 40
        platform.lift()
        await anyio.sleep(100)
        assert gauges["waiting_s"] == 0


async def test_g10_a_token_that_ends_takes_no_word_with_it() -> None:
    async with Emulator(expires_in=1200) as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        for minute in range(60):
            await anyio.sleep(60)
            platform.say(f"minute {minute}", conversation="c")
            await rig.hears(f"minute {minute}")
        assert not rig.heard.gaps
        assert not rig.heard.missed
        assert platform.ledger.token_count >= 3


async def test_a_process_that_takes_our_channel_gets_it() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        await anyio.sleep(100)
        platform.fault("second-process", returns=20, every_s=1.0)
        await anyio.sleep(120)
        platform.say("ours", conversation="c")
        await rig.hears("ours")
        assert "Another process" in rig.logged()
        assert not rig.heard.open_gap


async def test_an_excluded_queue_is_not_heard_and_a_call_that_goes_there_is_let_go() -> None:
    async with (
        Emulator() as platform,
        channel_rig(platform, wanted=Wanted(exclude_queues=("sal*",))) as rig,
    ):
        await rig.listens()
        await rig.call("c", queue="Support")
        platform.begin("never", queue="Sales")
        platform.say("before", conversation="c")
        await rig.hears("before")
        platform.transfer("c", queue="Sales")
        platform.say("in sales", conversation="c")
        await anyio.sleep(20)
        platform.transfer("c", queue="Billing")
        await anyio.sleep(40)
        platform.say("in billing", conversation="c")
        await rig.hears("in billing")
        assert "in sales" not in rig.heard.texts
        topics = {topic for channel in platform.channels.all for topic in channel.topics}
        assert "v2.conversations.never.transcription" not in topics


async def test_only_the_queues_that_were_chosen_are_heard() -> None:
    async with Emulator() as platform, channel_rig(platform, wanted=Wanted(queues=("Support",))) as rig:
        await rig.listens()
        platform.begin("sales", queue="Sales")
        platform.begin("direct", queue=None)
        await rig.call("support", queue="Support")
        await anyio.sleep(90)
        topics = {topic for channel in platform.channels.all for topic in channel.topics}
        assert {topic for topic in topics if "transcription" in topic} == {"v2.conversations.support.transcription"}


async def test_a_new_queue_is_noticed() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        queue = platform.organisation.add_queue("Complaints")
        await anyio.sleep(90)
        topics = {topic for channel in platform.channels.all for topic in channel.topics}
        assert f"v2.routing.queues.{queue.id}.conversations" in topics


async def test_texts_are_fetched_by_the_ids_that_events_bring() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.begin("chat", media_type="message")
        platform.message("my card is lost", "chat")
        platform.message("let me look", "chat", speaker="agent")
        first, second = await rig.hears("my card is lost"), await rig.hears("let me look")
        assert (first.speaker, first.media_type) == ("customer", "message")
        assert second.speaker == "agent"


async def test_texts_of_an_outage_are_not_lost() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        platform.begin("chat", media_type="message")
        platform.message("one", "chat")
        await rig.hears("one")
        platform.fault("503", at=("channels", "handshake"), times=5)
        platform.fault("drop")
        await rig.heard.until(lambda: rig.heard.open_gap)
        platform.message("two", "chat")
        await rig.hears("two")
        assert rig.heard.texts.count("one") == 1


async def test_interim_results_are_shown_and_never_come_after_the_final() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        platform.say("how can", conversation="c", interim=True, utterance_id="u")
        platform.say("how can i help", conversation="c", utterance_id="u")
        final = await rig.hears("how can i help")
        interim = await rig.hears("how can")
        assert (interim.revision, interim.is_final, final.revision, final.is_final) == (0, False, 1, True)
        assert interim.key == final.key


async def test_a_call_that_ended_unseen_is_ended_by_its_details() -> None:
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        await anyio.sleep(150)
        platform.fault("lose-queue-events", times=10)
        platform.end("c")
        await rig.heard.until(lambda: rig.states("c") == ["started", "ended"], within_s=1200)


@pytest.mark.parametrize("trouble_s", [0, 120])
async def test_calls_that_a_run_before_left_are_ended(trouble_s: float) -> None:
    async with Emulator() as platform:
        platform.begin("c")
        async with channel_rig(platform) as rig:
            await rig.listens()
            await rig.heard.until(lambda: rig.states("c"))
        platform.end("c")
        memory = MemoryJournal(rig.heard, left=["c"])
        async with channel_rig(platform, memory=memory) as again:
            await again.heard.until(lambda: again.heard.connected)
            if trouble_s:
                platform.fault("503", at=("analytics",), times=None)
                await anyio.sleep(trouble_s)
                assert "ended" not in again.states("c")
                platform.lift()
            await again.heard.until(lambda: "ended" in again.states("c"), within_s=300)


def look_ups(platform: Emulator) -> int:
    return sum(each.path.endswith("/analytics/conversations/details") for each in platform.ledger.requests)


async def test_a_call_that_a_run_before_left_and_analytics_shows_late_is_ended() -> None:
    async with Emulator(organisation=Organisation(analytics_lag_s=90)) as platform:
        async with channel_rig(platform, stop=False) as rig:
            await rig.listens()
            await rig.call("c")
            await rig.heard.until(lambda: rig.states("c"))
        platform.end("c")
        async with channel_rig(platform, memory=MemoryJournal(rig.heard, left=["c", "unknown"])) as again:
            await again.heard.until(lambda: "ended" in again.states("c"), within_s=300)
            await anyio.sleep(300)
            asked = look_ups(platform)
            await anyio.sleep(300)
            assert look_ups(platform) == asked, "what analytics never shows is not asked about for ever"


async def test_the_last_words_are_heard_after_the_call_has_ended() -> None:
    async with Emulator(session_end_delay_s=40) as platform, channel_rig(platform) as rig:
        await rig.listens()
        await rig.call("c")
        platform.end("c")
        await anyio.sleep(30)
        platform.say("goodbye", conversation="c")
        await rig.hears("goodbye")
        await anyio.sleep(200)
        topics = {topic for channel in platform.channels.all for topic in channel.topics}
        assert "v2.conversations.c.transcription" not in topics


async def test_a_crash_loop_uses_the_channels_that_it_left_where_the_platform_names_them() -> None:
    async with Emulator() as platform:
        platform.channels.token_bound = False  # the ids of other tokens' channels are shown
        kept: dict[str, int] = {}
        for _ in range(5):
            async with channel_rig(platform, stop=False) as rig:
                rig.memory.remembered_channels.extend(kept.items())
                rig.memory.kept.update(kept)
                await rig.listens()
                kept = dict(rig.memory.kept)
        assert platform.channels.made == 1


async def test_a_platform_that_refuses_subscriptions_gets_one_channel_of_us_not_many() -> None:
    async with Emulator() as platform:
        platform.fault("503", at="subscriptions", times=12)
        async with channel_rig(platform) as rig:
            await rig.listens()
            assert platform.channels.made == 1


async def test_calls_in_progress_at_the_first_start_have_no_gap_however_long_their_topics_take() -> None:
    async with Emulator() as platform:
        for number in range(30):
            platform.begin(f"c{number}", queue=None)
        async with channel_rig(platform) as rig:
            await platform.wait_topics(4, within_s=60)
            platform.fault("429", at="subscriptions", times=1, retry_after=25)
            await rig.listens()
            platform.say("heard", conversation="c29")
            await rig.hears("heard")
            await anyio.sleep(30)
            assert not rig.heard.missed


async def test_beyond_the_limit_calls_are_refused_loudly_and_heard_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = partial(Plan, shards=1, topics=12, fill=10, reopen=8)
    monkeypatch.setattr("genscribe.sources.notifications.Plan", small)
    async with Emulator() as platform, channel_rig(platform) as rig:
        await rig.listens()
        for number in range(8):
            await rig.call(f"c{number}")
        platform.begin("one too many")
        await rig.heard.until(lambda: rig.heard.missed)
        await anyio.sleep(5)
        assert "no room for more topics" in rig.logged()
        platform.end("c0")
        await platform.wait_subscribed("one too many", within_s=600)
        platform.say("heard at last", conversation="one too many")
        await rig.hears("heard at last")
        (missed,) = rig.heard.missed
        assert (missed.conversation_ids, missed.reason) == (("one too many",), "limit")
        assert missed.until is not None


async def test_a_call_that_comes_back_before_its_topic_is_removed_is_heard_without_a_gap() -> None:
    async with Emulator() as platform, channel_rig(platform, wanted=Wanted(exclude_queues=("Sales",))) as rig:
        await rig.listens()
        await rig.call("c", queue="Support")
        platform.transfer("c", queue="Sales")
        await anyio.sleep(2)
        platform.transfer("c", queue="Billing")
        await anyio.sleep(30)
        platform.say("back", conversation="c")
        await rig.hears("back")
        assert not rig.heard.missed


async def test_the_same_topics_move_to_the_new_channel_one_shard_after_the_other() -> None:
    async with Emulator(expires_in=3000) as platform, channel_rig(platform) as rig:
        await rig.listens()
        for number in range(1_900):
            platform.begin(f"c{number}", queue=None if number % 2 else "Sales")
        await platform.wait_topics(1_904, within_s=600)
        await rig.heard.until(lambda: all(missed.until for missed in rig.heard.missed), within_s=600)
        told = len(rig.heard.missed)
        for minute in range(60):
            await anyio.sleep(60)
            platform.say(f"minute {minute}", conversation=f"c{minute * 31}")
            await rig.hears(f"minute {minute}")
        assert len(rig.heard.missed) == told
        assert not rig.heard.gaps
        assert rig.telemetry.counters.reconnects["handover"] >= 3
