"""The manners of a REST call: one place for the budget, Retry-After, a fresh token, and errors that say what to do."""

from __future__ import annotations

import logging

import anyio
import pytest

from genscribe.core.limits import RestBudget, Share
from genscribe.core.tokens import Instant, Token
from genscribe.errors import (
    BadAnswer,
    GenscribeError,
    InvalidClient,
    NotFound,
    NotPermitted,
    RequestRefused,
    Throttled,
    Unauthorized,
    Unreachable,
)
from genscribe.genesys.api import ApiClient, HttpClient
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.telemetry import Telemetry
from tests.http_stub import Reply, json, serve
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio
TLS = tls_context()
CANARY = "c4n4ry"
PATH = "/api/v2/things"


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


def a_token(value="token-1"):
    return Token(Secret(value), 86_400.0, Instant(0.0, 0))


class Tokens:
    """A token manager that gives these one after the other, the next when one is dropped."""

    def __init__(self, *values, error=None):
        self.values = list(values) or ["token-1", "token-2", "token-3"]
        self.error = error
        self.dropped = []

    async def token(self):
        await anyio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        if not self.values:
            await anyio.sleep_forever()
        return a_token(self.values[0])

    def drop(self, token):
        if self.values and token.value.reveal() == self.values[0]:
            self.dropped.append(self.values.pop(0))


class Rig:
    """An `ApiClient`, and a platform that answers what it is told, the last answer again and again."""

    def __init__(self, stub, http, replies, **more):
        self.stub = stub
        self.replies = replies
        self.tokens = more.pop("tokens", Tokens())
        self.telemetry = Telemetry()
        self.api = ApiClient(http, stub.url, tokens=self.tokens, telemetry=self.telemetry, **more)

    async def get(self, path=PATH, *, share=Share.SWEEP, **how):
        return await self.api.call("GET", path, share=share, **how)

    @property
    def bearers(self):
        return [asked.headers["authorization"].removeprefix("Bearer ") for asked in self.stub.asked]

    @property
    def times(self):
        return [asked.at for asked in self.stub.asked]

    @property
    def lines(self):
        return [line for _, line in self.telemetry.recent]


@pytest.fixture
def rig():
    class Opening:
        def __init__(self, *replies, **more):
            self.replies, self.more = list(replies), more

        async def __aenter__(self):
            def answer(asked):
                return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

            self.serving = serve(answer)
            self.http = HttpClient(TLS)
            return Rig(await self.serving.__aenter__(), self.http, self.replies, **self.more)

        async def __aexit__(self, *error):
            await self.http.aclose()
            await self.serving.__aexit__(*error)

    return Opening


OK = json(good=True)


async def test_a_call_has_the_current_token_its_parameters_and_its_body(rig):
    async with rig(OK) as r:
        answer = await r.api.call(
            "POST",
            "/api/v2/channels/{}/things/{}",
            share=Share.SUBSCRIBE,
            ids=("a/../b?c", Secret("ü d")),
            query={"yes": True, "no": False, "page": 2, "id": ["a", "b&c"], "word": "x y"},
            json=[{"id": "ü"}],
        )
    (asked,) = r.stub.asked
    assert answer.body == b'{"good":true}'
    assert (
        asked.target == "/api/v2/channels/a%2F..%2Fb%3Fc/things/%C3%BC%20d?yes=true&no=false&page=2&id=a,b%26c&word=x+y"
    )
    assert asked.headers["authorization"] == "Bearer token-1"
    assert asked.headers["content-type"] == "application/json"
    assert asked.body == '[{"id":"ü"}]'.encode()


async def test_a_get_has_no_body(rig):
    async with rig(OK) as r:
        await r.get()
    assert r.stub.asked[0].target == PATH
    assert "content-type" not in r.stub.asked[0].headers


async def test_every_call_counts_in_the_budget(rig):
    async with rig(OK) as r:
        await r.get()
        await r.get()
    assert r.api.turns.budget.used(anyio.current_time()) == 2


