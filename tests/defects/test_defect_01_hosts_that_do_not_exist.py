"""Defect 1 of the tutorial: `env="api"` dialled `wss://api.api.mypurecloud.com`, `api.eu` gave no host that exists."""

from __future__ import annotations

import pytest

from genscribe.genesys.regions import hosts


@pytest.mark.parametrize(
    ("env", "login", "api", "websocket"),
    [
        (None, "https://login.mypurecloud.com", "https://api.mypurecloud.com", "wss://api.mypurecloud.com"),
        ("api", "https://login.mypurecloud.com", "https://api.mypurecloud.com", "wss://api.mypurecloud.com"),
        ("api.eu", "https://login.mypurecloud.ie", "https://api.mypurecloud.ie", "wss://api.mypurecloud.ie"),
    ],
)
def test_the_missions_environments_give_hosts_that_exist(env, login, api, websocket):
    found = hosts(env)
    assert (found.login_url, found.api_url, found.websocket_url) == (login, api, websocket)
