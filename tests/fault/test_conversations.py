"""What befalls conversations on their way from the first look to the last word, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.core.subscriptions import Plan
from genscribe.emulator import Emulator
from genscribe.emulator.channels import EVICTED, Channel
from genscribe.emulator.organisation import Organisation
from genscribe.errors import InvalidClient
from genscribe.events import Message
from genscribe.genesys import notifications as rest
from genscribe.genesys.api import ApiClient
from genscribe.genesys.oauth import Token
from genscribe.sources.conversations import LATE_S, topic_of
from genscribe.sources.notifications import Wanted
from genscribe.sources.texts import AGAIN_AFTER_S, CURSOR
from tests.fault.channels import ChannelRig, MemoryJournal, channel_rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two channels of six topics; the four queues are on the first."""
    monkeypatch.setattr("genscribe.sources.notifications.Plan", lambda: Plan(shards=2, topics=6, fill=5, reopen=4))


def topics(platform: Emulator) -> set[str]:
    return {topic for channel in platform.channels.all for topic in channel.topics if "transcription" in topic}


def channel_of(platform: Emulator, conversation: str) -> Channel:
    (channel,) = platform.channels.audience(f"v2.conversations.{conversation}.transcription")
    return channel


async def hears_again(run: ChannelRig, conversation: str) -> None:
    """Waits until the call has a channel, and then hears a line in it."""
    await run.platform.wait_subscribed(conversation, within_s=600)
    text = f"again {clock.wall_ms()}"
    run.platform.say(text, conversation=conversation)
    await run.hears(text)


# Found, and late or not.


async def test_a_call_that_a_sweep_finds_in_progress_has_a_gap_from_its_start_however_young() -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        await anyio.sleep(35)
        began = clock.wall_ms()
        await run.call("direct", queue=None)
        assert clock.wall_ms() - began < 6000
        await anyio.sleep(60)
        (missed,) = run.heard.missed
        assert (missed.conversation_ids, missed.reason, missed.since) == (("direct",), "late", began)


async def test_a_call_that_a_sweep_shows_after_its_queue_event_has_no_gap() -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        await anyio.sleep(10)
        await run.call("c")
        await anyio.sleep(700)
        assert not run.heard.missed
        assert run.states("c") == ["started"]


async def test_an_ended_call_that_analytics_still_shows_is_not_begun_again() -> None:
    organisation = Organisation(analytics_lag_s=90)
    async with Emulator(organisation=organisation) as platform, channel_rig(platform) as run:
        await run.listens()
        await run.call("c")
        await anyio.sleep(100)
        platform.end("c")
        await anyio.sleep(300)
        assert run.states("c") == ["started", "ended"]
        assert not run.heard.missed
        assert not topics(platform)


async def test_a_young_call_that_analytics_does_not_know_yet_is_not_ended() -> None:
    organisation = Organisation(analytics_lag_s=90)
    async with Emulator(organisation=organisation) as platform, channel_rig(platform) as run:
        await run.listens()
        await anyio.sleep(570)
        await run.call("c")
        await anyio.sleep(700)
        assert run.states("c") == ["started"]
        platform.say("still here", conversation="c")
        await run.hears("still here")


# Excluded queues.


@pytest.mark.parametrize("away_s", [0.0, 0.5, 100.0])
async def test_a_call_that_returns_from_an_excluded_queue_is_heard_again_without_a_gap(away_s: float) -> None:
    async with Emulator() as platform, channel_rig(platform, wanted=Wanted(exclude_queues=("Sales",))) as run:
        await run.listens()
        await run.call("c", queue="Support")
        platform.transfer("c", queue="Sales")
        await anyio.sleep(away_s)
        platform.transfer("c", queue="Support")
        await anyio.sleep(2)
        await hears_again(run, "c")
        await anyio.sleep(30)
        assert not run.heard.missed
        assert run.states("c") == ["started"]


