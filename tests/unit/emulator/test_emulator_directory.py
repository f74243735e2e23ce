from __future__ import annotations

import json
from typing import Any

import pytest

from genscribe.emulator import directory
from genscribe.emulator.directory import PERMISSIONS
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.platform import Answer

DETAILS = "/api/v2/analytics/conversations/details"
WEEK = "1970-01-01T00:00:00.000Z/1970-01-08T00:00:00.000Z"


def ask(house: Organisation, target: str, method: str = "GET", body: Any = None, **more: Any) -> Answer:
    query = more.pop("query", {})
    sent = b"" if body is None else json.dumps(body).encode()
    answer = directory.answer(house, method, target, query, sent, more.pop("now", 10_000), **more)
    assert answer is not None
    return answer


def get(house: Organisation, target: str, **more: Any) -> Any:
    answer = ask(house, target, **more)
    assert answer.status == 200
    return answer.document


def names(listing: Any) -> list[str]:
    return [entity["name"] for entity in listing["entities"]]


def test_queues_come_in_pages_by_name() -> None:
    house = Organisation()
    first = get(house, "/api/v2/routing/queues", query={"pageSize": "3"})
    assert names(first) == ["Billing", "Retentions", "Sales"]
    assert {name: first[name] for name in ("total", "pageCount", "pageSize", "pageNumber")} == {
        "total": 4,
        "pageCount": 2,
        "pageSize": 3,
        "pageNumber": 1,
    }
    assert first["nextUri"] == first["lastUri"] == "/api/v2/routing/queues?pageSize=3&pageNumber=2"
    assert "previousUri" not in first
    last = get(house, "/api/v2/routing/queues", query={"pageSize": ["3"], "pageNumber": ["2"]})
    assert names(last) == ["Support"]
    assert "nextUri" not in last
    assert last["previousUri"] == first["selfUri"]
    assert first["entities"][0]["division"]["name"] == "Home"
    assert get(house, first["entities"][0]["selfUri"])["name"] == "Billing"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "*al*"}, ["Sales"]),
        ({"name": "sales"}, ["Sales"]),
        ({"name": "*"}, ["Billing", "Retentions", "Sales", "Support"]),
        ({"name": "[s]ales"}, []),
        ({"divisionId": "none"}, []),
        ({"pageNumber": "9"}, []),
    ],
)
def test_queues_are_found_by_name(query: dict[str, str], found: list[str]) -> None:
    assert names(get(Organisation(), "/api/v2/routing/queues", query=query)) == found


def test_only_queues_of_visible_divisions_are_shown_and_only_their_conversations() -> None:
    house = Organisation()
    north = house.add_queue("North", division="Nordics")
    house.begin("c", now=1, queue="North")
    house.begin("d", now=1, queue=None)
    house.visible_divisions = frozenset({house.queue("Sales").division})
    assert "North" not in names(get(house, "/api/v2/routing/queues"))
    assert ask(house, f"/api/v2/routing/queues/{north.id}").status == 404
    assert ask(house, "/api/v2/conversations/c").status == 404
    assert ask(house, "/api/v2/conversations/d").status == 200
    assert get(house, f"{DETAILS}/query", method="POST", body={"interval": WEEK})["totalHits"] == 1
    assert names(get(house, "/api/v2/authorization/divisions")) == ["Home", "Nordics"]
    house.transfer("c", now=2, queue="Sales")
    assert ask(house, "/api/v2/conversations/c").status == 200


def test_users_are_listed_found_by_id_and_looked_up() -> None:
    house = Organisation()
    tom, maya = house.user("Tom Whitaker"), house.user("Maya Castillo")
    assert len(get(house, "/api/v2/users")["entities"]) == 8
    for asked in ([tom.id, maya.id], f"{tom.id},{maya.id}"):
        assert names(get(house, "/api/v2/users", query={"id": asked})) == ["Maya Castillo", "Tom Whitaker"]
    assert get(house, f"/api/v2/users/{tom.id}")["email"] == "tom.whitaker@example.com"
    assert ask(house, "/api/v2/users/none").status == 404


def test_nobody_is_logged_in_with_client_credentials() -> None:
    house = Organisation()
    house.begin("c", now=1)
    assert get(house, "/api/v2/conversations")["entities"] == []


def test_transcription_settings_are_those_of_the_organisation() -> None:
    house = Organisation()
    house.settings["lowLatencyTranscriptionEnabled"] = False
    settings = get(house, "/api/v2/routing/settings/transcription")
    assert (settings["transcription"], settings["lowLatencyTranscriptionEnabled"]) == ("EnabledGlobally", False)