async def test_the_budget_learns_from_each_answer(rig):
    told = {"inin-ratelimit-allowed": "180", "inin-ratelimit-count": "100", "inin-ratelimit-reset": "30"}
    async with rig(json(headers=told)) as r:
        await r.get()
    assert (r.api.turns.budget.allowed, r.api.turns.budget.others) == (180, 99)


async def test_whoever_waits_goes_as_soon_as_an_answer_allows_more(rig):
    more = {"inin-ratelimit-allowed": "300", "inin-ratelimit-count": "1", "inin-ratelimit-reset": "60"}
    async with rig(OK, budget=RestBudget(1)) as r:
        gate = anyio.Event()

        async def answer(asked):
            await gate.wait()
            return json(headers=more)

        r.stub.answer = answer
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(r.get)
            await anyio.sleep(1)
            tasks.start_soon(r.get)
            await anyio.sleep(1)
            assert len(r.stub.asked) == 1
            gate.set()
    assert r.times == [0, 2]


async def test_when_the_budget_is_nearly_used_a_person_is_told_once(rig):
    told = {"inin-ratelimit-allowed": "300", "inin-ratelimit-count": "280", "inin-ratelimit-reset": "30"}
    async with rig(json(headers=told)) as r:
        await r.get()
        await r.get()
    (line,) = r.lines
    assert line.startswith("280 requests in the last minute, 279 of them by other programs with the same token")
    assert "--queues" in line


# 401


async def test_a_refused_token_is_dropped_and_the_next_tried_at_once(rig):
    async with rig(Reply(401), OK) as r:
        assert (await r.get()).status == 200
    assert r.bearers == ["token-1", "token-2"]
    assert r.tokens.dropped == ["token-1"]
    assert anyio.current_time() == 0


async def test_a_second_fresh_token_is_not_tried(rig):
    async with rig(Reply(401, headers={"ININ-Correlation-Id": "trace-1"})) as r:
        with pytest.raises(Unauthorized, match=r"GET /api/v2/things \(401\)\. \[trace-1\]"):
            await r.get()
    assert r.bearers == ["token-1", "token-2"]


async def test_a_given_token_is_the_callers_business(rig):
    async with rig(Reply(401)) as r:
        with pytest.raises(Unauthorized):
            await r.get(token=a_token("mine"))
    assert r.bearers == ["mine"]
    assert r.tokens.dropped == []


async def test_a_hundred_calls_with_one_refused_token_drop_it_once(rig):
    async with rig(OK) as r:
        r.stub.answer = lambda asked: Reply(401) if asked.headers["authorization"].endswith("token-1") else OK
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(lambda: r.get(share=Share.SUBSCRIBE))
    assert r.tokens.dropped == ["token-1"]


async def test_what_the_token_manager_gives_up_with_ends_the_call(rig):
    async with rig(OK, tokens=Tokens(error=InvalidClient("no."))) as r:
        with pytest.raises(InvalidClient):
            await r.get()
    assert r.stub.asked == []


