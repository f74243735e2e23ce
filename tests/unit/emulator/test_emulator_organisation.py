from __future__ import annotations

import pytest

from genscribe.emulator.conversation import Conversation
from genscribe.emulator.organisation import REMEMBERED, Organisation
from genscribe.errors import ConfigError


def purposes(conversation: Conversation) -> list[str]:
    return [party.purpose for party in conversation.parties]


def present(conversation: Conversation) -> list[tuple[str, str]]:
    return [(party.purpose, party.leg.state) for party in conversation.parties if party.leg.live]


def names(conversation: Conversation) -> list[str | None]:
    return [party.user.name for party in conversation.parties if party.user is not None]


def test_a_call_begins_in_a_queue_with_an_agent() -> None:
    house = Organisation()
    conversation = house.begin("c", now=1000, queue="Sales", agent="Priya Patel")
    assert purposes(conversation) == ["customer", "acd", "agent"]
    assert present(conversation) == [("customer", "connected"), ("agent", "connected")]
    assert names(conversation) == ["Priya Patel"]
    assert [queue.name for queue in conversation.queues] == ["Sales"]
    customer, acd, agent = conversation.parties
    assert acd.leg.disconnect_type == "transfer"
    assert agent.leg.peer_id == acd.leg.peer_id == customer.leg.id
    assert len({party.leg.id for party in conversation.parties} | {party.id for party in conversation.parties}) == 6


def test_a_call_goes_through_flow_and_queue_to_an_agent() -> None:
    house = Organisation()
    conversation = house.begin("c", now=0, queue="Billing", ivr=True, connected=False)
    assert present(conversation) == [("customer", "connected"), ("ivr", "connected")]
    assert conversation.queues == ()
    house.enqueue("c", now=5)
    assert present(conversation) == [("customer", "connected"), ("acd", "connected"), ("agent", "alerting")]
    assert [queue.name for queue in conversation.queues] == ["Billing"]
    house.connect("c", now=9)
    assert present(conversation) == [("customer", "connected"), ("agent", "connected")]
    assert [(party.leg.began_at, party.leg.connected_at, party.leg.ended_at) for party in conversation.parties] == [
        (0, 0, None),
        (0, 0, 5),
        (5, 5, 9),
        (5, 9, None),
    ]


def test_who_does_not_answer_makes_way_for_another() -> None:
    house = Organisation()
    conversation = house.begin("c", now=0, connected=False, agent="Tom Whitaker")
    house.decline("c", now=8, agent="Renee Moreau")
    assert present(conversation) == [("customer", "connected"), ("acd", "connected"), ("agent", "alerting")]
    house.connect("c", now=9, agent="Alicia Foster")
    assert names(conversation) == ["Tom Whitaker", "Renee Moreau", "Alicia Foster"]
    assert conversation.agent is conversation.parties[-1]
    assert purposes(conversation).count("acd") == 1
    with pytest.raises(ConfigError, match="alerting"):
        house.decline("c", now=10)


def test_agents_take_turns_and_nobody_is_called_by_himself() -> None:
    house = Organisation()
    for number in range(8):
        house.begin(str(number), now=number)
    other = Organisation()
    other.begin("c", now=0, agent="Derek Lindqvist")
    other.consult("c", now=1)
    assert names(other.conversations["c"]) == ["Derek Lindqvist", "Priya Patel"]
    met = {conversation.agent.user for conversation in house.live() if conversation.agent}
    assert len(met) == 8
    for _ in range(20):
        house.transfer("0", now=20)
        talking = house.conversations["0"].agent
        assert talking is not None
        house.consult("0", now=21)
        assert house.conversations["0"].parties[-1].user != talking.user
        house.leave("0", now=22)


def test_direct_and_internal_and_dialled_calls() -> None:
    house = Organisation()
    direct = house.begin("d", now=0, queue=None)
    assert purposes(direct) == ["external", "user"]
    assert direct.queues == ()
    internal = house.begin("i", now=0, queue=None, caller="Tom Whitaker", agent="Maya Castillo")
    assert purposes(internal) == ["user", "user"]
    assert names(internal) == ["Tom Whitaker", "Maya Castillo"]
    dialled = house.begin("o", now=0, direction="outbound", connected=False)
    assert present(dialled) == [("customer", "dialing"), ("agent", "contacting")]
    assert [queue.name for queue in dialled.queues] == ["Support"]
    house.connect("o", now=4)
    assert present(dialled) == [("customer", "connected"), ("agent", "connected")]


def test_a_transfer_brings_another_queue_agent_and_communication() -> None:
    house = Organisation()
    conversation = house.begin("c", now=0)
    first = conversation.leg_at(10)
    house.transfer("c", now=20, queue="Billing", agent="Tom Whitaker", connected=False)
    assert present(conversation) == [("customer", "connected"), ("acd", "connected"), ("agent", "alerting")]
    house.connect("c", now=25)
    assert [queue.name for queue in conversation.queues] == ["Support", "Billing"]
    assert first.disconnect_type == "transfer"
    second = conversation.leg_at(30)
    assert second.id != first.id
    assert [conversation.leg_at(at) for at in (5, 19, 22, 25, 99)] == [first, first, first, second, second]
    house.transfer("c", now=40, agent="Maya Castillo")
    assert present(conversation) == [("customer", "connected"), ("agent", "connected")]
    assert purposes(conversation).count("acd") == 2
    assert conversation.queue_at(21) is house.queue("Billing")
    assert conversation.queue_at(19) is conversation.queue_at(0) is house.queue("Support")


