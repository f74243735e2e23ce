"""`core/speakers.py`: who speaks on a side of a communication, through transfers, consults and conferences."""

from __future__ import annotations

import pytest

from genscribe.core.snapshot import Leg, Party, Snapshot
from genscribe.core.speakers import Who, speaker_at
from tests.unit.core.looks import leg, ms, party, snapshot

CUSTOMER = party("c", "customer", leg("C"), queue="of-another-moment")
NOBODY = Who("agent")

TRANSFER = snapshot(
    CUSTOMER,
    party("v", "ivr", leg("V", 0, 10, peer="C")),
    party("d1", "acd", leg("D1", 10.05, 20.02, peer="C"), queue="sales"),
    party("a", "agent", leg("A", 20, 50, peer="C"), queue="sales", user="ann"),
    party("d2", "acd", leg("D2", 50.05, 60, peer="C"), queue="help"),
    party("b", "agent", leg("B", 60, peer="C"), queue="help", user="bob"),
)
CONSULT = snapshot(
    CUSTOMER,
    party("a", "agent", leg("A", 20, 60, peer="C"), leg("A2", 30, 60, peer="B"), queue="sales", user="ann"),
    party("b", "agent", leg("B", 30, peer="C"), user="bob"),
)
"""Ann consults Bob from 30 on and leaves at 60; by then Bob's leg is bridged with the customer's."""
CONFERENCE = snapshot(
    CUSTOMER,
    party("a", "agent", leg("A", 20, peer="C"), queue="sales", user="ann"),
    party("b", "agent", leg("B", 40, peer="C"), queue="sales", user="bob"),
)
COLLEAGUES = snapshot(
    party("x", "user", leg("X", 0, peer="Y"), user="xia"),
    party("y", "user", leg("Y", 0, peer="X"), user="yan"),
)
PASSED_OUT = snapshot(
    CUSTOMER,
    party("a", "agent", leg("A", 20, 50, peer="C"), queue="sales", user="ann"),
    party("e", "external", leg("E", 50, peer="C")),
)
UNBRIDGED = snapshot(
    CUSTOMER,
    party("v", "ivr", leg("V", 0, 10)),
    party("d", "acd", leg("D", 10), queue="sales"),
    party("a", "agent", leg("A", 20, 50), queue="sales", user="ann"),
)
BRIDGED_BY_THE_CUSTOMERS_LEG = snapshot(
    party("c", "customer", leg("C", peer="A")),
    party("a", "agent", leg("A", 20), queue="sales", user="ann"),
    party("s", "agent", leg("S", 20), user="supervisor"),
)
ANN, BOB = Who("agent", "a", "ann", "sales"), Who("agent", "b", "bob", "help")


@pytest.mark.parametrize(
    ("look", "communication", "second", "who"),
    [
        # The customer's communication: whoever is bridged with it then.
        (TRANSFER, "C", 5, Who("ivr", "v")),
        (TRANSFER, "C", 10.02, Who("acd", "d1", None, "sales")),  # between the two: the one who comes
        (TRANSFER, "C", 15, Who("acd", "d1", None, "sales")),
        (TRANSFER, "C", 20.01, ANN),
        (TRANSFER, "C", 49, ANN),
        (TRANSFER, "C", 50.5, Who("acd", "d2", None, "help")),
        (TRANSFER, "C", 61, BOB),
        (TRANSFER, "C", None, BOB),
        # Somebody's own: its owner, though the line comes after he has left.
        (TRANSFER, "V", 5, Who("ivr", "v")),
        (TRANSFER, "A", 30, ANN),
        (TRANSFER, "A", 55, ANN),
        (TRANSFER, "B", 61, BOB),
        # One that nobody has, or none: whoever is connected.
        (TRANSFER, "new", 30, ANN),
        (TRANSFER, None, 61, BOB),
        (CONSULT, "A", 40, Who("agent", "a", "ann", "sales")),
        (CONSULT, "A2", 40, Who("agent", "a", "ann", "sales")),
        (CONSULT, "B", 40, Who("agent", "b", "bob", "sales")),
        (CONSULT, "C", 25, ANN),
        (CONSULT, "C", 40, Who("agent", None, None, "sales")),
        (CONSULT, "C", 70, Who("agent", "b", "bob", None)),
        (CONFERENCE, "A", 50, ANN),
        (CONFERENCE, "B", 50, Who("agent", "b", "bob", "sales")),
        (CONFERENCE, "C", 30, ANN),
        (CONFERENCE, "C", 50, Who("agent", None, None, "sales")),
        (COLLEAGUES, "X", 5, Who("agent", "x", "xia")),
        (COLLEAGUES, "Y", 5, Who("agent", "y", "yan")),
        (PASSED_OUT, "C", 60, Who("external", "e", None, "sales")),
        (BRIDGED_BY_THE_CUSTOMERS_LEG, "C", 30, ANN),
        (UNBRIDGED, "C", 5, Who("ivr", "v")),
        (UNBRIDGED, "C", 12, Who("acd", "d", None, "sales")),
        (UNBRIDGED, "C", 30, ANN),
        (UNBRIDGED, "C", 60, Who("acd", "d", None, "sales")),
    ],
)
def test_internal_is_who_is_connected_there(
    look: Snapshot, communication: str | None, second: float | None, who: Who
) -> None:
    assert speaker_at(look, communication, "INTERNAL", ms(second)) == who


