"""`core/roster.py`: what two looks at a conversation differ in is told once, and all of it."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genscribe.core import roster
from genscribe.core.decode.conversations import read_conversation
from genscribe.core.merging import is_told, merged
from genscribe.core.presence import over
from genscribe.core.snapshot import Leg, MessageRef, Party, Snapshot
from genscribe.events import Conversation, Event, Message, Participant
from tests.unit.core.looks import Book, leg, ms, party, snapshot

NOW = "2026-03-21T01:00:00.000Z"
AT_0, AT_20, AT_50 = "2026-03-20T09:46:40.000Z", "2026-03-20T09:47:00.000Z", "2026-03-20T09:47:30.000Z"

CUSTOMER = party("c", "customer", leg("C", 0))
RUNG = party("a", "agent", leg("A", None, peer="C", state="alerting"), queue="sales", user="ann")
AGENT = party("a", "agent", leg("A", 20, peer="C"), queue="sales", user="ann")
AGENT_LEFT = party("a", "agent", leg("A", 20, 50, peer="C"), queue="sales", user="ann")


def differences(before: Snapshot | None, after: Snapshot) -> list[Event[str]]:
    return roster.differences(before, after, names=Book(), subscribed_at=None, now=NOW, source="here")


def told(*looks: Snapshot) -> list[list[Event[str]]]:
    """What each look tells after those before it."""
    known: Snapshot | None = None
    answers = []
    for look in looks:
        before, known = known, merged(known, look)
        answers.append(differences(before, known))
    return answers


def keys(events: list[Event[str]]) -> list[str]:
    return [event.key for event in events]


def test_a_call_from_its_beginning_to_its_end() -> None:
    answers = told(
        snapshot(CUSTOMER),
        snapshot(CUSTOMER, RUNG),
        snapshot(CUSTOMER, AGENT),
        snapshot(CUSTOMER, AGENT),
        snapshot(CUSTOMER, AGENT_LEFT),
        snapshot(party("c", "customer", leg("C", 0, 50.5)), AGENT_LEFT),
    )
    assert [keys(events) for events in answers] == [
        ["conv:started", f"conv:c:{AT_0}"],
        [],
        [f"conv:a:{AT_20}"],
        [],
        [f"conv:a:{AT_20}"],
        [f"conv:c:{AT_0}", "conv:ended"],
    ]
    agent = Participant[str](
        f"conv:a:{AT_20}", 1, "conv", "a", "A", "agent", "ann", "Ann", "sales", "The sales", AT_20, None
    )
    assert answers[2] == [agent]
    assert answers[4] == [msgspec.structs.replace(agent, left_at=AT_50)]


def test_the_start_says_what_is_known_then() -> None:
    look = snapshot(CUSTOMER, RUNG)
    started = roster.differences(None, look, names=Book(), subscribed_at="then", now=NOW)[0]
    expected = Conversation[str]("conv:started", 1, "conv", "started", AT_0, "voice", "sales", "inbound", "then")
    assert started == expected
    assert differences(None, msgspec.structs.replace(look, direction="outbound"))[0].direction == "outbound"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("look", "at"),
    [
        (snapshot(CUSTOMER, started=-5), "2026-03-20T09:46:35.000Z"),
        (snapshot(AGENT, CUSTOMER), AT_0),
        (snapshot(party("c", None, leg("M", None, media_type="message", messages=[MessageRef("m", ms(20))]))), AT_20),
        (snapshot(), NOW),
        (snapshot(Party("c", legs=(Leg("C", state="connected"),))), NOW),
    ],
)
def test_it_started_at_the_earliest_time_that_is_known(look: Snapshot, at: str) -> None:
    started = told(look)[0][0]
    assert isinstance(started, Conversation)
    assert started.at == at


def test_one_that_is_first_seen_when_it_is_over_started_and_ended() -> None:
    events = told(snapshot(party("c", "customer", leg("C", 0, 50))))[0]
    assert keys(events) == ["conv:started", f"conv:c:{AT_0}", "conv:ended"]
    assert isinstance(events[-1], Conversation)
    assert (events[-1].state, events[-1].at, events[-1].media_type) == ("ended", AT_50, "voice")


def test_an_end_at_a_time_that_was_not_said_is_now() -> None:
    events = told(snapshot(Party("c", "customer", legs=(Leg("C", ended_at=0),))))[0]
    assert isinstance(events[-1], Conversation)
    assert (events[-1].key, events[-1].at) == ("conv:ended", NOW)


def test_the_end_is_told_once_whoever_says_it_and_again_when_it_was_opened_again() -> None:
    gone = snapshot(party("c", "customer", leg("C", 0, 50)))
    said = msgspec.structs.replace(gone, ended_at=ms(50.2))
    back, gone_again = (snapshot(party("c", "customer", leg("C", 60, until))) for until in (None, 70))
    answers = told(gone, said, gone, back, gone_again)
    assert [keys(events).count("conv:ended") for events in answers] == [1, 0, 0, 0, 1]


def test_an_agent_who_did_not_answer_is_told_as_gone() -> None:
    missed = party("a", "agent", leg("A", None, 30), queue="sales", user="ann")
    events = told(snapshot(CUSTOMER, RUNG), snapshot(CUSTOMER, missed))[1]
    assert keys(events) == ["conv:a:"]
    assert isinstance(events[0], Participant)
    assert (events[0].joined_at, events[0].left_at) == (None, "2026-03-20T09:47:10.000Z")


def test_a_key_stays_though_the_time_of_joining_comes_later_or_differs() -> None:
    nameless = snapshot(Party("a", "agent", legs=(Leg("A", state="connected"),)))
    answers = told(nameless, snapshot(AGENT), snapshot(msgspec.structs.replace(AGENT, user_id="bob")))
    assert [keys(events)[-1:] for events in answers] == [["conv:a:"], ["conv:a:"], ["conv:a:"]]
    shifted = msgspec.structs.replace(AGENT, joined_at=ms(20.004), user_id="bob")
    assert keys(told(snapshot(AGENT), snapshot(shifted))[1]) == [f"conv:a:{AT_20}"]


@pytest.mark.parametrize(
    ("legs", "communication"),
    [
        ([], None),
        ([leg("A", 1)], "A"),
        ([leg("A", 1, 5), leg("B", 5)], "B"),
        ([leg("A", 1), leg("B", 5)], "A"),  # it consults on the second
        ([leg("A", 1, 9), leg("B", 5, 8)], "A"),
        ([leg("A", 1, 5), leg("B", 5, 8)], "B"),
        ([leg("K", 1, media_type="callback"), leg("A", 2)], "A"),
        ([leg("K", 1, media_type="callback")], "K"),
    ],
)
def test_a_participants_communication_is_the_one_it_is_on_or_was_on_last(
    legs: list[Leg], communication: str | None
) -> None:
    events = differences(None, snapshot(Party("a", "agent", joined_at=ms(1), legs=tuple(legs))))
    assert isinstance(events[1], Participant)
    assert events[1].communication_id == communication


def test_a_name_that_only_the_platforms_event_has_is_told() -> None:
    events = differences(None, snapshot(Party("a", "agent", user_name="Zoe", joined_at=ms(1))))
    assert isinstance(events[1], Participant)
    assert events[1].user_name == "Zoe"


# Messages


def chat(name: str, purpose: str, *ids: str, queue: str | None = None, user: str | None = None) -> Party:
    refs = [MessageRef(each, ms(20)) for each in ids]
    return party(name, purpose, leg(name.upper(), 0, media_type="message", messages=refs), queue=queue, user=user)


def messages(events: list[Event[str]]) -> list[Message[str]]:
    return [event for event in events if isinstance(event, Message)]


def test_each_message_is_told_once() -> None:
    answers = told(
        snapshot(chat("c", "customer", "1")),
        snapshot(chat("c", "customer", "1", "2"), chat("a", "agent", "3")),
        snapshot(chat("c", "customer", "1", "2", "3"), chat("a", "agent", "1", "2", "3")),
    )
    assert [keys(messages(events)) for events in answers] == [  # type: ignore[arg-type]
        ["conv:message:1"],
        ["conv:message:2", "conv:message:3"],
        [],
    ]


@pytest.mark.parametrize(
    ("purpose", "speaker"),
    [("customer", "customer"), ("external", "customer"), ("agent", "agent"), ("user", "agent"), ("botflow", "botflow")],
)
def test_a_message_is_of_the_party_that_lists_it(purpose: str, speaker: str) -> None:
    events = told(snapshot(chat("c", "customer"), chat("p", purpose, "1", user="ann")))[0]
    assert messages(events) == [
        Message(
            "conv:message:1", 1, "conv", "1", "P", "message", speaker, "p", "ann", None, AT_20, NOW, "here"
        )
    ]  # fmt: skip


def test_a_message_that_several_list_is_one_and_of_none_of_them() -> None:
    look = snapshot(chat("c", "customer", "1", queue="old"), chat("a", "agent", "1", queue="sales", user="ann"))
    (message,) = messages(told(look)[0])
    assert (message.speaker, message.participant_id, message.user_id, message.communication_id) == (None,) * 4
    assert (message.queue_id, message.at) == ("sales", AT_20)


def test_a_message_is_in_its_partys_queue_else_in_the_one_in_force() -> None:
    look = snapshot(
        chat("c", "customer", "1", queue="old"), chat("d", "acd", queue="sales"), chat("a", "agent", "2", queue="help")
    )
    assert [message.queue_id for message in messages(told(look)[0])] == ["help", "help"]
    assert [message.queue_id for message in messages(told(snapshot(*look.parties[:2]))[0])] == ["sales"]


def test_a_message_without_a_time_has_none() -> None:
    look = snapshot(party("c", "customer", leg("M", media_type="message", messages=[MessageRef("1")])))
    assert messages(told(look)[0])[0].at is None


# The platform's own


def test_a_recorded_call_is_told_whole() -> None:
    sample = Path(__file__).parents[4] / "shared" / "data" / "genesys-samples" / "conversation-call-ended.json"
    if not sample.exists():
        pytest.skip("the platform's samples are not here")
    look = read_conversation(sample.read_bytes())
    assert look is not None
    events = told(look)[0]
    purposes = [event.purpose for event in events if isinstance(event, Participant)]
    assert purposes == ["customer", "ivr", "acd", "agent"]
    assert isinstance(events[0], Conversation)
    assert isinstance(events[-1], Conversation)
    assert (events[0].at, events[-1].at) == ("2025-04-10T13:31:49.570Z", "2025-04-10T13:32:40.944Z")


# Any looks in any order

DICE = random.Random(20260321)


def some(*choices: Any) -> Any:
    return DICE.choice(choices)


def any_time() -> int | None:
    return ms(some(None, 1, 2, 3))


def any_leg() -> Leg:
    return Leg(
        communication_id=some(None, "L1", "L2"),
        media_type=some("voice", "message", "callback"),
        state=some(None, "alerting", "connected", "parked", "disconnected", "terminated", "none", "uploading"),
        peer_id=some(None, "L1", "L2"),
        connected_at=any_time(),
        ended_at=some(None, 0, any_time()),
        messages=tuple(MessageRef(some("1", "2", "3"), any_time()) for _ in range(some(0, 0, 1, 2))),
    )


def any_party() -> Party:
    return Party(
        participant_id=some("a", "b"),
        purpose=some(None, "customer", "agent", "acd"),
        user_id=some(None, "x", "y"),
        queue_id=some(None, "x", "y"),
        joined_at=any_time(),
        left_at=some(None, any_time()),
        legs=tuple(any_leg() for _ in range(some(0, 1, 1, 2))),
    )


PARTIES = sorted((any_party() for _ in range(1000)), key=lambda each: len(repr(each)))
"""Drawn beforehand: hypothesis would take a hundred choices for a look. The short ones first, to shrink to."""
LOOKS = st.builds(
    Snapshot,
    st.just("conv"),
    st.lists(st.sampled_from(PARTIES), max_size=3).map(tuple),
    st.sampled_from([None, ms(1), ms(2)]),
    st.sampled_from([None, None, ms(2), ms(3)]),
)
SEEN = st.lists(st.tuples(LOOKS, st.booleans()), min_size=1, max_size=6)


ONE_MESSAGE_TWICE = [MessageRef("1", ms(1)), MessageRef("1", None)]
ONE_LEG_TWICE = snapshot(
    party("a", None, leg("L", 1, messages=ONE_MESSAGE_TWICE), leg("L", 1, messages=[MessageRef("2", ms(2))]))
)
ONE_PARTY_THREE_TIMES = snapshot(
    Party("a", legs=(Leg(None, "voice", "terminated"),)),
    Party("a", legs=(Leg("L", "voice", "connected", connected_at=ms(1)),)),
    Party("a", legs=(Leg("L", "voice", ended_at=ms(1)),)),
)


@example([(ONE_LEG_TWICE, True)])
@example([(ONE_PARTY_THREE_TIMES, True)])
@given(SEEN)
def test_whatever_the_looks_a_look_again_adds_nothing(seen: list[tuple[Snapshot, bool]]) -> None:
    known: Snapshot | None = None
    for look, authoritative in seen:
        known = merged(known, look, authoritative=authoritative)
        assert merged(known, look, authoritative=authoritative) is known
        assert differences(known, known) == []
        assert differences(known, msgspec.convert(msgspec.to_builtins(known), Snapshot)) == []


@given(SEEN)
def test_whatever_the_looks_everybody_is_told_once_per_content_under_one_key(seen: list[tuple[Snapshot, bool]]) -> None:
    known: Snapshot | None = None
    last: dict[str, Participant[str]] = {}
    counts: Counter[str] = Counter()
    opened = ends = 0
    for look, authoritative in seen:
        before, known = known, merged(known, look, authoritative=authoritative)
        opened += over(known) and not (before is not None and over(before))
        for event in differences(before, known):
            if isinstance(event, Participant):
                assert event.participant_id is not None
                previous = last.get(event.participant_id)
                assert event != previous
                assert previous is None or previous.key == event.key
                last[event.participant_id] = event
            elif event.key == "conv:ended":
                ends += 1
            else:
                counts[event.key] += 1
    assert known is not None
    assert set(counts.values()) == {1}
    assert ends == opened
    listed = {ref.message_id for look, _ in seen for each in look.parties for one in each.legs for ref in one.messages}
    assert counts.keys() == {"conv:started", *(f"conv:message:{each}" for each in listed)}
    assert last.keys() == {each.participant_id for each in known.parties if is_told(each)}
    whole = {event.participant_id: event for event in differences(None, known) if isinstance(event, Participant)}
    assert last == whole


@given(SEEN)
def test_whatever_the_looks_nothing_said_is_lost_and_no_end_taken_back_by_one_that_lags(
    seen: list[tuple[Snapshot, bool]],
) -> None:
    known: Snapshot | None = None
    for look, authoritative in seen:
        before, known = known, merged(known, look, authoritative=authoritative)
        assert {each.participant_id for each in look.parties} <= {each.participant_id for each in known.parties}
        if before is None:
            continue
        after = {each.participant_id: each for each in known.parties}
        for each in before.parties:
            now = after[each.participant_id]
            for name in ("purpose", "user_id", "user_name", "queue_id", "joined_at"):
                assert getattr(each, name) is None or getattr(now, name) is not None
            assert not is_told(each) or is_told(now)
            assert len(now.legs) >= len(each.legs)
        if not authoritative and over(before) and before.ended_at is not None:
            assert known.ended_at == before.ended_at
