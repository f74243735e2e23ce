"""`core/merging.py`: what many looks add up to. Nothing known is lost, nothing that identifies changes."""

from __future__ import annotations

from functools import reduce

import msgspec
import pytest

from genscribe.core.merging import is_told, merged
from genscribe.core.snapshot import Leg, MessageRef, Party, Snapshot
from tests.unit.core.looks import leg, ms, party, snapshot


def both(before: Snapshot, after: Snapshot, *, authoritative: bool = True) -> Snapshot:
    return merged(merged(None, before), after, authoritative=authoritative)


def one(**fields: object) -> Snapshot:
    return snapshot(msgspec.structs.replace(Party("p", "agent"), **fields))


def on(*legs: Leg) -> Snapshot:
    return snapshot(Party("p", "agent", legs=legs))


def replaced(look: Snapshot, **fields: object) -> Snapshot:
    return snapshot(msgspec.structs.replace(look.parties[0], **fields))


FULL = snapshot(
    party("c", "customer", leg("C", 0)),
    party("a", "agent", leg("A", 20, peer="C"), queue="sales", user="ann"),
    started=0,
)


@pytest.mark.parametrize("authoritative", [True, False])
def test_a_look_that_adds_nothing_changes_nothing(authoritative: bool) -> None:
    known = merged(None, FULL)
    for look in (FULL, msgspec.convert(msgspec.to_builtins(FULL), Snapshot), snapshot(), snapshot(FULL.parties[1])):
        assert merged(known, look, authoritative=authoritative) is known


def test_what_a_look_does_not_say_is_kept() -> None:
    silent = snapshot(Party("c", legs=(Leg("C"),)), Party("a", legs=(Leg("A"),)))
    known = merged(None, FULL)
    assert merged(known, silent) is known


def test_parties_and_legs_are_those_of_all_looks_in_the_order_of_their_coming() -> None:
    known = both(
        snapshot(party("c", "customer", leg("C")), party("v", "ivr", leg("V"))),
        snapshot(party("a", "agent", leg("A")), party("c", "customer", leg("C"), leg("C2"))),
    )
    assert [each.participant_id for each in known.parties] == ["c", "v", "a"]
    assert [each.communication_id for each in known.parties[0].legs] == ["C", "C2"]


def test_a_participant_or_a_leg_that_is_listed_twice_is_one() -> None:
    known = merged(None, snapshot(party("c", None, leg("C"), leg("C", 1, 9)), party("c", "customer", leg("C"))))
    assert [(each.participant_id, each.purpose, len(each.legs)) for each in known.parties] == [("c", "customer", 1)]


def test_a_look_that_contradicts_itself_says_the_same_twice() -> None:
    look = snapshot(
        Party("a", legs=(Leg(None, "message", "uploading", ended_at=0),)),
        Party("a", legs=(Leg(None, "callback", "disconnected", peer_id="x"), Leg("L", "message", "connected"))),
        Party("a", legs=(Leg("L", "voice", "none"),)),
    )
    known = merged(None, look)
    assert merged(known, look) is known


@pytest.mark.parametrize("field", ["purpose", "user_id", "user_name", "queue_id"])
def test_the_newer_word_counts_and_a_lagging_one_only_where_there_was_none(field: str) -> None:
    nothing, old, new = one(**{field: None}), one(**{field: "old"}), one(**{field: "new"})
    for before, after, live, lagging in ((old, new, "new", "old"), (nothing, new, "new", "new")):
        assert getattr(both(before, after).parties[0], field) == live
        assert getattr(both(before, after, authoritative=False).parties[0], field) == lagging


@pytest.mark.parametrize("authoritative", [True, False])
def test_the_first_time_that_was_said_stays(authoritative: bool) -> None:
    before = replaced(one(joined_at=ms(1), left_at=ms(9)))
    after = replaced(one(joined_at=ms(1.003), left_at=ms(9.003)))
    assert both(before, after, authoritative=authoritative) == merged(None, before)
    assert both(snapshot(started=1), snapshot(started=2), authoritative=authoritative).started_at == ms(1)
    assert both(snapshot(), snapshot(started=2), authoritative=authoritative).started_at == ms(2)
    assert both(snapshot(ended=8), snapshot(ended=9), authoritative=authoritative).ended_at == ms(8)
    ends = both(on(leg("A", 1, 9)), on(leg("A", 1, 9.003)), authoritative=authoritative)
    assert ends.parties[0].legs[0].ended_at == ms(9)


def test_an_end_whose_time_was_not_said_takes_the_first_that_is() -> None:
    ends = [None, 0, ms(9), ms(10)]
    looks = [on(Leg("A", ended_at=end)) for end in ends]
    known = reduce(merged, looks, None)
    assert known is not None
    assert known.parties[0].legs[0].ended_at == ms(9)
    assert both(looks[1], looks[0]).parties[0].legs[0].ended_at == 0


