"""Which proxy leads to a host, and how its address is spelled."""

from __future__ import annotations

import pytest

from genscribe.errors import ConfigError
from genscribe.genesys.proxies import of_environment, spelled_out

CANARY = "c4n4ry"
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SOCKS_PROXY", "WSS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("https://proxy", "https://proxy"),
        ("proxy:3128", "http://proxy:3128"),
        ("proxy", "http://proxy"),
        ("http://user@proxy:1", "http://user:@proxy:1"),
        ("user:secret@proxy:1", "http://user:secret@proxy:1"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_what_people_leave_out_is_added(given: str, spelled: str) -> None:
    assert spelled_out(given) == spelled


@pytest.mark.parametrize(
    "given", ["socks5://proxy:1", "ftp://x", "http://", f"http://u:{CANARY}@[::1", f"http://u:{CANARY}@x:99999"]
)
def test_what_is_no_http_proxy_exits_78_and_shows_no_password(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        spelled_out(given)
    assert caught.value.exit_code == 78
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1"),
        ({"https_proxy": "a:1"}, "http://a:1"),
        ({"ALL_PROXY": "http://b:1"}, "http://b:1"),
        ({"ALL_PROXY": "http://b:1", "HTTPS_PROXY": "http://a:1"}, "http://a:1"),
        ({"HTTP_PROXY": "http://c:1"}, None),
        ({"SOCKS_PROXY": "socks5://d:1"}, None),
        ({"WSS_PROXY": "http://e:1"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "api.example"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": ".example"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "other"}, "http://a:1"),
    ],
)
def test_the_environments_proxy(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: str | None) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert of_environment("api.example", 443) == proxy