def test_conversations_by_id_in_analytics_and_in_rest() -> None:
    house = Organisation(analytics_lag_s=5)
    house.begin("c", now=1_000)
    house.begin("late", now=6_000)
    house.end("c", now=7_000)
    for asked in (["c", "late", "none"], "c,late,none"):
        (found,) = get(house, DETAILS, query={"id": asked})["conversations"]
        assert (found["conversationId"], "conversationEnd" in found) == ("c", False)
    assert "conversationEnd" in get(house, DETAILS, query={"id": "c"}, now=12_000)["conversations"][0]
    assert get(house, f"{DETAILS}/query", method="POST", body={"interval": WEEK})["totalHits"] == 1
    assert get(house, "/api/v2/conversations/c")["endTime"] == "1970-01-01T00:00:07.000Z"
    assert ask(house, "/api/v2/conversations/none").status == 404


def test_texts_of_messages_one_by_one_and_many() -> None:
    house = Organisation()
    house.begin("m", now=1, media_type="message")
    house.begin("c", now=1)
    wanted = [house.message("m", text, now=2) for text in ("one", "two", "three")]
    base = "/api/v2/conversations/messages/m"
    assert get(house, f"{base}/messages/{wanted[1]}")["normalizedMessage"]["text"] == "two"
    many = get(house, f"{base}/messages/bulk", method="POST", body=[wanted[2], "none", wanted[0], wanted[2]])
    assert [one["id"] for one in many["entities"]] == [wanted[2], wanted[0]]
    assert get(house, f"{base}/messages/bulk", method="POST", body=[]) == {"entities": []}
    assert len(get(house, base)["participants"]) == 3
    for path in (f"{base}/messages/none", "/api/v2/conversations/messages/none", "/api/v2/conversations/messages/c"):
        assert ask(house, path).status == 404
    assert ask(house, "/api/v2/conversations/messages/none/messages/bulk", "POST", []).status == 404


@pytest.mark.parametrize("body", [["x"] * 1001, {"ids": []}, [1], None])
def test_a_thousand_messages_are_the_most(body: Any) -> None:
    house = Organisation()
    house.begin("m", now=1, media_type="message")
    path = "/api/v2/conversations/messages/m/messages/bulk"
    assert ask(house, path, "POST", body).status == 400
    assert ask(house, path, "POST", ["x"] * 1000).status == 200


@pytest.mark.parametrize("query", [{"pageSize": "many"}, {"pageSize": "501"}, {"pageSize": "-1"}, {"pageNumber": "-1"}])
def test_pages_that_cannot_be_are_refused(query: dict[str, str]) -> None:
    assert ask(Organisation(), "/api/v2/routing/queues", query=query).status == 400


def test_a_bad_query_is_refused_with_its_reason() -> None:
    refused = ask(Organisation(), f"{DETAILS}/query", "POST", {})
    assert refused.status == 400
    assert "interval" in refused.document["message"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("method", "path", "any_of"),
    [
        ("GET", "/api/v2/routing/queues", ["routing:queue:view"]),
        ("GET", "/api/v2/routing/queues/x", ["routing:queue:view"]),
        ("GET", "/api/v2/routing/settings/transcription", ["routing:transcriptionSettings:view"]),
        ("GET", "/api/v2/conversations/x", ["conversation:communication:view"]),
        ("POST", f"{DETAILS}/query", ["analytics:conversationDetail:view", "analytics:agentConversationDetail:view"]),
        ("GET", DETAILS, ["analytics:conversationDetail:view", "analytics:agentConversationDetail:view"]),
        (
            "POST",
            "/api/v2/conversations/messages/x/messages/bulk",
            ["conversation:message:view", "conversation:webmessaging:view"],
        ),
        (
            "GET",
            "/api/v2/conversations/messages/x/messages/y",
            ["conversation:message:view", "conversation:webmessaging:view"],
        ),
    ],
)
def test_what_is_not_permitted_is_refused_by_name(method: str, path: str, any_of: list[str]) -> None:
    house = Organisation()
    refused = ask(house, path, method, [], permissions=PERMISSIONS - set(any_of))
    assert refused.status == 403
    body: Any = refused.document
    assert body["code"] in ("missing.permissions", "missing.any.permissions")
    assert body["messageParams"]["permissions"].split(", ") == any_of
    assert all(permission in body["message"] for permission in any_of)
    assert any(name == "ININ-Correlation-Id" and value == body["contextId"] for name, value in refused.headers)
    for one in any_of:
        assert ask(house, path, method, [], permissions=frozenset({one})).status != 403


def test_people_and_divisions_need_no_permission() -> None:
    for path in ("/api/v2/users", "/api/v2/authorization/divisions", "/api/v2/conversations"):
        assert ask(Organisation(), path, permissions=frozenset()).status == 200


def test_other_paths_are_not_mine_and_other_methods_not_allowed() -> None:
    house = Organisation()
    for path in ("/api/v2/notifications/channels", "/api/v2/routing/queues/x/members", "/api/v3/users", "/"):
        assert directory.answer(house, "GET", path, {}, b"", 0) is None
    refused = ask(house, f"{DETAILS}/query", "GET")
    assert (refused.status, dict(refused.headers)["Allow"]) == (405, "POST")
