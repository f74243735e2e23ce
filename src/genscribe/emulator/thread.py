"""The stand-in in a thread of its own, for callers with another event loop, or with none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from genscribe.emulator.ledger import Emission, Ledger
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.platform import DEFAULT_CONVERSATION, Line
from genscribe.emulator.server import Emulator

Result = TypeVar("Result")


class GenesysCloud:
    """An `Emulator` that runs elsewhere. Methods block until they have taken effect there (well under a
    millisecond, but for the `wait_` ones) and may be called from any thread, also from a running event loop.

    What the ledger shows is a copy of the moment.
    """

    def __init__(self, emulator: Emulator, portal: BlockingPortal) -> None:
        self._emulator = emulator
        self._portal = portal

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self._emulator.url

    def settings(self) -> dict[str, str]:
        """The platform settings that point genscribe here: pass them as its environment."""
        return self._emulator.settings()

    def say(
        self,
        text: str | None,
        *,
        conversation: str = DEFAULT_CONVERSATION,
        speaker: str | None = "agent",
        media_type: str = "voice",
        at: int | None = None,
        type: str | None = "final",  # noqa: A002 - the endpoint's word
        interim: bool = False,
        utterance_id: str | None = None,
        duration_ms: int = 0,
    ) -> Emission:
        """One line, now, to every connection whose filters let it through, and to every channel that has its topic.

        `at` is epoch milliseconds. See `Emulator.say`.
        """
        return self.run(
            lambda emulator: copy(
                emulator.say(
                    text,
                    conversation=conversation,
                    speaker=speaker,
                    media_type=media_type,
                    at=at,
                    type=type,
                    interim=interim,
                    utterance_id=utterance_id,
                    duration_ms=duration_ms,
                )
            )
        )

    def emit(
        self, lines: Sequence[Line], *, conversation: str = DEFAULT_CONVERSATION, media_type: str = "voice"
    ) -> None:
        """One frame of these lines."""
        self.run(lambda emulator: emulator.emit(lines, conversation=conversation, media_type=media_type))

    def begin(
        self,
        conversation: str | None = None,
        *,
        queue: str | None = "Support",
        media_type: str = "voice",
        agent: str | None = None,
        connected: bool = True,
        direction: str = "inbound",
    ) -> str:
        """A conversation begins; returns its id. `queue=None` is a direct call, `agent=None` takes turns."""
        return self.run(
            lambda emulator: emulator.begin(
                conversation,
                queue=queue,
                media_type=media_type,
                agent=agent,
                connected=connected,
                direction=direction,
            )
        )

    def connect(self, conversation: str, *, agent: str | None = None) -> None:
        """An agent answers."""
        self.run(lambda emulator: emulator.connect(conversation, agent=agent))

    def transfer(
        self, conversation: str, *, queue: str | None = None, agent: str | None = None, connected: bool = True
    ) -> None:
        """The agent hands the caller on, to a queue or to another agent."""
        self.run(lambda emulator: emulator.transfer(conversation, queue=queue, agent=agent, connected=connected))

    def consult(self, conversation: str, *, agent: str | None = None) -> None:
        """The agent asks another one for advice."""
        self.run(lambda emulator: emulator.consult(conversation, agent=agent))

    def message(self, text: str, conversation: str, speaker: str = "customer") -> str:
        """A text message is sent; returns its id."""
        return self.run(lambda emulator: emulator.message(text, conversation, speaker))

    def end(self, conversation: str = DEFAULT_CONVERSATION) -> None:
        """The conversation is over; the transcripts endpoint has no word for that."""
        self.run(lambda emulator: emulator.end(conversation))

    def send(self, raw: str | bytes) -> None:
        """One frame exactly as given."""
        self.run(lambda emulator: emulator.send(raw))

    def flood(self, frames: Iterable[bytes], rate: float | None = None) -> int:
        """Sends pre-built frames at `rate` a second, or as fast as clients read; returns how many."""
        return self._portal.call(self._emulator.flood, frames, rate)

    def fault(
        self, name: str, *, times: int | str | None = "default", connection: int | None = None, **settings: Any
    ) -> None:
        """Orders a fault, see `genscribe.emulator.FAULTS`."""
        self.run(lambda emulator: emulator.fault(name, times=times, connection=connection, **settings))

    def lift(self, name: str | None = None) -> None:
        """Ends the faults of this name, or all."""
        self.run(lambda emulator: emulator.lift(name))

    def revoke(self, token: str | None = None) -> None:
        """Makes a token, or all of them, invalid."""
        self.run(lambda emulator: emulator.revoke(token))

    @property
    def ledger(self) -> Ledger:
        """A copy of what it was asked and what it said so far."""
        return self.run(lambda emulator: deepcopy(emulator.ledger))

    @property
    def transcripts(self) -> bool:
        """Whether there is the mission's endpoint; without it genscribe listens to notification channels."""
        return self.run(lambda emulator: emulator.transcripts)

    @transcripts.setter
    def transcripts(self, there: bool) -> None:
        self.run(lambda emulator: setattr(emulator, "transcripts", there))

    @property
    def organisation(self) -> Organisation:
        """Queues, users and conversations; to change them, do so in `run`."""
        return self._emulator.organisation

    @property
    def permissions(self) -> set[str]:
        """What the client may do; change it in place."""
        return self._emulator.permissions

    @property
    def forbidden_topics(self) -> set[str]:
        """Topics that are refused in spite of that; change it in place."""
        return self._emulator.forbidden_topics

    @property
    def connected(self) -> int:
        """How many connections are open."""
        return self.run(lambda emulator: len(emulator.connections))

    def wait_connected(self, n: int = 1, *, within_s: float = 10) -> None:
        """Waits until at least `n` connections are open. Raises `TimeoutError` after `within_s`, as do all.

        From a running event loop call this in a thread, or that loop stands still and never connects.
        """
        self._portal.call(lambda: self._emulator.wait_connected(n, within_s=within_s))

    def wait_disconnected(self, n: int = 0, *, within_s: float = 10) -> None:
        """Waits until at most `n` connections are open."""
        self._portal.call(lambda: self._emulator.wait_disconnected(n, within_s=within_s))

    def wait_token_requests(self, n: int, *, within_s: float = 10) -> None:
        """Waits until `n` token requests were made, counted from the start."""
        self._portal.call(lambda: self._emulator.wait_token_requests(n, within_s=within_s))

    def wait_subscribed(self, conversation: str = DEFAULT_CONVERSATION, *, within_s: float = 10) -> None:
        """Waits until a channel with a socket has the conversation's topic."""
        self._portal.call(lambda: self._emulator.wait_subscribed(conversation, within_s=within_s))

    def wait_topics(self, n: int, *, within_s: float = 10) -> None:
        """Waits until channels have at least `n` different topics."""
        self._portal.call(lambda: self._emulator.wait_topics(n, within_s=within_s))

    def run(self, action: Callable[[Emulator], Result]) -> Result:
        """Calls `action` with the emulator, on its own event loop."""
        return self._portal.call(action, self._emulator)


@contextmanager
def running(**settings: Any) -> Iterator[GenesysCloud]:
    """A stand-in on a free port while the block lasts; `settings` are those of `Emulator`."""
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(Emulator(**settings)) as emulator,
    ):
        yield GenesysCloud(emulator, portal)
