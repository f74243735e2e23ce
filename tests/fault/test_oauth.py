"""Rows O1 to O15 of the fault matrix: what the token endpoint may do to us, and what we do then.

Real sockets, virtual time. One table: what the endpoint answers, what must come of it, after how many requests.
"""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.errors import (
    BadAnswer,
    ConfigError,
    GenscribeError,
    InvalidClient,
    NotPermitted,
    Passing,
    Throttled,
    Unreachable,
)
from genscribe.genesys.api import HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.telemetry.base import Telemetry
from tests.http_stub import HttpStub, Reply, json, serve, token
from tests.virtual_time import EPOCH_MS, VIRTUAL, move_wall_clock, wall_ms

pytestmark = pytest.mark.anyio
TLS = tls_context()
CANARY = "c4n4ry"
HOUR = 3600.0


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


class Endpoint:
    """Answers with one item after the other, the last for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def __call__(self, asked: Any) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def numbered(life_s: Any = 86_400):
    """Gives the tokens t1, t2, ..."""
    numbers = count(1)
    return lambda asked: token(f"t{next(numbers)}", life_s)


class Watched(TokenManager):
    """Remembers what it tried again after."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.retried: list[Passing] = []

    def _tell_retry(self, error: Passing, delay_s: float) -> None:
        self.retried.append(error)
        super()._tell_retry(error, delay_s)


@dataclass
class Run:
    manager: Watched
    stub: HttpStub
    telemetry: Telemetry

    @property
    def at(self) -> list[float]:
        """When the requests came."""
        return [asked.at for asked in self.stub.asked]


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= when <= start + 60 for when in times) for start in times)


@asynccontextmanager
async def running(answer, **settings):
    """A token manager at work on a stub."""
    telemetry = Telemetry()
    settings = {"client_id": "id", "secret": Secret(CANARY), **settings}
    async with serve(answer) as stub, HttpClient(TLS, trust_env=False) as http:
        manager = Watched(http, login_url=stub.url, telemetry=telemetry, **settings)
        async with anyio.create_task_group() as group:
            group.start_soon(manager.run)
            try:
                yield Run(manager, stub, telemetry)
            finally:
                group.cancel_scope.cancel()


