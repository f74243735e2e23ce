"""From a setting to a connection's, and from redis-py's errors to verdicts."""

from __future__ import annotations

import ssl
import subprocess
import sys

import pytest

from genscribe.errors import ConfigError
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.redis import RedisSettings, make
from genscribe.sinks.redis_verdicts import NotAllowed, moved_to, translated

exceptions = pytest.importorskip("redis").exceptions


def settings(url: str, **params: str) -> RedisSettings:
    setting = SinkSetting(name="r", scheme="redis", url=Secret(url), params=params)
    return make(setting, Means("r", "store", tls_context))._settings


def test_defaults() -> None:
    found = settings("redis://a/calls:live")
    assert found.address.hosts == (("a", 6379),)
    assert found.stream == "calls:live"
    assert (found.db, found.maxlen, found.tls) == (0, None, None)


def test_every_parameter() -> None:
    found = settings("rediss://u:p@a:1,b:2/s", db="3", maxlen="1000")
    assert (found.db, found.maxlen, found.tls) == (3, 1000, tls_context)
    assert found.address.password == Secret("p")


def test_no_stream() -> None:
    with pytest.raises(ConfigError, match="no stream"):
        settings("redis://a")


@pytest.mark.parametrize("params", [{"db": "-1"}, {"db": "x"}, {"maxlen": "0"}, {"maxlen": "²"}, {"maxlen": "9" * 20}])
def test_parameters_that_are_none(params: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(params))):
        settings("redis://a/s", **params)


SAID = 'Command # 1 (XADD calls * json {"text": "what was said"}) of pipeline caused error: '


def answer(text: str) -> Exception:
    """A server's answer as the client raises it from a pipeline."""
    error: Exception = exceptions.ResponseError(SAID + repr((text,)))
    return error


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (exceptions.OutOfMemoryError(SAID), SinkUnavailable, "memory is full"),
        (exceptions.ReadOnlyError(SAID), SinkUnavailable, "replica"),
        (exceptions.BusyLoadingError(SAID), SinkUnavailable, "loading"),
        (exceptions.ClusterDownError(SAID), SinkUnavailable, "cluster is down"),
        (exceptions.MovedError("1 host:7000"), SinkUnavailable, "another node, host:7000"),
        (exceptions.NoPermissionError(SAID), NotAllowed, "may not add to calls"),
        (exceptions.AuthenticationError(SAID), SinkMisconfigured, "login is refused"),
        (exceptions.AuthenticationWrongNumberOfArgsError(SAID), SinkMisconfigured, "knows no users"),
        (exceptions.ConnectionError(SAID), SinkUnavailable, "no connection to a:1"),
        (exceptions.TimeoutError(SAID), SinkUnavailable, "no connection to a:1"),
        (ConnectionResetError(SAID), SinkUnavailable, "no connection to a:1"),
        (exceptions.ExecAbortError("Transaction discarded because of: OOM command"), SinkUnavailable, "memory is full"),
        (
            exceptions.ExecAbortError("Transaction discarded because of previous errors."),
            SinkUnavailable,
            "cannot take it now",
        ),
        (answer("WRONGTYPE Operation against a key"), SinkMisconfigured, "calls is there, and is no stream"),
        (answer("MISCONF Redis is configured to save"), SinkUnavailable, "cannot save"),
        (answer("NOREPLICAS Not enough good replicas"), SinkUnavailable, "too few replicas"),
        (answer("ERR unknown command `XADD`, with args"), SinkMisconfigured, "knows no streams"),
        (answer("ERR max request size exceeded"), RowsRejected, "rejected|larger"),
        (answer("ERR Elements are too large to be stored"), RowsRejected, "rejected|larger"),
        (answer("ERR something new"), SinkUnavailable, "cannot take it now"),
        (exceptions.ResponseError("DB index is out of range"), SinkMisconfigured, "no such database"),
        (exceptions.ResponseError("unknown command `CONFIG`"), NotAllowed, "not there"),
    ],
)
def test_verdicts(error: Exception, expected: type[Exception], words: str) -> None:
    found = translated(error, "calls", ("a", 1))
    assert type(found) is expected
    text = f"{found} {getattr(found, 'message', '')}"
    assert any(word in text for word in words.split("|"))
    assert "what was said" not in text


def test_an_untrusted_certificate_lies_behind() -> None:
    behind = ssl.SSLCertVerificationError(1, "certificate verify failed")
    behind.verify_message = "unable to get local issuer certificate"
    error = exceptions.ConnectionError("Error connecting")
    error.__cause__ = behind
    assert "not trusted: unable to get local issuer" in str(translated(error, "calls", ("a", 1)))


@pytest.mark.parametrize("error", [KeyError("x"), RowsRejected({}), SinkUnavailable("x"), KeyboardInterrupt()])
def test_what_is_not_the_clients_stays_what_it_is(error: BaseException) -> None:
    assert translated(error, "calls", ("a", 1)) is None


def test_where_a_cluster_sends_us() -> None:
    assert moved_to(exceptions.MovedError("1 host:7000")) == ("host", 7000)
    assert moved_to(exceptions.ConnectionError("x")) is None


@pytest.mark.parametrize(("module", "library"), [("redis", "redis"), ("kafka", "confluent_kafka"), ("nats", "nats")])
def test_no_library_is_imported_before_it_is_needed(module: str, library: str) -> None:
    program = f"import sys, genscribe.sinks.{module}; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
