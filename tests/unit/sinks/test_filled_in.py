"""A `${…}` with whatever in it arrives at every client as it is."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest

from genscribe.settings.sinks import SinkSetting, has_password, sink_of_table, sink_setting
from genscribe.sinks import kafka_settings, nats_settings, redis, s3, webhook
from genscribe.sinks.base import Means
from genscribe.sinks.postgresql_address import address

HARD = "p+@:/?#&%=41 ;,[]\\'\"w"
MEANS = Means("n", "s", tls=ssl.create_default_context)


def setting(text: str, value: str = HARD) -> SinkSetting:
    return sink_setting(text, {"V": value, "file:/run/v": value}.__getitem__)


def libpq(made: SinkSetting, name: str) -> str:
    assert made.url is not None
    return address(made.url, made.options, {}, Path("/nowhere")).params[name]


@pytest.mark.parametrize("place", ["${V}", "${file:/run/v}"])
def test_every_client_gets_the_password(place: str) -> None:
    assert libpq(setting(f"postgresql://me:{place}@h/db"), "password") == HARD
    assert libpq(setting(f"postgresql://me@h/db?password={place}"), "password") == HARD
    assert libpq(setting(f"postgresql://{place}:{place}@h/db"), "user") == HARD
    kafka = kafka_settings.configuration(setting(f"kafka://me:{place}@h,i:1/t"), MEANS)
    assert (kafka["sasl.password"], kafka["bootstrap.servers"]) == (HARD, "h:9092,i:1")
    nats = nats_settings.nats_settings(setting(f"nats://me:{place}@h/s"), MEANS)
    assert nats.password is not None
    assert nats.password.reveal() == HARD
    token = nats_settings.nats_settings(setting(f"nats://{place}@h/s"), MEANS).token
    assert token is not None
    assert token.reveal() == HARD
    stream: Any = redis.make(setting(f"redis://:{place}@h/s"), MEANS)
    assert stream._settings.address.password.reveal() == HARD
    hook = webhook._settings(setting(f"https://h/?secret={place}&secret-old=x{place}"))
    assert hook.keys == (HARD.encode(), f"x{HARD}".encode())
    assert webhook._settings(setting(f"https://h/?bearer={place}")).headers["Authorization"] == f"Bearer {HARD}"


def test_the_login_of_a_webhook() -> None:
    import httpx2

    made = webhook._settings(setting("https://me:${V}@h/p?token=${V}"))
    url = httpx2.URL(made.url.reveal())
    assert (url.username, url.password, url.host, url.path) == ("me", HARD, "h", "/p")
    assert url.params["token"] == HARD
    whsec = "whsec_" + base64.b64encode(bytes([0xFB, 0xFF, 0xFE] * 8)).decode()
    assert "+" in whsec
    assert webhook._settings(setting("https://h/?secret=${V}", whsec)).keys == (bytes([0xFB, 0xFF, 0xFE] * 8),)


def test_the_keys_of_a_bucket() -> None:
    table: Any = {"url": "parquet:s3://bucket/${V}", "options": {"access_key_id": "id", "secret_access_key": "${V}"}}
    made = sink_of_table("lake", table, {"V": HARD}.__getitem__)
    bucket = s3.parse_bucket(made.target, {key: str(value) for key, value in made.options.items()}, {})
    assert bucket.credentials.secret_access_key.reveal() == HARD
    assert bucket.prefix == HARD


def test_names_in_paths() -> None:
    assert kafka_settings.topic_of(setting("kafka://h/${V}", "a.topic-1")) == "a.topic-1"
    assert libpq(setting("postgresql://h/${V}", "a db?x#y"), "dbname") == "a db?x#y"
    assert setting("jsonl:${V}/a?kinds=gap", "/tmp/a b?c&d%41#e").target == "/tmp/a b?c&d%41#e/a"
    hook = setting("https://h/${V}", "T00/B00/a%b?c").url
    assert hook is not None
    assert hook.reveal() == "https://h/T00/B00/a%25b%3Fc"


@pytest.mark.parametrize(
    ("text", "value", "scheme", "password"),
    [
        ("${V}", "postgresql://me:p%40ss-word@h/db?sslmode=require", "postgresql", "p@ss-word"),
        ("pg=${V}", "postgresql://me:p%40ss-word@h/db", "postgresql", "p@ss-word"),
        ("pg=${V}&kinds=gap", "postgresql://me:p%40ss-word@h/db?sslmode=require", "postgresql", "p@ss-word"),
        ("postgresql://${V}", "me:p%40ss-word@h/db", "postgresql", "p@ss-word"),
        ("postgresql://h/db?${V}", "sslmode=require&password=p%40ss-word", "postgresql", "p@ss-word"),
    ],
)
def test_a_whole_url_or_the_begin_of_one(text: str, value: str, scheme: str, password: str) -> None:
    made = setting(text, value)
    assert (made.scheme, libpq(made, "password")) == (scheme, password)
    assert password in {secret.reveal() for secret in made.secrets}
    assert password not in made.name


def test_what_was_filled_in_is_not_looked_through_again() -> None:
    assert libpq(setting("postgresql://me:${V}@h/db", "a${V}b"), "password") == "a${V}b"
    assert libpq(setting("${V}", "postgresql://me:a$b@h/db"), "password") == "a$b"


@pytest.mark.parametrize("name", ["SLACK_TOKEN", "HOOK_SECRET", "api_key", "PGPASSWORD"])
def test_a_variable_whose_name_says_so_is_secret_wherever_it_stands(name: str) -> None:
    made = sink_setting(f"https://h/hooks/${{{name}}}", {name: "T0/a%long-one"}.__getitem__)
    assert made.name == "https://h/hooks/***"
    assert "T0/a%long-one" in {secret.reveal() for secret in made.secrets}


@pytest.mark.parametrize("name", ["key", "sig", "token", "code"])
def test_the_parameters_by_which_receivers_let_one_in_are_secret(name: str) -> None:
    made = setting(f"https://h/?{name}=shown-nowhere")
    assert "shown-nowhere" in {secret.reveal() for secret in made.secrets}
    assert made.url is not None
    assert made.url.reveal() == f"https://h/?{name}=shown-nowhere", "it is the receiver's, not ours"
    assert has_password(f"https://h/?{name}=shown-nowhere")
    assert not has_password("https://h/?client-key=/etc/client.key")
    assert not has_password("nats://h/s?nkey=/etc/seed")