GOOD = token("good")
INVALID_CLIENT = json(400, error="invalid_client", description="client not found")
PAGE = Reply(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
DATE = "Fri, 20 Mar 2026 09:46:40 GMT"


def throttled(retry_after: str | None, **headers: str) -> Reply:
    return Reply(429, headers=headers if retry_after is None else {"Retry-After": retry_after, **headers})


@dataclass
class Row:
    """`replies` in order, the last for ever; then `ends` (an error, or the token's value) after `requests` of them.

    `first_wait`: the bounds of the seconds between the first request and the second. `says`: words of the error.
    `last`: the class of the error that the last retry was for.
    """

    replies: list[Reply]
    ends: type[GenscribeError] | str
    requests: int
    first_wait: tuple[float, float] | None = None
    says: list[str] = field(default_factory=list)
    last: type[GenscribeError] | None = None


OWN = (0.0, 1.0)
"""Our own backoff's first wait."""


def heals(reply: Reply, wait: tuple[float, float] = OWN, last: type[GenscribeError] = BadAnswer) -> Row:
    """The endpoint answers `reply` once, then well."""
    return Row([reply, GOOD], "good", 2, wait, last=last)


ROWS = {
    "O1 invalid_client": Row([INVALID_CLIENT], InvalidClient, 2, (0, 0), ["invalid_client", "127.0.0.1", "api.eu"]),
    "O1 invalid_grant": Row([json(400, error="invalid_grant")], InvalidClient, 2, (0, 0), ["invalid_grant"]),
    "O1 unsupported": Row([json(400, error="unsupported_grant_type")], InvalidClient, 2, (0, 0), ["unsupported"]),
    "O1 400 without a word": Row([Reply(400)], InvalidClient, 2, (0, 0), ["400"]),
    "O1 Basic refused, form good": Row([INVALID_CLIENT, GOOD], "good", 2, (0, 0)),
    "O1 scope refused, good without": Row([json(400, error="invalid_scope"), GOOD], "good", 2, (0, 0)),
    "O1 a proxy's page with 400": heals(Reply(400, b"<html>")),
    "O2 401": Row([Reply(401)], InvalidClient, 2, (0, 0), ["401", "GENESYS_CLIENT_SECRET"]),
    "O2 401, then good": Row([Reply(401), GOOD], "good", 2, (0, 0)),
    "O2 a proxy's page with 401": heals(Reply(401, b"<!doctype html>")),
    "O3 403": Row([Reply(403)], NotPermitted, 1, None, ["403", "role", "allow-list"]),
    "O4 429 in seconds": heals(throttled("30"), (30, 36), Throttled),
    "O4 429 with a fraction": heals(throttled("2.5"), (2.5, 3), Throttled),
    "O4 503 in seconds": heals(Reply(503, headers={"Retry-After": "30"}), (30, 36), Throttled),
    "O5 429 with a date": heals(throttled("Fri, 20 Mar 2026 09:47:40 GMT", Date=DATE), (60, 72), Throttled),
    "O5 429 with a date, no Date": heals(throttled("Fri, 20 Mar 2026 09:47:40 GMT"), (60, 72), Throttled),
    "O5 429 by a skewed server": heals(
        throttled("Fri, 20 Mar 2026 12:01:00 GMT", Date="Fri, 20 Mar 2026 12:00:00 GMT"), (60, 72), Throttled
    ),
    "O5 429 with a past date": heals(throttled("Fri, 20 Mar 2026 09:00:00 GMT", Date=DATE), OWN, Throttled),
    "O5 429 negative": heals(throttled("-5"), OWN, Throttled),
    "O5 429 garbage": heals(throttled("soon"), OWN, Throttled),
    "O5 429 not a number": heals(throttled("NaN"), OWN, Throttled),
    "O5 429 missing": heals(throttled(None), OWN, Throttled),
    "O5 429 for ever": heals(throttled("1000000000"), (3600, 4320), Throttled),
    "O5 429 zero": heals(throttled("0"), OWN, Throttled),
    "O6 500": heals(Reply(500)),
    "O6 502 page": heals(PAGE),
    "O6 504": heals(Reply(504)),
    "O6 404": heals(Reply(404)),
    "O6 redirect": heals(Reply(307, headers={"Location": "http://127.0.0.1:9/"})),
    "O7 silence": heals(Reply(hang=True), (15, 16), Unreachable),
    "O7 drip": heals(Reply(headers={"Content-Length": "99"}, pieces=[b" "] * 99), (15, 16), Unreachable),
    "O7 closed at once": heals(Reply(raw=b"")),
    "O8 malformed": heals(Reply(body=b"{")),
    "O8 list": heals(Reply(body=b"[]")),
    "O8 null": heals(Reply(body=b"null")),
    "O8 empty": heals(Reply(body=b"")),
    "O8 wrong types": heals(token(5)),
    "O8 5 MB": heals(Reply(body=b" " * 5_000_000)),
    "O8 gzip": heals(Reply(body=b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"})),
    "O8 not HTTP": heals(Reply(raw=b"SSH-2.0-x\r\n\r\n")),
    "O8 an error with 200": heals(json(200, error="invalid_client")),
    "O10 token_type": heals(json(access_token="x", token_type="mac", expires_in=9)),
    "O10 header injection": heals(token("x\r\nX-Evil: 1")),
    "O10 not ASCII": heals(token("schlüssel")),
    "O10 signs of a URL": Row([token("a&b=c#d%e")], "a&b=c#d%e", 1),
}


async def outcome(manager: TokenManager) -> tuple[Any, str]:
    """(the token's value or the error's class, the error's text)."""
    try:
        return (await manager.token()).value.reveal(), ""
    except GenscribeError as error:
        return type(error), str(error)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_row(row):
    async with running(Endpoint(*row.replies), region="api.eu") as run:
        came, text = await outcome(run.manager)
        assert came == row.ends
        assert run.manager.last_error is None
        assert all(words in text for words in row.says)
        assert CANARY not in text
        assert run.telemetry.counters.token_requests == row.requests
        assert len(run.stub.asked) == row.requests
        if row.first_wait is not None:
            low, high = row.first_wait
            assert low <= run.at[1] <= high + 0.1
        assert [type(error) for error in run.manager.retried] == ([row.last] if row.last else [])


@pytest.mark.parametrize("expires_in", [None, "soon", 0, -1, True, [], 1e300], ids=repr)
async def test_row_o9_a_life_that_makes_no_sense_is_300_s_and_renewed_at_half(expires_in):
    async with running(numbered(expires_in)) as run:
        await anyio.sleep(301)
        assert run.at == pytest.approx([0, 150, 300])


@pytest.mark.parametrize("expires_in", [1, 0.001, 4])
async def test_row_o9_a_life_of_a_second_does_not_spin(expires_in):
    async with running(numbered(expires_in)) as run:
        await anyio.sleep(HOUR)
        assert 500 <= len(run.stub.asked) <= 720
        assert min(b - a for a, b in pairwise(run.at)) >= 5
        assert most_in_a_minute(run.at) <= 12


async def test_row_o4_a_throttling_endpoint_is_asked_once_a_minute_for_hours():
    async with running(lambda asked: throttled("60")) as run:
        await anyio.sleep(12 * HOUR)
        assert 12 * 50 <= len(run.stub.asked) <= 12 * 60 + 1
        assert isinstance(run.manager.last_error, Throttled)


async def test_row_o6_an_endpoint_that_fails_leaves_the_old_token_to_its_end():
    async with running(lambda asked: GOOD if asked.at < 1 else PAGE) as run:
        first = await run.manager.token()
        await anyio.sleep(86_399)
        assert await run.manager.token() is first
        assert run.telemetry.recent[-1][1].startswith("No new token since ")
        assert "The old token serves for another" in run.telemetry.recent[0][1]
        began = clock.iso(EPOCH_MS + 86_100_000)
        assert all(line.startswith(f"No new token since {began}") for _, line in run.telemetry.recent)
        assert len(run.stub.asked) > 5
        await anyio.sleep(2)
        with anyio.move_on_after(HOUR) as scope:
            await run.manager.token()
        assert scope.cancelled_caught
        assert "There is no token" in run.telemetry.recent[-1][1]


async def test_row_o11_a_hundred_waiters_make_one_request():
    async def slowly(asked):
        await anyio.sleep(2)
        return GOOD

    async with running(slowly) as run:
        got = []

        async def wait():
            got.append(await run.manager.token())

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(wait)
        assert len(got) == 100
        assert len({id(token) for token in got}) == 1
        assert len(run.stub.asked) == 1


async def test_row_o11_a_cancelled_waiter_cancels_neither_the_others_nor_the_request():
    async def slowly(asked):
        await anyio.sleep(5)
        return GOOD

    async with running(slowly) as run:
        with anyio.move_on_after(1) as gave_up:
            await run.manager.token()
        assert gave_up.cancelled_caught
        assert (await run.manager.token()).value == Secret("good")
        assert len(run.stub.asked) == 1


async def test_row_o12_a_refresh_that_fails_and_heals_is_not_felt():
    replies = [token("a", 1000), Reply(500), throttled("20"), Reply(hang=True), token("b", 1000)]
    async with running(Endpoint(*replies)) as run:
        a = await run.manager.token()
        await anyio.sleep(700)
        assert await run.manager.token() is a
        with anyio.fail_after(200):
            b = await run.manager.renewed(a)
        assert b.value == Secret("b")
        assert len(run.stub.asked) == 5


@pytest.mark.parametrize("jump_s", [86_400, 10 * 86_400])
async def test_row_o13_a_machine_that_slept_asks_for_another_token(monkeypatch, jump_s):
    async with running(numbered()) as run:
        first = await run.manager.token()
        await anyio.sleep(100)
        monkeypatch.setattr(clock, "wall_ms", lambda: wall_ms() + jump_s * 1000)
        with anyio.fail_after(1):
            assert (await run.manager.token()).value == Secret("t2")
            assert (await run.manager.renewed(first)).value == Secret("t2")
        await anyio.sleep(1000)
        assert len(run.stub.asked) == 2


async def test_row_o13_nobody_has_to_ask_after_a_sleep(monkeypatch):
    async with running(numbered()) as run:
        await anyio.sleep(100)
        monkeypatch.setattr(clock, "wall_ms", lambda: wall_ms() + 86_400_000)
        await anyio.sleep(20)
        assert len(run.stub.asked) == 2


async def test_row_o13_a_clock_set_back_changes_nothing(monkeypatch):
    async with running(numbered()) as run:
        first = await run.manager.token()
        monkeypatch.setattr(clock, "wall_ms", lambda: wall_ms() - 86_400_000)
        await anyio.sleep(86_000)
        assert await run.manager.token() is first
        await anyio.sleep(200)
        assert (await run.manager.token()).value == Secret("t2")


async def test_row_o14_a_revoked_token_is_dropped_once_however_many_say_so():
    async with running(numbered()) as run:
        first = await run.manager.token()
        await anyio.sleep(50)
        for _ in range(100):
            run.manager.drop(first)
        second = await run.manager.token()
        assert second.value == Secret("t2")
        run.manager.drop(first)
        assert await run.manager.token() is second
        assert run.at == pytest.approx([0, 50])


async def test_row_o14_a_token_refused_at_once_is_replaced_at_once():
    async with running(numbered()) as run:
        run.manager.drop(await run.manager.token())
        assert (await run.manager.token()).value == Secret("t2")
        assert anyio.current_time() < 0.1


async def test_row_o14_a_dropped_token_is_replaced_although_nobody_waits():
    async with running(numbered()) as run:
        token = await run.manager.token()
        await anyio.sleep(7)
        run.manager.drop(token)
        await anyio.sleep(1)
        assert run.at == pytest.approx([0, 7])


@pytest.mark.parametrize("same", [False, True], ids=["new values", "the same value"])
async def test_row_o14_a_platform_that_refuses_every_token_is_not_asked_in_a_loop(same):
    async with running((lambda asked: token("same")) if same else numbered()) as run:
        with anyio.move_on_after(HOUR):
            while True:
                run.manager.drop(await run.manager.token())
                await anyio.sleep(0.1)
        assert 59 <= len(run.stub.asked) <= (62 if same else 720)
        assert sum(later - earlier < 4.9 for earlier, later in pairwise(run.at)) <= 61
        assert most_in_a_minute(run.at) <= 12


@pytest.mark.parametrize(
    ("client_id", "secret"), [("", "s"), ("id", ""), ("id", "  "), ("id", "s\r\n"), ("i:d", "s")], ids=repr
)
async def test_row_o15_credentials_that_cannot_be_right_end_before_any_request(client_id, secret):
    with pytest.raises(ConfigError) as caught:
        async with running(lambda asked: GOOD, client_id=client_id, secret=Secret(secret)):
            pass
    assert caught.value.exit_code == 78


# In mid-run


class Rotating:
    """An endpoint that takes one secret only, from a moment on another."""

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self.good = CANARY

    def __call__(self, asked: Any) -> Reply:
        sent = base64.b64decode(asked.headers.get("authorization", "").removeprefix("Basic ")).decode()
        return token(f"by-{asked.at}", self.life_s) if sent == f"id:{self.good}" else INVALID_CLIENT


async def test_in_mid_run_a_changed_secret_is_read_again_and_nothing_is_missed():
    endpoint, file = Rotating(1000), {"secret": Secret(CANARY)}
    async with running(endpoint, reload=lambda: file["secret"]) as run:
        first = await run.manager.token()
        endpoint.good = "fresh"
        await anyio.sleep(800)
        assert await run.manager.token() is first
        file["secret"] = Secret("fresh")
        with anyio.fail_after(120):
            second = await run.manager.renewed(first)
        assert not first.ended(first.issued)
        assert second is not first
        assert any("refuses the client credentials" in line for _, line in run.telemetry.recent)
        assert CANARY not in str(run.telemetry.recent)


async def test_in_mid_run_refused_credentials_end_it_when_the_old_token_has_ended():
    endpoint = Rotating(1000)
    async with running(endpoint, reload=lambda: Secret(CANARY)) as run:
        first = await run.manager.token()
        endpoint.good = "nobody knows"
        await anyio.sleep(999)
        assert await run.manager.token() is first
        with pytest.raises(InvalidClient):
            await run.manager.renewed(first)
        assert 1000 <= anyio.current_time() <= 1062
        with pytest.raises(InvalidClient):
            await run.manager.token()
        assert {asked.headers["authorization"] for asked in run.stub.asked} == {
            run.stub.asked[0].headers["authorization"]
        }


async def test_in_mid_run_a_dropped_token_and_one_refusal_are_asked_again_once():
    endpoint = Rotating(86_400)
    async with running(endpoint) as run:
        first = await run.manager.token()
        await anyio.sleep(100)
        endpoint.good = "nobody knows"
        run.manager.drop(first)
        with pytest.raises(InvalidClient):
            await run.manager.token()
        assert len(run.stub.asked) == 3
        assert 105 <= anyio.current_time() <= 106.1


async def test_in_mid_run_a_refusal_of_a_moment_heals_each_time():
    replies = [token("a"), INVALID_CLIENT, token("b"), INVALID_CLIENT, token("c")]
    async with running(Endpoint(*replies)) as run:
        run.manager.drop(await run.manager.token())
        assert (await run.manager.token()).value == Secret("b")
        await anyio.sleep(1000)
        run.manager.drop(await run.manager.token())
        assert (await run.manager.token()).value == Secret("c")


async def test_in_mid_run_a_secret_that_cannot_be_read_keeps_the_old_one():
    def gone() -> Secret:
        raise ConfigError("secret.txt: No such file or directory.")

    async with running(Endpoint(token("a"), INVALID_CLIENT, token("b")), reload=gone) as run:
        run.manager.drop(await run.manager.token())
        assert (await run.manager.token()).value == Secret("b")
        assert any("could not be read again" in line for _, line in run.telemetry.recent)


async def test_in_mid_run_403_waits_for_the_old_tokens_end_too():
    async with running(Endpoint(token("a", 400), Reply(403))) as run:
        first = await run.manager.token()
        await anyio.sleep(390)
        assert await run.manager.token() is first
        with pytest.raises(NotPermitted):
            await run.manager.renewed(first)
        assert 400 <= anyio.current_time() <= 462


async def test_the_way_that_worked_is_remembered():
    def only_form(asked: Any) -> Reply:
        return token(f"t{asked.at}", 600) if "client_secret" in asked.form else INVALID_CLIENT

    async with running(only_form) as run:
        await anyio.sleep(1000)
        assert ["client_secret" in asked.form for asked in run.stub.asked] == [False, True, True, True, True]
        assert run.stub.asked[1].form == {
            "grant_type": "client_credentials",
            "client_id": "id",
            "client_secret": CANARY,
            "scope": "conversation:transcript:read",
        }
        assert "authorization" not in run.stub.asked[1].headers


async def test_refused_credentials_end_within_15_s_even_when_the_answers_are_slow():
    async def slowly(asked):
        await anyio.sleep(7)
        return INVALID_CLIENT

    async with running(slowly) as run:
        with pytest.raises(InvalidClient):
            await run.manager.token()
        assert anyio.current_time() <= 15
        assert len(run.stub.asked) == 2


async def test_the_second_way_does_not_begin_a_deadline_of_its_own():
    async def slowly(asked):
        await anyio.sleep(10 if len(run.stub.asked) == 1 else 0)
        return Reply(hang=True) if len(run.stub.asked) == 2 else INVALID_CLIENT

    async with running(slowly) as run:
        with pytest.raises(InvalidClient):
            await run.manager.token()
        assert [type(error) for error in run.manager.retried] == [Unreachable]
        assert run.at[2] <= 16.1


async def test_a_token_begins_the_backoff_anew(monkeypatch):
    monkeypatch.setattr(clock, "uniform", lambda low, high: high)
    bad = Reply(500)
    async with running(Endpoint(bad, bad, bad, bad, token("a"), bad, token("b"))) as run:
        first = await run.manager.token()
        await anyio.sleep(1000)
        run.manager.drop(first)
        await run.manager.token()
        assert run.at == pytest.approx([0, 1, 3, 7, 15, 1015, 1016], abs=0.1)


# Renewal


@pytest.mark.parametrize(("life_s", "renewed_s"), [(86_400, 86_100), (3600, 3300), (600, 300), (300, 150), (20, 10)])
async def test_renewal_below_300_s_and_short_lives_at_half(life_s, renewed_s):
    async with running(numbered(life_s)) as run:
        first = await run.manager.token()
        second = await run.manager.renewed(first)
        assert anyio.current_time() == pytest.approx(renewed_s, abs=0.1)
        assert second.value != first.value
        assert first.expires_at > anyio.current_time()


async def test_renewed_does_not_take_the_same_value_for_another_token():
    def endpoint(asked: Any) -> Reply:
        return token("same" if asked.at < 2000 else "other", 1000)

    async with running(endpoint) as run:
        first = await run.manager.token()
        assert (await run.manager.renewed(first)).value == Secret("other")
        assert anyio.current_time() >= 2000


async def test_renewed_returns_at_once_when_there_already_is_another():
    async with running(numbered(100)) as run:
        first = await run.manager.token()
        await anyio.sleep(60)
        before = anyio.current_time()
        await run.manager.renewed(first)
        assert anyio.current_time() == before


async def test_a_day_without_trouble_is_one_request_and_no_warning():
    async with running(numbered()) as run:
        await anyio.sleep(86_000)
        assert len(run.stub.asked) == 1
        assert not run.telemetry.recent
        assert run.telemetry.counters.token_requests == 1


async def test_nothing_secret_in_any_line(caplog):
    caplog.set_level(0)
    replies = [INVALID_CLIENT, token(CANARY + "-token", 20), Reply(500), throttled("2"), INVALID_CLIENT]
    async with running(Endpoint(*replies)) as run:
        first = await run.manager.token()
        with pytest.raises(InvalidClient) as caught:
            await run.manager.renewed(first)
        assert CANARY not in caplog.text
        assert CANARY not in str(run.telemetry.recent) + repr(caught.value) + repr(first) + repr(vars(run.manager))