async def test_lines_of_an_excluded_queue_are_dropped_and_counted() -> None:
    async with Emulator() as platform, channel_rig(platform, wanted=Wanted(exclude_queues=("Sales",))) as run:
        await run.listens()
        await run.call("c", queue="Support")
        platform.transfer("c", queue="Sales")
        platform.say("in sales", conversation="c")  # on its way before the topic is given back
        await anyio.sleep(10)
        assert "in sales" not in run.heard.texts
        assert run.telemetry.counters.dropped == 1
        assert run.logged().count("excluded") == 0 or "in sales" not in run.logged()


# Texts.


async def test_texts_that_never_come_are_listed() -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        platform.begin("chat", media_type="message")
        platform.fault("404", at="messages", times=None)
        platform.message("lost", "chat")
        await run.heard.until(lambda: run.heard.unreadable, within_s=600)
        platform.lift()
        platform.message("found", "chat")
        await run.hears("found")
        (listed,) = run.heard.unreadable
        assert "never gave its text" in listed.reason
        assert b"lost" not in bytes(listed.raw)
        assert "lost" not in run.heard.texts
        assert "chat" in run.logged()


async def test_texts_that_are_forbidden_wait_for_the_permission() -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        platform.begin("chat", media_type="message")
        platform.fault("403", at="messages", times=None)
        platform.message("one", "chat")
        platform.message("two", "chat")
        await anyio.sleep(1000)
        assert not run.heard.texts
        assert not run.heard.unreadable
        refused = [line for line in run.logged().splitlines() if "text" in line]
        assert refused, "it is said"
        assert len(refused) <= 2, "and not every time"
        platform.lift()
        assert (await run.hears("one")).conversation_id == "chat"
        await run.hears("two")
        assert sorted(run.heard.texts) == ["one", "two"]


async def test_texts_behind_one_that_is_forbidden_are_not_fetched_again_by_the_next_run() -> None:
    """The cursor waits for the forbidden one, the others went on: after ten minutes dedupe no longer knows them."""
    async with Emulator() as platform:
        platform.fault("403", at="messages", times=None)
        async with channel_rig(platform, stop=False) as run:
            await run.listens()
            platform.begin("forbidden", media_type="message")
            platform.message("one", "forbidden")
            await run.heard.until(lambda: "forbids the text" in run.logged())
            platform.lift()
            platform.begin("chat", media_type="message")
            platform.message("two", "chat")
            await run.hears("two")
        platform.message("three", "chat")
        async with channel_rig(platform, memory=MemoryJournal(run.heard, cursors=run.memory.cursors)) as again:
            await again.hears("one")
            await again.hears("three")
            assert sorted(again.heard.texts) == ["one", "three", "two"]


async def test_texts_that_were_given_up_are_not_listed_again_by_the_next_run() -> None:
    async with Emulator() as platform:
        async with channel_rig(platform, stop=False) as run:
            await run.listens()
            platform.begin("chat", media_type="message")
            platform.fault("404", at="messages", times=None)
            platform.message("lost", "chat")
            await run.heard.until(lambda: run.heard.unreadable, within_s=600)
        memory = MemoryJournal(run.heard, cursors={CURSOR: 0})  # as an older one that is forbidden leaves it
        async with channel_rig(platform, memory=memory) as again:
            await anyio.sleep(sum(AGAIN_AFTER_S) + 60)
            platform.lift()
            platform.message("found", "chat")
            await again.hears("found")
            assert len(again.heard.unreadable) == 1
            assert memory.cursors[CURSOR] > 0


# The limit, and shards.


async def test_beyond_the_limit_a_call_has_a_gap_until_there_is_room(small: None) -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        for number in range(8):
            await run.call(f"c{number}")
        for number in (8, 9, 10):
            platform.begin(f"c{number}")
        await run.heard.until(lambda: len(run.heard.missed) == 3)
        assert {each.reason for each in run.heard.missed} == {"limit"}
        assert {each.conversation_ids for each in run.heard.missed} == {("c8",), ("c9",), ("c10",)}
        await anyio.sleep(5)
        assert "no room for more topics" in run.logged()
        for number in (0, 1):
            platform.end(f"c{number}")
        await hears_again(run, "c8")
        await hears_again(run, "c9")
        platform.end("c10")
        await run.heard.until(lambda: all(each.until for each in run.heard.missed), within_s=600)
        assert run.states("c10") == ["started", "ended"]
        assert max(len(channel.topics) for channel in platform.channels.all) <= 6
        assert not run.heard.gaps


