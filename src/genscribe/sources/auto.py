"""`--source auto`: asks the platform once which interface is there, and listens on that one.

The question is one plain GET of the transcripts path, the token in the `Authorization` header and never in that URL.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from genscribe.attempts import keep_trying, unless
from genscribe.core.verdicts import TRANSCRIPT_SCOPE, Probed, of_probe
from genscribe.errors import BadAnswer, EndpointMissing, NotPermitted, Passing, Throttled, Unauthorized
from genscribe.genesys.api import Answer, ApiClient
from genscribe.genesys.oauth import Token, TokenManager
from genscribe.sources.base import Inlet, Source
from genscribe.sources.transcripts import PATH
from genscribe.telemetry import Telemetry
from genscribe.telemetry.link import ProbeUndecided, SourceChosen

FRESH_S = 60.0
"""A token younger than this is not refused for its age."""


class Auto:
    """Chooses, then is the source it chose.

    Args:
        transcripts: The source to run when the endpoint is there.
        notifications: The source to run when it is not, or is refused to us.
        tokens, api: For the question.
        telemetry: One line says which source and why.
        chosen: Told the name of the source, before it runs.
    """

    def __init__(
        self,
        *,
        transcripts: Source,
        notifications: Source,
        tokens: TokenManager,
        api: ApiClient,
        telemetry: Telemetry,
        chosen: Callable[[str], None],
    ) -> None:
        self._sources = {
            Probed.TRANSCRIPTS: transcripts,
            Probed.NOTIFICATIONS: notifications,
            Probed.REFUSED: notifications,
        }
        self._tokens = tokens
        self._api = api
        self._telemetry = telemetry
        self._chosen = chosen
        self._source = transcripts
        self._stopping = anyio.Event()

    @property
    def name(self) -> str:
        """The name of the source that was chosen; until then that of the first choice."""
        return self._source.name

    async def run(self, inlet: Inlet) -> None:
        """Feeds the inlet until `stop()`; raises `Fatal`."""
        choice = await unless(self._stopping, self._choose)
        if choice is None:
            return
        try:
            await self._be(*choice, inlet)
        except EndpointMissing:
            if choice[0] is not Probed.TRANSCRIPTS:
                raise
            why = "the WebSocket handshake of the transcripts endpoint answered that it is not there"
            await self._be(Probed.NOTIFICATIONS, why, inlet)
        except NotPermitted as error:
            if choice[0] is not Probed.REFUSED:
                raise
            both = f"{error.message} The transcripts endpoint refuses this OAuth client too (scope {TRANSCRIPT_SCOPE})."
            raise NotPermitted(both, advice=error.advice) from None

    def stop(self) -> None:
        """Soft stop."""
        self._stopping.set()
        for source in self._sources.values():
            source.stop()

    async def _be(self, choice: Probed, why: str, inlet: Inlet) -> None:
        self._source = self._sources[choice]
        self._chosen(self._source.name)
        self._telemetry.emit(SourceChosen(self._source.name, why=why))
        await self._source.run(inlet)

    async def _choose(self) -> tuple[Probed, str]:
        return await keep_trying(
            self._ask, on_retry=lambda error, delay: self._telemetry.emit(ProbeUndecided("auto", str(error), delay))
        )

    async def _ask(self) -> tuple[Probed, str]:
        token = await self._tokens.token()
        answer = await self._api.probe(PATH, token.value)
        fresh = anyio.current_time() - token.issued.loop_s < FRESH_S
        said = f"GET {PATH} answered {answer.status}"
        probed = of_probe(answer.status, fresh=fresh)
        if probed is Probed.UNDECIDED:
            raise self._undecided(answer)
        if probed is Probed.UNAUTHORIZED:
            raise self._refused(token)
        if probed is Probed.REFUSED:
            return probed, f"{said}, which refuses this OAuth client the transcripts endpoint"
        return probed, said

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
