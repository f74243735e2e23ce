"""From a setting to librdkafka's, and from its errors to verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from genscribe.errors import ConfigError, Fatal
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, SinkUnavailable
from genscribe.sinks.kafka import KafkaSink, _out, _taken
from genscribe.sinks.kafka_settings import configuration, topic_of
from genscribe.sinks.kafka_verdicts import (
    Verdict,
    broker_trouble,
    misconfigured,
    refused_settings,
    refuses,
    verdict,
)
from tests.contract.brokers.making import talk

confluent_kafka = pytest.importorskip("confluent_kafka")
KafkaError = confluent_kafka.KafkaError


def setting(url: str, options: dict[str, object] | None = None, **params: str) -> SinkSetting:
    return SinkSetting(name="k", scheme="kafka", url=Secret(url), params=params, options=options or {})


def means(ca_file: Path | None = None) -> Means:
    return Means("k", "store", lambda: tls_context(ca_file), ca_file)


def settings(url: str, options: dict[str, object] | None = None, **params: str) -> dict[str, object]:
    return configuration(setting(url, options, **params), means())


def test_what_we_promise_stands() -> None:
    found = settings("kafka://a:1,b/t")
    assert found["bootstrap.servers"] == "a:1,b:9092"
    assert found["enable.idempotence"] is True
    assert found["acks"] == "all"
    assert found["security.protocol"] == "plaintext"


@pytest.mark.parametrize(
    ("url", "params", "expected"),
    [
        ("kafka://a/t", {"tls": "yes"}, {"security.protocol": "ssl"}),
        ("kafka://u:p%25@a/t", {}, {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.password": "p%"}),
        (
            "kafka://u:p@a/t",
            {"tls": "no", "sasl": "scram-sha-512"},
            {"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u"},
        ),
    ],
)
def test_logins(url: str, params: dict[str, str], expected: dict[str, object]) -> None:
    assert expected.items() <= settings(url, **params).items()


def test_options_pass_through_and_win() -> None:
    options: dict[str, object] = {
        "compression.type": "zstd",
        "security": {"protocol": "SSL"},
        "sasl": {"oauthbearer": {"method": "oidc"}},
    }
    found = settings("kafka://u:p@a/t", options)
    assert found["compression.type"] == "zstd"
    assert found["security.protocol"] == "SSL"
    assert found["sasl.oauthbearer.method"] == "oidc"


@pytest.mark.parametrize("name", ["acks", "bootstrap.servers", "message.timeout.ms", "linger.ms", "transactional.id"])
def test_options_that_would_break_a_promise(name: str) -> None:
    with pytest.raises(ConfigError, match=f"sets {name} itself"):
        settings("kafka://a/t", {name: "1"})


def test_without_idempotence_one_request_at_a_time_keeps_the_order() -> None:
    assert "max.in.flight.requests.per.connection" not in settings("kafka://a/t")
    assert settings("kafka://a/t", {"enable.idempotence": False})["max.in.flight.requests.per.connection"] == 1


def test_the_ca_file_is_added_to_the_systems_roots(tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    both = configuration(setting("kafka://a/t", tls="yes"), means(file))
    roots = str(both["ssl.ca.pem"])
    assert "".join(file.read_text().split()) in "".join(roots.split())
    assert "ssl.ca.pem" not in configuration(setting("kafka://a/t", tls="yes"), means())
    assert "ssl.ca.pem" not in configuration(setting("kafka://a/t"), means(file))
    own = configuration(setting("kafka://a/t", {"ssl.ca.location": "x"}, tls="yes"), means(file))
    assert "ssl.ca.pem" not in own


@pytest.mark.parametrize(
    "url", ["kafka://a", "kafka://a/", "kafka://a/..", "kafka://a/b c", "kafka://a/b/c", "kafka://a/" + "x" * 250]
)
def test_no_topic(url: str) -> None:
    with pytest.raises(ConfigError, match="no topic"):
        topic_of(setting(url))


@pytest.mark.parametrize("params", [{"tls": "maybe"}, {"sasl": "GSSAPI"}])
def test_parameters_that_are_none(params: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(params))):
        settings("kafka://u:p@a/t", **params)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"no.such.option": "1"}, "no.such.option"),
        ({"compression.type": "hush"}, "compression.codec"),
        ({"ssl.key.pem": "hush", "security.protocol": "ssl"}, "ssl.key"),
        ({"socket.timeout.ms": "hush"}, "socket.timeout.ms"),
    ],
)
async def test_options_that_librdkafka_refuses(options: dict[str, object], words: str) -> None:
    sink = KafkaSink("t", settings("kafka://127.0.0.1:1/t", options))
    with pytest.raises(ConfigError, match=words) as refused:
        await sink.open()
    assert "hush" not in str(refused.value)
    await sink.aclose()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MSG_SIZE_TOO_LARGE", Verdict.REJECT),
        ("INVALID_RECORD", Verdict.REJECT),
        ("_INVALID_DIFFERENT_RECORD", Verdict.REJECT),
        ("TOPIC_AUTHORIZATION_FAILED", Verdict.PAUSE),
        ("UNKNOWN_TOPIC_OR_PART", Verdict.PAUSE),
        ("_AUTHENTICATION", Verdict.PAUSE),
        ("NOT_ENOUGH_REPLICAS", Verdict.RETRY),
        ("REQUEST_TIMED_OUT", Verdict.RETRY),
        ("_FATAL", Verdict.RETRY),
        ("_PURGE_QUEUE", Verdict.RETRY),
        ("UNKNOWN", Verdict.RETRY),
    ],
)
def test_verdicts(name: str, expected: Verdict) -> None:
    assert verdict(KafkaError(getattr(KafkaError, name))) is expected


def test_what_refuses_us() -> None:
    assert not refuses(None)
    assert refuses(KafkaError(KafkaError._AUTHENTICATION))
    assert refuses(KafkaError(KafkaError._SSL, "SSL handshake failed: certificate verify failed"))
    assert not refuses(KafkaError(KafkaError._SSL, "SSL handshake failed: Disconnected"))
    assert not refuses(KafkaError(KafkaError._TRANSPORT))


@pytest.mark.parametrize("name", [name for name in dir(KafkaError) if name.lstrip("_").isupper()])
def test_every_error_can_be_told_without_its_words(name: str) -> None:
    error = KafkaError(getattr(KafkaError, name), "what was said")
    for told in (misconfigured(error, "calls"), broker_trouble(error)):
        assert "what was said" not in str(told)
        assert "{" not in str(told)
    assert isinstance(misconfigured(error, "calls"), Fatal)
    assert isinstance(broker_trouble(None), SinkUnavailable)


def test_no_value_of_an_option_is_told() -> None:
    told = refused_settings(ValueError('Invalid value "hush" for configuration property "sasl.mechanism"'))
    assert "sasl.mechanism" in str(told)
    assert "hush" not in str(told)


def test_chunks_take_as_much_as_fits_and_one_at_least() -> None:
    messages = [_out(record) for record in talk(9, large={5}, size=50_000)]
    waiting = messages[::-1]
    chunks = []
    while waiting:
        chunks.append([message.seq for message in _taken(waiting, 2_000)])
    assert [seq for chunk in chunks for seq in chunk] == list(range(1, 10))
    assert [5] in chunks
    assert max(len(chunk) for chunk in chunks) > 1


def test_kinds_of_arguments(tmp_path: Path) -> None:
    found: Any = settings("kafka://a/t", {"socket.timeout.ms": 5, "log.connection.close": True})
    assert found["socket.timeout.ms"] == 5