async def test_a_shard_that_is_retired_comes_back_when_it_is_needed(small: None) -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        for round_ in range(3):
            for number in range(4):
                await run.call(f"{round_}-{number}")
            assert len(platform.connections) == 2
            for number in range(4):
                platform.end(f"{round_}-{number}")
            await platform.wait_until(lambda: len(platform.connections) == 1, within_s=900)
        await run.call("last")
        await hears_again(run, "last")
        assert not run.heard.gaps
        assert not run.heard.missed


async def test_a_shard_that_is_wanted_while_it_closes_is_heard(small: None) -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        for number in range(4):
            await run.call(f"c{number}")
        for number in range(4):
            platform.end(f"c{number}")
        await platform.wait_until(lambda: len(platform.connections) == 1, within_s=900)
        for number in range(4):
            await run.call(f"d{number}")
        shard = run.source._shards[1]
        for topic in list(run.source._plan.desired(1)):
            run.source._plan.drop(topic)
        run.source._plan.retire(1)
        shard.stop()
        for number in range(3):
            platform.begin(f"e{number}")
        for number in range(3):
            await hears_again(run, f"e{number}")


async def test_when_everything_is_heard_again_but_one_shard_its_calls_go_on_to_have_a_gap(small: None) -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        for number in range(3):
            await run.call(f"c{number}")
        first, second = channel_of(platform, "c0"), channel_of(platform, "c2")
        assert first is not second
        theirs = tuple(f"c{n}" for n in range(3) if channel_of(platform, f"c{n}") is second)
        await anyio.sleep(100)
        platform.fault("503", at="channels", times=None)
        platform.fault("drop", connection=first.connection)
        platform.channels.end(second, EVICTED)
        await run.heard.until(lambda: run.heard.open_gap)
        missed_at = clock.wall_ms()
        await run.heard.until(lambda: run.heard.connected)
        await hears_again(run, "c0")
        ((since, until, _),) = run.heard.gaps
        (partial,) = [each for each in run.heard.missed if each.until is None]
        assert partial.conversation_ids == theirs
        assert since <= missed_at <= until
        assert partial.since <= until, "no moment between the two gaps"
        platform.lift()
        await hears_again(run, "c2")
        assert all(each.until for each in run.heard.missed)
        assert [each.reason for each in run.heard.missed if each.conversation_ids == theirs] == ["evicted"]


# Answers that no document describes.


async def test_a_look_at_the_topics_that_is_refused_ends_nothing() -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        await run.call("c")
        for status in ("403", "400", "404"):
            platform.fault(status, at="subscriptions", times=1)
            await anyio.sleep(400)
            await hears_again(run, "c")
        assert run.ended is None


@pytest.mark.parametrize("status", ["400", "403", "404", "409"])
async def test_a_channel_that_refuses_our_connection_is_replaced(status: str) -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        await run.call("c")
        await anyio.sleep(100)
        platform.fault(status, at="handshake", times=1)
        platform.fault("drop")
        await run.heard.until(lambda: run.heard.open_gap)
        await run.heard.until(lambda: run.heard.gaps, within_s=600)
        await hears_again(run, "c")
        assert run.ended is None
        assert "transcript:read" not in run.logged()


async def test_a_channel_that_is_not_made_is_asked_for_again() -> None:
    async with Emulator() as platform:
        platform.fault("400", at="channels", times=3)
        async with channel_rig(platform) as run:
            await run.listens()
            await run.call("c")
            await hears_again(run, "c")


async def test_queues_and_channels_that_are_not_listed_end_nothing() -> None:
    async with Emulator() as platform:
        for place in ("channels", "queues"):
            platform.fault("400", at=place, times=1)
        async with channel_rig(platform) as run:
            await run.listens()
            await anyio.sleep(90)  # then they are listed
            await run.call("c")
            await hears_again(run, "c")
            assert run.ended is None


