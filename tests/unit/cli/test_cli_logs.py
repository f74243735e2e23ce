from __future__ import annotations

import base64
import io
import json
import logging
import os
import pty
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest

from genscribe.cli import logs
from genscribe.secrets import Secret

SECRET = 'canary/Secret+"42"=ü'


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    names = ("genscribe", *logs.CHATTY)
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers, levels = before[0], before[2]
    root.setLevel(before[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)


def written(level: str = "info", log_format: str = "text") -> io.StringIO:
    stream = io.StringIO()
    logs.set_up(level, log_format, stream=stream)
    return stream


def test_a_text_line() -> None:
    stream = written()
    logging.getLogger("genscribe.link").warning("lost since %s", "14:03")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning link: lost since 14:03\n", stream.getvalue())


def test_a_json_line() -> None:
    stream = written(log_format="json")
    logging.getLogger("genscribe.link").info("söme\n\x1b[31mthing")
    line = stream.getvalue()
    assert line.isascii()
    assert line.count("\n") == 1
    fields = json.loads(line)
    assert (fields["level"], fields["room"], fields["message"]) == ("info", "link", "söme\n\x1b[31mthing")
    assert fields["time"].endswith("Z")


def test_levels() -> None:
    for level, seen in [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("error", "e")]:
        stream = written(level)
        log = logging.getLogger("genscribe.x")
        log.debug("d"), log.info("i"), log.warning("w"), log.error("e")
        assert "".join(line[-1] for line in stream.getvalue().splitlines()) == seen


def test_libraries_that_print_urls_are_never_heard_below_warning() -> None:
    stream = written("debug")
    for name in ("websockets.client", "httpx2", "httpcore2.http11", "uvicorn.access", "asyncio", "some.library"):
        logging.getLogger(name).debug("GET /?access_token=x")
        logging.getLogger(name).info("GET /?access_token=x")
    assert stream.getvalue() == ""
    logging.getLogger("websockets.client").warning("odd")
    assert "websockets.client: odd" in stream.getvalue()


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr({"secret": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"id:" + SECRET.encode()).decode(),
        base64.b64encode(b"my-id:" + SECRET.encode()).decode(),
        base64.b64encode(b"client:" + SECRET.encode()).decode(),
        base64.urlsafe_b64encode(b"client-id:" + SECRET.encode()).decode(),
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_living_secret_is_masked_in_every_form(form: str, log_format: str) -> None:
    secret = Secret(SECRET)
    stream = written(log_format=log_format)
    logging.getLogger("genscribe.oauth").info("sent [%s] there", form)
    line = stream.getvalue()
    assert logs.MASK in line
    assert "anary" not in line
    assert "there" in line
    decoded = [
        base64.b64decode(word + "==", altchars=b"-_") for word in re.findall(r"[\w+/-]{4,}", line) if len(word) % 4 != 1
    ]
    assert not [word for word in decoded if b"anary" in word or b"cret" in word]
    assert secret


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /x?access_token=abc123&y=1", "GET /x?access_token=***&y=1"),
        ('{"access_token": "abc123", "x": 1}', '{"access_token": "***", "x": 1}'),
        ("client_secret=abc123&grant_type=x", "client_secret=***&grant_type=x"),
        ("Authorization: Bearer abc123", "Authorization: Bearer ***"),
        ("{'authorization': 'Basic abc123=='}", "{'authorization': 'Basic ***'}"),
        ("(b'Authorization', b'Basic abc123')", "(b'Authorization', b'Basic ***')"),
        ("Authorization: abc123", "Authorization: ***"),
        ("postgresql://me:abc123@host/db", "postgresql://me:***@host/db"),
        ("token eyJhbGciOiJI.eyJzdWIiOiIx.c2ln ok", "token *** ok"),
        ("sent Bearer abcdefghijkl0123456789", "sent Bearer ***"),
        ("a bearer of news; basic facts", "a bearer of news; basic facts"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert logs.masked(text) == shown


def test_a_short_secret_does_not_hide_the_log() -> None:
    secret = Secret("a")
    assert logs.masked("a banana") == "a banana"
    assert secret


def test_a_secret_that_is_gone_is_no_longer_looked_for() -> None:
    assert "gone-secret" in logs.masked("gone-secret")
    secret = Secret("gone-secret")
    assert "gone-secret" not in logs.masked("gone-secret")
    del secret
    assert "gone-secret" in logs.masked("gone-secret")


def test_control_characters_move_nothing() -> None:
    stream = written()
    logging.getLogger("genscribe.x\r\x1b]0;title\x07").info("a\nb\rc\x1b[2Jd\u202ee\x9b31m")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_an_exception_is_its_type_and_place_only() -> None:
    stream = written("info")
    try:
        raise ValueError("what a customer said")
    except ValueError:
        logging.getLogger("genscribe.x").exception("failed")
    assert re.search(r"x: failed \(ValueError in unit/cli/test_cli_logs\.py:\d+\)\n$", stream.getvalue())
    assert "customer" not in stream.getvalue()


def test_at_debug_level_the_traceback_follows_without_secrets() -> None:
    secret = Secret("canary-secret")
    for log_format in ("text", "json"):
        stream = written("debug", log_format)
        try:
            raise ValueError(f"cannot use {secret.reveal()}")
        except ValueError:
            logging.getLogger("genscribe.x").exception("failed")
        assert "Traceback" in stream.getvalue()
        assert "canary" not in stream.getvalue()
        assert log_format == "text" or "Traceback" in json.loads(stream.getvalue())["traceback"]


def test_colour_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[33mwarning" in _on_a_terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in _on_a_terminal()


def _on_a_terminal() -> str:
    leader, follower = pty.openpty()
    try:
        with os.fdopen(follower, "w", encoding="utf-8") as stream:
            logs.set_up(stream=stream)
            logging.getLogger("genscribe.x").warning("hm")
            return os.read(leader, 1000).decode()
    finally:
        os.close(leader)


def test_a_closed_stream_costs_nothing_but_the_line() -> None:
    stream = written()
    stream.close()
    logging.getLogger("genscribe.x").warning("unheard")


def test_a_second_set_up_replaces_the_first() -> None:
    first, second = written(), written()
    logging.getLogger("genscribe.x").warning("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