@pytest.mark.parametrize(
    ("look", "communication", "second", "who"),
    [
        (TRANSFER, "C", 5, Who("customer", "c")),
        (TRANSFER, "A", 30, Who("customer", "c", None, "sales")),
        (TRANSFER, "B", 70, Who("customer", "c", None, "help")),
        (TRANSFER, None, 70, Who("customer", "c", None, "help")),
        (CONSULT, "A2", 40, Who("customer", "c", None, "sales")),
        (PASSED_OUT, "C", 60, Who("customer", "c", None, "sales")),
        (PASSED_OUT, "E", 60, Who("customer", "e", None, "sales")),
        (PASSED_OUT, None, 60, Who("customer", None, None, "sales")),
        (BRIDGED_BY_THE_CUSTOMERS_LEG, "A", 30, Who("customer", "c", None, "sales")),
        # Between two users the other one is outside.
        (COLLEAGUES, "X", 5, Who("customer", "y", "yan")),
        (COLLEAGUES, "Y", 5, Who("customer", "x", "xia")),
        (snapshot(), "C", 5, Who("customer")),
    ],
)
def test_external_is_the_customer(look: Snapshot, communication: str | None, second: float, who: Who) -> None:
    assert speaker_at(look, communication, "external", ms(second)) == who


@pytest.mark.parametrize(
    "look",
    [
        snapshot(),
        snapshot(CUSTOMER),
        # Rung, not answered: whoever speaks is not known yet.
        snapshot(CUSTOMER, party("a", "agent", leg("A", None, state="alerting", peer="C"))),
        # The IVR has gone, and who came then is not known yet.
        snapshot(CUSTOMER, party("v", "ivr", leg("V", 0, 10, peer="C"))),
        snapshot(CUSTOMER, Party("a", "agent", legs=(Leg("A", peer_id="C"),))),
    ],
)
def test_while_nobody_is_known_there_it_is_an_agent_without_a_name(look: Snapshot) -> None:
    assert speaker_at(look, "C", "internal", ms(12)) == NOBODY


def test_a_second_more_or_less_is_the_clocks() -> None:
    look = snapshot(CUSTOMER, party("a", "agent", leg("A", 20, 50, peer="C"), user="ann"))
    known = [second for second in (18.9, 19.1, 50.9, 51) if speaker_at(look, "C", "internal", ms(second)) != NOBODY]
    assert known == [19.1, 50.9]


def test_one_who_is_there_goes_before_one_who_nearly_is() -> None:
    look = snapshot(
        CUSTOMER, party("v", "ivr", leg("V", 0, 19.9, peer="C")), party("a", "agent", leg("A", 20, peer="C"))
    )
    assert speaker_at(look, "C", "internal", ms(19.5)) == Who("ivr", "v")


@pytest.mark.parametrize("purpose", ["agent", "user", None, "AGENT"])
def test_people_of_the_organisation_are_agents(purpose: str | None) -> None:
    look = snapshot(CUSTOMER, party("a", purpose, leg("A", 1, peer="C"), user="ann"))
    assert speaker_at(look, "C", "internal", ms(2)) == Who("agent", "a", "ann")


@pytest.mark.parametrize("purpose", ["ivr", "acd", "botflow", "voicemail", "dialer", "new-word"])
def test_the_rest_keep_the_platforms_word(purpose: str) -> None:
    look = snapshot(CUSTOMER, party("m", purpose, leg("A", 1, peer="C")))
    assert speaker_at(look, "C", "internal", ms(2)).speaker == purpose


@pytest.mark.parametrize("side", ["both", "BOTH", "unknown", "", None, "new-word"])
def test_a_side_that_is_none_is_nobody(side: str | None) -> None:
    assert speaker_at(TRANSFER, "A", side, ms(30)) == Who("unknown", queue_id="sales")
