"""For those who test against genscribe.

In `conftest.py`: `from genscribe.testing import genesys_cloud`. In a test, `genesys_cloud.settings()` is the
environment that points genscribe at the stand-in, `.say("how can i help")` says a line to every connection,
`.fault("drop")` orders a fault, `.end(...)` ends a conversation. `await check_sink(make_sink)` and
`await check_source(make_source)` say whether a sink or a source of yours keeps the contract.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from genscribe import clock
from genscribe.emulator import Emulator
from genscribe.emulator.thread import GenesysCloud, running
from genscribe.emulator.topics import transcription
from genscribe.events import Event, Unreadable, Utterance
from genscribe.sinks.conformance import check_sink
from genscribe.sources.base import Source

try:
    import pytest
except ImportError as missing:
    raise ImportError("genscribe.testing needs pytest: pip install pytest") from missing

__all__ = ["GenesysCloud", "MemoryInlet", "Missed", "check_sink", "check_source", "genesys_cloud"]


@pytest.fixture
def genesys_cloud() -> Iterator[GenesysCloud]:
    """A stand-in of Genesys Cloud on a free port, in a thread of its own, for one test."""
    with running() as cloud:
        yield cloud


WITHIN_S = 30.0
CALL = "call-1"
"""The conversation in which everything is said."""

MakeSource = Callable[[Emulator], AbstractAsyncContextManager[Source]]
"""Makes a source that listens to an emulator; what it opens besides lasts as long as the context."""


@dataclass(frozen=True)
class Missed:
    """A gap of some conversations, times in epoch milliseconds; `until` is `None` while it is open."""

    conversation_ids: tuple[str, ...]
    since: int
    reason: str
    until: int | None = None


@dataclass
class MemoryInlet:
    """An inlet that keeps everything, and turns what it is told of hearing into gaps as ingest does.

    Attributes:
        events: Everything accepted, in order.
        gaps: Closed gaps: begin and end (epoch milliseconds) and reason.
        open_gap: Begin and reason of the open one; `None` while hearing.
        missed: Gaps of some conversations, in the order in which they began.
        heard_until: Until when we heard, as last told (epoch milliseconds); `None` before.
        full: Set it to make the source wait.
    """

    events: list[Event[str]] = field(default_factory=list)
    gaps: list[tuple[int, int, str]] = field(default_factory=list)
    open_gap: tuple[int, str] | None = None
    missed: list[Missed] = field(default_factory=list)
    connected: bool = False
    heard_until: int | None = None
    full: bool = False
    _changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def utterances(self) -> list[Utterance[str]]:
        """What was said and when, by whom, in the order of arrival."""
        return [event for event in self.events if isinstance(event, Utterance)]

    @property
    def texts(self) -> list[str]:
        """What was said, in the order of arrival."""
        return [event.text for event in self.utterances]

    @property
    def unreadable(self) -> list[Unreadable[str]]:
        """What could not be read."""
        return [event for event in self.events if isinstance(event, Unreadable)]

    def accept(self, events: Sequence[Event[str]]) -> None:
        """Keeps the events."""
        self.events += events
        self.tell()

    async def room(self) -> None:
        """Waits while `full`; after changing that, call `tell`."""
        await self.until(lambda: not self.full, within_s=float("inf"))

    def hearing(self, *, heard_at: int) -> None:
        """Closes the open gap."""
        self.connected, self.heard_until = True, heard_at
        if self.open_gap is not None:
            self.gaps.append((self.open_gap[0], clock.wall_ms(), self.open_gap[1]))
            self.open_gap = None
        self.tell()

    def deaf(self, *, since: int, reason: str) -> None:
        """Opens a gap."""
        self.connected = False
        self.open_gap = (since, reason)
        self.tell()

    def miss(self, conversation_ids: Sequence[str], *, since: int, reason: str) -> str:
        """Opens a gap of these conversations."""
        assert conversation_ids, "a gap of no conversation"
        self.missed.append(Missed(tuple(conversation_ids), since, reason))
        self.tell()
        return str(len(self.missed) - 1)

    def explain(self, key: str | None, reason: str) -> None:
        """Gives an open gap another reason."""
        if key is None and self.open_gap is not None:
            self.open_gap = (self.open_gap[0], reason)
        elif key is not None and self._is_open(key):
            self.missed[int(key)] = replace(self.missed[int(key)], reason=reason)

    def regain(self, key: str, *, heard_at: int) -> None:
        """Ends that gap."""
        if self._is_open(key):
            self.missed[int(key)] = replace(self.missed[int(key)], until=heard_at)
            self.tell()

    def _is_open(self, key: str) -> bool:
        return key.isdecimal() and int(key) < len(self.missed) and self.missed[int(key)].until is None

    async def until(self, condition: Callable[[], object], within_s: float | None = None) -> None:
        """Waits until something that was told makes the condition true.

        Args:
            condition: Looked at now, and after each thing that is told.
            within_s: Raises `TimeoutError` after so many seconds; `None` = `WITHIN_S`, infinity = never.
        """
        patience_s = WITHIN_S if within_s is None else within_s
        with anyio.fail_after(None if patience_s == float("inf") else patience_s):
            while not condition():
                await self._changed.wait()

    def tell(self) -> None:
        """Has those in `until` look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


