"""The signer agrees with the examples that AWS publishes, and each answer of a bucket has its verdict."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path

import anyio
import anyio.abc
import pytest
import trustme
from anyio.streams.tls import TLSListener

from genscribe.secrets import Secret
from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable
from genscribe.sinks.s3 import Bucket, Credentials, Request, Uploader, parse_bucket, sign

pytestmark = pytest.mark.anyio

WHO = Credentials("AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
"""Of the examples in Amazon S3's documentation of Signature Version 4."""

AT = datetime(2013, 5, 24, tzinfo=timezone.utc).timestamp()
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (
            Request("GET", HOST, "/test.txt", headers={"range": "bytes=0-9"}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            Request(
                "PUT",
                HOST,
                "/test$file.text",
                headers={"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
                sha256="44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            Request("GET", HOST, "/", {"lifecycle": ""}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            Request("GET", HOST, "/", {"prefix": "J", "max-keys": "2"}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_published_examples(request_: Request, signature: str) -> None:
    headers = sign(request_, WHO, "us-east-1", AT)
    assert headers["authorization"].rpartition("Signature=")[2] == signature
    assert headers["x-amz-date"] == "20130524T000000Z"


def test_a_session_token_is_signed() -> None:
    who = Credentials(WHO.access_key_id, WHO.secret_access_key, Secret("temporary"))
    headers = sign(Request("GET", HOST, "/"), who, "us-east-1", AT)
    assert headers["x-amz-security-token"] == "temporary"
    assert "x-amz-security-token" in headers["authorization"]
    assert "temporary" not in repr(who)
    assert "wJalr" not in repr(who)


ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"}


@pytest.mark.parametrize(
    ("target", "given", "url"),
    [
        ("s3://calls", {}, "https://calls.s3.us-east-1.amazonaws.com/x"),
        ("s3://calls/a/b/", {"region": "eu-central-1"}, "https://calls.s3.eu-central-1.amazonaws.com/a/b/x"),
        ("s3://my.calls/a", {}, "https://s3.us-east-1.amazonaws.com/my.calls/a/x"),
        ("s3://calls/a", {"endpoint": "https://Minio.example:9000/"}, "https://minio.example:9000/calls/a/x"),
        ("s3://calls", {"endpoint": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000/calls/x"),
    ],
)
def test_where_a_file_goes(target: str, given: dict[str, str], url: str) -> None:
    bucket = parse_bucket(target, given, ENVIRONMENT)
    assert bucket.base + bucket.path("x") == url
    assert bucket.credentials == Credentials("id", Secret("key"), Secret("token"))


def test_credentials_are_never_mixed() -> None:
    given = {"access_key_id": "other", "secret_access_key": "more"}
    assert parse_bucket("s3://calls", given, ENVIRONMENT).credentials == Credentials("other", Secret("more"))
    with pytest.raises(SinkMisconfigured, match="no credentials"):
        parse_bucket("s3://calls", {"access_key_id": "other"}, ENVIRONMENT)
    with pytest.raises(SinkMisconfigured, match="AWS_ACCESS_KEY_ID"):
        parse_bucket("s3://calls", {}, {})


@asynccontextmanager
async def answering(
    status: str, body: str, tls: ssl.SSLContext | None = None, trust: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Uploader, list[bytes]]]:
    """An uploader towards a server that gives one answer to everything; and what it was sent.

    Args:
        status: Of its answer.
        body: The same.
        tls: The server's; `None` = none.
        trust: The uploader's.
    """
    got: list[bytes] = []

    async def handle(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            head, _, content = head.partition(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            while len(content) < int((length or [b":0"])[0].partition(b":")[2]):
                content += await stream.receive()
            got.append(head + b"\r\n\r\n" + content)
            answer = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            await stream.send(answer.encode())

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        secure = TLSListener(listener, tls, standard_compatible=False) if tls is not None else listener
        tasks.start_soon(secure.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        bucket = Bucket(f"http{'s' if tls else ''}://127.0.0.1:{port}", "/calls", "calls", "p", "us-east-1", WHO)
        uploader = Uploader(bucket, lambda: trust or ssl.create_default_context())
        yield uploader, got
        await uploader.aclose()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("403 Forbidden", "SignatureDoesNotMatch", SinkMisconfigured),
        ("404 Not Found", "NoSuchBucket", SinkMisconfigured),
        ("301 Moved", "PermanentRedirect", SinkMisconfigured),
        ("400 Bad Request", "AuthorizationHeaderMalformed", SinkMisconfigured),
        ("400 Bad Request", "RequestTimeout", SinkUnavailable),
        ("503 Slow Down", "SlowDown", SinkUnavailable),
        ("500 Internal Server Error", "InternalError", SinkUnavailable),
        ("429 Too Many Requests", "", SinkUnavailable),
    ],
)
async def test_verdicts(tmp_path: Path, status: str, code: str, error: type[Exception]) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"PAR1")
    async with answering(status, f"<Error><Code>{code}</Code><Message>said</Message></Error>") as (uploader, _):
        with pytest.raises(error, match=f"{status[:3]} {code}".strip()) as caught:
            await uploader.put(file, "kind=gap/x.parquet")
    assert "said" not in str(caught.value)


async def test_a_file_goes_in_one_request_with_its_checksum(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"PAR1" * 600_000)
    async with answering("200 OK", "") as (uploader, got):
        await uploader.put(file, "kind=gap/x y.parquet")
    (sent,) = got
    head, _, content = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /calls/p/kind%3Dgap/x%20y.parquet HTTP/1.1\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert content == file.read_bytes()


async def test_who_may_only_put_is_not_asked_for_more() -> None:
    async with answering("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>") as (uploader, _):
        await uploader.check()
    async with answering("403 Forbidden", "<Error><Code>InvalidAccessKeyId</Code></Error>") as (uploader, _):
        with pytest.raises(SinkMisconfigured, match="InvalidAccessKeyId"):
            await uploader.check()


async def test_a_private_ca(tmp_path: Path) -> None:
    ca = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    trust = ssl.create_default_context()
    async with answering("200 OK", "", server, trust) as (uploader, got):
        with pytest.raises(SinkMisconfigured, match=r"not trusted.*--ca-file"):
            await uploader.check()
    assert not got
    ca.configure_trust(trust)
    async with answering("200 OK", "", server, trust) as (uploader, got):
        await uploader.check()
    assert len(got) == 1


async def test_nobody_there() -> None:
    bucket = Bucket("http://127.0.0.1:9", "/calls", "calls", "", "us-east-1", WHO)
    uploader = Uploader(bucket, ssl.create_default_context)
    with pytest.raises(SinkUnavailable, match=r"127\.0\.0\.1:9 cannot be reached"):
        await uploader.check()
    await uploader.aclose()
