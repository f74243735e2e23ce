from __future__ import annotations

import base64
import json

import pytest

from genscribe.emulator.platform import (
    Credentials,
    Filters,
    Line,
    Platform,
    bearer,
    encode,
    error,
    target_of,
    token_answer,
)
from genscribe.secrets import Secret

GRANT = b"grant_type=client_credentials&scope=conversation%3Atranscript%3Aread"


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def platform(auth: str = "both") -> Platform:
    return Platform("id", Secret("s:e%c"), auth=auth)


@pytest.mark.parametrize(
    ("authorization", "body", "auth", "client_id"),
    [
        (basic("id", "s:e%c"), GRANT, "basic", "id"),
        (None, GRANT + b"&client_id=id&client_secret=s%3Ae%25c", "form", "id"),
        (None, GRANT + b"&client_id=id", "none", "id"),
        ("Basic not-base64!", GRANT, "none", None),
        ("Basic " + base64.b64encode(b"\xff").decode(), GRANT, "none", None),
        ("Basic " + base64.b64encode(b"no colon").decode(), GRANT, "none", None),
        ("Bearer abc", GRANT, "none", None),
    ],
)
def test_how_a_client_names_itself(authorization: str | None, body: bytes, auth: str, client_id: str | None) -> None:
    credentials = Credentials.of(authorization, body)
    assert (credentials.auth, credentials.client_id) == (auth, client_id)
    assert credentials.form["scope"] == "conversation:transcript:read"
    assert "client_secret" not in credentials.form


@pytest.mark.parametrize(("mode", "works"), [("both", {"basic", "form"}), ("basic", {"basic"}), ("form", {"form"})])
def test_which_authentication_is_taken(mode: str, works: set[str]) -> None:
    ways = {
        "basic": Credentials.of(basic("id", "s:e%c"), GRANT),
        "form": Credentials.of(None, GRANT + b"&client_id=id&client_secret=s%3Ae%25c"),
    }
    assert {name for name, way in ways.items() if platform(mode).grant(way, 0).status == 200} == works


def test_a_good_answer_is_as_documented() -> None:
    answer = platform().grant(Credentials.of(basic("id", "s:e%c"), GRANT), 0)
    body = json.loads(answer.body)
    assert body.keys() == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 86400)


@pytest.mark.parametrize(
    ("credentials", "error_word", "description"),
    [
        (Credentials.of(basic("id", "wrong"), GRANT), "invalid_client", "authentication failed"),
        (Credentials.of(basic("who", "s:e%c"), GRANT), "invalid_client", "client not found"),
        (Credentials.of(None, GRANT), "invalid_client", "authentication failed"),
        (Credentials.of(basic("id", "s:e%c"), b""), "unsupported_grant_type", "grant type is not supported"),
    ],
)
def test_refusals_have_the_shape_of_oauth(credentials: Credentials, error_word: str, description: str) -> None:
    answer = platform().grant(credentials, 0)
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"error": error_word, "description": description, "error_description": description},
    )


def test_a_token_is_good_until_it_expires() -> None:
    p = platform()
    p.expires_in = 300
    token = p.issue(now=100)
    assert p.expiry(token, 100) == 400
    assert p.expiry(token, 399.9) == 400
    assert p.expiry(token, 400) is None
    assert p.expiry("unknown", 100) is None
    assert p.expiry(None, 100) is None


def test_tokens_are_revoked_singly_or_all() -> None:
    p = platform()
    first, second, third = p.issue(0), p.issue(0), p.issue(0)
    p.revoke(first)
    assert [p.expiry(token, 0) is not None for token in (first, second, third)] == [False, True, True]
    p.revoke()
    assert [p.expiry(token, 0) for token in (second, third)] == [None, None]
    p.revoke("unknown")


def test_a_token_needs_percent_encoding_in_a_url() -> None:
    assert set("+/=") < set(platform().issue(0))


def test_whole_seconds_are_sent_as_an_integer() -> None:
    assert b'"expires_in": 300}' in token_answer("t", 300.0).body
    assert b'"expires_in": 0.5}' in token_answer("t", 0.5).body


@pytest.mark.parametrize(
    ("query", "conversation", "media", "matches"),
    [
        ({}, "a", "video", True),
        ({"mediaTypes": "voice,chat"}, "a", "chat", True),
        ({"mediaTypes": "voice, chat"}, "a", "chat", True),
        ({"mediaTypes": "voice,chat"}, "a", "video", False),
        ({"mediaTypes": ""}, "a", "video", True),
        ({"conversationIds": "a,b"}, "b", "voice", True),
        ({"conversationIds": "a,b"}, "c", "voice", False),
        ({"conversationIds": "a", "mediaTypes": "chat"}, "a", "voice", False),
    ],
)
def test_filters(query: dict[str, str], conversation: str, media: str, matches: bool) -> None:
    assert Filters.of(query).match(conversation, media) is matches


def test_a_query_is_percent_decoded_and_plus_is_a_blank() -> None:
    assert target_of("/a%20b/c?access_token=x%2B%3D&mediaTypes=voice%2Cchat&q=a+b&empty=") == (
        "/a%20b/c",
        {"access_token": "x+=", "mediaTypes": "voice,chat", "q": "a b", "empty": ""},
    )


def test_a_frame_has_the_fields_of_the_mission() -> None:
    p = platform()
    lines = [Line("hi", "customer", timestamp="2026-01-01T00:00:00.000Z"), Line(None, None, None)]
    assert p.document("c", "voice", lines, "2026-01-01T00:00:01.000Z") == {
        "conversationId": "c",
        "mediaType": "voice",
        "timestamp": "2026-01-01T00:00:01.000Z",
        "transcript": [
            {"timestamp": "2026-01-01T00:00:00.000Z", "speaker": "customer", "text": "hi", "type": "final"},
            {"timestamp": "2026-01-01T00:00:01.000Z", "speaker": None, "text": None, "type": None},
        ],
    }
    assert p.conversations == {"c": "voice"}
    p.end("c")
    p.end("c")
    assert p.conversations == {}


def test_json_is_utf8_and_survives_a_lone_surrogate() -> None:
    assert encode({"text": "日本"}) == '{"text": "日本"}'.encode()
    assert encode({"text": "\ud800é"}) == b'{"text": "\\ud800\\u00e9"}'


def test_api_errors_have_the_shape_of_error_body() -> None:
    answer = error(403, ("Retry-After", "1"))
    body = json.loads(answer.body)
    assert body.keys() == {"message", "code", "status", "messageParams", "contextId", "details", "errors"}
    assert (body["code"], body["status"]) == ("missing.permissions", 403)
    assert dict(answer.headers) == {"ININ-Correlation-Id": body["contextId"], "Retry-After": "1"}
    assert json.loads(error(418).body)["status"] == 418


def test_bearer() -> None:
    assert bearer("bearer  abc==") == "abc=="
    assert bearer("Basic abc") is None
    assert bearer(None) is None
