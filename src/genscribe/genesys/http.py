"""The one HTTP client. Foreign exceptions end here: what leaves is an `Answer` or an error of our own tree."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, final
from urllib.parse import urlencode, urlsplit

import anyio
import httpx2

from genscribe import clock
from genscribe.core.retry import retry_after
from genscribe.errors import BadAnswer, ConfigError, GenscribeError, Unreachable
from genscribe.genesys.tls import Distrust, causes, certificate_problem
from genscribe.version import __version__

USER_AGENT = f"genscribe/{__version__}"

TOTAL_DEADLINE_S = 15.0
CONNECT_DEADLINE_S = 10.0
BODY_LIMIT = 64 * 1024
"""More bytes than any answer has that we ask for."""

_TRACE = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, whatever its status. Headers have lower-case names; neither they nor the body are printed."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that `Retry-After` asks for; `None` when it is missing or makes no sense."""
        return retry_after(self.headers.get("retry-after"), now_ms=clock.wall_ms(), date=self.headers.get("date"))

    @property
    def trace(self) -> str:
        """The platform's correlation id, which its support asks for; empty when there is none."""
        value = self.headers.get("inin-correlation-id", "")
        return value if _TRACE.fullmatch(value) else ""


@final
class HttpClient:
    """One `httpx2.AsyncClient` for all of the platform's REST. An async context manager: whoever opens closes.

    Redirects are not followed, cookies not kept. Bodies are asked for uncompressed, and not decompressed: what is sent
    is then all there is, so `body_limit` bounds memory, and nothing is inflated on the event loop. The largest that we
    ask for, a page of conversations, is about a megabyte, a few times a minute.

    Args:
        tls: The one context, of `tls_context`.
        proxy: Proxy for everything; `None` = `HTTPS_PROXY` and `NO_PROXY` of the environment. Plain `http://` goes to
            loopback only and never through a proxy of the environment.
        trust_env: Whether to look at the environment at all; `demo` does not.
        timeout_s: Seconds for each step of a request (sending, the answer's next piece), beside its own deadline.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        proxy: str | None = None,
        trust_env: bool = True,
        timeout_s: float = TOTAL_DEADLINE_S,
    ) -> None:
        for name in ("httpx2", "httpcore2"):  # at INFO and DEBUG they print URLs and headers
            logging.getLogger(name).setLevel(logging.WARNING)
        self.distrust = Distrust()
        direct: dict[str, httpx2.AsyncBaseTransport | None] = {} if proxy else {"http://": None}
        try:
            self._client = httpx2.AsyncClient(
                verify=tls,
                proxy=_proxy(proxy, tls),
                trust_env=trust_env,
                mounts=direct,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                timeout=httpx2.Timeout(timeout_s, connect=CONNECT_DEADLINE_S),
            )
        except (ValueError, ImportError, httpx2.InvalidURL):
            raise ConfigError(
                "The proxy's address cannot be used.", advice="Check --proxy and HTTPS_PROXY: http://host:port."
            ) from None

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes all connections, within 2 s; idempotent."""
        with anyio.move_on_after(2, shield=True):
            await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: bytes | AsyncIterable[bytes] | None = None,
        deadline_s: float = TOTAL_DEADLINE_S,
        body_limit: int = BODY_LIMIT,
        cut: bool = False,
        extensions: dict[str, Any] | None = None,
    ) -> Answer:
        """One request, one answer, of any status.

        Args:
            method: `GET`, `POST`, ...
            url: Where to. Of it only the host is ever told, in errors and logs.
            headers: More headers.
            form: Fields of an `application/x-www-form-urlencoded` body; `None` = no such body.
            json: An `application/json` body; `None` = no such body. In pieces it wants `Content-Length` in `headers`.
            deadline_s: Seconds for all of it: name, connection, TLS, answer and body.
            body_limit: Bytes of the body; 0 = the body is not read.
            cut: Whether a longer body is left unread from there on, rather than an error.
            extensions: Of httpx2, such as `trace`; `None` = none.

        Raises:
            Unreachable: No connection, no answer in time, or the connection broke.
            BadAnswer: What came is not HTTP, or its body is longer than the limit.
            UntrustedCertificate: The host's certificate was refused for the third time in a row.
        """
        host = urlsplit(url).hostname or ""
        sent = dict(headers or {})
        content = json
        if json is not None:
            sent["Content-Type"] = "application/json"
        elif form is not None:
            content = urlencode(form).encode("ascii")
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            request = self._client.build_request(method, url, headers=sent, content=content, extensions=extensions)
            with anyio.fail_after(deadline_s):
                answer = await self._exchange(request, body_limit, cut, host)
        except TimeoutError:
            raise Unreachable(f"{host} did not answer within {deadline_s:.0f} s.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, UnicodeError) as error:
            if "_SWITCH_" in str(error):  # h11 has no word of its own for a 101 that nobody asked for
                return Answer(101)
            raise self._translated(error, host) from None
        self.distrust.accepted(host)
        return answer

    async def _exchange(self, request: httpx2.Request, body_limit: int, cut: bool, host: str) -> Answer:
        response = await self._client.send(request, stream=True)
        async with contextlib.aclosing(response):
            body = bytearray()
            if body_limit:
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > body_limit and cut:
                        break
                    if len(body) > body_limit:
                        raise BadAnswer(f"{host} sent more than {body_limit} bytes.")
            return Answer(response.status_code, dict(response.headers), bytes(body))

    def _translated(self, error: BaseException, host: str) -> GenscribeError:
        problem = certificate_problem(error)
        if problem is not None:
            return self.distrust.refused(host, problem)
        if isinstance(error, (httpx2.ProtocolError, httpx2.DecodingError)):
            return BadAnswer(f"{host} broke off, or sent something that is not HTTP.")
        if isinstance(error, httpx2.ProxyError):
            status = str(error)[:3]  # the library's text is the proxy's status line
            told = f" ({status})" if status.isdigit() else ""
            return Unreachable(
                f"The proxy refuses to connect us to {host}{told}.", advice="Check --proxy and its credentials."
            )
        return Unreachable(f"{host} cannot be reached: {_why(error)}.")


def _proxy(url: str | None, tls: ssl.SSLContext) -> httpx2.Proxy | None:
    """The proxy of the command line; one that is itself spoken to by TLS is checked by our context too."""
    if url is None:
        return None
    return httpx2.Proxy(url, ssl_context=tls if url.lower().startswith("https:") else None)


def _why(error: BaseException) -> str:
    """The innermost reason, in words of our own: a foreign text may hold an address with a password in it."""
    return next((words for cause in causes(error) for kind, words in _REASONS if isinstance(cause, kind)), "no route")


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name cannot be resolved"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "connection reset"),
    (ssl.SSLError, "TLS failed"),
    (httpx2.TimeoutException, "no answer in time"),
    (UnicodeError, "its name is no host name"),
    (httpx2.InvalidURL, "its address is not one"),
    (httpx2.UnsupportedProtocol, "its address is not one"),
)