def test_a_consult_holds_the_caller_and_may_take_over() -> None:
    house = Organisation()
    conversation = house.begin("c", now=0, agent="Tom Whitaker")
    asking = conversation.parties[-1]
    house.consult("c", now=10, agent="Maya Castillo")
    advisor = conversation.parties[-1]
    assert conversation.caller.leg.confined
    assert (advisor.consulted_for, advisor.leg.peer_id) == (conversation.caller.id, asking.leg.id)
    assert conversation.agent is asking
    assert conversation.leg_at(15) is asking.leg
    house.transfer("c", now=20)
    assert (asking.leg.disconnect_type, advisor.leg.peer_id) == ("transfer.consult", conversation.caller.leg.id)
    assert not conversation.caller.leg.confined
    assert conversation.agent is advisor
    assert [conversation.leg_at(at) for at in (15, 20)] == [asking.leg, advisor.leg]


def test_a_consult_ends_when_one_leaves_or_the_call_is_handed_on() -> None:
    house = Organisation()
    conversation = house.begin("c", now=0)
    asking = conversation.agent
    house.consult("c", now=1)
    house.leave("c", now=2)
    assert not conversation.caller.leg.confined
    assert conversation.agent is asking
    house.consult("c", now=3)
    house.transfer("c", now=4, queue="Sales")
    assert not conversation.caller.leg.confined
    assert len(present(conversation)) == 2
    house.leave("c", now=5)
    assert present(conversation) == [("customer", "connected")]
    with pytest.raises(ConfigError, match="no agent"):
        house.consult("c", now=6)
    with pytest.raises(ConfigError, match="no such user"):
        house.leave("c", now=6)


def test_whose_communication_is_transcribed_can_be_chosen() -> None:
    conversation = Organisation(transcribed="customer").begin("c", now=0)
    assert conversation.leg_at(5) is conversation.caller.leg
    assert list(conversation.transcribed_legs()) == [conversation.caller.leg]


def test_messages_belong_to_whoever_sent_them() -> None:
    house = Organisation()
    conversation = house.begin("m", now=0, media_type="chat", ivr=True, connected=False)
    assert conversation.media_type == "message"
    assert purposes(conversation) == ["customer", "workflow"]
    asked = house.message("m", "hello", now=1)
    house.message("m", "welcome", now=2, speaker="bot")
    house.connect("m", now=3)
    answered = house.message("m", "hi", now=4, speaker="agent")
    assert [(one.speaker, one.direction, one.text) for one in conversation.messages] == [
        ("customer", "inbound", "hello"),
        ("bot", "outbound", "welcome"),
        ("agent", "outbound", "hi"),
    ]
    assert [len(party.leg.messages) for party in conversation.parties] == [1, 1, 0, 1]
    assert (conversation.messages[0].id, conversation.messages[2].id) == (asked, answered)
    assert [one.user is None for one in conversation.messages] == [True, True, False]


def test_what_cannot_be_is_refused_in_words() -> None:
    house = Organisation()
    with pytest.raises(ConfigError, match="not live"):
        house.connect("c", now=0)
    house.begin("c", now=0)
    with pytest.raises(ConfigError, match="live already"):
        house.begin("c", now=1)
    with pytest.raises(ConfigError, match="not a text conversation"):
        house.message("c", "secret words", now=1)
    house.begin("m", now=0, media_type="message", connected=False)
    with pytest.raises(ConfigError, match="no agent"):
        house.message("m", "secret words", now=1, speaker="agent")
    with pytest.raises(ConfigError, match="no queue"):
        house.begin("x", now=0, queue="None such")
    assert "x" not in house.conversations


def test_the_end_ends_everyone_and_a_second_one_nothing() -> None:
    house = Organisation()
    conversation = house.begin("c", now=0)
    house.consult("c", now=1)
    assert house.end("c", now=7) is conversation
    assert (conversation.live, present(conversation)) == (False, [])
    assert [party.leg.ended_at for party in conversation.parties] == [7, 0, 7, 7]
    house.end("c", now=9)
    assert conversation.ended_at == 7
    assert house.end("unknown", now=9) is None
    assert list(house.live()) == []
    assert house.begin("c", now=10).live


def test_every_change_is_told_after_it_took_effect() -> None:
    house = Organisation()
    told: list[tuple[str, int, int]] = []
    house.on_change(lambda one: told.append((one.id, one.changed_at, len(one.parties))))
    house.begin("c", now=1, ivr=True, connected=False)
    house.enqueue("c", now=2)
    house.decline("c", now=3)
    house.connect("c", now=4)
    house.consult("c", now=5)
    house.leave("c", now=6)
    house.transfer("c", now=7)
    house.end("c", now=8)
    house.end("c", now=9)
    assert told == [("c", n, parties) for n, parties in enumerate((2, 4, 5, 5, 6, 6, 8, 8), start=1)]


def test_only_the_last_that_are_over_are_remembered() -> None:
    house = Organisation()
    house.begin("first", now=0)
    house.end("first", now=1)
    house.begin("again", now=2)
    house.end("again", now=3)
    house.begin("again", now=4)
    for number in range(REMEMBERED):
        house.begin(str(number), now=5)
        house.end(str(number), now=6)
    assert "first" not in house.conversations
    assert house.conversations["again"].live
    assert len(house.conversations) == REMEMBERED + 1
