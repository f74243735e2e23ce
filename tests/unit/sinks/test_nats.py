"""From a setting to a connection's, from ids to subjects, from keys to headers."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from genscribe.errors import ConfigError
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means
from genscribe.sinks.nats_login import login
from genscribe.sinks.nats_settings import LONGEST_TOKEN, NatsSettings, nats_settings, printable, takes, token

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOSTILE = [
    "a.b",
    "*",
    ">",
    "a b",
    "a\tb",
    "\r\n",
    "\x00",
    "\x7f",
    "é",
    "日本",
    "_",
    "%",
    "%2E",
    "~!$&'()+,;=@:/?#[]{}|\\^`\"<",
]


def settings(url: str, **params: str) -> NatsSettings:
    setting = SinkSetting(name="n", scheme="nats", url=Secret(url), params=params)
    return nats_settings(setting, Means("n", "store", tls_context))


def test_defaults() -> None:
    found = settings("nats://a,b:5/calls.live")
    assert found.servers == ("a:4222", "b:5")
    assert found.subject == "calls.live"
    assert found.stream is None
    assert found.stream_to_make == "calls_live"
    assert (found.user, found.password, found.token) == (None, None, None)
    assert not found.tls_required


def test_every_parameter() -> None:
    found = settings(
        "nats://a/s", stream="S", window="5m", max_age="7d", replicas="3", tls="yes", creds="c", nkey="n", inbox="_ME"
    )
    assert (found.stream, found.window_s, found.max_age_s, found.replicas) == ("S", 300, 604800, 3)
    assert (found.tls_required, found.creds, found.nkey, found.inbox) == (True, "c", "n", "_ME")


def test_logins() -> None:
    found = settings("nats://u:p%40@a/s")
    assert (found.user, found.password, found.token) == ("u", Secret("p@"), None)
    found = settings("nats://t0ken@a/s")
    assert (found.user, found.password, found.token) == (None, None, Secret("t0ken"))
    assert "t0ken" not in repr(found)


@pytest.mark.parametrize(
    "url", ["nats://a", "nats://a/", "nats://a/x.*", "nats://a/>", "nats://a/a b", "nats://a/a..b", "nats://a/.a"]
)
def test_no_subject(url: str) -> None:
    with pytest.raises(ConfigError, match="no subject"):
        settings(url)


@pytest.mark.parametrize(
    "params", [{"stream": "a.b"}, {"tls": "maybe"}, {"window": "soon"}, {"max_age": "x"}, {"replicas": "2"}]
)
def test_parameters_that_are_none(params: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(params))):
        settings("nats://a/s", **params)


def test_tokens() -> None:
    assert token("8f3c-11.x") == "8f3c-11%2Ex"
    assert token("e7b2a6c0-1d2e-4f3a-8b9c-0d1e2f3a4b5c") == "e7b2a6c0-1d2e-4f3a-8b9c-0d1e2f3a4b5c"
    assert token(None) == token("") == "_"
    assert token("_") == "%5F"
    assert token("é") == "%C3%A9"


def test_tokens_are_legal_and_stay_different() -> None:
    ids = [*HOSTILE, *(text * 300 for text in HOSTILE), *(text * 301 for text in HOSTILE)]
    found = [token(id_) for id_ in ids]
    assert len(set(found)) == len(ids)
    for each in found:
        assert each.isascii()
        assert each.isprintable()
        assert not set(each) & set(" .*>")
        assert 0 < len(each) <= LONGEST_TOKEN


def test_headers_hold_no_line_ends_and_stay_different() -> None:
    found = [printable(text) for text in [*HOSTILE, " a", "a ", "a", "a\r\nX: y"]]
    assert len(set(found)) == len(found)
    assert all(text.isascii() and text.isprintable() and text == text.strip() for text in found)
    assert printable("8f3c:p 1:2026-03-21T01:09:55.225Z") == "8f3c:p 1:2026-03-21T01:09:55.225Z"


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.>", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("a", "a.b", False),
        ("a.b.c", "a.b", False),
    ],
)
def test_which_subjects_a_stream_takes(pattern: str, subject: str, expected: bool) -> None:
    assert takes(pattern, subject) is expected


@pytest.mark.parametrize(("param", "text"), [("creds", "BEGIN NATS USER JWT BEGIN USER NKEY SEED"), ("nkey", "SUABC")])
def test_a_login_by_signature_without_its_library_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, param: str, text: str
) -> None:
    monkeypatch.setattr("genscribe.sinks.nats_login.find_spec", lambda name: None)
    file = tmp_path / "login"
    file.write_text(text)
    made = NatsSettings(("h:4222",), "s", tls=tls_context, creds=None, nkey=None)
    with pytest.raises(ConfigError) as caught:
        login(replace(made, **{param: str(file)}))
    assert str(caught.value) == (
        "the nats sink needs a library that is not installed. Install it: pip install 'genscribe[nats]'"
    )


def test_the_extra_brings_what_a_login_by_signature_needs() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any("[nkeys]" in each for each in project["optional-dependencies"]["nats"])
