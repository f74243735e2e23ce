"""`--source auto`: asks the platform once which interface is there, and listens on that one.

The question is one plain GET of the transcripts path, the token in the `Authorization` header and never in that URL.
"""

from __future__ import annotations

from typing import ClassVar, NoReturn

import anyio

from genscribe.attempts import keep_trying
from genscribe.core.verdicts import TRANSCRIPT_SCOPE, Probed, of_probe
from genscribe.errors import BadAnswer, EndpointMissing, Passing, Throttled, Unauthorized, UsageError
from genscribe.genesys.api import Answer, ApiClient
from genscribe.genesys.oauth import Token, TokenManager
from genscribe.sources.base import Inlet, Source
from genscribe.sources.supervisor import unless
from genscribe.sources.transcripts import PATH
from genscribe.telemetry import Telemetry
from genscribe.telemetry.link import ProbeUndecided, SourceChosen

FRESH_S = 60.0
"""A token younger than this is not refused for its age."""


class Auto:
    """Chooses, then is the source it chose.

    Args:
        transcripts: The source to run when the endpoint is there.
        tokens, api: For the question.
        telemetry: One line says which source and why.
    """

    name: ClassVar[str] = "transcripts"

    def __init__(self, *, transcripts: Source, tokens: TokenManager, api: ApiClient, telemetry: Telemetry) -> None:
        self._transcripts = transcripts
        self._tokens = tokens
        self._api = api
        self._telemetry = telemetry
        self._stopping = anyio.Event()

    async def run(self, inlet: Inlet) -> None:
        """Feeds the inlet until `stop()`; raises `Fatal`."""
        why = await unless(self._stopping, self._choose)
        if why is None:
            return
        self._telemetry.emit(SourceChosen(self._transcripts.name, why=why))
        try:
            await self._transcripts.run(inlet)
        except EndpointMissing:
            _notifications("its WebSocket handshake answered that the endpoint is not there")

    def stop(self) -> None:
        """Soft stop."""
        self._stopping.set()
        self._transcripts.stop()

    async def _choose(self) -> str:
        return await keep_trying(
            self._ask, on_retry=lambda error, delay: self._telemetry.emit(ProbeUndecided("auto", str(error), delay))
        )

    async def _ask(self) -> str:
        token = await self._tokens.token()
        answer = await self._api.probe(PATH, token.value)
        fresh = anyio.current_time() - token.issued.loop_s < FRESH_S
        said = f"GET {PATH} answered {answer.status}"
        probed = of_probe(answer.status, fresh=fresh)
        if probed is Probed.TRANSCRIPTS:
            return said
        if probed is Probed.UNDECIDED:
            raise self._undecided(answer)
        if probed is Probed.UNAUTHORIZED:
            raise self._refused(token)
        if probed is Probed.REFUSED:
            return _notifications(said, what="the transcripts endpoint refuses this OAuth client", advice=_SCOPE)
        return _notifications(said)

    def _undecided(self, answer: Answer) -> Passing:
        kind = Throttled if answer.status in (429, 503) else BadAnswer
        trace = f" [{answer.trace}]" if answer.trace else ""
        return kind(
            f"{self._api.host} answered {answer.status}, which decides nothing.{trace}",
            retry_after_s=answer.retry_after_s,
        )

    def _refused(self, token: Token) -> Unauthorized:
        self._tokens.drop(token)
        return Unauthorized(f"{self._api.host} refuses the access token (401).")


_NOTHING = "Nothing to do but wait for it, or try `genscribe demo`."
_SCOPE = f"If your organisation has that endpoint, give the client the scope {TRANSCRIPT_SCOPE}."


def _notifications(
    why: str, *, what: str = "this organisation has no transcripts endpoint", advice: str = _NOTHING
) -> NoReturn:
    raise UsageError(
        f"{what} ({why}), so the source would be notifications, which comes in a later version of genscribe.",
        advice=advice,
    )
