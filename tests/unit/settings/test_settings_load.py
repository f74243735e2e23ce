"""Where a setting comes from, and what is said when it is wrong."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from genscribe import settings
from genscribe.errors import ConfigError, UsageError
from genscribe.secrets import Secret
from genscribe.settings import OPTIONS, Keep, Settings, load, store_path
from genscribe.settings.layers import unknown_variables
from genscribe.settings.options import Many

CREDENTIALS = {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "canary-secret"}


def write(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "genscribe.toml"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


ID = "{conversation_id}"
SAMPLES: dict[str, tuple[str, object, str, object]] = {
    # option: (a text, its value, another text, its value)
    "region": ("api.eu", "api.eu", "eu-central-1", "eu-central-1"),
    "ca-file": ("/a.pem", Path("/a.pem"), "/b.pem", Path("/b.pem")),
    "proxy": ("http://a:1", Secret("http://a:1"), "b:2", Secret("http://b:2")),
    "source": ("transcripts", "transcripts", "notifications", "notifications"),
    "media-types": ("voice", ("voice",), "all", None),
    "conversation-ids": ("a,b", ("a", "b"), "c", ("c",)),
    "queues": ("Sales*", ("Sales*",), "Help", ("Help",)),
    "exclude-queues": ("Sales*", ("Sales*",), "Help", ("Help",)),
    "store": ("/a.db", Path("/a.db"), "/b.db", Path("/b.db")),
    "wait-for-store": ("60s", 60.0, "5m", 300.0),
    "keep": ("12h", Keep(43200, None), "forever", Keep(None, None)),
    "web": ("127.0.0.1:80", ("127.0.0.1", 80), "[::1]:81", ("::1", 81)),
    "web-cert": ("/a.pem", Path("/a.pem"), "/b.pem", Path("/b.pem")),
    "web-key": ("/a.key", Path("/a.key"), "/b.key", Path("/b.key")),
    "web-behind-proxy": ("10.0.0.0/8", (ip_network("10.0.0.0/8"),), "fd00::/8", (ip_network("fd00::/8"),)),
    "web-host": ("a.example", ("a.example",), "b.example", ("b.example",)),
    "web-token-file": ("/a", Path("/a"), "/b", Path("/b")),
    "web-link": (f"https://a/{ID}", f"https://a/{ID}", f"https://b/{ID}", f"https://b/{ID}"),
    "for": ("15", 15.0, "1h", 3600.0),
    "log-format": ("text", "text", "json", "json"),
    "log-level": ("debug", "debug", "error", "error"),
}
FLAGS = [one for one in OPTIONS if one.flag and one.name != "to"]
FIELDS = {one.name: field for field, one in settings._FIELDS.items()}


@pytest.mark.parametrize("option", FLAGS, ids=lambda option: option.name)
def test_precedence(option: settings.Option, tmp_path: Path) -> None:
    text, value, other, other_value = SAMPLES[option.name]
    field = FIELDS[option.name]
    config = write(tmp_path, f"{option.key} = '{other}'\n")
    given: object = (text,) if option.many is not Many.NO else text
    in_variable = {option.variables[0]: text}
    default = getattr(load({}, environ={}), field)

    assert getattr(load({"config": config}, environ={}), field) == other_value != default
    assert getattr(load({"config": config}, environ=in_variable), field) == value
    assert getattr(load({"config": config}, environ=dict.fromkeys(option.variables, "")), field) == other_value
    assert getattr(load({option.key: given, "config": config}, environ={option.variables[0]: other}), field) == value
    assert getattr(load({option.key: None}, environ={}), field) == default


def test_defaults() -> None:
    found = load({}, environ={})
    assert (found.region, found.source, found.media_types) == ("api", "auto", ("voice", "chat"))
    assert (found.conversation_ids, found.queues, found.exclude_queues) == ((), (), ())
    assert found.store.name == "genscribe.db"
    assert found.store.parent.name == "genscribe"
    assert (found.wait_for_store_s, found.keep, found.for_s) == (0, Keep(30 * 86400, None), None)
    assert (found.sinks, found.web, found.ca_file, found.proxy) == ((), None, None, None)
    assert (found.log_format, found.log_level) == ("text", "info")
    assert found == Settings(store=found.store)


IN_WORDS = ("store", "wait-for-store", "conversation-ids", "queues", "to", "web", "web-host", "web-link", "for")
SHOWN = [one for one in OPTIONS if one.shown_default and one.name not in IN_WORDS]


@pytest.mark.parametrize("option", SHOWN, ids=lambda option: option.name)
def test_the_shown_default_is_the_default(option: settings.Option) -> None:
    text: object = option.shown_default
    value = option.parse(text if option.many is Many.NO else option.texts(text))
    assert getattr(load({}, environ={}), FIELDS[option.name]) == value


def test_the_console_is_the_default_sink_of_a_terminal_only(tmp_path: Path) -> None:
    assert [sink.name for sink in load({}, environ={}, terminal=True).sinks] == ["console"]
    assert load({}, environ={}, terminal=False).sinks == ()
    none = write(tmp_path, "to = []\n")
    assert load({"config": none}, environ={}, terminal=True).sinks == ()


def test_sinks_of_every_layer(tmp_path: Path) -> None:
    names = lambda found: [sink.name for sink in found.sinks]  # noqa: E731
    assert names(load({"to": ("a=console", "b=jsonl:/tmp/x y")}, environ={"GENSCRIBE_TO": "jsonl:-"})) == ["a", "b"]
    assert names(load({}, environ={"GENSCRIBE_TO": " a=console\n b=jsonl:-?kinds=gap,utterance "})) == ["a", "b"]
    assert names(load({"config": write(tmp_path, "to = ['a=console', 'b=jsonl:/tmp/x y']")}, environ={})) == ["a", "b"]
    assert names(load({"config": write(tmp_path, "to = 'b=jsonl:/tmp/x y'")}, environ={})) == ["b"]
    assert names(load({"to": "a=console"}, environ={}, command_line=False)) == ["a"]


TABLES = """
to = ["a=console"]
[sinks.b]
url = "jsonl:/tmp/${WHERE}"
kinds = ["gap"]
[sinks.b.options]
deep = "${WHERE}"
"""


def test_tables_of_sinks_stand_beside_to(tmp_path: Path) -> None:
    config = write(tmp_path, TABLES)
    environ = {"WHERE": "here"}
    one, two = load({"config": config}, environ=environ).sinks
    assert (one.name, two.name) == ("a", "b")
    assert (two.target, two.kinds, two.options) == ("/tmp/here", {"gap"}, {"deep": "here"})
    only = write(tmp_path, TABLES.replace('to = ["a=console"]', ""))
    assert [sink.name for sink in load({"config": only}, environ=environ, terminal=True).sinks] == ["b"]


def test_a_stronger_to_takes_the_place_of_the_files_sinks(tmp_path: Path) -> None:
    config = write(tmp_path, TABLES)
    assert [sink.name for sink in load({"config": config, "to": ("c=console",)}, environ={}).sinks] == ["c"]
    found = load({"config": config}, environ={"GENSCRIBE_TO": "d=console"}).sinks
    assert [sink.name for sink in found] == ["d"]


@pytest.mark.parametrize(
    "text",
    [
        "[sinks.a]\nurl = 'redis://:pw@h/s'",
        "[sinks.a]\nurl = 'https://h/'\nsecret = 'x'",
        "[sinks.a]\nurl = 'kafka://h/t'\n[sinks.a.options]\n'sasl.password' = 'x'",
    ],
)
def test_a_file_with_a_sinks_secret_is_0600(text: str, tmp_path: Path) -> None:
    config = Path(write(tmp_path, text))
    config.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load({"config": str(config)}, environ={})
    config.chmod(0o600)
    assert load({"config": str(config)}, environ={}).sinks[0].secrets


def test_variables_and_files_are_filled_in(tmp_path: Path) -> None:
    secret = tmp_path / "name"
    secret.write_text("hidden\n")
    secret.chmod(0o600)
    found = load({"to": (f"jsonl:${{FOLDER}}/${{file:{secret}}}",)}, environ={"FOLDER": "/data"})
    assert found.sinks[0].target == "/data/hidden"
    with pytest.raises(ConfigError, match=r"\$\{FOLDER\}"):
        load({"to": ("jsonl:${FOLDER}/x",)}, environ={})
    with pytest.raises(ConfigError, match="gone"):
        load({"to": ("jsonl:${file:/gone}",)}, environ={})


def test_lists_split_where_the_contract_says() -> None:
    found = load({"conversation_ids": ("a,b", "c d"), "queues": ("Sales, EMEA", "Help")}, environ={})
    assert found.conversation_ids == ("a", "b", "c d")
    assert found.queues == ("Sales, EMEA", "Help")
    found = load({}, environ={"GENSCRIBE_CONVERSATION_IDS": "a, b,", "GENSCRIBE_QUEUES": "Sales,Help"})
    assert (found.conversation_ids, found.queues) == (("a", "b"), ("Sales", "Help"))


def test_a_filter_that_names_nothing_is_not_all() -> None:
    for given in ({"conversation_ids": ("",)}, {"media_types": (",",)}, {"queues": (" ",)}, {"store": ""}):
        with pytest.raises(UsageError, match="is empty"):
            load(given, environ={})


def test_region_has_two_variables_and_two_keys(tmp_path: Path) -> None:
    assert load({}, environ={"GENESYS_ENV": "api.eu"}).region == "api.eu"
    assert load({}, environ={"GENESYS_ENV": ""}).region == "api"
    assert load({}, environ={"GENSCRIBE_REGION": "api", "GENESYS_ENV": "api.eu"}).region == "api"
    for text in ("region = 'x'", "[genesys]\nregion = 'x'", "[genesys]\nenv = 'x'"):
        assert load({"config": write(tmp_path, text)}, environ={}).region == "x"
    for text in ("region = 'x'\n[genesys]\nregion = 'y'", "[genesys]\nregion = 'x'\nenv = 'y'"):
        with pytest.raises(ConfigError):
            load({"config": write(tmp_path, text)}, environ={})


def test_base_urls(tmp_path: Path) -> None:
    found = load({}, environ={"GENESYS_LOGIN_URL": "http://127.0.0.1:1", "GENESYS_API_URL": "http://127.0.0.1:2"})
    assert (found.login_url, found.api_url) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
    config = write(tmp_path, "[genesys]\nlogin_url = 'https://a'\napi_url = 'https://b'\n")
    found = load({"config": config}, environ={"GENESYS_API_URL": "https://c"})
    assert (found.login_url, found.api_url) == ("https://a", "https://c")


# Wrong values.


def test_a_wrong_value_on_the_command_line_is_usage_elsewhere_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--keep '30' is not a retention") as usage:
        load({"keep": "30"}, environ={})
    assert usage.value.exit_code == 2
    with pytest.raises(ConfigError, match="GENSCRIBE_KEEP '30' is not"):
        load({}, environ={"GENSCRIBE_KEEP": "30"})
    config = write(tmp_path, "keep = 30\n")
    with pytest.raises(ConfigError, match=f"{config}: keep '30' is not"):
        load({"config": config}, environ={})
    with pytest.raises(ConfigError, match="keep '30' is not"):
        load({"keep": "30"}, environ={}, command_line=False)


def test_messages_repeat_no_password() -> None:
    with pytest.raises(UsageError) as caught:
        load({"proxy": "socks5://me:canary-pw@proxy"}, environ={})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("medai_types = 'voice'", "did you mean media_types"),
        ("media-types = 'voice'", "did you mean media_types"),
        ("[genesys]\nclient_idd = 'x'", "did you mean client_id"),
        ("client_id = 'x'", r"Put it in \[genesys\]"),
        ("api_url = 'x'", r"Put it in \[genesys\]"),
        ("[genesys]\nkeep = '30d'", "Put it at the top"),
        ("[sinks]\nx = 1", "sinks must hold tables"),
        ("sinks = ['console']", "sinks must hold tables"),
        ("[sink.a]\nurl = 'console'", "did you mean sinks"),
        ("[sinks.a]\nurl = 'jsonl:-'\nkindz = 'gap'", "Did you mean kinds"),
        ("to = ['a=console']\n[sinks.a]\nurl = 'jsonl:-'", "two sinks are called 'a'"),
        ("genesys = 1", "must be a table"),
        ("keep = true", "must be text"),
        ("keep = {a = 1}", "must be text"),
        ("store = ''", "is empty"),
        ("to = [1, [2]]", "must be text"),
        ("= 1", "is not TOML: .*line 1"),
        ("a = '" + "[" * 3, "is not TOML"),
        ("[genesys]\nclient_id = 3\nclient_secret = 'x'", "must be text"),
    ],
)
def test_what_the_file_may_not_say(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load({"config": write(tmp_path, text)}, environ={})
    assert caught.value.exit_code == 78


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot read the configuration file"):
            load({"config": str(path)}, environ={})
    with pytest.raises(ConfigError, match="cannot read the configuration file"):
        load({}, environ={"GENSCRIBE_CONFIG": str(tmp_path / "none.toml")})
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe9'")
    with pytest.raises(ConfigError, match="not TOML"):
        load({"config": str(tmp_path / "latin.toml")}, environ={})


@pytest.mark.parametrize(
    "text",
    [
        "[genesys]\nclient_id = 'i'\nclient_secret = 'canary-secret'",
        "proxy = 'http://me:canary-pw@proxy'",
        "[genesys]\nproxy = 'http://me:canary-pw@proxy'",
        "to = ['x=jsonl://me:canary-pw@h/x']",
    ],
)
def test_a_file_that_holds_a_secret_must_be_private(text: str, tmp_path: Path) -> None:
    for mode in (0o644, 0o640, 0o602):
        config = write(tmp_path, text, mode)
        with pytest.raises(ConfigError, match=f"chmod 600 {config}") as caught:
            load({"config": config}, environ={})
        assert "canary" not in str(caught.value)
    load({"config": write(tmp_path, text, 0o600)}, environ={})
    load({"config": write(tmp_path, text, 0o400)}, environ={})


def test_a_file_without_a_secret_may_be_read_by_all(tmp_path: Path) -> None:
    text = "proxy = 'http://me:${PW}@proxy'\n[genesys]\nclient_id = 'i'\nclient_secret_file = '/run/s'"
    with pytest.raises(ConfigError, match="cannot read the secret file /run/s"):
        load({"config": write(tmp_path, text, 0o644)}, environ={})


# Credentials.


def test_credentials_of_variables() -> None:
    found = load({}, environ=CREDENTIALS).require_credentials()
    assert (found.client_id, found.client_secret, found.file) == ("id", Secret("canary-secret"), None)
    assert "canary" not in repr(found)
    assert found.reread() == found.client_secret


@pytest.mark.parametrize("environ", [{}, {"GENESYS_CLIENT_ID": "id"}, {"GENESYS_CLIENT_SECRET": "x"}])
def test_no_credentials(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, environ=environ).require_credentials()
    assert str(caught.value) == (
        "no credentials: set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET (or GENESYS_CLIENT_SECRET_FILE), "
        "or try `genscribe demo`."
    )
    assert caught.value.exit_code == 78


def test_the_environment_wins_over_the_file_for_credentials(tmp_path: Path) -> None:
    config = write(tmp_path, "[genesys]\nclient_id = 'file-id'\nclient_secret_file = '/nowhere'")
    found = load({"config": config}, environ=CREDENTIALS).require_credentials()
    assert (found.client_id, found.client_secret) == ("id", Secret("canary-secret"))
    found = load(
        {"config": config, "client_id": "mine", "client_secret": Secret("own")}, environ={}, command_line=False
    ).require_credentials()
    assert (found.client_id, found.client_secret) == ("mine", Secret("own"))


def test_secret_and_file_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both GENESYS_CLIENT_SECRET and GENESYS_CLIENT_SECRET_FILE"):
        load({}, environ={**CREDENTIALS, "GENESYS_CLIENT_SECRET_FILE": "/x"})
    assert load({}, environ={**CREDENTIALS, "GENESYS_CLIENT_SECRET_FILE": ""}).credentials is not None
    with pytest.raises(ConfigError, match="both"):
        load({"config": write(tmp_path, "[genesys]\nclient_secret='a'\nclient_secret_file='b'")}, environ={})


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> dict[str, str]:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET_FILE": str(path)}


@pytest.mark.parametrize("content", [b"canary-secret", b"canary-secret\n", b"canary-secret\r\n"])
def test_a_secret_file_may_end_its_line(content: bytes, tmp_path: Path) -> None:
    found = load({}, environ=secret_file(tmp_path, content)).require_credentials()
    assert found.client_secret == Secret("canary-secret")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"canary secret", b"canary\r\nsecret", b"canary\n\n", b" canary", b"can\xff", b"\xef\xbb\xbfcan"],
)
def test_a_secret_file_that_holds_something_else(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, environ=secret_file(tmp_path, content))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["canary secret", "canary\nsecret", "canary\r", "can\x00ary"])
def test_a_secret_variable_that_was_copied_wrongly(value: str) -> None:
    with pytest.raises(ConfigError, match="GENESYS_CLIENT_SECRET has blanks"):
        load({}, environ={"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": value})


def test_a_secret_file_is_private_or_managed(tmp_path: Path) -> None:
    environ = secret_file(tmp_path, b"canary", 0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load({}, environ=environ)
    assert load({}, environ={**environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}).credentials is not None


def test_a_secret_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match="cannot read the secret file"):
            load({}, environ={"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET_FILE": str(path)})


def test_the_secret_file_is_read_again(tmp_path: Path) -> None:
    environ = secret_file(tmp_path, b"first-secret")
    found = load({}, environ=environ).require_credentials()
    secret_file(tmp_path, b"second-secret\n")
    assert found.reread() == Secret("second-secret")
    os.unlink(environ["GENESYS_CLIENT_SECRET_FILE"])
    with pytest.raises(ConfigError):
        found.reread()


# Around it.


def test_the_store_of_a_reading_command(tmp_path: Path) -> None:
    config = write(tmp_path, "store = '/file.db'\n")
    assert store_path({"store": "/given.db"}, environ={"GENSCRIBE_STORE": "/e.db"}) == Path("/given.db")
    assert store_path({"config": config}, environ={"GENSCRIBE_STORE": "/e.db"}) == Path("/e.db")
    assert store_path({"config": config}, environ={}) == Path("/file.db")
    assert store_path({}, environ={}).name == "genscribe.db"
    assert store_path({}, environ={"GENESYS_CLIENT_SECRET": "a", "GENESYS_CLIENT_SECRET_FILE": "b"}) is not None


def test_an_unknown_keyword_is_a_mistake_in_the_program() -> None:
    with pytest.raises(TypeError, match="colour"):
        load({"colour": "red"}, environ={}, command_line=False)


def test_a_misspelt_variable_is_told() -> None:
    assert unknown_variables(OPTIONS, {"GENSCRIBE_KEEPP": "1", "GENSCRIBE_KEEP": "1", "GENSCRIBE_CONFIG": "x"}) == [
        "GENSCRIBE_KEEPP is no variable of genscribe (did you mean GENSCRIBE_KEEP?)"
    ]


def test_settings_are_frozen_and_hide_secrets() -> None:
    found = load({"proxy": "http://me:canary-pw@p:1"}, environ=CREDENTIALS)
    assert "canary" not in repr(found)
    with pytest.raises(AttributeError):
        found.region = "x"  # type: ignore[misc]


def test_python_callers_give_numbers_paths_and_lists() -> None:
    given = {"for": 15, "store": Path("/x.db"), "media_types": ["voice"], "wait_for_store": 1.5}
    found = load(given, environ={}, command_line=False)
    assert (found.for_s, found.store, found.media_types, found.wait_for_store_s) == (15, Path("/x.db"), ("voice",), 1.5)
