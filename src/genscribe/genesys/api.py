"""The platform's API, with all manners of a guest: the budget, Retry-After, one fresh token, errors of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union
from urllib.parse import quote, urlencode, urlsplit

import anyio
import msgspec

from genscribe.attempts import keep_trying
from genscribe.core import verdicts
from genscribe.core.limits import RestBudget, Share
from genscribe.errors import BadAnswer, NotFound, Passing, Throttled, Unauthorized, Unreachable
from genscribe.genesys.http import (
    BODY_LIMIT,
    CONNECT_DEADLINE_S,
    TOTAL_DEADLINE_S,
    USER_AGENT,
    Answer,
    HttpClient,
)
from genscribe.genesys.turns import Turns
from genscribe.secrets import Secret
from genscribe.telemetry import Telemetry
from genscribe.telemetry.api import BudgetNearlyUsed, CallFailing, CallThrottled, PermissionMissing

if TYPE_CHECKING:
    from genscribe.core.tokens import Token
    from genscribe.genesys.oauth import TokenManager

__all__ = [
    "BODY_LIMIT",
    "CONNECT_DEADLINE_S",
    "TOTAL_DEADLINE_S",
    "USER_AGENT",
    "Answer",
    "ApiClient",
    "HttpClient",
    "Query",
]

Query = Mapping[str, Union[str, int, bool, Sequence[str]]]
"""Lists are joined by commas, as the official SDKs send them."""

NEARLY = 0.9
"""Of what the platform allows; above it a person is told."""
TELL_BUDGET_EVERY_S = 600.0
TELL_FAILING_EVERY_S = 10.0


@dataclass(frozen=True, repr=False)
class _Call:
    """What one call asks for; its address may hold a secret id, so it is never printed."""

    method: str
    url: str
    what: str
    share: Share
    body: bytes | None
    token: Token | None
    needs: str
    ok: tuple[int, ...]
    bare: bool
    body_limit: int
    timeout_s: float


class ApiClient:
    """The platform's API under one base URL, with a token in the `Authorization` header.

    Args:
        http: The one client.
        api_url: `Hosts.api_url`.
        tokens: Where `call` gets its token; `None` = only calls that bring their own.
        budget: The platform's limit of requests; `None` = one of its own, with the platform's default.
        telemetry: Where happenings go; `None` = nowhere.
    """

    def __init__(
        self,
        http: HttpClient,
        api_url: str,
        *,
        tokens: TokenManager | None = None,
        budget: RestBudget | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.http = http
        self.api_url = api_url
        self.host = urlsplit(api_url).hostname or ""
        self.turns = Turns(RestBudget() if budget is None else budget)
        self._tokens = tokens
        self._telemetry = Telemetry() if telemetry is None else telemetry
        self._told_permissions: set[str] = set()
        self._budget_told_at = float("-inf")
        self._failing_told_at = float("-inf")
        self._failed_untold = 0

    async def call(
        self,
        method: str,
        path: str,
        *,
        share: Share,
        ids: Sequence[str | Secret] = (),
        query: Query | None = None,
        json: object = None,
        token: Token | None = None,
        needs: str = "",
        ok: tuple[int, ...] = (200,),
        bare: bool = False,
        body_limit: int = BODY_LIMIT,
        timeout_s: float = TOTAL_DEADLINE_S,
        tries: int | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """One call, tried again as long as that can help.

        Args:
            method: `GET`, `POST`, ...
            path: Below `api_url`, with a `{}` for each of `ids`. Only this is told in errors, never an id.
            share: Whose part of the budget it is.
            ids: Fill the path, percent-encoded; a channel's is a `Secret`.
            query: Parameters.
            json: The body; `None` = none.
            token: The one to use, for what belongs to a token; `None` = the current one.
            needs: The permission that the documents name for this call, told when it is refused.
            ok: The statuses that are an answer.
            bare: The body does not matter. Else it is a JSON object, as of all calls of ours; anything else, such as a
                sign-in page, is a `BadAnswer`.
            body_limit: Bytes of the body.
            timeout_s: Seconds for one request.
            tries: Give up after so many; `None` = never.
            deadline_s: Give up after so many seconds, those in line for the budget included; `None` = never.

        Raises:
            NotPermitted: 403. The permission is named, as far as anybody told it.
            NotFound: 404 or 410.
            RequestRefused: Any other 4xx: sent again as it is, it would be refused again.
            Unauthorized: 401 with `token`, or with a second token right after the first.
            Throttled, Unreachable, BadAnswer: With `tries` or `deadline_s`, the last try's.
            Fatal: What `TokenManager.token()` and the HTTP client raise.
        """
        call = _Call(
            method=method,
            url=self.api_url + _filled(path, ids) + _asked(query),
            what=f"{method} {path}",
            share=share,
            body=None if json is None else msgspec.json.encode(json),
            token=token,
            needs=needs,
            ok=ok,
            bare=bare,
            body_limit=body_limit,
            timeout_s=timeout_s,
        )
        made, last = 0, None

        async def attempt() -> Answer | Passing:
            nonlocal made, last
            made += 1
            try:
                return await self._answered(call)
            except Passing as error:
                last = error
                if made == tries or isinstance(error, (NotFound, Unauthorized)):
                    return error
                raise

        with anyio.move_on_after(deadline_s):
            outcome = await keep_trying(attempt, on_retry=self._tell_failing, deadline_s=deadline_s)
            if isinstance(outcome, Passing):
                raise outcome
            return outcome
        raise last or Unreachable(
            f"{self.host}: neither an access token nor room in the budget of requests for {call.what} "
            f"within {deadline_s or 0:.0f} s."
        )

    async def request(
        self,
        method: str,
        path: str,
        token: Secret,
        *,
        deadline_s: float = TOTAL_DEADLINE_S,
        body_limit: int = BODY_LIMIT,
    ) -> Answer:
        """One bare request below `api_url`, outside the budget; `path` begins with a slash.

        Raises as `HttpClient.request` does.
        """
        return await self.http.request(
            method,
            self.api_url + path,
            headers=_bearer(token),
            deadline_s=deadline_s,
            body_limit=body_limit,
        )

    async def probe(self, path: str, token: Secret) -> Answer:
        """One plain GET whose status and headers are all that we want; its body is not read."""
        return await self.request("GET", path, token, body_limit=0)

    async def _answered(self, call: _Call) -> Answer:
        """One try: an answer that is one, or the error that it means."""
        answer = await self._authorized(call)
        if answer.status in call.ok:
            if call.bare or _is_object(answer.body):
                return answer
            trace = f" [{answer.trace}]" if answer.trace else ""
            raise BadAnswer(f"{self.host} answered {call.what} with something that is no JSON object.{trace}")
        problem = verdicts.read_problem(answer.body)
        if answer.status == 403 and not problem.page:
            self._tell_missing(problem.permissions or (call.needs or "that it does not name",), call.what)
        raise verdicts.of_api_status(
            answer.status,
            host=self.host,
            what=call.what,
            problem=problem,
            needs=call.needs,
            retry_after_s=answer.retry_after_s,
            trace=answer.trace,
        )

    async def _authorized(self, call: _Call) -> Answer:
        """A token that the platform refuses is dropped and the next one tried, once; a given one is the caller's."""
        if call.token is not None:
            return await self._sent(call, call.token)
        assert self._tokens is not None, "a client without a token manager needs a token for each call"
        token = await self._tokens.token()
        answer = await self._sent(call, token)
        if answer.status != 401:
            return answer
        self._tokens.drop(token)
        return await self._sent(call, await self._tokens.token())

    async def _sent(self, call: _Call, token: Token) -> Answer:
        await self.turns.turn(call.share)
        answer = await self.http.request(
            call.method,
            call.url,
            headers=_bearer(token.value),
            json=call.body,
            deadline_s=call.timeout_s,
            body_limit=call.body_limit,
        )
        self._learn(call, answer)
        return answer

    def _learn(self, call: _Call, answer: Answer) -> None:
        budget, now = self.turns.budget, anyio.current_time()
        budget.learn(answer.headers, now)
        if answer.status == 429:
            held = budget.held_until > now
            budget.refused(answer.retry_after_s, now, call.share)
            if not held:
                self._telemetry.emit(CallThrottled(call.what, budget.held_until - now))
        used = budget.used(now)
        if used >= NEARLY * budget.allowed and now >= self._budget_told_at + TELL_BUDGET_EVERY_S:
            self._budget_told_at = now
            self._telemetry.emit(BudgetNearlyUsed(used, budget.allowed, budget.others))
        self.turns.changed()

    def _tell_failing(self, error: Passing, retry_s: float) -> None:
        """In an outage everything fails: one line in ten seconds says so."""
        if isinstance(error, Throttled) and self.turns.budget.held_until > anyio.current_time():
            return  # told when it was refused
        now = anyio.current_time()
        if now < self._failing_told_at + TELL_FAILING_EVERY_S:
            self._failed_untold += 1
            return
        self._telemetry.emit(CallFailing(str(error), retry_s, self._failed_untold))
        self._failing_told_at, self._failed_untold = now, 0

    def _tell_missing(self, permissions: tuple[str, ...], what: str) -> None:
        for permission in permissions:
            if permission not in self._told_permissions:
                self._told_permissions.add(permission)
                self._telemetry.emit(PermissionMissing(permission, what))


def _is_object(body: bytes) -> bool:
    """Whether it looks like one and is whole; the decoders see to the rest."""
    text = body.strip()
    return text[:1] == b"{" and text[-1:] == b"}"


def _bearer(token: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.reveal()}"}


def _filled(path: str, ids: Sequence[str | Secret]) -> str:
    texts = (each.reveal() if isinstance(each, Secret) else each for each in ids)
    return path.format(*(quote(text, safe="") for text in texts))


def _asked(query: Query | None) -> str:
    if not query:
        return ""
    return "?" + urlencode({name: _spelled(value) for name, value in query.items()}, safe=",")


def _spelled(value: str | int | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ",".join(value)