@pytest.mark.parametrize("what", ["call", "chat", "call on a channel of the last run"])
async def test_a_client_that_is_taken_away_in_mid_run_ends_the_run_in_words(what: str) -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        await run.call("c")
        platform.begin("chat", media_type="message")
        await anyio.sleep(100)
        platform.fault("invalid_client", times=None)
        platform.platform.revoke()  # of which the channel is told nothing
        for link in run.source._shards[0]._links:
            link.own = "last run" not in what
        if what == "chat":
            platform.message("hello", "chat")
        else:
            platform.begin("d")
        await anyio.sleep(600)
        assert isinstance(run.ended, InvalidClient)


# What is not heard is a gap.


@pytest.mark.parametrize("how", ["drop", "handover"])
async def test_a_call_that_was_heard_and_is_forbidden_on_the_next_channel_is_a_gap(how: str) -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        await run.call("c")
        await anyio.sleep(61)
        platform.forbidden_topics.add(topic_of("c"))
        if how == "drop":
            platform.fault("drop")
        else:
            run.source._shards[0]._links[0].replace("a test wants it")
        await anyio.sleep(20)
        said = clock.wall_ms()
        platform.say("unheard", conversation="c")
        await anyio.sleep(60)
        assert "unheard" not in run.heard.texts
        (missed,) = [one for one in run.heard.missed if one.conversation_ids == ("c",)]
        assert missed.since <= said
        assert missed.until is None
        platform.forbidden_topics.clear()
        await hears_again(run, "c")
        (missed,) = [one for one in run.heard.missed if one.conversation_ids == ("c",)]
        assert missed.until is not None


@pytest.mark.usefixtures("small")
async def test_a_topic_confirmed_in_a_dial_that_fails_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform has said yes, and another topic had to be asked for: then it has a bad minute."""
    make = rest.replace_topics

    async def replace(api: ApiClient, channel: rest.Channel, token: Token | None, topics: Sequence[str]) -> Any:
        answers = await make(api, channel, token, topics)
        if topic_of("second") in topics:
            monkeypatch.setattr(rest, "replace_topics", make)
            platform.begin("third")
            await anyio.sleep(0.5)
            platform.fault("503", at=("subscriptions", "handshake"), times=16)
        return answers

    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        await run.call("first")
        monkeypatch.setattr(rest, "replace_topics", replace)
        platform.begin("second")
        await anyio.sleep(30)
        assert run.source._plan.shard_of(topic_of("second")) == 1
        said = clock.wall_ms()
        platform.say("unheard", conversation="second")
        await anyio.sleep(1)
        platform.lift()
        await hears_again(run, "second")
        assert "unheard" not in run.heard.texts
        (missed,) = [one for one in run.heard.missed if one.conversation_ids == ("second",)]
        assert missed.until is not None
        assert missed.since <= said <= missed.until


async def test_a_call_that_waits_for_its_topic_at_the_end_bounds_the_next_gap() -> None:
    async with Emulator() as platform, channel_rig(platform, stop=False) as run:
        await run.listens()
        await anyio.sleep(60)
        platform.fault("503", at=("subscriptions",), times=None)
        before = clock.wall_ms()
        platform.begin("c")
        await anyio.sleep(LATE_S - 0.5)
        assert not run.heard.missed
        run.source.stop()
        await run.done.wait()
        assert run.heard.heard_until is not None
        assert before <= run.heard.heard_until <= before + 1000


async def test_no_line_is_journaled_before_its_conversation_whatever_its_names_wait_for() -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        platform.fault("no-answer", at=("users",), times=None)
        await run.call("c")
        platform.say("hello", conversation="c")
        await run.heard.until(lambda: run.heard.texts, within_s=0.5)
        assert run.heard.events[0].kind == "conversation"
        platform.lift()
        await run.heard.until(lambda: [one for one in run.participants("c") if one.user_name], within_s=60)


async def test_the_id_of_a_message_is_journaled_when_it_comes_whatever_its_names_wait_for() -> None:
    async with Emulator() as platform, channel_rig(platform) as run:
        await run.listens()
        platform.fault("no-answer", at=("users",), times=None)
        platform.begin("chat", media_type="message")
        platform.message("hello", "chat", speaker="agent")
        await run.heard.until(lambda: [e for e in run.heard.events if isinstance(e, Message)], within_s=0.5)
