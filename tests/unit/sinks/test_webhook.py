"""The webhook sink: what it sends, what it makes of each answer, and what it never tells."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from genscribe import clock
from genscribe.errors import ConfigError, UntrustedCertificate
from genscribe.events import Record
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.settings.sinks import sink_of_table, sink_setting
from genscribe.sinks.base import Means, RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.conformance import utterances
from genscribe.sinks.registry import make_sink
from genscribe.sinks.webhook_signature import batch_id, key_of, signature
from genscribe.version import __version__
from tests.fault.certificates import Authority
from tests.http_stub import Asked, HttpStub, Reply, serve
from tests.servers.processes import free_port

pytestmark = pytest.mark.anyio

MEANS = Means("hook", "store", tls=ssl.create_default_context)
SPOKEN = "this is utterance"


def webhook(url: str, means: Means = MEANS) -> Any:
    return make_sink(sink_setting(f"hook={url}", lambda what: what), means)


async def written(url: str, batch: list[Record], means: Means = MEANS) -> None:
    sink = webhook(url, means)
    await sink.open()
    try:
        await sink.write(batch)
    finally:
        await sink.aclose()


def always(status: int, **headers: str) -> Callable[[Asked], Reply]:
    return lambda asked: Reply(status, SPOKEN.encode(), {name.replace("_", "-"): v for name, v in headers.items()})


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_a_batch_is_one_json_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "wall_ms", lambda: 1_700_000_000_999)
    async with serve(always(200)) as stub:
        await written(f"{stub.url}/in/here?a=b%20c&secret=s3cret-value&timeout=5s", utterances(0, 3))
        (asked,) = stub.asked
    assert (asked.method, asked.target) == ("POST", "/in/here?a=b%20c")
    assert [event["seq"] for event in json.loads(asked.body)] == [1, 2, 3]
    assert json.loads(asked.body)[0]["kind"] == "utterance"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"] == f"genscribe/{__version__}"
    name = asked.headers["webhook-id"]
    assert asked.headers["idempotency-key"] == name
    assert asked.headers["webhook-timestamp"] == "1700000000"
    digest = hmac.new(b"s3cret-value", f"{name}.1700000000.".encode() + asked.body, hashlib.sha256).digest()
    assert asked.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


async def test_without_a_secret_there_is_no_signature() -> None:
    async with serve(always(204)) as stub:
        await written(stub.url, utterances(0, 1))
    assert "webhook-signature" not in stub.asked[0].headers
    assert "webhook-id" in stub.asked[0].headers


def test_the_published_example_of_standard_webhooks() -> None:
    key = key_of(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "secret")
    signed = signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("written", ["++//", "%2B%2B//"])
def test_a_plus_in_a_url_is_part_of_the_key(written: str) -> None:
    assert webhook(f"https://h.example/?secret=whsec_{written}")._settings.keys == (base64.b64decode("++//"),)


async def test_while_keys_change_both_sign_the_new_one_first() -> None:
    async with serve(always(200)) as stub:
        await written(f"{stub.url}?secret=new-value&secret-old=old-value", utterances(0, 1))
    asked = stub.asked[0]
    head = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode()
    expected = [
        "v1," + base64.b64encode(hmac.new(key, head + asked.body, hashlib.sha256).digest()).decode()
        for key in (b"new-value", b"old-value")
    ]
    assert asked.headers["webhook-signature"].split(" ") == expected


async def test_a_large_batch_is_signed_in_a_thread_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"kind":"utterance","key":"k","revision":1,"text":"' + b"x" * 3_000_000 + b'"}'
    record = Record(1, "utterance", body)
    threads = []

    def watched(*arguments: Any) -> str:
        threads.append(threading.current_thread())
        return signature(*arguments)

    monkeypatch.setattr("genscribe.sinks.webhook.signature", watched)
    async with serve(always(200)) as stub:
        await written(f"{stub.url}?secret=s3cret-value", [record])
    asked = stub.asked[0]
    sent = int(asked.headers["webhook-timestamp"])
    assert asked.headers["webhook-signature"] == signature([b"s3cret-value"], batch_id([record]), sent, asked.body)
    assert threads != [threading.main_thread()]
    assert len(threads) == 1


def test_a_batch_has_one_name_and_another_batch_another() -> None:
    batch = utterances(0, 3)
    moved = [Record(row.seq + 7, row.kind, row.body) for row in batch]
    assert batch_id(batch) == batch_id(moved), "the same events have the same name on any machine"
    again = [batch[0]._replace(body=batch[0].body.replace(b'"revision":1', b'"revision":2')), *batch[1:]]
    names = [batch_id(one) for one in (batch, batch[:2], batch[::-1], again)]
    assert len(set(names)) == 4


async def test_bearer_login_and_headers_of_ones_own() -> None:
    async with serve(always(200)) as stub:
        await written(f"{stub.url}?bearer=t0ken-value", utterances(0, 1))
        await written(stub.url.replace("//", "//me:p%40ss@"), utterances(0, 1))
        table = {"url": stub.url, "options": {"headers": {"X-Api-Key": "k3y-value"}}}
        sink: Any = make_sink(sink_of_table("hook", table, lambda what: what), MEANS)  # type: ignore[arg-type]
        await sink.open()
        await sink.write(utterances(0, 1))
        await sink.aclose()
    assert stub.asked[0].headers["authorization"] == "Bearer t0ken-value"
    assert stub.asked[1].headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert stub.asked[2].headers["x-api-key"] == "k3y-value"
    assert "authorization" not in stub.asked[2].headers


# --- what an answer means ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_delivered(status: int) -> None:
    async with serve(lambda asked: Reply(status)) as stub:
        await written(stub.url, utterances(0, 2))
    assert len(stub.asked) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_poison_has_the_status_in_its_reason(status: int) -> None:
    async with serve(always(status)) as stub:
        with pytest.raises(RowsRejected) as caught:
            await written(stub.url, utterances(0, 2))
    assert caught.value.reasons == {}
    assert caught.value.message == f"HTTP {status}"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_refused_for_what_we_are(status: int) -> None:
    async with serve(always(status)) as stub:
        with pytest.raises(SinkMisconfigured, match=rf"HTTP {status}") as caught:
            await written(f"{stub.url}/path-value?token=t0ken-value&bearer=b3arer-value", utterances(0, 2))
    for secret in ("t0ken-value", "b3arer-value", "path-value", SPOKEN):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "status", [301, 302, 303, 307, 308, 402, 405, 408, 409, 418, 425, 429, 500, 502, 503, 504, 599]
)
async def test_the_rest_is_tried_again(status: int) -> None:
    async with serve(always(status, Location="http://127.0.0.1:1/t0ken-value")) as stub:
        with pytest.raises(SinkUnavailable, match=rf"HTTP {status}") as caught:
            await written(stub.url, utterances(0, 2))
    assert len(stub.asked) == 1, "a redirect is not followed"
    assert caught.value.retry_after_s is None
    assert "t0ken-value" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("Fri, 01 Jan 2100 00:00:09 GMT", 9.0), ("soon", None)])
async def test_retry_after_is_obeyed(status: int, said: str, seconds: float | None) -> None:
    answer = always(status, Retry_After=said, Date="Fri, 01 Jan 2100 00:00:00 GMT")
    async with serve(answer) as stub:
        with pytest.raises(SinkUnavailable) as caught:
            await written(stub.url, utterances(0, 1))
    assert caught.value.retry_after_s == seconds


async def test_a_poison_answer_before_the_body_was_read() -> None:
    done = anyio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while await reader.read(65536):  # as servers do: a reset would take the answer with it
            pass
        writer.close()
        await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    large = Record(1, "utterance", b'{"kind":"utterance","key":"k","text":"' + b"x" * 8_000_000 + b'"}')
    with pytest.raises(RowsRejected) as caught:
        await written(f"http://127.0.0.1:{port}/", [large])
    assert caught.value.message == "HTTP 413"
    await done.wait()
    server.close()


async def test_nobody_there_then_somebody() -> None:
    async with serve(always(200)) as stub:
        url = stub.url
    sink = webhook(url)
    await sink.open()
    with pytest.raises(SinkUnavailable, match="connection refused"):
        await sink.write(utterances(0, 1))
    port = int(url.rpartition(":")[2])
    stub = HttpStub(always(200))
    server = await asyncio.start_server(stub.on_connect, "127.0.0.1", port)
    await sink.open()
    await sink.write(utterances(0, 1))
    await sink.aclose()
    server.close()
    await stub.aclose()
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [Reply(hang=True), Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", pieces=[b"a", b"b", b"c", b"d"])],
    ids=["silent", "dribbles"],
)
async def test_the_deadline_is_total(reply: Reply) -> None:
    async with serve(lambda asked: reply) as stub:
        with anyio.fail_after(10), pytest.raises(SinkUnavailable, match="did not answer"):
            await written(f"{stub.url}?timeout=0.3s", utterances(0, 1))


async def test_an_answer_that_breaks_off_is_none() -> None:
    async with serve(lambda asked: Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nshort")) as stub:
        with pytest.raises(SinkUnavailable):
            await written(stub.url, utterances(0, 1))


async def test_a_long_answer_is_not_read_and_the_batch_is_delivered() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000

    async def endless(asked: Asked) -> Reply:
        return Reply(raw=head, pieces=[b"x"] * 100)

    async with serve(endless) as stub:
        with anyio.fail_after(5):
            await written(stub.url, utterances(0, 1))
    assert len(stub.asked) == 1


async def test_a_connection_is_used_again() -> None:
    async with serve(always(200)) as stub:
        sink = webhook(stub.url)
        await sink.open()
        for _ in range(3):
            await sink.write(utterances(0, 1))
        connections = len(stub._tasks)
        await sink.aclose()
    assert len(stub.asked) == 3
    assert connections == 1


# --- TLS --------------------------------------------------------------------------------------------------------------


async def test_a_private_root_and_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serve(always(200), tls=authority.server()) as stub:
        await written(stub.url, utterances(0, 1), Means("hook", "s", tls=lambda: tls_context(authority.ca_file)))
        assert len(stub.asked) == 1
        sink = webhook(stub.url)
        for _ in range(2):
            await sink.open()
            with pytest.raises(SinkUnavailable, match="not trusted"):
                await sink.write(utterances(0, 1))
        with pytest.raises(UntrustedCertificate, match="--ca-file"):
            await sink.write(utterances(0, 1))
        await sink.aclose()
        assert len(stub.asked) == 1


async def test_a_client_certificate_which_may_be_renewed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(context)
    mine = authority.ca.issue_cert("client.example")
    cert, key = tmp_path / "client.pem", tmp_path / "client.key"
    for pem in mine.cert_chain_pems:
        pem.write_to_path(str(cert), append=True)
    key.write_bytes(trustme.CA().issue_cert("other.example").private_key_pem.bytes())
    means = Means("hook", "s", tls=lambda: tls_context(authority.ca_file))
    async with serve(always(200), tls=context) as stub:
        with pytest.raises(SinkUnavailable):
            await written(stub.url, utterances(0, 1), means)
        sink = webhook(f"{stub.url}?client-cert={cert}&client-key={key}", means)
        with pytest.raises(SinkMisconfigured, match="no certificate and its key"):
            await sink.open()
        mine.private_key_pem.write_to_path(str(key))
        await sink.open()
        await sink.write(utterances(0, 1))
        await sink.aclose()
        assert len(stub.asked) == 1


async def test_a_missing_client_certificate(tmp_path: Path) -> None:
    sink = webhook(f"https://h.example/?client-cert={tmp_path}/none.pem")
    with pytest.raises(SinkMisconfigured, match="No such file"):
        await sink.open()
    await sink.aclose()


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://h.example/x", "without TLS"),
        ("http://10.0.0.1/x", "without TLS"),
        ("http://127.0.0.1.h.example/x", "without TLS"),
        ("http://127.0.0.1@h.example/x", "without TLS"),
        ("https://h.example/x?secret=", "no key"),
        ("https://h.example/x?secret=whsec_%21%21", "no key"),
        ("https://h.example/x?secret=whsec_", "no key"),
        ("https://h.example/x?secret-old=old-value", "no secret="),
        ("https://h.example/x?client-key=a.pem", "no client-cert="),
        ("https://h.example/x?timeout=0", "no duration"),
        ("https://h.example/x?timeout=1d", "no duration"),
        ("https://h.example/x?timeout=soon", "no duration"),
        ("https://h.example/x?bearer=a%0d%0ab:%20c", "cannot be sent"),
        ("https://h.example/x?bearer=", "cannot be sent"),
        ("https://me:pw-value@h.example/x?bearer=b3arer", "two logins"),
    ],
)
def test_what_cannot_be(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        webhook(url)
    assert "value" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.9.9.9:1/", "http://[::1]:1/", "HTTPS://h.example"])
def test_where_it_may_go(url: str) -> None:
    assert webhook(url).guarantee == "at-least-once"


@pytest.mark.parametrize(
    "options",
    [
        {"header": {}},
        {"headers": "X: y"},
        {"headers": {"webhook-id": "x"}},
        {"headers": {"Content-Length": "1"}},
        {"headers": {"X Y": "z"}},
        {"headers": {"X": "a\r\nb"}},
    ],
)
def test_options_that_are_none(options: dict[str, Any]) -> None:
    table = {"url": "https://h.example", "options": options}
    with pytest.raises(SinkMisconfigured):
        make_sink(sink_of_table("hook", table, lambda what: what), MEANS)


def test_secrets_are_in_no_repr() -> None:
    sink = webhook("https://me:p4ss@h.example/x?secret=s3cret")
    shown = repr(sink._settings)
    assert "s3cret" not in shown
    assert "p4ss" not in shown


# --- what check asks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 401, 405, 500])
async def test_whoever_answers_is_there_and_gets_nothing(status: int) -> None:
    async with serve(lambda asked: Reply(status)) as stub:
        sink = webhook(stub.url)
        await sink.open()
        await sink.reach()
        await sink.aclose()
    assert [(asked.method, asked.body) for asked in stub.asked] == [("HEAD", b"")]


async def test_where_nobody_listens_nobody_is_there() -> None:
    sink = webhook(f"http://127.0.0.1:{free_port()}/")
    await sink.open()
    with pytest.raises(SinkUnavailable, match="cannot be reached"):
        await sink.reach()
    await sink.aclose()