async def check_source(make_source: MakeSource) -> None:
    """Runs a source through what the pipeline relies on.

    Args:
        make_source: Is called with a fresh emulator for each promise.

    Raises:
        AssertionError: A promise is broken; the message says which.
    """
    for promise in _PROMISES:
        await _keep(promise, make_source)


async def _keep(promise: Callable[[Emulator, Source], Awaitable[None]], make_source: MakeSource) -> None:
    try:
        async with Emulator() as platform, make_source(platform) as source:
            await promise(platform, source)
    except Exception as error:
        # Task groups, ours and the source's, wrap what leaves them.
        failure = next((one for one in _leaves(error) if isinstance(one, (AssertionError, TimeoutError))), None)
        if failure is None:
            raise
        words = str(failure) or f"nothing within {WITHIN_S:.0f} s"
        raise AssertionError(f"{promise.__name__.strip('_').replace('_', ' ')}: {words}") from None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    inner = getattr(error, "exceptions", None)
    if inner is None:
        yield error
        return
    for one in inner:
        yield from _leaves(one)


@asynccontextmanager
async def _running(platform: Emulator, source: Source) -> AsyncIterator[MemoryInlet]:
    """The source runs inside and hears the call; it must have returned `WITHIN_S` after `stop`."""
    inlet = MemoryInlet()
    ended = anyio.Event()

    async def run() -> None:
        await source.run(inlet)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await inlet.until(lambda: inlet.connected)
        platform.begin(CALL)
        await _heard(platform)
        yield inlet
        source.stop()
        with anyio.fail_after(WITHIN_S):
            await ended.wait()


async def _heard(platform: Emulator) -> None:
    """Waits until the platform would send what is said in the call: it has a connection for all calls, or its topic."""
    topic = transcription(CALL)
    await platform.wait_until(
        lambda: any(one.channel is None for one in platform.connections) or platform.channels.holds(topic),
        within_s=WITHIN_S,
    )


async def _lines_arrive_once_in_order_with_what_was_sent(platform: Emulator, source: Source) -> None:
    async with _running(platform, source) as inlet:
        for number in range(20):
            platform.say(f"line {number}", conversation=CALL, speaker="customer")
        await inlet.until(lambda: len(inlet.texts) >= 20)
        assert inlet.texts == [f"line {number}" for number in range(20)], "lines come once, in order"
        first = inlet.utterances[0]
        assert (first.conversation_id, first.speaker, first.media_type) == (CALL, "customer", "voice")
        assert first.spoken_at, "a time that was sent is there"
        assert first.communication_id is None or first.communication_id, "what was not sent is null"
        assert {event.source for event in inlet.utterances} == {source.name}, "an event names its source"


async def _the_same_line_has_the_same_key_on_another_connection(platform: Emulator, source: Source) -> None:
    async with _running(platform, source) as inlet:
        at = clock.wall_ms()
        platform.say("again", conversation=CALL, at=at, utterance_id="one")
        await inlet.until(lambda: len(inlet.texts) == 1)
        platform.fault("drop")
        await inlet.until(lambda: inlet.open_gap)
        await inlet.until(lambda: inlet.connected)
        platform.say("again", conversation=CALL, at=at, utterance_id="one")
        await inlet.until(lambda: len(inlet.texts) == 2)
        assert len({event.key for event in inlet.utterances}) == 1, "the same line has the same key on any connection"


async def _a_lost_connection_is_one_gap_around_what_was_missed(platform: Emulator, source: Source) -> None:
    async with _running(platform, source) as inlet:
        platform.say("before", conversation=CALL)
        await inlet.until(lambda: inlet.texts)
        platform.fault("clean-close")
        await inlet.until(lambda: inlet.open_gap)
        missed_at = clock.wall_ms()
        platform.say("missed", conversation=CALL)
        await inlet.until(lambda: inlet.gaps)
        await _heard(platform)
        platform.say("after", conversation=CALL)
        await inlet.until(lambda: "after" in inlet.texts)
        ((began, ended, _),) = inlet.gaps
        assert began <= missed_at <= ended, "the gap lasts from the last moment heard until hearing again"
        assert not inlet.missed, "which is a gap of everything, and of no call beside"


async def _junk_costs_only_itself(platform: Emulator, source: Source) -> None:
    async with _running(platform, source) as inlet:
        platform.send("this is no JSON")
        platform.say("behind it", conversation=CALL)
        await inlet.until(lambda: inlet.texts)
        assert [event.raw for event in inlet.unreadable] == [b"this is no JSON"], "junk is kept verbatim"
        assert not inlet.gaps, "and costs no connection"


async def _reading_waits_while_there_is_no_room(platform: Emulator, source: Source) -> None:
    async with _running(platform, source) as inlet:
        inlet.full = True
        said = [f"{number} {'x' * 10_000}" for number in range(1500)]
        for text in said:
            platform.say(text, conversation=CALL)
        arrived = -1
        while len(inlet.texts) > arrived:
            arrived = len(inlet.texts)
            await anyio.sleep(0.3)
        assert arrived < len(said), "a source that reads on without room fills the memory"
        inlet.full = False
        inlet.tell()
        await inlet.until(lambda: len(inlet.texts) == len(said))
        assert inlet.texts == said, "and nothing is lost by waiting"


_PROMISES = (
    _lines_arrive_once_in_order_with_what_was_sent,
    _the_same_line_has_the_same_key_on_another_connection,
    _a_lost_connection_is_one_gap_around_what_was_missed,
    _junk_costs_only_itself,
    _reading_waits_while_there_is_no_room,
)
