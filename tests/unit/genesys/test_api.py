"""The one HTTP client: foreign errors end here, nothing secret leaves, nothing is unbounded."""

from __future__ import annotations

import gzip
import logging
import ssl

import anyio
import httpx2
import pytest
import trustme

from genscribe.errors import BadAnswer, ConfigError, Unreachable, UntrustedCertificate
from genscribe.genesys.api import Answer, ApiClient, HttpClient
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from tests.http_stub import Reply, json, serve
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio
TLS = tls_context()
CANARY = "c4n4ry"


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def http():
    async with HttpClient(TLS) as client:
        yield client


async def test_an_answer_of_any_status_comes_back_as_it_is(http):
    async with serve(lambda asked: Reply(418, b"short and stout", {"X-Kind": "Teapot"})) as stub:
        answer = await http.request("POST", stub.url + "/x", headers={"X-A": "b"}, form={"a b": "ü&="})
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (418, b"short and stout", "Teapot")
    (asked,) = stub.asked
    assert (asked.method, asked.target, asked.form) == ("POST", "/x", {"a b": "ü&="})
    assert asked.headers["x-a"] == "b"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["user-agent"].startswith("genscribe/")
    assert asked.headers["accept-encoding"] == "identity"


async def test_a_get_has_no_body(http):
    async with serve(lambda asked: Reply()) as stub:
        await http.request("GET", stub.url)
    assert "content-type" not in stub.asked[0].headers
    assert stub.asked[0].body == b""


async def test_redirects_are_not_followed(http):
    async with serve(lambda asked: Reply(302, headers={"Location": "/elsewhere"})) as stub:
        assert (await http.request("GET", stub.url)).status == 302
    assert len(stub.asked) == 1


async def test_cookies_are_not_kept(http):
    async with serve(lambda asked: Reply(headers={"Set-Cookie": "a=b; Path=/"})) as stub:
        await http.request("GET", stub.url)
        await http.request("GET", stub.url)
    assert "cookie" not in stub.asked[1].headers


async def test_a_body_above_64_kb_is_a_bad_answer(http):
    async with serve(lambda asked: Reply(body=b"x" * 65_537)) as stub:
        with pytest.raises(BadAnswer, match="65536 bytes"):
            await http.request("GET", stub.url)


async def test_a_body_of_64_kb_is_none(http):
    async with serve(lambda asked: Reply(body=b"x" * 65_536)) as stub:
        assert len((await http.request("GET", stub.url)).body) == 65_536


async def test_an_endless_body_is_cut(http):
    endless = Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000)
    async with serve(lambda asked: endless) as stub:
        with pytest.raises(BadAnswer):
            await http.request("GET", stub.url)


async def test_a_compressed_body_is_not_inflated(http):
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with serve(lambda asked: Reply(body=bomb[:60_000], headers={"Content-Encoding": "gzip"})) as stub:
        assert (await http.request("GET", stub.url)).body == bomb[:60_000]


async def test_the_deadline_is_total_even_when_bytes_dribble(http):
    dribble = Reply(body=b"", headers={"Content-Length": "1000"}, pieces=[b"x"] * 100)
    async with serve(lambda asked: dribble) as stub:
        with pytest.raises(Unreachable, match="within 15 s"):
            await http.request("GET", stub.url)
    assert anyio.current_time() == pytest.approx(15, abs=0.1)


async def test_silence_ends_at_the_deadline(http):
    async with serve(lambda asked: Reply(hang=True)) as stub:
        with pytest.raises(Unreachable, match="within 3 s"):
            await http.request("GET", stub.url, deadline_s=3)
    assert anyio.current_time() == pytest.approx(3, abs=0.1)


async def test_connection_refused(http):
    async with serve(lambda asked: Reply()) as stub:
        url = stub.url
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 cannot be reached: connection refused"):
        await http.request("GET", url)


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"SSH-2.0-x\r\n\r\n", b"\0" * 100]
)
async def test_what_is_not_http_is_a_bad_answer(http, raw):
    async with serve(lambda asked: Reply(raw=raw)) as stub:
        with pytest.raises((BadAnswer, Unreachable), match=r"127\.0\.0\.1"):
            await http.request("GET", stub.url)


