"""The platform's official Python SDK as a client of the token endpoint: a reading of the documents that is not ours."""

from __future__ import annotations

from types import ModuleType

import pytest

from genscribe.emulator.thread import running

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_the_official_sdk_gets_a_token_and_probes_it(sdk: ModuleType) -> None:
    with running(client_id="sdk", client_secret="hush", auth="basic") as cloud:
        client = sdk.api_client.ApiClient(host=cloud.url).get_client_credentials_token("sdk", "hush")
        (asked,) = cloud.ledger.token_requests
        assert (asked.auth, asked.form, asked.status) == ("basic", {"grant_type": "client_credentials"}, 200)
        assert client.access_token == asked.issued
        sdk.TokensApi(client).head_tokens_me()
        sdk.TokensApi(client).delete_tokens_me()
        with pytest.raises(sdk.rest.ApiException) as refused:
            sdk.TokensApi(client).head_tokens_me()
        assert refused.value.status == 401
        assert [entry.status for entry in cloud.ledger.requests] == [200, 200, 401]


def test_the_official_sdk_understands_invalid_client(sdk: ModuleType) -> None:
    with running() as cloud:
        client = sdk.api_client.ApiClient(host=cloud.url)
        with pytest.raises(sdk.rest.ApiException) as refused:
            client.get_client_credentials_token("demo", "wrong")
    assert refused.value.status == 400
    assert "invalid_client" in str(refused.value.body)
