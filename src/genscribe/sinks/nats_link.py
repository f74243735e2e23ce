"""One connection to NATS: it is never mended, only replaced, so nothing that was lost is overtaken by what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import msgspec

from genscribe.errors import GenscribeError
from genscribe.genesys.tls import certificate_problem
from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable
from genscribe.sinks.nats_login import login, unusable_file
from genscribe.sinks.nats_settings import NOWHERE, NatsSettings, takes
from genscribe.sinks.turns import in_turns

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js.api import StreamInfo

CONNECT_S = 5
REQUEST_S = 5.0
PATIENCE_S = 30.0
"""Without any acknowledgement for so long the connection is given up."""

_HEADERS_FRAME = len("NATS/1.0\r\n\r\n")
_HEADER_FRAME = len(": \r\n")
_TOO_LARGE = (10054, 10097)
_FULL = (10023, 10047, 10077)
_SEALED = 10109
_NO_JETSTREAM = (10039, 10076)
_NO_STREAM = 10059


class _Refusal(msgspec.Struct):
    code: int = 0
    err_code: int = 0


class _Answer(msgspec.Struct):
    stream: str | None = None
    error: _Refusal | None = None


class Out(NamedTuple):
    """A message that is ready to go."""

    seq: int
    subject: str
    payload: bytes
    headers: dict[str, str]

    def size(self) -> int:
        """What the server counts against its `max_payload`."""
        headers = self.headers
        names, values = sum(map(len, headers)), sum(map(len, headers.values()))
        return len(self.payload) + names + values + len(headers) * _HEADER_FRAME + _HEADERS_FRAME


class Ack(NamedTuple):
    """What became of a message. `reason` is why the stream refuses it, `None` when it is stored, or was already."""

    seq: int
    reason: str | None


_answer = msgspec.json.Decoder(_Answer).decode


class Link:
    """A connection, and the stream behind it.

    Args:
        settings: Where to.
    """

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._inbox = ""
        self._answers: list[Msg] = []
        self._refusal: SinkMisconfigured | None = None
        self._lost = False
        self._woken = anyio.Event()
        self._asking: anyio.CancelScope | None = None
        self._last_error: BaseException | None = None
        self._stream_known = False

    @property
    def max_payload(self) -> int:
        """Bytes of headers and message that the server takes."""
        return self._client.max_payload if self._client is not None else 0

    async def open(self) -> None:
        """Connects and finds or makes the stream.

        Raises:
            SinkMisconfigured: A login, right or certificate refused; no JetStream; no stream and no right to make it.
            SinkUnavailable: Nobody answers.
        """
        try:
            self._client = client = await self._connected()
            self._inbox = client.new_inbox()
            await client.subscribe(f"{self._inbox}.*", cb=self._answered)
            await self.find_stream()
        except BaseException:
            await self.aclose()
            raise

    async def find_stream(self) -> None:
        """Makes sure that there is a stream for the subject, where we have the right to ask; raises as `open` does."""
        import nats.errors

        with anyio.CancelScope() as self._asking:
            try:
                await self._find_or_make()
                self._stream_known = True
            except nats.errors.NoRespondersError:
                raise _no_jetstream() from None
            except (nats.errors.Error, asyncio.TimeoutError) as error:
                raise self._trouble(error) from None
            finally:
                self._asking = None
        self._raise_if_refused()

    async def send(self, messages: Iterable[Out]) -> None:
        """Sends messages; the `Ack` of each comes with `acks`."""
        import nats.errors

        assert self._client is not None
        with anyio.move_on_after(PATIENCE_S) as scope:
            try:
                async for seq, subject, payload, headers in in_turns(messages):
                    await self._client.publish(subject, payload, reply=f"{self._inbox}.{seq}", headers=headers)
            except nats.errors.Error as error:
                raise self._trouble(error) from None
        if scope.cancel_called:  # the client swallows the cancellation itself
            raise SinkUnavailable("NATS does not read what it is sent.")

    async def acks(self) -> list[Ack]:
        """The next acknowledgements, at least one.

        Raises:
            SinkUnavailable: The connection is lost, the stream is full, or nothing comes.
            SinkMisconfigured: We may not publish, or there is no stream.
        """
        if not self._answers and not self._lost and self._refusal is None:
            self._woken = anyio.Event()
            with anyio.move_on_after(PATIENCE_S):
                await self._woken.wait()
        self._raise_if_refused()
        if not self._answers:
            if self._lost:
                raise self._trouble(self._last_error)
            raise SinkUnavailable("NATS does not acknowledge what it was sent.")
        answers, self._answers = self._answers, []
        return [self._ack(answer) for answer in answers]

    async def aclose(self) -> None:
        """Ends the connection, whatever is under way; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            with anyio.CancelScope(shield=True):
                await _end(client)

    async def _connected(self) -> Client:
        import nats.errors

        from genscribe.sinks.nats_client import NatsClient

        found = login(self._settings)
        client = NatsClient(tls_required=self._settings.tls_required)
        try:
            await client.connect(
                [f"nats://{server}" for server in self._settings.servers],
                error_cb=self._heard,
                closed_cb=self._closed,
                name="genscribe",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_S,
                inbox_prefix=self._settings.inbox,
                tls=self._settings.tls(),
                **found,
            )
        except BaseException as error:
            await _end(client)
            if isinstance(error, (nats.errors.Error, OSError, asyncio.TimeoutError)):
                raise self._trouble(error) from None
            signed = self._settings.creds is not None or self._settings.nkey is not None
            if signed and isinstance(error, Exception) and not isinstance(error, GenscribeError):
                raise unusable_file(self._settings) from None  # errors of nkeys have no class in common
            raise
        return client

    async def _find_or_make(self) -> None:
        import nats.js.errors

        assert self._client is not None
        streams = self._client.jetstream(timeout=REQUEST_S)
        settings = self._settings
        try:
            name = settings.stream or await streams.find_stream_name_by_subject(f"{settings.subject}.{NOWHERE}")
            found = await streams.stream_info(name)
        except nats.js.errors.NotFoundError:
            found = await streams.add_stream(
                name=settings.stream_to_make,
                description="what genscribe hears",
                subjects=[f"{settings.subject}.>"],
                duplicate_window=min(settings.window_s, settings.max_age_s or settings.window_s),
                max_age=settings.max_age_s,
                num_replicas=settings.replicas,
            )
        self._check(found)

    def _check(self, found: StreamInfo) -> None:
        subject = f"{self._settings.subject}.{NOWHERE}"
        if not any(takes(pattern, subject) for pattern in found.config.subjects or ()):
            raise SinkMisconfigured(
                f"the stream {found.config.name} does not take {self._settings.subject}.>.",
                advice="Add that subject to it, or name another one with stream=.",
            )
        if found.config.no_ack:
            raise SinkMisconfigured(
                f"the stream {found.config.name} acknowledges nothing.", advice="Turn its no_ack off."
            )

    def _ack(self, answer: Msg) -> Ack:
        seq = int(answer.subject.rpartition(".")[2])
        if not answer.data:  # nobody listens on that subject: status 503
            raise self._nobody()
        found = _answer(answer.data)
        if found.error is None:
            return Ack(seq, None)
        code = found.error.err_code
        if code in _TOO_LARGE:
            return Ack(seq, "larger than the stream takes")
        if code == _SEALED:
            raise SinkMisconfigured("the NATS stream is sealed.", advice="Name another one with stream=.")
        if code in _FULL:
            raise SinkUnavailable("NATS: the stream is full, or its account is.", advice="Raise its limits.")
        raise SinkUnavailable(f"NATS cannot take it now (error {code or found.error.code}).")

    def _nobody(self) -> Exception:
        if self._stream_known:
            return SinkUnavailable("NATS: the stream does not answer.")
        return SinkMisconfigured(
            f"NATS: no stream takes {self._settings.subject}.>, and we may not make one.",
            advice="Create it, or grant $JS.API.STREAM.>.",
        )

    async def _answered(self, message: Msg) -> None:
        self._answers.append(message)
        self._woken.set()

    async def _closed(self) -> None:
        self._lost = True
        self._woken.set()

    async def _heard(self, error: Exception) -> None:
        """What the client says beside answers: lost connections, and rights that we do not have."""
        self._last_error = error
        text = str(error).lower()
        if "permissions violation" not in text:
            return
        if "$js." in text and "publish" in text:
            if self._asking is not None:
                self._asking.cancel()  # who may only publish need not see the stream
            return
        what = "read acknowledgements" if "subscription" in text else f"publish to {self._settings.subject}.>"
        self._refusal = SinkMisconfigured(
            f"NATS: this user may not {what}.",
            advice=f"Grant publish on {self._settings.subject}.> and subscribe on {self._settings.inbox}.>.",
        )
        if self._asking is not None:
            self._asking.cancel()
        self._woken.set()

    def _raise_if_refused(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def _trouble(self, error: BaseException | None) -> SinkMisconfigured | SinkUnavailable:
        """The error to raise for one of the client's, by what lies behind it."""
        import nats.js.errors

        if self._refusal is not None:
            return self._refusal
        for each in (error, self._last_error):
            problem = certificate_problem(each) if each is not None else None
            if problem is not None:
                return SinkMisconfigured(
                    f"NATS: the server's certificate is not trusted: {problem}.",
                    advice="If a private root signs it, give the root with --ca-file.",
                )
        text = str(error).lower()
        if "authorization" in text or "authentication" in text or "credentials" in text:
            return SinkMisconfigured("NATS: the login is refused.", advice="Check user and password, or creds=.")
        if isinstance(error, nats.js.errors.APIError):
            if error.err_code in _NO_JETSTREAM or not error.err_code:
                return _no_jetstream()
            if error.code in (400, 403, 404, 409):
                return SinkMisconfigured(
                    f"NATS: the stream cannot be made (error {error.err_code}).",
                    advice="Create one that takes the subject, and name it with stream=.",
                )
            return SinkUnavailable(f"NATS: JetStream is not ready (error {error.err_code or error.code}).")
        return SinkUnavailable(f"NATS: no connection to {', '.join(self._settings.servers)}.")


def _no_jetstream() -> SinkMisconfigured:
    return SinkMisconfigured(
        "NATS: the server has no JetStream for this account.", advice="Start it with -js, or enable the account."
    )


async def _end(client: Any) -> None:
    ended: Awaitable[None] = client.end()
    await ended
