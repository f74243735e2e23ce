"""The sink `https://…`: batches of events, POSTed as a JSON array to a receiver of the user's own.

What an answer's status means is the contract's; see `verdict`. A batch whose answer was lost is sent again, under the
same `Idempotency-Key`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import anyio.to_thread

from genscribe import clock
from genscribe.errors import Passing
from genscribe.events import DELIVERED_KINDS, Record
from genscribe.genesys.http import Answer, HttpClient
from genscribe.genesys.regions import is_loopback
from genscribe.genesys.tls import Distrust
from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.settings.values import BadValue, duration_s, path
from genscribe.sinks.base import Means, RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.webhook_early import PIECE, AnsweredEarly, Ear, longest_s
from genscribe.sinks.webhook_signature import batch_id, key_of, signature

TIMEOUT_S = 10.0
LONGEST_TIMEOUT_S = 600.0

ANSWER_LIMIT = 16 * 1024
"""Bytes of an answer that are read so that the connection can be used again; of a longer one the rest is not read."""

SIGNED_IN_PLACE = 64 * 1024
"""Bytes that are signed on the event loop, in a fraction of a millisecond; more go to a thread."""

_REFUSED = {
    401: ("does not know us", "Check secret=, the login, bearer=, or the client certificate."),
    403: ("does not allow us", "Check secret=, the login, bearer=, or the client certificate."),
    404: ("has nothing there", "Check the URL's path."),
    410: ("has it no longer", "Check the URL's path, or remove the sink."),
}
_POISON = frozenset({400, 413, 422})
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
_OURS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "expect", "host", "idempotency-key"}
    | {"transfer-encoding", "upgrade", "webhook-id", "webhook-signature", "webhook-timestamp"}
)


@dataclass(frozen=True)
class WebhookSettings:
    """Where to, and who we are there.

    Attributes:
        url: The receiver, with a login if it wants one.
        keys: What batches are signed with, the new key first; none = they are not signed.
        headers: More headers, a bearer token's among them.
        certificate: PEM files of the client certificate with its chain, and of its key; `None` = no certificate.
        timeout_s: Seconds for all of a request, from the name to the answer's last byte.
    """

    url: Secret
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: tuple[Path, Path] | None = None
    timeout_s: float = TIMEOUT_S

    @property
    def host(self) -> str:
        """For messages."""
        return urlsplit(self.url.reveal()).hostname or ""


def make(setting: SinkSetting, means: Means) -> WebhookSink:
    """The sink of a setting.

    Raises:
        SinkMisconfigured: Plain http to another machine, a secret without a key, half a client certificate, a header
            or a time-out that is none.
    """
    return WebhookSink(_settings(setting), means)


def _settings(setting: SinkSetting) -> WebhookSettings:
    params = setting.params
    return WebhookSettings(
        url=_url(setting),
        keys=_keys(params),
        headers=_headers(setting),
        certificate=_certificate(params),
        timeout_s=_timeout(params.get("timeout")),
    )


def _url(setting: SinkSetting) -> Secret:
    url = setting.url or Secret("")
    try:
        parts = urlsplit(url.reveal())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if not host:
        raise SinkMisconfigured("the webhook's URL is none.", advice="Write https://host/path.")
    if parts.scheme == "http" and not is_loopback(host):
        raise SinkMisconfigured(
            f"the webhook would send speech to {host} without TLS.", advice="Use https://; http:// is for loopback."
        )
    return Secret(url.reveal().partition("#")[0], masked=False)


def _keys(params: Mapping[str, str]) -> tuple[bytes, ...]:
    if "secret_old" in params and "secret" not in params:
        raise SinkMisconfigured(
            "the webhook has secret-old= and no secret=.", advice="Give the present one as secret=."
        )
    return tuple(
        key_of(Secret(params[name]), name.replace("_", "-")) for name in ("secret", "secret_old") if name in params
    )


def _headers(setting: SinkSetting) -> dict[str, str]:
    more = set(setting.options) - {"headers"}
    given = setting.options.get("headers", {})
    if more or not isinstance(given, Mapping):
        raise SinkMisconfigured(
            "the webhook's options know headers only.", advice='Write headers = { X-Api-Key = "…" } in them.'
        )
    headers = {str(name): str(value) for name, value in given.items()}
    if "bearer" in setting.params:
        headers["Authorization"] = f"Bearer {setting.params['bearer']}"
    logins = [name for name in headers if name.lower() == "authorization"]
    if setting.url is not None and "@" in urlsplit(setting.url.reveal()).netloc:
        logins.append("the URL's login")
    if len(logins) > 1:
        raise SinkMisconfigured("the webhook has two logins.", advice="Keep bearer=, or the one in the URL.")
    for name, value in headers.items():
        if name.lower() in _OURS or not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            what = "bearer=" if name == "Authorization" else f"header {name[:30]!r}"
            raise SinkMisconfigured(f"the webhook's {what} cannot be sent.", advice="Write visible ASCII letters.")
    return headers


def _certificate(params: Mapping[str, str]) -> tuple[Path, Path] | None:
    if "client_cert" not in params:
        if "client_key" in params:
            raise SinkMisconfigured(
                "the webhook has client-key= and no client-cert=.", advice="They are a client certificate's PEM files."
            )
        return None
    try:
        return path(params["client_cert"]), path(params.get("client_key", params["client_cert"]))
    except BadValue as error:
        raise SinkMisconfigured(f"the webhook's client-cert= or client-key= {error}.") from None


def _timeout(text: str | None) -> float:
    try:
        seconds = TIMEOUT_S if text is None else duration_s(text)
    except BadValue:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise SinkMisconfigured(
            f"the webhook's timeout= is no duration up to {LONGEST_TIMEOUT_S:.0f} s.", advice="Write timeout=10s."
        )
    return seconds


def verdict(answer: Answer, host: str) -> Exception | None:
    """What an answer asks for: `None` = delivered. Of its words none is repeated, for they may hold what was said."""
    status = answer.status
    if 200 <= status < 300:
        return None
    if status in _POISON:
        return RowsRejected({}, f"HTTP {status}")
    if status in _REFUSED:
        what, advice = _REFUSED[status]
        return SinkMisconfigured(f"the webhook {host} {what} (HTTP {status}).", advice=advice)
    if 300 <= status < 400:
        return SinkUnavailable(
            f"the webhook {host} sends us elsewhere (HTTP {status}), and redirects are not followed.",
            advice="Give the URL that it leads to.",
            retry_after_s=answer.retry_after_s,
        )
    return SinkUnavailable(f"the webhook {host} answers HTTP {status}.", retry_after_s=answer.retry_after_s)


class WebhookSink:
    """POSTs events.

    Args:
        settings: Where to.
        means: TLS and proxy.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, settings: WebhookSettings, means: Means) -> None:
        self._settings = settings
        self._means = means
        self._host = settings.host
        self._client: HttpClient | None = None
        self._distrust = Distrust()
        self._ear = Ear()
        self._broken_at: int | None = None
        """The size of the smallest body that broke off and did not get through since, in bytes."""

    async def open(self) -> None:
        """Reads the certificates. Nothing is sent: a receiver knows no question that is none of our events.

        Raises:
            ConfigError: The client certificate or `--ca-file` cannot be read, or the proxy is none.
        """
        if self._client is not None and self._settings.certificate is None:
            return
        tls = await anyio.to_thread.run_sync(self._tls)  # an operator may have renewed the client certificate
        await self.aclose()
        self._client = self._connected(tls)

    async def reach(self) -> None:
        """Asks for nothing (HEAD): whatever is answered, somebody is there. Whether he takes events shows the first.

        Raises:
            SinkUnavailable: No answer. SinkMisconfigured: His certificate is refused.
        """
        assert self._client is not None, "open comes first"
        try:
            await self._client.request(
                "HEAD", self._settings.url.reveal(), deadline_s=self._settings.timeout_s, body_limit=0
            )
        except Passing as error:
            raise SinkUnavailable(f"webhook: {error.message}", advice=error.advice) from None

    async def write(self, batch: Sequence[Record]) -> None:
        """Sends a batch.

        Raises:
            RowsRejected: 400, 413, 422; or what is to be sent is no event.
            SinkMisconfigured: 401, 403, 404, 410; a certificate refused three times in a row is another `ConfigError`.
            SinkUnavailable: Any other answer, or none.
        """
        assert self._client is not None, "open comes first"
        body = b"[%b]" % b",".join([record.json() for record in batch])
        headers = await self._signed(batch_id(batch), body)
        try:
            answer = await self._posted({**self._settings.headers, **headers}, body)
        except Passing as error:
            if len(body) > PIECE:
                self._broken_at = min(self._broken_at or len(body), len(body))
            raise SinkUnavailable(
                f"webhook: {error.message}", advice=error.advice, retry_after_s=error.retry_after_s
            ) from None
        failure = verdict(answer, self._host)
        if failure is not None:
            raise failure
        if self._broken_at is not None and len(body) >= self._broken_at:
            self._broken_at = None

    async def _posted(self, headers: dict[str, str], body: bytes) -> Answer:
        assert self._client is not None, "open comes first"
        content: bytes | AsyncIterator[bytes] = body
        deadline_s = self._settings.timeout_s
        if self._broken_at is not None and len(body) >= self._broken_at:
            content = self._ear.pieces(body)
            headers["Content-Length"] = str(len(body))
            deadline_s += longest_s(len(body))
        try:
            return await self._client.request(
                "POST",
                self._settings.url.reveal(),
                headers=headers,
                json=content,
                deadline_s=deadline_s,
                body_limit=ANSWER_LIMIT,
                cut=True,
                extensions={"trace": self._ear.trace},
            )
        except AnsweredEarly as answer:
            return Answer(answer.status)

    async def aclose(self) -> None:
        """Closes the connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _signed(self, name: str, body: bytes) -> dict[str, str]:
        now = clock.wall_ms() // 1000
        headers = {"Idempotency-Key": name, "webhook-id": name, "webhook-timestamp": str(now)}
        keys = self._settings.keys
        if not keys:
            return headers
        if len(body) <= SIGNED_IN_PLACE:
            headers["webhook-signature"] = signature(keys, name, now, body)
        else:
            headers["webhook-signature"] = await anyio.to_thread.run_sync(signature, keys, name, now, body)
        return headers

    def _connected(self, tls: ssl.SSLContext) -> HttpClient:
        secure = self._settings.url.reveal().lower().startswith("https:")
        proxy = self._means.proxy if secure else None
        step_s = self._settings.timeout_s + 1  # the deadline of the whole comes first
        client = HttpClient(tls, proxy=proxy.reveal() if proxy is not None else None, timeout_s=step_s)
        client.distrust = self._distrust  # counts over all of our clients
        return client

    def _tls(self) -> ssl.SSLContext:
        context = self._means.tls()
        if self._settings.certificate is None:
            return context
        cert, key = self._settings.certificate
        try:
            context.load_cert_chain(cert, key, password=str)  # or OpenSSL asks for a password on the terminal
        except ssl.SSLError:
            raise SinkMisconfigured(
                "the webhook's client-cert= and client-key= are no certificate and its key.",
                advice="They are PEM files; the key belongs to the certificate and is not encrypted.",
            ) from None
        except OSError as error:
            reason = error.strerror or "cannot be read"
            raise SinkMisconfigured(
                f"the webhook's client certificate: {reason}.",
                advice="Check client-cert=, client-key= and who may read the files.",
            ) from None
        return context