# What is tried again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(rig, status):
    async with rig(Reply(status), Reply(status), OK) as r:
        assert (await r.get()).status == 200
    assert len(r.stub.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed(rig, status):
    async with rig(Reply(status, headers={"Retry-After": "40"}), OK) as r:
        await r.get()
    first, second = r.times
    assert 40 <= second - first <= 48


async def test_retry_after_is_obeyed_up_to_an_hour(rig):
    async with rig(Reply(503, headers={"Retry-After": "86400"}), OK) as r:
        await r.get()
    assert 3600 <= r.times[1] <= 3601


async def test_a_retry_after_that_makes_no_sense_leaves_it_to_our_backoff(rig):
    async with rig(Reply(503, headers={"Retry-After": "tomorrow"}), OK) as r:
        await r.get()
    assert r.times[1] <= 1


async def test_after_a_429_everybody_waits(rig):
    async with rig(Reply(429, headers={"Retry-After": "30"}), OK) as r, anyio.create_task_group() as tasks:
        tasks.start_soon(r.get)
        await anyio.sleep(1)
        await r.get(share=Share.SUBSCRIBE)
        assert anyio.current_time() == pytest.approx(30, abs=0.1)
    (line,) = r.lines
    assert "refused GET /api/v2/things: none is sent for 30 s" in line


async def test_many_that_are_refused_at_once_are_told_once(rig):
    async with rig(Reply(429, headers={"Retry-After": "20"})) as r, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(lambda: r.get(share=Share.SUBSCRIBE))
        await anyio.sleep(10)
        r.stub.answer = lambda asked: OK
    assert len([line for line in r.lines if "too many requests" in line]) == 1


async def test_the_platform_never_sees_more_than_its_limit(rig):
    async with rig(OK, budget=RestBudget(30)) as r, anyio.create_task_group() as tasks:
        for share in (Share.SWEEP, Share.TEXT, Share.SUBSCRIBE):
            for _ in range(20):
                tasks.start_soon(lambda share=share: r.get(share=share))
    times = r.times
    assert len(times) == 60
    assert max(sum(1 for other in times if start <= other <= start + 60) for start in times) <= 28


async def test_no_connection_is_tried_again_until_there_is_one(rig):
    async with rig(Reply(raw=b""), Reply(raw=b""), OK) as r:
        assert (await r.get()).status == 200
    assert "Trying again in" in r.lines[0]


async def test_an_outage_is_told_once_in_ten_seconds(rig):
    async with rig(Reply(502)) as r:
        with anyio.move_on_after(12):
            async with anyio.create_task_group() as tasks:
                for _ in range(30):
                    tasks.start_soon(lambda: r.get(share=Share.SUBSCRIBE))
    assert 1 <= len(r.lines) <= 2
    assert r.lines[0].startswith("127.0.0.1 failed at GET /api/v2/things (502). Trying again in")


async def test_a_sweep_gives_up_after_so_many_tries(rig):
    async with rig(Reply(502), Reply(504, headers={"ININ-Correlation-Id": "trace-3"})) as r:
        with pytest.raises(BadAnswer, match=r"\(504\)\. \[trace-3\]"):
            await r.get(tries=3)
    assert len(r.stub.asked) == 3


async def test_one_try_is_one_try(rig):
    async with rig(Reply(429, headers={"Retry-After": "9"})) as r:
        with pytest.raises(Throttled) as caught:
            await r.get(tries=1)
    assert caught.value.retry_after_s == 9
    assert len(r.stub.asked) == 1


async def test_a_sweep_gives_up_at_its_deadline_with_the_last_error(rig):
    async with rig(Reply(503, headers={"Retry-After": "100"})) as r:
        with pytest.raises(Throttled):
            await r.get(deadline_s=60)
    assert anyio.current_time() < 1, "it cannot be tried again in time"


async def test_the_deadline_counts_the_wait_for_the_budget(rig):
    budget = RestBudget()
    async with rig(OK, budget=budget) as r:
        budget.refused(300.0, anyio.current_time())
        with pytest.raises(Unreachable, match=r"budget of requests for GET /api/v2/things within 60 s"):
            await r.get(deadline_s=60)
    assert anyio.current_time() == pytest.approx(60, abs=0.1)
    assert r.stub.asked == []


async def test_the_deadline_counts_the_wait_for_a_token(rig):
    tokens = Tokens("only")
    tokens.values.clear()
    async with rig(OK, tokens=tokens) as r:
        with pytest.raises(Unreachable, match="neither an access token"):
            await r.get(deadline_s=60)


async def test_a_request_has_a_deadline_of_its_own(rig):
    async with rig(Reply(hang=True)) as r:
        with pytest.raises(Unreachable, match="within 5 s"):
            await r.get(timeout_s=5, tries=1)


# What is not


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (404, NotFound),
        (405, RequestRefused),
        (409, RequestRefused),
        (410, NotFound),
        (413, RequestRefused),
        (415, RequestRefused),
        (422, RequestRefused),
    ],
)
async def test_what_would_be_refused_again_is_asked_once(rig, status, error):
    refusal = json(status, code="bad.request", message=CANARY, headers={"ININ-Correlation-Id": "trace-2"})
    async with rig(refusal) as r:
        with pytest.raises(error, match=r"GET /api/v2/things.* bad\.request\)\. \[trace-2\]") as caught:
            await r.get()
    assert len(r.stub.asked) == 1
    assert CANARY not in str(caught.value)