async def test_a_hundred_kilobytes_of_headers_are_a_bad_answer(http):
    raw = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"y" * 1000) for n in range(1000))
    async with serve(lambda asked: Reply(raw=raw + b"\r\n")) as stub:
        with pytest.raises((BadAnswer, Unreachable)):
            await http.request("GET", stub.url)


@pytest.mark.parametrize("url", ["https://", "gopher://x", "https://a..b.invalid/", "nonsense"])
async def test_an_address_that_is_none(http, url):
    with pytest.raises(Unreachable):
        await http.request("GET", url)


@pytest.mark.parametrize("debug", [False, True])
async def test_a_name_that_does_not_resolve(http, monkeypatch, debug):
    async def fail(*args, **kwargs):
        raise __import__("socket").gaierror(-2, "Name or service not known")

    monkeypatch.setattr(anyio, "connect_tcp", fail)
    with pytest.raises(Unreachable, match="its name cannot be resolved"):
        await http.request("GET", "https://login.nowhere.example")


async def test_retry_after_and_the_correlation_id_are_read():
    date = "Fri, 20 Mar 2026 09:46:40 GMT"
    assert Answer(429, {"retry-after": "7"}).retry_after_s == 7
    assert Answer(429, {"retry-after": "Fri, 20 Mar 2026 09:47:40 GMT", "date": date}).retry_after_s == 60
    assert Answer(429, {}).retry_after_s is None
    assert Answer(500, {"inin-correlation-id": "ab-12"}).trace == "ab-12"
    assert Answer(500, {"inin-correlation-id": "a\nb"}).trace == ""
    assert Answer(500, {}).trace == ""


def test_an_answer_prints_neither_headers_nor_body():
    assert CANARY not in repr(Answer(200, {"set-cookie": CANARY}, CANARY.encode()))


# TLS


@pytest.fixture
def authority(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "root.pem")
    return ca, tmp_path / "root.pem"