@pytest.mark.parametrize("state", [None, "connected", "none", "alerting"])
def test_a_lagging_look_never_takes_back_an_end(state: str | None) -> None:
    known = merged(None, snapshot(party("a", "agent", leg("A", 1, 9)), ended=9))
    stale = snapshot(party("a", "agent", Leg("A", state=state, connected_at=ms(1))))
    assert merged(known, stale, authoritative=False) is known


def test_a_lagging_look_tells_an_end() -> None:
    known = both(on(leg("A", 1)), on(Leg("A", ended_at=ms(9))), authoritative=False)
    assert (known.parties[0].legs[0].ended_at, known.parties[0].left_at) == (ms(9), ms(9))


@pytest.mark.parametrize(
    ("state", "reopened"),
    [("connected", True), ("parked", True), (None, False), ("none", False), ("uploading", False), ("alerting", False)],
)
def test_only_an_event_that_shows_the_leg_live_opens_an_end_again(state: str | None, reopened: bool) -> None:
    known = merged(None, snapshot(party("a", "agent", leg("A", 1, 9)), ended=9))
    again = merged(known, snapshot(party("a", "agent", Leg("A", state=state))))
    agent = again.parties[0]
    assert (agent.legs[0].ended_at is None, agent.left_at is None, again.ended_at is None) == (reopened,) * 3
    assert reopened or again is known


def test_one_who_still_talks_is_enough_for_the_conversation_to_go_on() -> None:
    agent = party("a", "agent", leg("A", 1, 9))
    known = both(
        snapshot(party("c", "customer", leg("C")), agent, ended=9), snapshot(party("c", None, leg("C")), agent)
    )
    assert [each.left_at for each in known.parties] == [None, ms(9)]
    assert known.ended_at is None


def test_the_first_direction_that_was_said_stays() -> None:
    said = [msgspec.structs.replace(snapshot(), direction=each) for each in (None, "outbound", "inbound")]
    known = reduce(merged, said, None)
    assert known is not None
    assert known.direction == "outbound"
    turned = [on(Leg("A", direction=each)) for each in (None, "outbound", "inbound")]
    known = reduce(merged, turned, None)
    assert known is not None
    assert known.parties[0].legs[0].direction == "outbound"


def test_an_end_that_only_the_state_told_is_one() -> None:
    known = both(on(Leg("A", state="terminated")), on(Leg("A", state="uploading")))
    assert known.parties[0].legs[0].ended_at == 0


def test_the_end_of_the_conversation_is_everybodys() -> None:
    known = both(FULL, snapshot(ended=50))
    assert [each.left_at for each in known.parties] == [ms(50), ms(50)]
    left = snapshot(party("c", "customer", leg("C", 0, 9)), Party("x", legs=(Leg("X", ended_at=0),)), ended=50)
    assert [each.left_at for each in merged(None, left).parties] == [ms(9), None]
    half = snapshot(party("c", "customer", leg("C", 0, 9), leg("C2", 0)), ended=50)
    assert merged(None, half).parties[0].left_at == ms(50)


def test_joining_and_leaving_are_taken_from_the_legs_where_the_party_does_not_say() -> None:
    known = merged(None, on(leg("A", 5, 9), leg("B", 3, 8)))
    assert (known.parties[0].joined_at, known.parties[0].left_at) == (ms(3), ms(9))
    assert merged(None, on(leg("A", 5, 9), leg("B", 3))).parties[0].left_at is None
    said = merged(None, snapshot(Party("p", joined_at=ms(1), legs=(leg("A", 5, 9),)))).parties[0]
    assert (said.joined_at, said.left_at) == (ms(1), ms(9))
    rung = on(leg("A", None, state="alerting"))
    assert both(rung, on(leg("A", 7), leg("B", 8))).parties[0].joined_at == ms(7)
    assert both(rung, on(leg("A", 7, 9))).parties[0].left_at == ms(9)


