from __future__ import annotations

from pathlib import Path

import pytest

from genscribe import settings
from genscribe.errors import ConfigError, UsageError
from genscribe.settings.page import PageSetting, is_loopback

TOKEN = "0123456789abcdef"


def page(**given: object) -> PageSetting | None:
    return settings.load(given, environ={}).page


def test_no_page_unless_asked_for() -> None:
    assert page() is None


def test_this_machine_alone_needs_nothing() -> None:
    for address in ("127.0.0.1:8765", "localhost:1", "[::1]:1", "127.9.9.9:1"):
        found = page(web=address)
        assert found is not None
        assert not found.wants_token


@pytest.mark.parametrize(
    "address", ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "example.com:80", "localhost.example:1"]
)
def test_the_network_is_told_nothing_in_the_clear(address: str) -> None:
    with pytest.raises(ConfigError, match="in the clear") as caught:
        _ = page(web=address)
    assert caught.value.exit_code == 78


def test_with_tls_or_behind_a_proxy_a_token_is_asked_for(tmp_path: Path) -> None:
    secure = page(web="0.0.0.0:1", web_cert=str(tmp_path / "c"), web_key=str(tmp_path / "k"))
    assert secure is not None
    assert secure.wants_token
    proxied = page(web="127.0.0.1:1", web_behind_proxy=["10.0.0.0/8,::1"])
    assert proxied is not None
    assert proxied.wants_token
    assert [str(one) for one in proxied.proxies] == ["10.0.0.0/8", "::1/128"]


def test_half_a_pair() -> None:
    with pytest.raises(ConfigError, match="one is missing"):
        _ = page(web="127.0.0.1:1", web_cert="c.pem")


def test_a_token_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    found = page(web="127.0.0.1:1", web_token_file=str(file))
    assert found is not None
    assert found.token is not None
    assert found.token.reveal() == TOKEN
    assert found.wants_token
    file.write_text("short")
    with pytest.raises(ConfigError, match="at least 16"):
        _ = page(web="127.0.0.1:1", web_token_file=str(file))
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        _ = page(web="127.0.0.1:1", web_token_file=str(file))


def test_a_token_is_no_argument_and_is_not_repeated() -> None:
    found = settings.load({"web": "127.0.0.1:1"}, environ={"GENSCRIBE_WEB_TOKEN": TOKEN}).page
    assert found is not None
    assert TOKEN not in repr(found)
    with pytest.raises(ConfigError) as caught:
        settings.load({}, environ={"GENSCRIBE_WEB_TOKEN": "a secret that is wrong"})
    assert "secret that" not in str(caught.value)


def test_a_configuration_file_with_a_token_is_private(tmp_path: Path) -> None:
    file = tmp_path / "genscribe.toml"
    file.write_text(f'web_token = "{TOKEN}"\n')
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        settings.load({"config": str(file)}, environ={"PATH": "/"})


def test_a_token_and_its_file() -> None:
    with pytest.raises(ConfigError, match="Keep one"):
        _ = settings.load({"web": "127.0.0.1:1", "web_token_file": "/x"}, environ={"GENSCRIBE_WEB_TOKEN": TOKEN}).page


@pytest.mark.parametrize(
    "text",
    [
        "http://a/{conversation_id}",
        "javascript:alert({conversation_id})",
        "https://{conversation_id}/",
        "https://a/",
        "x",
    ],
)
def test_links_that_lead_nowhere_good(text: str) -> None:
    with pytest.raises(UsageError):
        settings.load({"web_link": text}, environ={})


def test_a_link() -> None:
    template = "https://apps.example/directory/#/analytics/interactions/{conversation_id}/admin"
    found = page(web="127.0.0.1:1", web_link=template)
    assert found is not None
    assert found.link == template


def test_networks_and_hosts_that_are_none() -> None:
    for given in ({"web_behind_proxy": ["10.0.0.0/99"]}, {"web_host": ["a b"]}, {"web_host": ["a/b"]}):
        with pytest.raises(UsageError):
            settings.load(given, environ={})


def test_loopback() -> None:
    assert is_loopback("::1")
    assert not is_loopback("")
    assert not is_loopback("0.0.0.0")
