from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from genscribe.errors import ConfigError
from genscribe.events import DELIVERED_KINDS, KINDS
from genscribe.secrets import living
from genscribe.settings import schemes, sinks
from genscribe.settings.parameters import EVERYTHING
from genscribe.settings.sinks import (
    SinkFilters,
    SinkSetting,
    has_password,
    holds_secret,
    sink_of_table,
    sink_setting,
    sink_settings,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


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
        ("jsonl:-?kinds=utterances", "Did you mean utterance"),
        ("jsonl:-?mathc=a", "Did you mean match"),
        ("jsonl:-?schema=a", "It knows kinds, interim, from, media-types"),
        ("jsonl:-?words=none", "words="),
        ("jsonl:-?match=", "match= is empty"),
        ("jsonl:-?match=!!", "without a letter"),
        ("jsonl:-?speakers=", "speakers= is empty"),
        ("jsonl:-?hold=soon", "hold="),
        ("jsonl:-?hold=2h", "hold="),
        ("jsonl:-?per=call", "per= is not conversation"),
        ("jsonl:-?idle=5m", "belongs to per=conversation"),
        ("jsonl:-?per=conversation&idle=0", "idle="),
        ("jsonl:-?per=conversation&kinds=gap", "kinds= does not go with"),
        ("jsonl:-?per=conversation&hold=3s", "hold= does not go with"),
        ("console?per=conversation", "no documents"),
        ("postgresql://u:pw@h/db?per=conversation", "no documents"),
        ("postgresql://u:pw@h/db?shema=x", "Did you mean schema"),
        ("postgresql:db", "needs a host"),
        ("postgresql", "needs a host"),
        ("redis://u:pw@/db", "needs a host"),
        ("kafka://", "needs a host"),
        ("https://user:pw/x==@h/x", "write %2F"),
        ("https://user:pw?x==@h/x", "write %2F"),
        ("kafka://a:1,b:pw/t", "host or port is none"),
        ("https://u:pw@h/?secrt=x", "Did you mean secret"),
        ("parquet:", "needs a path"),
        ("python:module", "a module and a name"),
        ("python:", "a module and a name"),
    ],
)
def test_what_is_no_sink(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sink_setting(text, nothing)
    assert says in str(caught.value)
    assert caught.value.exit_code == 78
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["nats", "redis", "kafka", "postgresql"])
def test_a_slash_in_a_login_makes_no_host_of_its_rest(scheme: str) -> None:
    with pytest.raises(ConfigError, match="an @ after a /") as found:
        sink_setting(f"{scheme}://me:pass/word@host/place", lambda what: what)
    assert "word" not in str(found.value)
    assert "%2F" in str(found.value.advice)


def test_a_webhook_may_have_an_at_in_its_path() -> None:
    assert sink_setting("https://host/@me/calls", lambda what: what).target


def test_an_unknown_sink_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="console, jsonl:-, jsonl:PATH, postgresql://"):
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


@pytest.mark.parametrize(
    ("text", "scheme", "target", "url", "params"),
    [
        ("postgres://me:pw@h:5432/db", "postgresql", "//h:5432/db", "postgres://me:pw@h:5432/db", {}),
        (
            "postgresql://me@h/db?sslmode=verify-full&kinds=gap&schema=calls&options=-c%20a",
            "postgresql",
            "//h/db",
            "postgresql://me@h/db?sslmode=verify-full&options=-c%20a",
            {"sslmode": "verify-full", "schema": "calls", "options": "-c a"},
        ),
        ("postgresql://a:1,b:2/db", "postgresql", "//a:1,b:2/db", "postgresql://a:1,b:2/db", {}),
        (
            "postgresql:///db?host=/run/pg&service=x",
            "postgresql",
            "///db",
            "postgresql:///db?host=/run/pg&service=x",
            {"host": "/run/pg", "service": "x"},
        ),
        ("kafka://a:1,b:2/topic", "kafka", "//a:1,b:2/topic", "kafka://a:1,b:2/topic", {}),
        ("redis://[::1]:1/s", "redis", "//[::1]:1/s", "redis://[::1]:1/s", {}),
        ("nats://h/s?max-age=1d", "nats", "//h/s", "nats://h/s", {"max_age": "1d"}),
        ("rediss://h/s?maxlen=9", "redis", "//h/s", "rediss://h/s", {"maxlen": "9"}),
        ("https://h/p?sig=a%2Fb&match=x", "https", "//h/p", "https://h/p?sig=a%2Fb", {"sig": "a/b"}),
        ("http://127.0.0.1:1/?timeout=3s", "http", "//127.0.0.1:1/", "http://127.0.0.1:1/", {"timeout": "3s"}),
        ("parquet:/data/lake?every=1h", "parquet", "/data/lake", None, {"every": "1h"}),
        ("parquet:s3://bucket/a?region=x", "parquet", "s3://bucket/a", "parquet:s3://bucket/a", {"region": "x"}),
        ("python:my.module:Sink", "python", "my.module:Sink", None, {}),
        ("jsonl:/a?rotate_size=1GB&rotate-every=1h", "jsonl", "/a", None, {"rotate_size": "1GB", "rotate_every": "1h"}),
    ],
)
def test_url_and_own_parameters(text: str, scheme: str, target: str, url: str | None, params: dict[str, str]) -> None:
    sink = sink_setting(text, nothing)
    assert (sink.scheme, sink.target, sink.params) == (scheme, target, params)
    assert (sink.url and sink.url.reveal()) == url