def test_a_party_that_was_told_without_a_time_of_joining_keeps_none() -> None:
    known = both(on(leg("A", None)), replaced(on(leg("A", 7)), joined_at=ms(7)))
    assert known.parties[0].joined_at is None
    assert known.parties[0].legs[0].connected_at == ms(7)


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        # A callback's call is dialled; one that was not answered, and one that was there all the time.
        ([leg("K", 1, 9, media_type="callback")], [leg("A", None, state="dialing")], None),
        ([leg("K", 1, 9, media_type="callback")], [leg("A", None, 9, state="disconnected")], 9),
        ([leg("K", 1, 9, media_type="callback")], [leg("K", 1, 9, media_type="callback")], 9),
        ([leg("K", 1, 9, media_type="callback")], [Leg("A")], 9),
        ([Leg("A")], [Leg("B", state="dialing")], 9),
        ([leg("A", 1, 9), Leg("A2")], [Leg("B", state="dialing")], 9),
        ([], [Leg("B", state="dialing")], 9),
        ([leg("A", 1, 9), leg("X", 1, 8)], [leg("B", None, state="alerting")], None),
        # One leg of two talks again.
        ([leg("A", 1, 9), leg("B", 2, 9)], [leg("A", 10), leg("B", 2, 9)], None),
        # An event that was overtaken.
        ([leg("A", 1, 9), leg("B", 2, 9)], [leg("A", 1), leg("B", 2, 9)], 9),
        # Nothing is said of leaving any more, which takes nothing back.
        ([], [], 9),
        ([leg("A", 1)], [Leg("A")], 9),
    ],
)
def test_one_who_left_comes_back_by_talking_or_by_a_new_leg(
    before: list[Leg], after: list[Leg], left: float | None
) -> None:
    gone = snapshot(Party("p", "agent", left_at=ms(9), legs=tuple(before)))
    assert both(gone, on(*after)).parties[0].left_at == ms(left)
    assert both(gone, on(*after), authoritative=False).parties[0].left_at == ms(9)


def test_a_party_that_is_rung_is_not_told() -> None:
    assert not is_told(Party("a", legs=(leg("A", None, state="alerting"),)))
    assert not is_told(Party("a", legs=(Leg("A"),)))
    assert is_told(Party("a", legs=(Leg("A", state="connected"),)))
    assert is_told(Party("a", legs=(leg("A", None, 9),)))
    assert is_told(Party("a", legs=(leg("A", None, state="alerting"), Leg("B", state="connected"))))
    assert is_told(Party("a", joined_at=1))
    assert is_told(Party("a", left_at=1))


def test_who_was_answered_is_not_rung_again() -> None:
    known = both(on(Leg("A", state="connected")), on(Leg("A", state="alerting")))
    assert known.parties[0].legs[0].state == "connected"
    assert both(on(Leg("A", state="alerting")), on(Leg("A", state="connected"))).parties[0].legs[0].state == "connected"


def test_a_leg_is_bridged_with_another_one_by_its_newest_word() -> None:
    before, after = on(leg("A", 1, peer="B")), on(leg("A", 1, peer="C"))
    assert both(before, after).parties[0].legs[0].peer_id == "C"
    assert both(before, after, authoritative=False).parties[0].legs[0].peer_id == "B"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["A"], ["A", "B"], ["A", "B"]),
        ([None], [None], [None]),
        ([None], ["A"], ["A"]),
        (["A"], [None], ["A"]),
        (["A", "B"], [None, None], ["A", "B"]),
        ([None, "B"], ["A", "B"], ["A", "B"]),
        (["A"], [None, "A"], ["A", None]),
        ([None], [None, None], [None, None]),
        ([], [None, "A"], [None, "A"]),
    ],
)
def test_legs_without_an_id_are_told_by_their_place(
    before: list[str | None], after: list[str | None], expected: list[str | None]
) -> None:
    known = both(on(*map(leg, before)), on(*map(leg, after)))
    assert [each.communication_id for each in known.parties[0].legs] == expected
    assert merged(known, on(*map(leg, after))) is known


def test_legs_of_two_media_are_two() -> None:
    known = both(on(leg(None)), on(leg("M", media_type="message")))
    assert [each.media_type for each in known.parties[0].legs] == ["voice", "message"]


def texts(*messages: MessageRef) -> Snapshot:
    return on(leg("M", media_type="message", messages=messages))


def test_messages_are_those_of_all_looks_in_the_order_of_their_coming() -> None:
    m1, m2, m3 = MessageRef("1", ms(1)), MessageRef("2"), MessageRef("3", ms(3))
    known = merged(None, texts(m1, m2))
    for look in (texts(), texts(m1), texts(m2, m1), texts(MessageRef("1", ms(2)))):
        assert merged(known, look) is known
    assert merged(known, texts(m1, m2, m3)).parties[0].legs[0].messages == (m1, m2, m3)
    assert merged(known, texts(m3, m3)).parties[0].legs[0].messages == (m1, m2, m3)
    assert merged(known, texts(MessageRef("2", ms(2)))).parties[0].legs[0].messages[1].at == ms(2)


def test_an_event_that_was_overtaken_revives_nobody() -> None:
    began = snapshot(party("c", "customer", leg("C", 1)), party("a", "agent", leg("A", 2)))
    ended = snapshot(party("c", "customer", leg("C", 1, 9)), party("a", "agent", leg("A", 2, 9)))
    known = both(began, ended)
    assert merged(known, began) is known
    again = merged(known, snapshot(party("a", "agent", leg("A", 20))))
    assert again.parties[1].left_at is None
