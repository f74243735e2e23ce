"""`core/presence.py`: who is there at a moment, what goes on, what is over and since when."""

from __future__ import annotations

import msgspec
import pytest

from genscribe.core.presence import ended_at, live_media, media_type, over, present, talking, talks
from genscribe.core.snapshot import Leg, Party, Snapshot
from tests.unit.core.looks import leg, ms, party, snapshot

CUSTOMER = party("c", "customer", leg("C"))
GONE = party("c", "customer", leg("C", 0, 9))
CALLBACK = party("c", "customer", leg("K", media_type="callback"))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (snapshot(), False),
        (snapshot(CUSTOMER), False),
        (snapshot(CUSTOMER, ended=5), True),
        (snapshot(GONE), True),
        (snapshot(GONE, party("a", "agent", leg("A"))), False),
        (snapshot(GONE, party("a", "agent", leg("A", None, state="alerting"))), False),
        (snapshot(GONE, party("a", "agent", leg("A", 1, 9))), True),
        # The customer's own leg counts as every other.
        (snapshot(CUSTOMER, party("a", "agent", leg("A", 1, 9))), False),
        # An end at a time that was not said, and an end that only the state tells.
        (snapshot(Party("c", "customer", legs=(Leg("C", ended_at=0),))), True),
        (snapshot(Party("c", "customer", legs=(Leg("C", state="terminated"),))), True),
        # A party that left takes its legs along.
        (snapshot(Party("c", "customer", left_at=ms(9), legs=(Leg("C", state="connected"),))), True),
        # E-mail alone is nothing that we could hear end; a callback that waits will be a call.
        (snapshot(party("c", "customer", leg("E", 0, 9, media_type="email"))), False),
        (snapshot(GONE, CALLBACK), False),
        (snapshot(GONE, party("c2", "customer", leg("K", 0, 9, media_type="callback"))), True),
        (snapshot(party("c", "customer", leg("M", 0, 9, media_type="message"))), True),
    ],
)
def test_a_conversation_is_over(look: Snapshot, expected: bool) -> None:
    assert over(look) is expected


def test_it_ended_with_its_last_leg_unless_it_says_itself_when() -> None:
    look = snapshot(GONE, party("a", "agent", leg("A", 1, 8)))
    assert ended_at(look) == ms(9)
    assert ended_at(msgspec.structs.replace(look, ended_at=ms(10))) == ms(10)
    assert ended_at(snapshot(CUSTOMER)) is None
    assert ended_at(snapshot(Party("c", "customer", legs=(Leg("C", ended_at=0),)))) is None
    assert ended_at(snapshot(Party("c", "customer", left_at=ms(9), legs=(Leg("C", ended_at=0),)))) == ms(9)


def test_live_media_are_those_of_legs_that_have_not_ended() -> None:
    text = party("c", "customer", leg("M", media_type="message"))
    assert live_media(snapshot(GONE, text)) == {"message"}
    assert live_media(snapshot(CUSTOMER, text)) == {"voice", "message"}
    assert live_media(snapshot(CUSTOMER, ended=9)) == set()
    assert live_media(snapshot(Party("c", left_at=ms(9), legs=(Leg("C"),)))) == set()
    assert live_media(snapshot(party("a", "agent", leg("A", None, state="alerting")))) == {"voice"}


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([], None),
        (["callback", "voice"], "voice"),
        (["callback"], "callback"),
        (["email", "message"], "message"),
        (["chat", "message"], "chat"),
        (["message", "voice"], "voice"),
    ],
)
def test_the_media_type_of_a_conversation(types: list[str], expected: str | None) -> None:
    assert media_type(snapshot(party("c", "customer", *(leg(each, media_type=each) for each in types)))) == expected


@pytest.mark.parametrize(
    ("one", "second", "slack", "expected"),
    [
        (leg("A", 10, 20), 9.999, 0, False),
        (leg("A", 10, 20), 10, 0, True),
        (leg("A", 10, 20), 19.999, 0, True),
        (leg("A", 10, 20), 20, 0, False),
        (leg("A", 10, 20), 9.5, 1000, True),
        (leg("A", 10, 20), 20.5, 1000, True),
        (leg("A", 10, 20), 21, 1000, False),
        (leg("A", 10, 20), None, 1000, False),
        (leg("A", 10), None, 0, True),
        (leg("A", 10), 1e6, 0, True),
        (leg("A", None, state="alerting"), None, 0, False),
        (leg("A", 10, state="dialing"), 11, 0, False),
        # Connected, and since when was not said: always. Never answered: never.
        (Leg("A", state="connected"), 1, 0, True),
        (Leg("A", state="disconnected", ended_at=ms(20)), 1, 0, False),
        (Leg("A"), None, 0, False),
        # Ended, and when was not said.
        (Leg("A", connected_at=ms(10), ended_at=0), 11, 0, True),
        (Leg("A", connected_at=ms(10), ended_at=0), None, 0, False),
    ],
)
def test_who_talks_at_a_moment(one: Leg, second: float | None, slack: int, expected: bool) -> None:
    assert talks(Party("a", "agent", legs=(one,)), one, ms(second), slack_ms=slack) is expected


def test_a_party_that_left_talks_no_more_whatever_its_leg_says() -> None:
    one = Party("a", "agent", joined_at=ms(10), left_at=ms(20), legs=(Leg("A", state="connected"),))
    assert [talks(one, one.legs[0], ms(at)) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert not talks(one, one.legs[0], None)


def test_a_party_without_legs_is_there_by_its_own_times() -> None:
    stays, left = Party("a", joined_at=ms(10)), Party("a", joined_at=ms(10), left_at=ms(20))
    assert [present(stays, ms(at)) for at in (9, 10, None)] == [False, True, True]
    assert [present(left, ms(at)) for at in (9, 10, 20, None)] == [False, True, False, False]
    assert not present(Party("a"), None)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (CUSTOMER, False),
        (party("v", "ivr", leg("V")), False),
        (party("a", "agent", leg("A")), True),
        (party("a", "user", leg("A")), True),
        (party("a", "agent", leg("A", 0, 9)), False),
        (party("a", "agent", leg("A", None, state="alerting")), False),
        (party("a", "agent", leg("M", media_type="message")), False),
    ],
)
def test_somebody_of_ours_is_connected_by_voice(one: Party, expected: bool) -> None:
    assert talking(snapshot(CUSTOMER, one)) is expected
