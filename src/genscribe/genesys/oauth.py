"""The token manager: one access token for everybody, renewed before it ends.

All requests are made by the one task that is in `run()`, one after the other. Those who need a token only wait for
what that task finds; so a hundred waiters cause one request, and cancelling one of them cancels nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import anyio

from genscribe import clock
from genscribe.attempts import Pace, keep_trying
from genscribe.core import verdicts
from genscribe.core.retry import Budget, Window
from genscribe.core.tokens import (
    REQUEST_SPACING_S,
    Instant,
    Token,
    Way,
    check_credentials,
    read_refusal,
    read_token,
    request,
)
from genscribe.core.verdicts import TRANSCRIPT_SCOPE
from genscribe.errors import Fatal, InvalidClient, Passing
from genscribe.genesys.api import TOTAL_DEADLINE_S, HttpClient
from genscribe.secrets import Secret
from genscribe.telemetry import oauth as happenings
from genscribe.telemetry.base import Telemetry

CLOCK_LOOK_S = 15.0
"""How often the clocks are compared: after a sleep of the machine its timers know nothing of it."""

__all__ = ["Token", "TokenManager"]


class _NotYetFatal(Passing):
    """The platform refuses us a new token, but the old one is good, or this was the first refusal."""

    def __init__(self, refusal: Fatal, *, retry_after_s: float | None) -> None:
        super().__init__(refusal.message, advice=refusal.advice, retry_after_s=retry_after_s)
        self.exit_code_later = refusal.exit_code


class TokenManager:
    """Client credentials in, a good access token out.

    Run it as a task of its own (`task_group.start_soon(tokens.run)`); `token()` and `renewed()` wait for what it does.

    Args:
        http: The one HTTP client.
        login_url: `Hosts.login_url`.
        client_id: `GENESYS_CLIENT_ID`.
        secret: `GENESYS_CLIENT_SECRET`.
        telemetry: Where happenings go.
        region: What `GENESYS_ENV` or `--region` said, for the message that names it.
        scope: Asked for with each token; the platform ignores scopes of this grant. `None` = none.
        reload: Reads the secret's file again when, in mid-run, the platform refuses what it accepted before. May raise
            our own errors. `None` = the secret came from no file.

    Raises:
        ConfigError: An empty id or secret, or one with blanks or control characters in it.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        login_url: str,
        client_id: str,
        secret: Secret,
        telemetry: Telemetry,
        region: str = "",
        scope: str | None = TRANSCRIPT_SCOPE,
        reload: Callable[[], Secret] | None = None,
    ) -> None:
        check_credentials(client_id, secret)
        self._http = http
        self._url = f"{login_url}/oauth/token"
        self._host = urlsplit(login_url).hostname or login_url
        self._client_id = client_id
        self._secret = secret
        self._telemetry = telemetry
        self._region = region
        self._scope = scope
        self._reload = reload

        self._current: Token | None = None
        self._fatal: Fatal | None = None
        self._changed = anyio.Event()
        """Set, and replaced, whenever `_current` or `_fatal` changes."""
        self._wake = anyio.Event()
        """Set when the running task should look again before its timer ends."""

        self._pace = Pace()
        self._way = Way.BASIC
        self._way_open = True
        """No token has come yet, and the second way of sending the credentials has not been tried."""
        self._worked = False
        """The platform gave a token at least once: a refusal is then in mid-run."""
        self._refusals = 0
        """Refusals in a row since the last token."""
        self._failing_since: str | None = None
        self._not_before = float("-inf")
        self._drops = Budget((Window(1, 60.0),))
        """A drop is followed by a request at once, but only once a minute; else by one after `REQUEST_SPACING_S`."""
        self._dropped: Secret | None = None
        self.last_error: Passing | None = None
        """Why there is no new token, while there is none."""

    # What others ask.

    async def token(self) -> Token:
        """The token to use now. Waits while there is none, however long that takes.

        Raises:
            InvalidClient: The platform does not accept the credentials.
            NotPermitted: It knows the client but refuses it.
            UntrustedCertificate: Its certificate is not trusted.
        """
        return await self._usable(lambda token: True)

    async def renewed(self, token: Token) -> Token:
        """Waits until another token than `token` is to be used, and returns that one. Raises as `token()` does."""
        return await self._usable(lambda current: current.value != token.value)

    def drop(self, token: Token) -> None:
        """The platform no longer accepts `token`: it is given to nobody any more, and another is fetched.

        Many may say so of the same token; the first counts. When the platform then gives the same value again, it is
        dropped again at most once a minute: its owner's backoff is what helps then.
        """
        current, now = self._current, anyio.current_time()
        if current is None or current.value != token.value:
            return
        first = self._drops.wait(now) == 0
        if not first and current.value == self._dropped:
            return
        if first:
            self._drops.take(now)
            self._not_before = now
        self._dropped = current.value
        self._telemetry.emit(happenings.TokenDropped(current.left_s(_instant())))
        self._set(None)
        self._wake.set()

    # What the one task does.

    async def run(self) -> None:
        """Fetches a token at once and another whenever it is time, until cancelled or until that is pointless.

        Returns, without raising, after an error that trying again cannot help: `token()` and `renewed()` raise it.
        """
        while self._fatal is None:
            await self._until_wanted()
            try:
                token = await keep_trying(self._attempt, pace=self._pace, on_retry=self._tell_retry)
            except Fatal as error:
                self._fatal = error
                self._set(None)
            else:
                self._accept(token)

    async def _until_wanted(self) -> None:
        while True:
            self._wake = anyio.Event()
            now, token = _instant(), self._current
            if token is None or token.due(now):
                wait_s = self._not_before - now.loop_s
                if wait_s <= 0:
                    break
            else:
                wait_s = min(token.renew_at - now.loop_s, CLOCK_LOOK_S)
            with anyio.move_on_after(max(0.0, wait_s)):
                await self._wake.wait()
        if token is not None and now.loop_s < token.renew_at:
            self._telemetry.emit(happenings.ClockMoved(token.issued.age_s(now) - (now.loop_s - token.issued.loop_s)))

    async def _attempt(self) -> Token:
        """One try: as many requests as there are ways to send the credentials, all within one deadline.

        A refusal ends the run only when there is nothing to go on with: no good token, and, if the credentials have
        worked before, not the first refusal (a secret that is being rotated is refused for a moment).
        """
        end = anyio.current_time() + TOTAL_DEADLINE_S
        try:
            try:
                return await self._ask(end)
            except Fatal:
                if not self._reloaded():
                    raise
                await self._pace.turn()
                return await self._ask(end)
        except Fatal as refusal:
            self._refusals += 1
            if self._serves_s() is not None:
                raise _NotYetFatal(refusal, retry_after_s=None) from None
            if self._worked and self._refusals < 2:
                raise _NotYetFatal(refusal, retry_after_s=REQUEST_SPACING_S) from None
            raise

    async def _ask(self, end: float) -> Token:
        issued = _instant()
        headers, fields = request(self._way, self._client_id, self._secret, self._scope)
        left_s = max(1.0, end - issued.loop_s)
        self._telemetry.counters.token_requests += 1
        answer = await self._http.request("POST", self._url, headers=headers, form=fields, deadline_s=left_s)
        if 200 <= answer.status < 300:
            return read_token(answer.body, issued, self._host)
        word, page = read_refusal(answer.body)
        error = verdicts.of_token_status(
            answer.status,
            host=self._asked,
            word=word,
            page=page,
            retry_after_s=answer.retry_after_s,
            trace=answer.trace,
        )
        if isinstance(error, InvalidClient) and self._way_open:
            return await self._ask_other_way(word, end)
        raise error

    async def _ask_other_way(self, word: str, end: float) -> Token:
        way, self._way = self._way, self._way.after_refusal(word)
        self._way_open = False
        self._telemetry.emit(happenings.WayRefused(self._host, way.value, self._way.value))
        await self._pace.turn()
        return await self._ask(end)

    @property
    def _asked(self) -> str:
        return f"{self._host} (region {self._region})" if self._region else self._host

    def _reloaded(self) -> bool:
        """In mid-run: whether the secret's file holds another value now, which is then taken."""
        if not self._worked or self._reload is None:
            return False
        try:
            secret = self._reload()
            check_credentials(self._client_id, secret)
        except Fatal as error:
            self._telemetry.emit(happenings.SecretUnreadable(str(error)))
            return False
        if secret == self._secret:
            return False
        self._secret = secret
        self._telemetry.emit(happenings.SecretReloaded())
        return True

    # State, and who is told.

    def _accept(self, token: Token) -> None:
        self._worked, self._way_open, self._refusals = True, False, 0
        self._failing_since, self.last_error = None, None
        self._pace.reset()
        self._not_before = anyio.current_time() + REQUEST_SPACING_S
        self._telemetry.gauges["token_ends_ms"] = clock.wall_ms() + token.expires_in_s * 1000
        self._telemetry.emit(
            happenings.TokenObtained(
                self._host, self._way.value, token.expires_in_s, token.renew_after_s, token.life_known
            )
        )
        self._set(token)

    def _tell_retry(self, error: Passing, delay_s: float) -> None:
        self._failing_since = self._failing_since or clock.now()
        self.last_error = error
        serves_s = self._serves_s()
        if isinstance(error, _NotYetFatal):
            self._telemetry.emit(
                happenings.CredentialsRefused(
                    self._host, str(error), self._failing_since, delay_s, serves_s, error.exit_code_later
                )
            )
        else:
            self._telemetry.emit(
                happenings.TokenRequestFailed(self._host, str(error), self._failing_since, delay_s, serves_s)
            )

    def _serves_s(self) -> float | None:
        now = _instant()
        return None if self._current is None or self._current.ended(now) else self._current.left_s(now)

    async def _usable(self, wanted: Callable[[Token], bool]) -> Token:
        while True:
            if self._fatal is not None:
                raise type(self._fatal)(self._fatal.message, advice=self._fatal.advice)
            if self._current is not None and not self._current.ended(_instant()) and wanted(self._current):
                return self._current
            self._wake.set()
            await self._changed.wait()

    def _set(self, token: Token | None) -> None:
        self._current = token
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


def _instant() -> Instant:
    return Instant(anyio.current_time(), clock.wall_ms())
