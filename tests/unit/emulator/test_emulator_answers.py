from __future__ import annotations

import base64
import gzip
import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from genscribe import clock
from genscribe.emulator.answers import Desk, Reply, Request
from genscribe.emulator.faults import Orders
from genscribe.emulator.ledger import Ledger
from genscribe.emulator.platform import TOKEN, TOKENS_ME, TRANSCRIPTS, Answer, Platform
from genscribe.secrets import Secret

BASIC = {"authorization": "Basic " + base64.b64encode(b"id:canary-secret").decode()}
GRANT = b"grant_type=client_credentials"


class Counter:
    """A desk, with short ways to ask it."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.desk = Desk(Platform("id", Secret("canary-secret")), self.orders, Ledger())
        self.ledger = self.desk.ledger

    def token(self, headers: dict[str, str] = BASIC, body: bytes = GRANT) -> Answer:
        return self.answer(Request("POST", TOKEN, headers, body))

    def get(self, path: str, token: str = "", method: str = "GET") -> Answer:
        return self.answer(Request(method, path, {"authorization": f"Bearer {token}"}))

    def shake(self, query: str) -> Reply:
        return self.desk.reply(Request("GET", f"{TRANSCRIPTS}?{query}", {"upgrade": "WebSocket"}), 0)

    def answer(self, request: Request) -> Answer:
        answer = self.desk.reply(request, 0).answer
        assert answer is not None
        return answer


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_token_requests_are_in_the_ledger_without_the_secret(counter: Counter) -> None:
    assert counter.token().status == 200
    body = GRANT + b"&client_id=id&client_secret=canary-secret"
    assert counter.token({}, body).status == 200
    assert counter.token({}, GRANT).status == 400
    entries = counter.ledger.token_requests
    assert [(entry.auth, entry.status, entry.issued is not None) for entry in entries] == [
        ("basic", 200, True),
        ("form", 200, True),
        ("none", 400, False),
    ]
    assert counter.ledger.token_count == 3
    assert "canary-secret" not in repr(counter.ledger)
    assert BASIC["authorization"] not in repr(counter.ledger)


def test_the_probe_and_the_other_paths(counter: Counter) -> None:
    token = counter.token().document["access_token"]  # type: ignore[index]
    statuses = [
        counter.get(TRANSCRIPTS, token).status,
        counter.get(TRANSCRIPTS, "bad").status,
        counter.get(f"{TRANSCRIPTS}?access_token={token}").status,
        counter.get(TRANSCRIPTS, token, "POST").status,
        counter.get(TOKENS_ME, token, "HEAD").status,
        counter.get("/api/v2/nothing", token).status,
        counter.get(TOKENS_ME, token, "DELETE").status,
        counter.get(TOKENS_ME, token, "HEAD").status,
    ]
    assert statuses == [426, 401, 401, 405, 200, 404, 200, 401]
    assert [entry.status for entry in counter.ledger.requests] == statuses
    assert token not in repr(counter.ledger)


def test_a_handshake_needs_a_good_token_in_the_query(counter: Counter) -> None:
    token = counter.desk.platform.issue(0, value="good+token")
    assert counter.shake("access_token=good%2Btoken&mediaTypes=voice").answer is None
    refused = counter.shake("access_token=good+token&mediaTypes=voice%2Cchat").answer
    assert refused is not None
    assert refused.status == 401
    (entry,) = counter.ledger.handshakes
    assert (entry.status, entry.query, entry.access_token) == (401, {"mediaTypes": "voice,chat"}, "good token")
    counter.desk.shook(Request("GET", f"{TRANSCRIPTS}?access_token={token}", {}), 101, 7)
    assert [(entry.status, entry.connection) for entry in counter.ledger.handshakes] == [(401, None), (101, 7)]


@pytest.mark.parametrize(("path", "place"), [(TRANSCRIPTS, "probe"), (TOKENS_ME, "api"), ("/x", "api")])
def test_statuses_to_order(counter: Counter, path: str, place: str) -> None:
    counter.orders.place("503", at=place, retry_after="soon", body="down", content_type="text/plain")
    answer = counter.get(path)
    assert (answer.status, answer.body, answer.content_type) == (503, b"down", "text/plain")
    assert dict(answer.headers)["Retry-After"] == "soon"
    assert counter.get(path).status != 503


def test_retry_after_may_be_a_date_of_the_servers_own_clock(counter: Counter) -> None:
    counter.desk.skew_s = 86_400
    counter.orders.place("429", at="token", retry_after_date_s=90)
    date = parsedate_to_datetime(dict(counter.token().headers)["Retry-After"])
    server = parsedate_to_datetime(counter.desk.date())
    assert abs(server.timestamp() - clock.wall_ms() / 1000 - 86_400) < 60
    ahead = date - server
    assert 89 <= ahead.total_seconds() <= 91


def test_redirect_and_html(counter: Counter) -> None:
    counter.orders.place("redirect", location="http://other/", status=307)
    reply = counter.shake("access_token=x")
    assert reply.answer is not None
    assert (reply.answer.status, dict(reply.answer.headers)["Location"]) == (307, "http://other/")
    counter.orders.place("html", at="token", status=502)
    assert (counter.token().status, counter.ledger.token_requests[-1].status) == (502, 502)


def test_requests_without_an_answer_have_status_0(counter: Counter) -> None:
    counter.orders.place("no-answer", at=("token", "handshake", "api"), times=3)
    counter.token()
    counter.shake("access_token=x")
    counter.get(TOKENS_ME)
    ledger = counter.ledger
    assert [ledger.token_requests[0].status, ledger.handshakes[0].status, ledger.requests[0].status] == [0, 0, 0]


def test_refusing_basic_takes_the_form(counter: Counter) -> None:
    counter.orders.place("refuse-basic", times=None)
    assert counter.token().status == 400
    assert counter.token({}, GRANT + b"&client_id=id&client_secret=canary-secret").status == 200


def test_invalid_client_says_why(counter: Counter) -> None:
    counter.orders.place("invalid_client", description="client not found")
    answer = counter.token()
    assert answer.status == 400
    assert answer.document == {
        "error": "invalid_client",
        "description": "client not found",
        "error_description": "client not found",
    }


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("token-list", {}, ["access_token"]),
        ("token-null", {}, None),
        ("token-wrong-types", {}, {"access_token": 17, "token_type": ["bearer"], "expires_in": {"in": 3600}}),
    ],
)
def test_token_answers_of_the_wrong_shape(
    counter: Counter, name: str, settings: dict[str, Any], expected: object
) -> None:
    counter.orders.place(name, **settings)
    answer = counter.token()
    assert (answer.status, answer.document) == (200, expected)
    assert counter.ledger.token_requests[0].issued is None


@pytest.mark.parametrize(
    ("name", "missing"),
    [("token-missing", "access_token"), ("token-no-expires-in", "expires_in")],
)
def test_token_answers_with_a_field_missing(counter: Counter, name: str, missing: str) -> None:
    counter.orders.place(name)
    document = counter.token().document
    assert isinstance(document, dict)
    assert {"access_token", "token_type", "expires_in"} - document.keys() == {missing}


def test_token_answers_with_odd_values(counter: Counter) -> None:
    counter.orders.place("token-type")
    counter.orders.place("token-value", value="a&b#c")
    counter.orders.place("token-expires-in", value="soon", lives_s=5)
    documents = [json.loads(counter.token().body) for _ in range(3)]
    assert documents[0]["token_type"] == "mac"
    assert documents[1]["access_token"] == "a&b#c"
    assert documents[2]["expires_in"] == "soon"
    platform = counter.desk.platform
    assert platform.expiry("a&b#c", 0) == 86400
    assert platform.expiry(documents[2]["access_token"], 0) == 5


def test_token_answers_that_are_broken_or_big(counter: Counter) -> None:
    counter.orders.place("token-not-json")
    counter.orders.place("token-oversized", size=100_000)
    counter.orders.place("token-bomb", size=1_000_000)
    broken, big, bomb = counter.token(), counter.token(), counter.token()
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.body)
    assert len(big.body) > 100_000
    assert dict(bomb.headers)["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(bomb.body)) > 1_000_000 > 100 * len(bomb.body)
