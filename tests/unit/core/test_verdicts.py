"""One table a place: what each status and close code means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.verdicts import (
    CLOSES,
    Probed,
    Problem,
    of_api_status,
    of_close_code,
    of_handshake_status,
    of_probe,
    of_token_status,
    permissions_in,
    read_problem,
)
from genscribe.errors import (
    BadAnswer,
    Disconnected,
    EndpointMissing,
    Fatal,
    InvalidClient,
    NotFound,
    NotPermitted,
    Passing,
    RequestRefused,
    Throttled,
    Unauthorized,
    Unreachable,
    Verdict,
)

TOKEN = {
    100: BadAnswer,
    204: BadAnswer,
    301: BadAnswer,
    302: BadAnswer,
    307: BadAnswer,
    400: InvalidClient,
    401: InvalidClient,
    403: NotPermitted,
    404: BadAnswer,
    405: BadAnswer,
    407: Unreachable,
    408: BadAnswer,
    410: BadAnswer,
    418: BadAnswer,
    429: Throttled,
    500: BadAnswer,
    502: BadAnswer,
    503: Throttled,
    504: BadAnswer,
    599: BadAnswer,
    999: BadAnswer,
    1000: BadAnswer,
    0: BadAnswer,
}

HANDSHAKE = TOKEN | {
    200: BadAnswer,
    400: BadAnswer,
    401: Unauthorized,
    404: EndpointMissing,
    405: EndpointMissing,
    408: Unreachable,
    410: EndpointMissing,
}


@pytest.mark.parametrize(("status", "error"), TOKEN.items())
def test_token_status(status, error):
    assert type(of_token_status(status, host="login.x")) is error


@pytest.mark.parametrize(("status", "error"), HANDSHAKE.items())
def test_handshake_status(status, error):
    assert type(of_handshake_status(status)) is error


@pytest.mark.parametrize(
    "place", [lambda status, **said: of_token_status(status, host="login.x", **said), of_handshake_status]
)
@pytest.mark.parametrize("status", [429, 503, 500, 302])
def test_retry_after_rides_on_whatever_is_tried_again(place, status):
    assert place(status, retry_after_s=7.0).retry_after_s == 7.0
    assert place(status).retry_after_s is None


def test_refused_credentials_name_the_host_the_error_code_and_what_to_check():
    text = str(
        of_token_status(400, host="login.mypurecloud.de (region eu-central-1)", word="invalid_client", trace="abc-1")
    )
    for part in (
        "login.mypurecloud.de",
        "eu-central-1",
        "invalid_client",
        "GENESYS_CLIENT_SECRET",
        "GENESYS_ENV",
        "abc-1",
    ):
        assert part in text


@pytest.mark.parametrize("status", [400, 401])
def test_a_web_page_with_400_or_401_is_a_proxys_and_decides_nothing(status):
    assert type(of_token_status(status, host="login.x", page=True)) is BadAnswer


def test_a_web_page_with_403_still_is_a_403():
    assert type(of_token_status(403, host="login.x", page=True)) is NotPermitted


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_because_the_secret_would_travel(status):
    assert "the client credentials would travel" in str(of_token_status(status, host="login.x"))
    assert "the access token would travel" in str(of_handshake_status(status))


def test_403_at_the_handshake_names_the_scope_and_what_to_do():
    error = of_handshake_status(403)
    assert error.exit_code == 77
    assert "conversation:transcript:read" in error.message
    assert error.advice


def test_a_missing_endpoint_points_to_the_other_source_and_exits_78():
    error = of_handshake_status(404)
    assert error.exit_code == 78
    assert "--source notifications" in error.advice


ALL_CODES = [*range(1000, 1016), 3000, 4000, 4001, 4999, 0, 999, 65535]


@pytest.mark.parametrize("code", [code for code in ALL_CODES if code != 1008])
def test_every_close_code_is_a_disconnection_that_is_tried_again_with_backoff(code):
    error = of_close_code(code)
    assert type(error) is Disconnected
    assert error.code == code
    assert error.verdict is Verdict.RETRY
    assert error.retry_after_s is None


def test_1008_gets_a_fresh_token_once_and_is_a_refusal_the_second_time():
    assert of_close_code(1008).verdict is Verdict.REAUTHORIZE
    again = of_close_code(1008, again=True)
    assert isinstance(again, NotPermitted)
    assert again.exit_code == 77


def test_1009_says_what_the_limit_is():
    assert "1 MiB" in str(of_close_code(1009))


def test_the_table_knows_the_registered_codes():
    assert set(CLOSES) == {*range(1000, 1004), *range(1005, 1016)}


PROBE = {
    101: Probed.TRANSCRIPTS,
    200: Probed.TRANSCRIPTS,
    204: Probed.TRANSCRIPTS,
    299: Probed.TRANSCRIPTS,
    400: Probed.TRANSCRIPTS,
    426: Probed.TRANSCRIPTS,
    404: Probed.NOTIFICATIONS,
    405: Probed.NOTIFICATIONS,
    410: Probed.NOTIFICATIONS,
    401: Probed.REFUSED,
    403: Probed.REFUSED,
    100: Probed.UNDECIDED,
    302: Probed.UNDECIDED,
    407: Probed.UNDECIDED,
    408: Probed.UNDECIDED,
    418: Probed.UNDECIDED,
    429: Probed.UNDECIDED,
    500: Probed.UNDECIDED,
    503: Probed.UNDECIDED,
    None: Probed.UNDECIDED,
}


@pytest.mark.parametrize(("status", "probed"), PROBE.items())
def test_what_the_probe_of_source_auto_decides(status, probed):
    assert of_probe(status) is probed


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_an_old_token_asks_for_a_fresh_one_first(status):
    assert of_probe(status, fresh=False) is Probed.UNAUTHORIZED


def test_a_correlation_id_is_shown_only_when_it_is_one():
    assert str(of_handshake_status(500, trace="0f3c-AB")).count("[0f3c-AB]") == 1
    for trace in ("", "a\nb", "x" * 65, "\x1b[2J"):
        assert "[" not in str(of_handshake_status(500, trace=trace))


# The API

API = {
    100: BadAnswer,
    204: BadAnswer,
    301: BadAnswer,
    302: BadAnswer,
    400: RequestRefused,
    401: Unauthorized,
    403: NotPermitted,
    404: NotFound,
    405: RequestRefused,
    407: Unreachable,
    408: Unreachable,
    409: RequestRefused,
    410: NotFound,
    413: RequestRefused,
    415: RequestRefused,
    422: RequestRefused,
    429: Throttled,
    500: BadAnswer,
    502: BadAnswer,
    503: Throttled,
    504: BadAnswer,
    999: BadAnswer,
}
CALL = "POST /api/v2/notifications/channels/{}/subscriptions"


def api(status, **said):
    return of_api_status(status, host="api.x", what=CALL, **said)


@pytest.mark.parametrize(("status", "error"), API.items())
def test_api_status(status, error):
    assert type(api(status)) is error


@pytest.mark.parametrize("status", API)
def test_an_api_error_names_the_host_the_call_and_what_support_asks_for(status):
    text = str(api(status, trace="abc-1"))
    assert text.startswith("api.x ")
    assert text.count("[abc-1]") == 1
    assert status == 407 or CALL in text


@pytest.mark.parametrize("status", [302, 429, 500, 502, 503, 504])
def test_what_is_tried_again_carries_retry_after(status):
    assert api(status, retry_after_s=9.0).retry_after_s == 9.0


def test_a_refused_request_is_neither_tried_again_nor_the_end_of_the_process():
    error = api(413, problem=Problem("bad.request"))
    assert not isinstance(error, (Passing, Fatal))
    assert (error.verdict, error.status, error.code) == (Verdict.STOP, 413, "bad.request")


def test_a_missing_permission_is_the_one_that_the_platform_names_else_the_documented_one():
    told = Problem("missing.any.permissions", ("routing:queue:view", "aa:bb:cc"))
    assert "missing permission routing:queue:view, aa:bb:cc." in str(api(403, problem=told, needs="x:y:z"))
    assert "403 missing.any.permissions" in str(api(403, problem=told))
    assert "it needs the permission x:y:z." in str(api(403, needs="x:y:z"))
    assert "a permission is missing." in str(api(403))
    assert "role" in api(403).advice


@pytest.mark.parametrize("status", [400, 403, 404, 405, 418])
def test_a_web_page_is_a_proxys_answer_and_decides_nothing(status):
    error = api(status, problem=Problem(page=True), retry_after_s=3.0, needs="x:y:z")
    assert type(error) is BadAnswer
    assert error.retry_after_s == 3.0


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (429, Throttled), (503, Throttled)])
def test_a_status_that_is_tried_again_anyway_is_believed_with_a_web_page_too(status, kind):
    assert type(api(status, problem=Problem(page=True))) is kind


MISSING = "Unable to perform the requested action. You are missing the following permission(s): "
BODIES = {
    b'{"code":"missing.permissions","message":"%b[telephony:plugin:all]"}' % MISSING.encode(): (
        "missing.permissions",
        ("telephony:plugin:all",),
    ),
    b'{"messageParams":{"permissions":"[routing:queue:view, aa:bb:*]"},"message":"x"}': (
        "",
        ("routing:queue:view", "aa:bb:*"),
    ),
    b'{"errors":[{"messageWithParams":"aa:bb:cc and aa:bb:cc and dd:ee:ff"}],"code":7}': ("", ("aa:bb:cc", "dd:ee:ff")),
    b'{"code":"c4n4ry","message":"12:30:45 http://aa:bb@cc streaming-2-c4n4ry:xx:yy aa:bb: :cc:dd aa:bb:cc:dd"}': (
        "",
        (),
    ),
    b'{"code":"bad.request; drop"}': ("", ()),
    b"{}": ("", ()),
    b"[]": ("", ()),
    b"null": ("", ()),
    b"": ("", ()),
    b"not json": ("", ()),
    b'{"code":"a\xff"}': ("", ()),
    b"[" * 100_000: ("", ()),
}


@pytest.mark.parametrize(("body", "told"), BODIES.items(), ids=range(len(BODIES)))
def test_of_a_refusals_body_only_its_code_and_names_of_permissions_are_kept(body, told):
    problem = read_problem(body)
    assert (problem.code, problem.permissions) == told
    assert not problem.page


def test_single_letters_are_no_permission():
    assert permissions_in("a:b:c") == ()
    assert permissions_in(["aa:bb:cc"]) == ("aa:bb:cc",)


def test_a_web_page_is_known_by_its_first_letter():
    assert read_problem(b"\r\n <!doctype html>").page


def test_no_more_than_eight_permissions_are_named():
    names = [f"routing:queue:{letter * 3}" for letter in "abcdefghijkl"]
    assert len(read_problem(str(names).replace("'", '"').encode()).permissions) == 0, "a list is no error body"
    assert len(permissions_in(names)) == 8


@given(st.binary(max_size=200) | st.text().map(lambda text: b'{"message":"%b"}' % text.encode("utf-8", "replace")))
def test_a_refusals_body_never_raises(body):
    read_problem(body)