def test_filters() -> None:
    text = "jsonl:-?media-types=voice,Chat&speakers=agent&queues=Sales*,id-1&match=cancel,my%20lawyer&words=no"
    sink = sink_setting(text, nothing)
    assert sink.filters == SinkFilters(
        media_types=frozenset({"voice", "chat"}),
        speakers=frozenset({"agent"}),
        queues=("Sales*", "id-1"),
        match=("cancel", "my lawyer"),
        words=False,
    )
    assert sink_setting("jsonl:-", nothing).filters == EVERYTHING


def test_shapes() -> None:
    assert sink_setting("jsonl:-?hold=3s", nothing).hold_s == 3
    whole = sink_setting("jsonl:-?per=conversation&idle=5m", nothing)
    assert (whole.per, whole.idle_s) == ("conversation", 300)
    plain = sink_setting("jsonl:-", nothing)
    assert (plain.per, plain.hold_s, plain.idle_s) == (None, 0, 600)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("postgresql://me:pw-value@host:5432/db?schema=x", "postgresql://host:5432/db"),
        ("postgres://host/db", "postgresql://host/db"),
        ("kafka://a:1,b:2/t", "kafka://a:1,b:2/t"),
        ("https://h/hook/${file:/run/key}", "https://h/hook/***"),
        ("parquet:s3://bucket/a", "parquet:s3://bucket/a"),
        ("python:m:f", "python:m:f"),
    ],
)
def test_a_name_tells_no_secret(text: str, name: str) -> None:
    assert sink_setting(text, variables(**{"file:/run/key": "key-value"})).name == name


def test_secrets_of_a_login_and_a_query() -> None:
    text = "postgresql://me:${PW}@h/${DB}?sslkey=${KEY}"
    sink = sink_setting(text, variables(PW="pw-value", DB="db", KEY="key-value"))
    assert sink.url is not None
    assert sink.url.reveal() == "postgresql://me:pw-value@h/db?sslkey=key-value"
    assert {secret.reveal() for secret in sink.secrets} == {"pw-value", "key-value"}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://h/?secret=whsec_x%2By", "whsec_x+y"),
        ("https://h/?bearer=abc", "abc"),
        ("https://h/?secret-old=abc", "abc"),
        ("https://h/?api_key=abc", "abc"),
        ("postgresql://h/db?password=abc", "abc"),
        ("postgresql://h/db?sslpassword=abc", "abc"),
        ("nats://a-token@h/s", "a-token"),
        ("redis://:p%40ss@h/s", "p@ss"),
        ("kafka://me:pw-value@a:1,b:2/t", "pw-value"),
    ],
)
def test_what_is_secret_as_it_stands(text: str, secret: str) -> None:
    sink = sink_setting(text, nothing)
    assert secret in {each.reveal() for each in sink.secrets}
    assert has_password(text), "a command line with it is warned about"
    assert secret not in repr(sink)
    assert secret not in sink.name


def test_the_url_as_a_whole_is_no_secret_that_logs_look_for() -> None:
    """The sink is called after it: every line about it would be masked."""
    sink = sink_setting("https://host.example/hook", nothing)
    assert sink.url is not None
    assert sink.url not in living()
    assert repr(sink.url) == "***"


# --- tables -----------------------------------------------------------------------------------------------------------


def table(text: str, **values: str) -> SinkSetting:
    (name, found), *_ = tomllib.loads(text)["sinks"].items()
    return sink_of_table(name, found, variables(**values))


def test_a_table_says_what_a_url_says() -> None:
    said = table(
        """
        [sinks.calls]
        url = "postgresql://me:${PW}@h/db"
        kinds = ["utterance", "gap"]
        media_types = ["voice"]
        queues = ["Sales, North", "id-1"]
        interim = true
        from = "now"
        hold = 3
        words = false
        schema = "calls"
        sslmode = "verify-full"
        connect_timeout = 5
    """,
        PW="pw-value",
    )
    assert said.name == "calls"
    assert said.kinds == {"utterance", "gap"}
    assert said.filters == SinkFilters(frozenset({"voice"}), None, ("Sales, North", "id-1"), (), words=False)
    assert (said.interim, said.start, said.hold_s) == (True, "now", 3)
    assert said.params == {"schema": "calls", "sslmode": "verify-full", "connect_timeout": "5"}
    assert said.url is not None
    assert said.url.reveal() == "postgresql://me:pw-value@h/db?sslmode=verify-full&connect_timeout=5"


