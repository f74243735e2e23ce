"""One table a place: what each status and close code means."""

from __future__ import annotations

import pytest

from genscribe.core.verdicts import CLOSES, Probed, of_close_code, of_handshake_status, of_probe, of_token_status
from genscribe.errors import (
    BadAnswer,
    Disconnected,
    EndpointMissing,
    InvalidClient,
    NotPermitted,
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