async def test_a_missing_permission_is_named_and_told_once(rig):
    refusal = json(403, code="missing.permissions", message=f"{CANARY} [routing:queue:view]")
    async with rig(refusal) as r:
        for _ in range(3):
            with pytest.raises(NotPermitted, match=r"missing permission routing:queue:view") as caught:
                await r.get(needs="aa:bb:cc")
        r.stub.answer = lambda asked: Reply(403)
        with pytest.raises(NotPermitted, match=r"it needs the permission aa:bb:cc"):
            await r.get(needs="aa:bb:cc")
    assert CANARY not in str(caught.value)
    assert len(r.stub.asked) == 4
    permissions = [line.split(": ")[0].rpartition(" ")[2] for line in r.lines]
    assert permissions == ["routing:queue:view", "aa:bb:cc"]


async def test_a_proxys_page_with_403_is_no_verdict_on_the_client(rig):
    async with rig(Reply(403, b"<html>blocked</html>"), OK) as r:
        assert (await r.get()).status == 200
    assert not [line for line in r.lines if "permission" in line]


async def test_the_caller_says_which_statuses_are_an_answer(rig):
    async with rig(Reply(202), Reply(404)) as r:
        assert (await r.get(ok=(200, 202), bare=True)).status == 202
        assert (await r.get(ok=(200, 404), bare=True)).status == 404


@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", b"[]", b"null", b'{"cut":', b'"{}"'])
async def test_an_answer_is_a_json_object_or_it_is_asked_for_again(rig, body):
    async with rig(Reply(200, body, {"ININ-Correlation-Id": "trace-4"}), OK) as r:
        with pytest.raises(BadAnswer, match=r"no JSON object\. \[trace-4\]"):
            await r.get(tries=1)
        r.replies.insert(0, Reply(200, body))
        assert (await r.get()).body == b'{"good":true}'


async def test_a_longer_body_than_expected_is_a_bad_answer(rig):
    async with rig(Reply(body=b"x" * 100_000)) as r:
        with pytest.raises(BadAnswer):
            await r.get(tries=1)
        assert len((await r.get(body_limit=200_000, bare=True)).body) == 100_000


@pytest.mark.parametrize(
    "reply",
    [
        Reply(400),
        Reply(401),
        Reply(403),
        Reply(404),
        Reply(429),
        Reply(503),
        Reply(302),
        Reply(raw=b""),
        Reply(raw=b"x"),
        Reply(hang=True),
    ],
)
async def test_no_id_and_no_token_is_ever_told(rig, reply, caplog):
    caplog.set_level(logging.DEBUG)
    async with rig(reply, tokens=Tokens(CANARY, CANARY)) as r:
        with pytest.raises(GenscribeError) as caught:
            await r.get("/api/v2/channels/{}/subscriptions", ids=(Secret(f"streaming-{CANARY}"),), tries=2)
    told = f"{caught.value!r} {caught.value} {caught.value.__cause__} {caplog.text} {r.lines}"
    assert CANARY not in told
    assert CANARY in r.stub.asked[0].target


async def test_an_abandoned_call_leaves_nothing_behind(rig):
    async with rig(Reply(hang=True)) as r:
        with anyio.move_on_after(2):
            await r.get()
        assert r.api.turns.waiting(Share.SWEEP) == 0
        r.stub.answer = lambda asked: OK
        assert (await r.get()).status == 200


async def test_without_a_token_manager_a_call_brings_its_token(rig):
    async with rig(OK, tokens=None) as r:
        assert (await r.get(token=a_token())).status == 200
        with pytest.raises(AssertionError, match="token manager"):
            await r.get()
