"""`core/queues.py`: the queue in force at a moment, and whether it is one that is to be heard."""

from __future__ import annotations

import pytest

from genscribe.core.queues import QueueChoice, queue_at, queues_at
from genscribe.core.snapshot import Leg, Party, Snapshot
from tests.unit.core.looks import Book, leg, ms, party, snapshot

CUSTOMER = party("c", "customer", leg("C"), queue="of-another-moment")
MOVED = snapshot(
    CUSTOMER,
    party("v", "ivr", leg("V", 0, 10, peer="C")),
    party("d1", "acd", leg("D1", 10, 20, peer="C"), queue="sales"),
    party("no", "agent", leg("N", None, 15, state="disconnected"), queue="other"),
    party("a", "agent", leg("A", 20, 50, peer="C"), queue="sales"),
    party("d2", "acd", leg("D2", 50, 60, peer="C"), queue="hr"),
    party("b", "agent", leg("B", 60.5, 80, peer="C"), queue="hr"),
    party("d3", "acd", leg("D3", 80, 90, peer="C"), queue="sales"),
    party("e", "agent", leg("E", 90, 95, peer="C")),
    party("v2", "ivr", leg("V2", 95, peer="C")),
)
"""IVR, sales, transferred to hr, back to sales, to a colleague directly, to an IVR."""

CONSULT = snapshot(
    CUSTOMER,
    party("a", "agent", leg("A", 20, peer="C"), leg("A2", 30, 60, peer="B"), queue="sales"),
    party("b", "agent", leg("B", 30, 60, peer="A2"), queue="hr"),
)


@pytest.mark.parametrize(
    ("second", "queue"),
    [
        (5, None),
        (10, "sales"),
        (16, "sales"),
        (20, "sales"),
        (49.9, "sales"),
        (50, "hr"),
        (60.2, "hr"),  # between the queue and its agent
        (79.9, "hr"),
        (80, "sales"),
        (91, None),  # a colleague who came through no queue
        (96, None),
        (None, None),
    ],
)
def test_the_queue_in_force(second: float | None, queue: str | None) -> None:
    assert queue_at(MOVED, ms(second)) == queue


def test_a_consulted_queue_is_in_force_while_it_is_consulted_and_the_other_one_is_there_still() -> None:
    assert [queue_at(CONSULT, ms(at)) for at in (29, 30, 59, 60, None)] == ["sales", "hr", "hr", "sales", "sales"]
    assert queues_at(CONSULT, ms(40)) == ["hr", "sales"]


def test_an_ivr_after_the_agent_is_in_the_agents_queue_still() -> None:
    look = snapshot(
        CUSTOMER,
        party("a", "agent", leg("A", 20, 50), queue="sales"),
        party("v", "ivr", leg("V", 50)),
    )
    assert [queue_at(look, at) for at in (ms(60), None)] == ["sales", "sales"]


def test_an_agent_who_is_rung_brings_no_queue_and_one_who_did_not_answer_brought_none() -> None:
    rung = party("a", "agent", leg("A", None, state="alerting"), queue="sales")
    gone = Party("a", "agent", queue_id="sales", left_at=ms(9), legs=(Leg("A", state="disconnected", ended_at=ms(9)),))
    assert queue_at(snapshot(CUSTOMER, rung), None) is None
    assert queue_at(snapshot(CUSTOMER, gone), None) is None


@pytest.mark.parametrize(
    ("include", "exclude", "queue", "chosen"),
    [
        ((), (), ("q1", "Sales"), True),
        (("sales",), (), ("q1", "Sales"), True),
        (("Q1",), (), ("q1", None), True),
        (("sales",), (), ("q1", None), False),
        (("*les",), (), ("q1", "SALES"), True),
        (("?ales",), (), ("q1", "Sales"), True),
        (("sale",), (), ("q1", "Sales"), False),
        (("q*",), (), ("q1", "Sales"), False),
        (("other", "s*"), (), ("q1", "Sales"), True),
        (("Sales [EU]",), (), ("q1", "sales [eu]"), True),
        (("*[EU]",), (), ("q1", "Sales E"), False),
        (("straße",), (), ("q1", "STRASSE"), True),
        ((), ("sales",), ("q1", "Sales"), False),
        ((), ("q1",), ("q1", "Sales"), False),
        ((), ("h*",), ("q1", "Sales"), True),
        ((), ("h*",), ("q1", None), True),
        (("s*",), ("sales",), ("q1", "Sales"), False),
    ],
)
def test_a_queue_is_chosen(
    include: tuple[str, ...], exclude: tuple[str, ...], queue: tuple[str, str | None], chosen: bool
) -> None:
    assert QueueChoice(include, exclude).chosen(*queue) is chosen


def test_a_pattern_that_fits_no_queue_is_named() -> None:
    choice = QueueChoice(("sal*", "slaes"), ("q2", "q3"))
    assert choice.unmatched([("q1", "Sales"), ("q2", "HR")]) == ["slaes", "q3"]


def heard(choice: QueueChoice, look: Snapshot, seconds: list[float]) -> list[float]:
    return [second for second in seconds if choice.concerns(look, Book(), ms(second))]


MOMENTS = [5, 10, 20, 49, 50, 60.2, 61, 79, 80, 91, 96]


@pytest.mark.parametrize(
    ("include", "exclude", "moments"),
    [
        ((), (), MOMENTS),
        (("sales",), (), [10, 20, 49, 80]),
        (("the s*",), (), [10, 20, 49, 80]),
        (("hr",), (), [50, 60.2, 61, 79]),
        # Excluded is only the time there; an IVR, a direct call and what comes after are heard.
        ((), ("the HR",), [5, 10, 20, 49, 80, 91, 96]),
        ((), ("board", "hr"), [5, 10, 20, 49, 80, 91, 96]),
        (("sales", "hr"), ("hr",), [10, 20, 49, 80]),
    ],
)
def test_what_is_heard_of_a_call_that_is_passed_on(
    include: tuple[str, ...], exclude: tuple[str, ...], moments: list[float]
) -> None:
    assert heard(QueueChoice(include, exclude), MOVED, MOMENTS) == moments


def test_a_consult_with_an_excluded_queue_costs_its_own_leg_and_not_the_call() -> None:
    moments = [25.0, 40.0, 65.0]
    assert heard(QueueChoice(include=("sales",)), CONSULT, moments) == moments
    assert heard(QueueChoice(include=("hr",)), CONSULT, moments) == [40]
    without = QueueChoice(exclude=("hr",))
    assert heard(without, CONSULT, moments) == moments
    assert [without.hears(queue, Book()) for queue in ("hr", "sales", None)] == [False, True, True]
    assert heard(QueueChoice(include=("sales",), exclude=("hr",)), CONSULT, moments) == moments


def test_without_a_moment_it_is_asked_for_now() -> None:
    look = snapshot(CUSTOMER, party("d", "acd", leg("D", 10), queue="hr"))
    assert not QueueChoice(exclude=("hr",)).concerns(look, Book())
    assert QueueChoice(include=("hr",)).concerns(look, Book())
