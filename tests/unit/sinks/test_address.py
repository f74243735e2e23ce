"""URLs of servers: every part where it belongs, and nothing secret in an error."""

from __future__ import annotations

import pytest

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.sinks.address import parse_address


@pytest.mark.parametrize(
    ("url", "hosts", "user", "password", "path"),
    [
        ("kafka://a/t", [("a", 9)], None, None, "t"),
        ("kafka://a:1,b:2,c/t", [("a", 1), ("b", 2), ("c", 9)], None, None, "t"),
        ("nats://token@a/s.t?x=1", [("a", 9)], "token", None, "s.t"),
        ("redis://:p%40%2F@a/s", [("a", 9)], "", "p@/", "s"),
        ("redis://u:p@[::1]:5,[fe80::1]/s", [("::1", 5), ("fe80::1", 9)], "u", "p", "s"),
        ("redis://u:@a", [("a", 9)], "u", "", ""),
        ("redis://a/one/two%20three#x", [("a", 9)], None, None, "one/two three"),
    ],
)
def test_parts(url: str, hosts: list[tuple[str, int]], user: str | None, password: str | None, path: str) -> None:
    found = parse_address(Secret(url), port=9)
    assert list(found.hosts) == hosts
    assert found.user == user
    assert (found.password.reveal() if found.password is not None else None) == password
    assert found.path == path


def test_servers_are_written_as_clients_want_them() -> None:
    found = parse_address(Secret("kafka://u:p@a:1,[::1]:2/t"), port=9)
    assert found.servers() == ["a:1", "[::1]:2"]
    assert str(found) == "a:1,[::1]:2"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kafka://",
        "kafka:///t",
        "kafka://a,,b/t",
        "kafka://a:0/t",
        "kafka://a:65536/t",
        "kafka://a:b/t",
        "k://a b/t",
    ],
)
def test_no_host(url: str) -> None:
    with pytest.raises(ConfigError, match="no host"):
        parse_address(Secret(url), port=9)


def test_nothing_secret_is_shown() -> None:
    found = parse_address(Secret("nats://hush@a/t"), port=9)
    assert "hush" not in repr(found)
    with pytest.raises(ConfigError) as refused:
        parse_address(Secret("nats://hush:hush@a:hush/t"), port=9)
    assert "hush" not in str(refused.value)
