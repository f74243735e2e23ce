from __future__ import annotations

import uuid

from genscribe.emulator.conversation import Leg, fresh_uuid
from genscribe.emulator.organisation import Organisation


def test_fresh_ids_are_random_uuids() -> None:
    ids = [fresh_uuid() for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in ids)
    assert {uuid.UUID(one).variant for one in ids} == {uuid.RFC_4122}


def test_a_leg_is_connected_once_and_ends_once() -> None:
    leg = Leg("l", "voice", "inbound", "alerting", 5)
    assert (leg.state, leg.live, leg.talks) == ("alerting", True, False)
    leg.connect(7)
    leg.connect(8)
    leg.confined = True
    assert (leg.state, leg.connected_at, leg.facing_at, leg.talks) == ("connected", 7, 7, True)
    leg.end(9, "client")
    leg.end(10, "peer")
    assert (leg.state, leg.ended_at, leg.disconnect_type, leg.confined, leg.talks) == (
        "disconnected",
        9,
        "client",
        False,
        False,
    )


def test_numbers_are_of_the_range_for_fiction_and_those_of_one_call_agree() -> None:
    house = Organisation()
    numbers = [house.begin(str(number), now=0).number for number in range(50)]
    assert all(number.startswith("tel:+120255501") and len(number) == 16 for number in numbers)
    assert len(set(numbers)) > 20


def test_speech_before_anyone_answers_belongs_to_the_caller() -> None:
    conversation = Organisation().begin("c", now=10, connected=False)
    assert conversation.leg_at(5) is conversation.caller.leg
    assert conversation.agent is None
    assert conversation.queue_at(5) is None