def server_side(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def test_a_private_root_makes_a_server_trusted(authority):
    ca, ca_file = authority
    served = serve(lambda asked: Reply(), tls=server_side(ca.issue_cert("127.0.0.1")))
    async with served as stub, HttpClient(tls_context(ca_file)) as client:
        assert (await client.request("GET", stub.url)).status == 200


@pytest.mark.parametrize("names", [["127.0.0.1"], ["elsewhere.example"]], ids=["unknown root", "other name"])
async def test_an_untrusted_certificate_is_a_setting_from_the_third_time_on(authority, names):
    ca, ca_file = authority
    trusted = tls_context(ca_file) if names != ["127.0.0.1"] else TLS
    served = serve(lambda asked: Reply(), tls=server_side(ca.issue_cert(*names)))
    async with served as stub, HttpClient(trusted) as client:
        for expected in (Unreachable, Unreachable, UntrustedCertificate):
            with pytest.raises(expected, match="not trusted") as caught:
                await client.request("GET", stub.url)
            assert type(caught.value) is expected
    assert stub.asked == []


async def test_an_answer_in_between_begins_the_count_anew(authority):
    ca, ca_file = authority
    async with HttpClient(tls_context(ca_file)) as client:
        host = "127.0.0.1"
        client.distrust.refused(host, "expired")
        client.distrust.refused(host, "expired")
        async with serve(lambda asked: Reply(), tls=server_side(ca.issue_cert(host))) as stub:
            await client.request("GET", stub.url)
        assert type(client.distrust.refused(host, "expired")) is Unreachable


# Proxies


async def test_a_proxy_of_the_command_line_carries_everything():
    async with serve(lambda asked: Reply(200, b"by proxy")) as proxy, HttpClient(TLS, proxy=proxy.url) as client:
        assert (await client.request("GET", "http://127.0.0.1:9/x")).body == b"by proxy"
    assert proxy.asked[0].target == "http://127.0.0.1:9/x"


async def test_a_proxy_spoken_to_by_tls_is_checked_like_everything_else(authority):
    ca, ca_file = authority
    served = serve(lambda asked: Reply(200, b"by proxy"), tls=server_side(ca.issue_cert("127.0.0.1")))
    async with served as proxy:
        async with HttpClient(tls_context(ca_file), proxy=proxy.url) as client:
            assert (await client.request("GET", "http://127.0.0.1:9/x")).body == b"by proxy"
        async with HttpClient(TLS, proxy=proxy.url) as client:
            with pytest.raises(Unreachable, match="not trusted"):
                await client.request("GET", "http://127.0.0.1:9/x")


async def test_a_proxy_of_the_environment_carries_https(monkeypatch):
    async with serve(lambda asked: Reply(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//user:{CANARY}@"))
        async with HttpClient(TLS) as client:
            with pytest.raises(Unreachable, match=r"proxy refuses .* \(407\)") as caught:
                await client.request("GET", "https://login.mypurecloud.example/x")
    assert proxy.asked[0].method == "CONNECT"
    assert "--proxy" in caught.value.advice
    assert CANARY not in str(caught.value)


async def test_loopback_without_tls_never_goes_through_a_proxy_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serve(lambda asked: Reply()) as stub, HttpClient(TLS) as client:
        assert (await client.request("GET", stub.url)).status == 200


async def test_the_environment_is_not_read_when_told_so(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with HttpClient(TLS, trust_env=False) as client:
        assert client._client._mounts.keys() == {httpx2._utils.URLPattern("http://")}


@pytest.mark.parametrize("proxy", ["nonsense", "ftp://x:1", f"http://user:{CANARY}@[::1"])
async def test_a_proxy_that_is_none_exits_78(proxy):
    with pytest.raises(ConfigError) as caught:
        HttpClient(TLS, proxy=proxy)
    assert CANARY not in str(caught.value)


# The API below one base URL


async def test_the_token_travels_in_the_header_and_never_in_the_url(http):
    async with serve(lambda asked: json(ok=True)) as stub:
        api = ApiClient(http, stub.url + "/base")
        await api.request("DELETE", "/api/v2/x?y=z", Secret(CANARY))
    (asked,) = stub.asked
    assert (asked.method, asked.target) == ("DELETE", "/base/api/v2/x?y=z")
    assert asked.headers["authorization"] == f"Bearer {CANARY}"
    assert api.host == "127.0.0.1"


PROBED = [200, 204, 302, 400, 401, 403, 404, 405, 410, 426, 429, 500, 503]


@pytest.mark.parametrize("status", PROBED)
async def test_a_probe_is_one_plain_get(http, status):
    async with serve(lambda asked: Reply(status, headers={"Retry-After": "9"})) as stub:
        answer = await ApiClient(http, stub.url).probe("/api/v2/t", Secret(CANARY))
    assert (answer.status, answer.retry_after_s) == (status, 9)
    (asked,) = stub.asked
    assert (asked.method, asked.target) == ("GET", "/api/v2/t")
    assert "upgrade" not in asked.headers


async def test_a_probe_understands_a_101_that_nobody_asked_for(http):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with serve(lambda asked: Reply(raw=switch)) as stub:
        assert (await ApiClient(http, stub.url).probe("/t", Secret(CANARY))).status == 101


async def test_a_probe_does_not_read_a_stream_that_never_ends(http):
    async with serve(lambda asked: Reply(headers={"Content-Length": "1000000"}, pieces=[b"x"] * 1000)) as stub:
        assert (await ApiClient(http, stub.url).probe("/t", Secret(CANARY))).status == 200
    assert anyio.current_time() < 2


async def test_nothing_secret_is_logged_at_debug(caplog, http):
    caplog.set_level(logging.DEBUG)
    async with serve(lambda asked: Reply(500)) as stub:
        await ApiClient(http, stub.url).request("GET", "/x", Secret(CANARY))
        await http.request("POST", stub.url, form={"client_secret": CANARY})
    assert "httpx2" not in {record.name.split(".")[0] for record in caplog.records}
    assert "httpcore2" not in {record.name.split(".")[0] for record in caplog.records}
    assert CANARY not in caplog.text


async def test_closing_twice_is_fine():
    client = HttpClient(TLS)
    await client.aclose()
    await client.aclose()
