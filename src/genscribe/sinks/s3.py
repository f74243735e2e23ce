"""Putting a file into a bucket by S3's protocol: one signed `PUT`, whole or not at all.

The signature (AWS Signature Version 4) covers a checksum of the content, so what arrives is what was sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread

from genscribe import clock
from genscribe.secrets import Secret
from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable

if TYPE_CHECKING:
    import httpx2

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
SILENCE_S = 30.0
"""Seconds in which something must move on the connection."""

_CHUNK = 1024 * 1024
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,60})</Code>", re.ASCII)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}", re.ASCII)


@dataclass(frozen=True)
class Credentials:
    """Who signs."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


@dataclass(frozen=True)
class Request:
    """What is signed.

    Attributes:
        method: `PUT`, `GET`.
        host: With its port, unless that is the scheme's own.
        path: From `/` on, not encoded.
        query: Not encoded.
        headers: More that are signed; names in lower case.
        sha256: Of the content, as hexadecimal digits.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: str = EMPTY_SHA256


def sign(request: Request, credentials: Credentials, region: str, at_s: float) -> dict[str, str]:
    """The headers to send, `authorization` among them.

    Args:
        request: What is asked.
        credentials: Who asks.
        region: Of the bucket.
        at_s: Now, in seconds since 1970; a server refuses what is 15 minutes off.
    """
    stamp = clock.iso(int(at_s) * 1000)[:19].replace("-", "").replace(":", "") + "Z"
    headers = {**request.headers, "host": request.host, "x-amz-content-sha256": request.sha256, "x-amz-date": stamp}
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token.reveal()
    names = sorted(headers)
    canonical = [request.method, encoded_path(request.path), encoded_query(request.query)]
    canonical += [f"{name}:{headers[name].strip()}" for name in names]
    canonical += ["", ";".join(names), request.sha256]
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    key = f"AWS4{credentials.secret_access_key.reveal()}".encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope},"
        f"SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return headers


def encoded_path(path: str) -> str:
    """A path as it is signed and sent."""
    return quote(path, safe="/~")


def encoded_query(query: Mapping[str, str]) -> str:
    """A query as it is signed and sent."""
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


@dataclass(frozen=True)
class Bucket:
    """Where to, as whom.

    Attributes:
        base: `https://host`.
        root: Path in front of keys: `/bucket` where the host's name does not have it, else empty.
        name: The bucket.
        prefix: In front of every key, without slashes at its ends; may be empty.
    """

    base: str
    root: str
    name: str
    prefix: str
    region: str
    credentials: Credentials

    def path(self, name: str) -> str:
        """The path of a file in the bucket."""
        return f"{self.root}/{self.prefix}/{name}" if self.prefix else f"{self.root}/{name}"


def parse_bucket(target: str, given: Mapping[str, str], environment: Mapping[str, str]) -> Bucket:
    """Reads `s3://bucket/prefix`.

    Args:
        target: The URL, without parameters.
        given: `endpoint`, `region`, `access_key_id`, `secret_access_key`, `session_token`; each may be missing.
        environment: Where `AWS_…` stands in for what is missing.

    Raises:
        SinkMisconfigured: No bucket, an endpoint that is none or in the clear, no credentials.
    """
    scheme, _, rest = target.partition("://")
    name, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(name):
        raise SinkMisconfigured("the parquet sink's URL names no bucket.", advice="Write parquet:s3://bucket/prefix.")
    region = (
        given.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    )
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", region):
        raise SinkMisconfigured("the parquet sink's region= is none.", advice="Write region=eu-central-1.")
    endpoint = given.get("endpoint") or environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    root = f"/{name}"
    if endpoint:
        base = _endpoint(endpoint)
    elif "." in name or "_" in name:  # such a name is no part of a host's that certificates are for
        base = f"https://s3.{region}.amazonaws.com"
    else:
        base, root = f"https://{name}.s3.{region}.amazonaws.com", ""
    return Bucket(base, root, name, prefix.strip("/"), region, _credentials(given, environment))


def _endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query or parts.username:
        raise SinkMisconfigured("the parquet sink's endpoint= is none.", advice="Write endpoint=https://host:port.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise SinkMisconfigured("the parquet sink's endpoint= would send speech in the clear.", advice="Use https.")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _credentials(given: Mapping[str, str], environment: Mapping[str, str]) -> Credentials:
    source: Callable[[str], str | None] = lambda name: environment.get(f"AWS_{name.upper()}")  # noqa: E731
    if given.get("access_key_id") or given.get("secret_access_key"):
        source = given.get  # never half of one and half of the other
    user, secret, token = source("access_key_id"), source("secret_access_key"), source("session_token")
    if not user or not secret:
        raise SinkMisconfigured(
            "the parquet sink has no credentials for the bucket.",
            advice="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if not (user + secret + (token or "")).isascii() or not (user + secret + (token or "")).isprintable():
        raise SinkMisconfigured("the parquet sink's credentials have letters that none has.")
    return Credentials(user, Secret(secret), Secret(token) if token else None)


class Uploader:
    """Puts files into a bucket.

    Args:
        bucket: Where to.
        tls: Makes the TLS context.
        proxy: For everything but loopback; `None` = the environment's.
    """

    def __init__(self, bucket: Bucket, tls: Callable[[], ssl.SSLContext], proxy: Secret | None = None) -> None:
        self._bucket = bucket
        self._tls = tls
        self._proxy = proxy
        self._client: httpx2.AsyncClient | None = None

    async def check(self) -> None:
        """Asks whether the bucket is there. Who may only put is not asked for more.

        Raises:
            SinkMisconfigured, SinkUnavailable: As `put`.
        """
        path = self._bucket.root or "/"
        status, code = await self._send(Request("GET", self._host(), path, {"list-type": "2", "max-keys": "0"}), None)
        if (status, code) != (403, "AccessDenied"):
            self._judge(status, code)

    async def put(self, file: Path, name: str) -> None:
        """Uploads a file; what is there under that name is replaced at once, when all of it is there.

        Raises:
            SinkMisconfigured: Credentials, bucket or region are refused.
            SinkUnavailable: Nobody answers, or the server cannot now; or the file cannot be read.
        """
        try:
            sha256, size = await anyio.to_thread.run_sync(_digest, file)
            headers = {"content-length": str(size), "content-type": "application/vnd.apache.parquet"}
            request = Request("PUT", self._host(), self._bucket.path(name), headers=headers, sha256=sha256)
            self._judge(*await self._send(request, file))
        except OSError as error:
            raise SinkUnavailable(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from None

    async def aclose(self) -> None:
        """Closes the connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            with anyio.CancelScope(shield=True):
                await client.aclose()

    def _host(self) -> str:
        return self._bucket.base.partition("://")[2]

    async def _send(self, request: Request, file: Path | None) -> tuple[int, str]:
        """Status, and S3's word for what is wrong."""
        import httpx2

        client = self._connected()
        headers = sign(request, self._bucket.credentials, self._bucket.region, clock.wall_ms() / 1000)
        url = self._bucket.base + encoded_path(request.path)
        url += f"?{encoded_query(request.query)}" if request.query else ""
        try:
            async with client.stream(
                request.method, url, headers=headers, content=_chunks(file) if file is not None else None
            ) as answer:
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > 65536:
                        break
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ssl.SSLError) as error:
            await self.aclose()
            if _distrusted(error):
                raise SinkMisconfigured(
                    f"the certificate of {self._host()} is not trusted.", advice="Name its CA with --ca-file."
                ) from None
            raise SinkUnavailable(f"{self._host()} cannot be reached: {type(error).__name__}.") from None
        found = _CODE.search(body)
        return answer.status_code, found[1].decode() if found else ""

    def _judge(self, status: int, code: str) -> None:
        if 200 <= status < 300:
            return
        said = f"{status} {code}".rstrip()
        what = f"the bucket {self._bucket.name} at {self._host()} answers {said}."
        if status >= 500 or status in (408, 429) or code in ("RequestTimeout", "SlowDown", "OperationAborted"):
            raise SinkUnavailable(what)
        raise SinkMisconfigured(what, advice=_ADVICE.get(status, "Check bucket, region and endpoint."))

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            import httpx2

            for name in ("httpx2", "httpcore2"):  # at INFO and DEBUG they print URLs and headers
                logging.getLogger(name).setLevel(logging.WARNING)
            plain = self._bucket.base.startswith("http:")
            proxy = self._proxy.reveal() if self._proxy is not None and not plain else None
            try:
                self._client = httpx2.AsyncClient(
                    verify=self._tls(), proxy=proxy, trust_env=not plain, timeout=httpx2.Timeout(SILENCE_S)
                )
            except (ValueError, ImportError, httpx2.InvalidURL):
                raise SinkMisconfigured("The proxy's address cannot be used.", advice="Check --proxy.") from None
        return self._client


_ADVICE = {
    301: "It is in another region: write region=….",
    400: "Check region and credentials.",
    403: "Check the credentials, and that they may s3:PutObject there.",
    404: "Create the bucket, or check its name.",
}


def _distrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _digest(file: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with contextlib.closing(await anyio.to_thread.run_sync(file.open, "rb")) as source:
        while chunk := await anyio.to_thread.run_sync(source.read, _CHUNK):
            yield chunk