def test_options_pass_through_and_their_secrets_are_known() -> None:
    said = table(
        """
        [sinks.k]
        url = "kafka://b:9092/t"
        [sinks.k.options]
        "security.protocol" = "SASL_SSL"
        "sasl.username" = "me"
        "sasl.password" = "${PW}"
        "sasl.oauthbearer.method" = "oidc"
        linger_ms = 5
        list = ["${A}", 1]
        "nested" = { client_secret = "deep-secret" }
    """,
        PW="pw-value",
        A="a-value",
    )
    assert said.options == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "me",
        "sasl.password": "pw-value",
        "sasl.oauthbearer.method": "oidc",
        "linger_ms": 5,
        "list": ["a-value", 1],
        "nested": {"client_secret": "deep-secret"},
    }
    assert {secret.reveal() for secret in said.secrets} == {"pw-value", "deep-secret"}
    assert "pw-value" not in repr(said)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sinks.a]\nkinds = ['gap']", "has no url"),
        ("[sinks.a]\nurl = 5", "has no url"),
        ("[sinks.a]\nurl = 'jsonl:-'\nkind = 'gap'", "[sinks.a]: the jsonl sink has no parameter 'kind'"),
        ("[sinks.a]\nurl = 'jsonl:-?kinds=gap'\nkinds = 'gap'", "beside it"),
        ("[sinks.a]\nurl = 'jsonl:-'\nkinds = {a = 1}", "is a table"),
        ("[sinks.a]\nurl = 'jsonl:-'\noptions = 3", "options is no table"),
        ("[sinks.a]\nurl = 'jsonl:-'\nhold = -1", "hold="),
        ("[sinks.'a b']\nurl = 'jsonl:-'", "letters, digits"),
    ],
)
def test_what_a_table_may_not_say(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(text)
    assert says in str(caught.value)


def test_tables_and_urls_share_their_names() -> None:
    with pytest.raises(ConfigError, match="two sinks are called 'a'"):
        sink_settings(["a=console"], nothing, {"a": {"url": "jsonl:-"}})
    found = sink_settings(["a=console"], nothing, {"b": {"url": "jsonl:-"}})
    assert [sink.name for sink in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("[sinks.a]\nurl = 'postgresql://me:pw@h/db'", True),
        ("[sinks.a]\nurl = 'postgresql://me:${PW}@h/db'", False),
        ("[sinks.a]\nsecret = 'x'", True),
        ("[sinks.a]\nsecret = '${file:/run/x}'", False),
        ("[sinks.a.options]\n'sasl.password' = 'x'", True),
        ("[sinks.a.options]\n'sasl.password' = '${PW}'", False),
        ("[sinks.a.options]\n'sasl.username' = 'x'\nssl.keystore.location = '/x'", False),
        ("[sinks.a.options.http]\nheaders = [{token = 'x'}]", True),
    ],
)
def test_holds_secret(text: str, holds: bool) -> None:
    assert holds_secret(tomllib.loads(text)["sinks"]) is holds


# --- schemes ----------------------------------------------------------------------------------------------------------


def test_a_published_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    published = EntryPoint("teletype", "teletype_sink:make", schemes.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: [published] * (group == schemes.GROUP))
    sink = sink_setting("t=teletype://h:1/x?baud=50&kinds=gap&secret=abc", nothing)
    assert (sink.scheme, sink.target, sink.params) == ("teletype", "//h:1/x", {"baud": "50", "secret": "abc"})
    assert sink.url is not None
    assert sink.url.reveal() == "teletype://h:1/x?baud=50&secret=abc"
    assert sink.kinds == {"gap"}
    assert schemes.find_scheme("teletype").entry_point == published
    with pytest.raises(ConfigError, match="unknown sink"):
        sink_setting("telex:x", nothing)


def test_known_schemes_need_no_look_at_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **group: pytest.fail("looked"))
    for scheme in schemes.SCHEMES:
        assert schemes.find_scheme(scheme).module


def test_examples_of_schemes_are_good_ones() -> None:
    for scheme in schemes.SCHEMES.values():
        assert sink_setting(scheme.example, nothing).scheme == scheme.name


SLIP = "Hunter2xYz"


@pytest.mark.parametrize(
    "text",
    [
        f"postgrsql://me:{SLIP}@h/db",
        f"my pg=postgresql://me:{SLIP}@h/db",
        f"pg:=postgresql://me:{SLIP}@h/db",
        f"postgresql//me:{SLIP}@h/db",
        f"postgresql:me:{SLIP}@h/db",
        f"kafka://me:{SLIP}/x@h/t",
        f"kafka://me:a?{SLIP}@h/t",
        f"kafka://me:{SLIP}@h:{SLIP}/t",
        f"kafka://h/t?{SLIP}",
        f"redis://h/s?db={SLIP}&db={SLIP}",
        f"https://h/?secrt={SLIP}",
        f"https://[{SLIP}/",
        f"https://me:{SLIP}@/x",
        f"jsonl:-?kinds={SLIP}",
        f"jsonl:-?match=a&{SLIP}=1",
        f"console?hold={SLIP}",
        f"python:{SLIP}",
    ],
)
def test_a_slip_of_the_pen_shows_no_secret(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sink_setting(text, nothing)
    assert SLIP.lower() not in str(caught.value).lower()
