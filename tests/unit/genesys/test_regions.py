"""Which hosts are dialled."""

from __future__ import annotations

import pytest

from genscribe.errors import ConfigError
from genscribe.genesys.regions import DOMAINS, Hosts, hosts, is_loopback

NAMES = {
    None: "mypurecloud.com",
    "": "mypurecloud.com",
    "api": "mypurecloud.com",
    " API ": "mypurecloud.com",
    "api.eu": "mypurecloud.ie",
    "Api.EU": "mypurecloud.ie",
    "us-east-1": "mypurecloud.com",
    "EU-Central-1": "mypurecloud.de",
    "usw2.pure.cloud": "usw2.pure.cloud",
    "mypurecloud.de": "mypurecloud.de",
    "MyPureCloud.com.au": "mypurecloud.com.au",
    "api.mypurecloud.com": "mypurecloud.com",
    "login.usw2.pure.cloud": "usw2.pure.cloud",
    "apps.mypurecloud.ie": "mypurecloud.ie",
    "https://api.mypurecloud.jp/": "mypurecloud.jp",
    "https://login.euw2.pure.cloud": "euw2.pure.cloud",
    "use2.us-gov-pure.cloud": "use2.us-gov-pure.cloud",
    "edee1.eusc-pure.cloud": "edee1.eusc-pure.cloud",
    "new9.pure.cloud": "new9.pure.cloud",
    "mypurecloud.co.nz": "mypurecloud.co.nz",
}


@pytest.mark.parametrize(("name", "domain"), NAMES.items())
def test_names_of_a_region(name, domain):
    found = hosts(name)
    assert (found.login_url, found.api_url) == (f"https://login.{domain}", f"https://api.{domain}")
    assert found.websocket_url == f"wss://api.{domain}"


@pytest.mark.parametrize(("aws", "domain"), DOMAINS.items())
def test_every_region_by_aws_name_and_by_domain(aws, domain):
    assert hosts(aws).api_url == hosts(domain).api_url == f"https://api.{domain}"


@pytest.mark.parametrize(
    "name",
    [
        "eu",
        "prod",
        "us-west-9",
        "pure.cloud",
        "evil.com",
        "mypurecloud.com.evil.com",
        "evil.com/mypurecloud.com",
        "x@usw2.pure.cloud",
        "usw2.pure.cloud:8080",
        "usw2-pure.cloud.evil.io",
        "usw2.evilpure.cloud",
        "a\nb",
        "ü.pure.cloud",
    ],
)
def test_an_unknown_region_exits_78_and_sends_credentials_nowhere(name):
    with pytest.raises(ConfigError) as caught:
        hosts(name)
    assert caught.value.exit_code == 78
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "meant"), [("eu-centrl-1", "eu-central-1"), ("apieu", "api.eu"), ("mypurecloud.de.", "mypurecloud.de")]
)
def test_an_unknown_region_suggests_the_nearest(typed, meant):
    with pytest.raises(ConfigError, match=meant.replace(".", r"\.")):
        hosts(typed)


def test_overrides_replace_one_url_each_and_keep_a_path():
    found = hosts("api.eu", login_url="https://gateway.example/genesys/login/")
    assert found == Hosts("https://gateway.example/genesys/login", "https://api.mypurecloud.ie", "api.eu")
    assert hosts(api_url="https://x.example:8443").websocket_url == "wss://x.example:8443"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:80", "http://localhost:1", "HTTP://LOCALHOST:1"]
)
def test_http_towards_loopback_gives_ws(url):
    assert hosts(api_url=url).websocket_url.lower() == "ws" + url.lower().removeprefix("http")


@pytest.mark.parametrize(
    "url",
    [
        "http://login.mypurecloud.com",
        "http://10.0.0.1",
        "http://0.0.0.0:80",
        "http://localhost.evil.com",
        "http://127.0.0.1.evil.com",
        "http://127.1",
        "ftp://127.0.0.1",
        "login.mypurecloud.com",
        "https://",
        "https://x:port",
        "https://[::1",
        "https://a b",
        "https://exämple.com",
        "https://x.example/\nX: 1",
        "https://user:s3cret@x.example",
        "https://x.example/?token=s3cret",
        "https://x.example/#s3cret",
    ],
)
@pytest.mark.parametrize("setting", ["login_url", "api_url"])
def test_an_override_that_is_no_safe_base_url_exits_78(setting, url):
    with pytest.raises(ConfigError, match=f"GENESYS_{setting.upper()}") as caught:
        hosts(**{setting: url})
    assert "s3cret" not in str(caught.value)


def test_loopback_is_loopback_only():
    assert all(map(is_loopback, ["127.0.0.1", "::1", "localhost", "LocalHost"]))
    assert not any(map(is_loopback, ["", "10.0.0.1", "::", "localhost.", "example.com", "127.0.0.1.example.com"]))
