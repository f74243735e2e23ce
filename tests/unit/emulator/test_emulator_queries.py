from __future__ import annotations

import json
from typing import Any

import pytest

from genscribe.emulator import queries
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.queries import BadQuery, days

DAY = 86_400_000
LIVE = [{"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "notExists"}]}]
WEEK = "1970-01-01T00:00:00.000Z/1970-01-08T00:00:00.000Z"


def ask(house: Organisation, *, until: int = 9 * DAY, **query: Any) -> Any:
    body = json.dumps({"interval": WEEK, **query}).encode()
    return queries.answer(body, house.conversations.values(), until)


def ids(answer: Any) -> list[str]:
    return [one["conversationId"] for one in answer.get("conversations", [])]


def segments(*predicates: dict[str, str], kind: str = "and") -> list[dict[str, Any]]:
    return [{"type": kind, "predicates": list(predicates)}]


def house_of_five() -> Organisation:
    house = Organisation()
    for number, queue in enumerate(["Support", "Sales", "Support", None, "Billing"]):
        house.begin(str(number), now=1000 * number, queue=queue)
    house.end("1", now=6000)
    return house


def test_live_conversations_are_those_without_an_end() -> None:
    answer = ask(house_of_five(), conversationFilters=LIVE)
    assert ids(answer) == ["0", "2", "3", "4"]
    assert answer["totalHits"] == 4
    ended = [{"predicates": [{"type": "dimension", "dimension": "conversationEnd", "operator": "exists"}]}]
    assert ids(ask(house_of_five(), conversationFilters=ended)) == ["1"]


def test_pages_and_order() -> None:
    house = house_of_five()
    newest = {"order": "desc", "orderBy": "conversationStart"}
    assert ids(ask(house, **newest, paging={"pageSize": 2, "pageNumber": 1})) == ["4", "3"]
    assert ids(ask(house, **newest, paging={"pageSize": 2, "pageNumber": 3})) == ["0"]
    beyond = ask(house, paging={"pageSize": 2, "pageNumber": 4})
    assert beyond == {"totalHits": 5}
    assert ids(ask(house, orderBy="conversationEnd"))[0] == "1"
    for number in range(5, 40):
        house.begin(str(number), now=number)
    assert len(ids(ask(house))) == 25
    assert len(ids(ask(house, paging={"pageSize": 100}))) == 40


def test_segments_are_found_by_queue_media_and_purpose() -> None:
    house = house_of_five()
    support = {"dimension": "queueId", "operator": "matches", "value": house.queue("Support").id}
    sales = {"dimension": "queueId", "value": house.queue("Sales").id}
    assert ids(ask(house, segmentFilters=segments(support))) == ["0", "2"]
    assert ids(ask(house, segmentFilters=segments(support, sales, kind="or"))) == ["0", "1", "2"]
    assert ids(ask(house, segmentFilters=segments(support, sales))) == []
    house.transfer("0", now=7000, queue="Sales")
    assert ids(ask(house, segmentFilters=segments(sales))) == ["0", "1"]
    house.begin("m", now=7000, media_type="message")
    voice = {"dimension": "mediaType", "value": "voice"}
    assert "m" not in ids(ask(house, segmentFilters=segments(voice)))
    talking = segments({"dimension": "purpose", "value": "agent"}, {"dimension": "segmentEnd", "operator": "notExists"})
    assert ids(ask(house, segmentFilters=talking)) == ["0", "2", "4", "m"]
    nested = [{"type": "or", "clauses": [{"type": "and", "predicates": [support]}, {"predicates": [sales]}]}]
    assert ids(ask(house, segmentFilters=nested)) == ["0", "1", "2", "m"]


def test_conversations_are_found_by_id_direction_and_division() -> None:
    house = house_of_five()
    house.begin("o", now=9, direction="outbound", queue=house.add_queue("North", division="Nordics").id)
    for dimension, value in (
        ("conversationId", "o"),
        ("originatingDirection", "outbound"),
        ("divisionId", house.queue("North").division),
    ):
        wish = [{"type": "and", "predicates": [{"dimension": dimension, "value": value}]}]
        assert ids(ask(house, conversationFilters=wish)) == ["o"]


def test_analytics_knows_nothing_that_happened_later() -> None:
    house = house_of_five()
    assert ids(ask(house, until=2500)) == ["0", "1", "2"]
    assert ids(ask(house, until=5999, conversationFilters=LIVE)) == ["0", "1", "2", "3", "4"]
    assert ids(ask(house, until=6000, conversationFilters=LIVE)) == ["0", "2", "3", "4"]


def test_the_interval_takes_whole_days_by_the_start() -> None:
    house = Organisation()
    for number, at in enumerate((0, DAY - 1, DAY, 2 * DAY)):
        house.begin(str(number), now=at)
    assert ids(ask(house, interval="1970-01-01T12:00:00Z/1970-01-01T13:00:00Z")) == ["0", "1"]
    assert ids(ask(house, interval="1970-01-02T00:00:00Z/1970-01-03T00:00:00.000Z")) == ["2"]


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ("1970-01-01/1970-01-02", (0, DAY)),
        ("1970-01-01T23:00/1970-01-02T01:00", (0, 2 * DAY)),
        ("1970-01-02T00:30:00+01:00/1970-01-01T23:45:00.000Z", (0, DAY)),
        ("P1D/1970-01-03T00:00:00Z", (DAY, 2 * DAY)),
        ("1970-01-01T23:00:00Z/PT2H", (0, 2 * DAY)),
    ],
)
def test_intervals(interval: str, expected: tuple[int, int]) -> None:
    assert days(interval) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"interval": None},
        {"interval": "today"},
        {"interval": "1970-01-01T00:00:00Z"},
        {"interval": "1970-13-01/1970-01-02"},
        {"interval": "1970-01-03/1970-01-02"},
        {"interval": "1970-01-01/1970-03-01"},
        {"interval": "PX/1970-03-01"},
        {"paging": {"pageSize": 101}},
        {"paging": {"pageSize": 0}},
        {"paging": {"pageNumber": 0}},
        {"paging": {"pageSize": "many"}},
        {"order": "upwards"},
        {"orderBy": "mood"},
        {"conversationFilters": [{"predicates": [{"dimension": "mood", "value": "x"}]}]},
        {"conversationFilters": [{"predicates": [{"dimension": "queueId", "value": "x"}]}]},
        {"conversationFilters": [{"type": "nor", "predicates": []}]},
        {"segmentFilters": [{"clauses": [{"predicates": [{"dimension": "queueId", "operator": "like"}]}]}]},
    ],
)
def test_bad_queries_are_refused_whatever_there_is_to_find(query: dict[str, Any]) -> None:
    with pytest.raises(BadQuery):
        ask(Organisation(), **query)


def test_a_body_that_is_no_query_is_refused() -> None:
    for body in (b"", b"{", b"[]", b"\xff"):
        with pytest.raises(BadQuery):
            queries.answer(body, [], 0)
