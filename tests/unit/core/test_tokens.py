"""How long a token is good, by two clocks; and what the platform's answer may look like."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genscribe.core.tokens import Instant, Token, Way, check_credentials, read_refusal, read_token, request
from genscribe.errors import BadAnswer, ConfigError
from genscribe.secrets import Secret

START = Instant(1000.0, 1_774_000_000_000)


def later(loop_s, wall_s=None):
    return Instant(START.loop_s + loop_s, START.wall_ms + round((loop_s if wall_s is None else wall_s) * 1000))


def lives(seconds):
    return Token(Secret("t"), seconds, START)


@pytest.mark.parametrize(
    ("life_s", "renewed_s"),
    [
        (86_400, 86_100),
        (3600, 3300),
        (600, 300),
        (599, 299.5),
        (300, 150),
        (60, 30),
        (20, 10),
        (10, 5),
        (1, 5),
        (0.01, 5),
    ],
)
def test_renewed_below_300_s_of_life_short_ones_at_half_and_never_within_5_s(life_s, renewed_s):
    token = lives(life_s)
    assert token.renew_after_s == renewed_s
    assert token.renew_at == START.loop_s + renewed_s
    assert not token.due(later(renewed_s - 0.01))
    assert token.due(later(renewed_s))


def test_a_token_ends_at_its_life():
    token = lives(100)
    assert token.expires_at == START.loop_s + 100
    assert not token.ended(later(99.9))
    assert token.left_s(later(99)) == 1
    assert token.ended(later(100))
    assert token.left_s(later(1000)) == 0


@pytest.mark.parametrize(
    ("loop_s", "wall_s", "age_s"),
    [(10, 10, 10), (10, 14, 10), (10, 100_000, 100_000), (10, -100_000, 10), (10, 9, 10)],
    ids=["together", "a little ahead", "slept or set forward", "set back", "a little behind"],
)
def test_age_is_the_walls_only_where_the_wall_ran_clearly_further(loop_s, wall_s, age_s):
    assert START.age_s(later(loop_s, wall_s)) == age_s


def test_basic_sends_what_official_clients_send():
    headers, fields = request(Way.BASIC, "id", Secret("se:crét"), "a:scope")
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "id:se:crét"
    assert fields == {"grant_type": "client_credentials", "scope": "a:scope"}


def test_the_form_sends_what_the_tutorial_sends():
    headers, fields = request(Way.FORM, "id", Secret("s"), "a:scope")
    assert headers == {}
    assert fields == {"grant_type": "client_credentials", "client_id": "id", "client_secret": "s", "scope": "a:scope"}


def test_a_platform_that_refuses_the_scope_is_asked_without_one():
    assert Way.BASIC.after_refusal("invalid_scope") is Way.BASIC_UNSCOPED
    assert Way.BASIC.after_refusal("invalid_client") is Way.FORM
    assert request(Way.BASIC_UNSCOPED, "id", Secret("s"), "a:scope")[1] == {"grant_type": "client_credentials"}
    assert "scope" not in request(Way.BASIC, "id", Secret("s"), None)[1]


@pytest.mark.parametrize(
    ("client_id", "secret", "named"),
    [
        ("", "s", "GENESYS_CLIENT_ID"),
        (" \t", "s", "GENESYS_CLIENT_ID"),
        ("i:d", "s", "GENESYS_CLIENT_ID"),
        ("id\r\n", "s", "GENESYS_CLIENT_ID"),
        ("id", "", "GENESYS_CLIENT_SECRET"),
        ("id", "s3cr3t\n", "GENESYS_CLIENT_SECRET"),
        ("id", "s3cr3t\r\nX-Evil: 1", "GENESYS_CLIENT_SECRET"),
        ("id", "s3cr 3t", "GENESYS_CLIENT_SECRET"),
        ("id", "\x00", "GENESYS_CLIENT_SECRET"),
    ],
)
def test_credentials_that_cannot_be_right_are_refused_by_name_not_by_value(client_id, secret, named):
    with pytest.raises(ConfigError, match=named) as caught:
        check_credentials(client_id, Secret(secret))
    assert "s3cr" not in str(caught.value)


def test_good_credentials_pass():
    check_credentials("0f3c-11", Secret("aB:9_-é"))


def answer(**fields):
    return msgspec.json.encode({"access_token": "t0ken", "token_type": "bearer", "expires_in": 86_400} | fields)


@pytest.mark.parametrize(
    ("expires_in", "life_s", "known"),
    [
        (86_399, 86_399, True),
        (1, 1, True),
        (0.5, 0.5, True),
        ("3600", 3600, True),
        (0, 300, False),
        (-5, 300, False),
        (None, 300, False),
        (True, 300, False),
        ("soon", 300, False),
        ("NaN", 300, False),
        ("1e999", 300, False),
        ([], 300, False),
        (10**300, 300, False),
        (10**18, 300, False),
    ],
)
def test_expires_in_is_obeyed_and_300_s_where_it_makes_no_sense(expires_in, life_s, known):
    token = read_token(answer(expires_in=expires_in), START, "login.x")
    assert (token.expires_in_s, token.life_known) == (life_s, known)


def test_expires_in_may_be_missing():
    assert read_token(b'{"access_token":"t","token_type":"Bearer"}', START, "login.x").expires_in_s == 300


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER", None])
def test_bearer_in_any_case(kind):
    assert read_token(answer(token_type=kind), START, "login.x").value == Secret("t0ken")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"t0ken"',
        b"5",
        b"{",
        b"<html>t0ken</html>",
        b"\xff\xfe",
        b'{"access_token":"\xff"}',
        b"[" * 100_000,
        b"{}",
        answer(access_token=None),
        answer(access_token=""),
        answer(access_token=5),
        answer(access_token=["t0ken"]),
        answer(access_token="t0ken\r\nX-Evil: 1"),
        answer(access_token="t0ken t0ken"),
        answer(access_token="t0kén"),
        answer(access_token="t0ken\x7f"),
        answer(access_token="t" * 20_000),
        answer(token_type="mac"),
        answer(token_type=5),
        b'{"access_token":"t0ken","token_type":"bearer","expires_in":NaN}',
    ],
)
def test_what_is_no_token_is_a_bad_answer_that_repeats_nothing(body):
    with pytest.raises(BadAnswer) as caught:
        read_token(body, START, "login.x")
    assert "t0k" not in str(caught.value)
    assert "login.x" in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("access_token", "token_type", "expires_in", "error"), JSON)))
def test_every_json_object_is_a_token_or_a_bad_answer(fields):
    body = msgspec.json.encode(fields)
    read_refusal(body)
    try:
        token = read_token(body, START, "login.x")
    except BadAnswer:
        return
    assert token.expires_in_s > 0
    assert token.value.reveal().isascii()
    assert token.value.reveal().isprintable()


@given(st.binary())
@example(b"1" * 5000)
def test_every_body_is_a_token_or_a_bad_answer(body):
    read_refusal(body)
    with pytest.raises(BadAnswer):
        read_token(body, START, "login.x")


@pytest.mark.parametrize(
    ("body", "word", "page"),
    [
        (b'{"error":"invalid_client","description":"client not found"}', "invalid_client", False),
        (b'{"error":"Evil\\nline"}', "", False),
        (b'{"error":["invalid_client"]}', "", False),
        (b'{"message":"no","code":"bad.request"}', "", False),
        (b"", "", False),
        (b" \n<!doctype html>", "", True),
        (b"<html>", "", True),
    ],
)
def test_read_refusal(body, word, page):
    assert read_refusal(body) == (word, page)
