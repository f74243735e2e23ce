from __future__ import annotations

from pathlib import Path

import pytest

from genscribe.errors import ConfigError
from genscribe.events import DELIVERED_KINDS, KINDS
from genscribe.settings import sinks
from genscribe.settings.sinks import has_password, sink_setting, sink_settings


def variables(**values: str) -> sinks.FillIn:
    return values.__getitem__


def nothing(what: str) -> str:
    raise AssertionError(what)


@pytest.mark.parametrize(
    ("text", "name", "scheme", "target"),
    [
        ("console", "console", "console", ""),
        ("CONSOLE", "console", "console", ""),
        ("screen=console", "screen", "console", ""),
        ("jsonl:-", "jsonl:-", "jsonl", "-"),
        ("jsonl:/tmp/a.jsonl", "jsonl:/tmp/a.jsonl", "jsonl", "/tmp/a.jsonl"),
        ("calls_1-b=jsonl:/tmp/a=b.jsonl", "calls_1-b", "jsonl", "/tmp/a=b.jsonl"),
        ("jsonl:/tmp/a=b.jsonl", "jsonl:/tmp/a=b.jsonl", "jsonl", "/tmp/a=b.jsonl"),
        ("jsonl:/tmp/a b,c.jsonl?kinds=gap", "jsonl:/tmp/a b,c.jsonl", "jsonl", "/tmp/a b,c.jsonl"),
    ],
)
def test_name_scheme_and_target(text: str, name: str, scheme: str, target: str) -> None:
    sink = sink_setting(text, nothing)
    assert (sink.name, sink.scheme, sink.target) == (name, scheme, target)


def test_a_relative_path_is_the_same_file_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sink = sink_setting("jsonl:calls.jsonl", nothing)
    assert sink.target == f"{tmp_path}/calls.jsonl"
    assert sink.name == f"jsonl:{tmp_path}/calls.jsonl"


def test_parameters() -> None:
    sink = sink_setting("console?kinds=utterance,gap&interim=yes&from=beginning", nothing)
    assert (sink.kinds, sink.interim, sink.start) == (frozenset({"utterance", "gap"}), True, "beginning")
    plain = sink_setting("jsonl:-?interim=no", nothing)
    assert (plain.kinds, plain.interim, plain.start) == (None, False, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jsonl:-?kind=gap", "no parameter 'kind'"),
        ("jsonl:-?kinds=gap&kinds=utterance", "twice"),
        ("jsonl:-?kinds=unreadable", "kinds="),
        ("jsonl:-?kinds=", "kinds="),
        ("jsonl:-?interim=maybe", "interim="),
        ("jsonl:-?from=yesterday", "from="),
        ("console:now", "no path"),
        ("jsonl:", "needs a path"),
        ("jsonl", "needs a path"),
        ("jsonl:folder/", "needs a path"),
        ("", "unknown sink"),
        ("file:/tmp/x", "unknown sink 'file'"),
        ("jsnol:/tmp/x", "Did you mean jsonl"),
        ("my calls=jsonl:-", "letters, digits"),
        ("=jsonl:-", "letters, digits"),
        ("postgresql://u:pw@h/db", "postgresql yet"),
        ("kafka://b/t", "kafka yet"),
        ("nats://h/s", "nats yet"),
        ("redis://h/s", "redis yet"),
        ("https://h/", "https yet"),
        ("parquet:x", "parquet yet"),
        ("python:m:f", "python yet"),
    ],
)
def test_what_is_no_sink_of_this_version(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sink_setting(text, nothing)
    assert says in str(caught.value)
    assert caught.value.exit_code == 78
    assert "pw" not in str(caught.value)


def test_an_unknown_sink_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="console, jsonl:-, jsonl:PATH"):
        sink_setting("teletype:1", nothing)


def test_two_sinks_of_one_name() -> None:
    with pytest.raises(ConfigError, match="two sinks are called 'a'"):
        sink_settings(["a=jsonl:-", "a=console"], nothing)
    with pytest.raises(ConfigError):
        sink_settings(["jsonl:-", "jsonl:-?interim=yes"], nothing)


def test_variables_are_filled_in() -> None:
    sink = sink_setting("jsonl:${FOLDER}/calls.jsonl", variables(FOLDER="/data"))
    assert sink.target == "/data/calls.jsonl"
    assert sink.secrets == ()


def test_what_comes_from_a_file_is_a_secret() -> None:
    sink = sink_setting("jsonl:/tmp/${file:/run/name}", variables(**{"file:/run/name": "hidden-name"}))
    assert [secret.reveal() for secret in sink.secrets] == ["hidden-name"]


def test_the_name_before_the_url_is_not_filled_in() -> None:
    with pytest.raises(ConfigError):
        sink_setting("${NAME}=jsonl:-", nothing)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("postgresql://me:hunter2@h/db", True),
        ("postgresql://me:${PW}@h/db", False),
        ("postgresql://me:${file:/run/pw}@h/db", False),
        ("postgresql://me:x${PW}@h/db", True),
        ("postgresql://me@h/db", False),
        ("https://h/a:b@c", False),
        ("jsonl:/tmp/a@b", False),
        ("http://me:pw@proxy:3128", True),
    ],
)
def test_has_password(text: str, holds: bool) -> None:
    assert has_password(text) is holds


def test_kinds_are_those_of_the_events() -> None:
    assert tuple(kind for kind in KINDS if kind != "unreadable") == sinks.KINDS
    assert set(DELIVERED_KINDS) < set(sinks.KINDS)


def test_called_names_no_login() -> None:
    assert sinks._called("postgresql", "//me:pw@host:5432/db") == "postgresql://host:5432/db"
    assert sinks._called("postgresql", "//host/db") == "postgresql://host/db"


def test_secrets_of_a_login_and_a_query() -> None:
    filled = sinks._fill("postgresql://me:${PW}@h/${DB}?key=${KEY}", variables(PW="pw-value", DB="db", KEY="key-value"))
    assert filled.text == "postgresql://me:pw-value@h/db?key=key-value"
    assert {secret.reveal() for secret in filled.secrets} == {"pw-value", "key-value"}
