"""The platform's documented interface: notification channels, one topic a conversation, discovered as they begin.

```
 queues ──topics──▶ channel ──events──▶ conversations ──topics wanted──▶ plan ──▶ shards ──speech──▶ inlet
 sweeps ───────────────────────────────────▲                                        │
                                           └────────────── looks ◀──────────────────┘
```

Nothing here waits for a sink, and every task belongs to `run`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from genscribe import clock
from genscribe.attempts import keep_trying, unless
from genscribe.core.decode import notifications as decode
from genscribe.core.queues import QueueChoice
from genscribe.core.snapshot import Snapshot
from genscribe.core.subscriptions import Plan, TopicAnswer
from genscribe.core.watchdogs import Watch
from genscribe.errors import GenscribeError, NotPermitted, Passing, RequestRefused, Unauthorized
from genscribe.genesys import conversations as rest_conversations
from genscribe.genesys import notifications as rest
from genscribe.genesys.api import ApiClient
from genscribe.genesys.oauth import TokenManager
from genscribe.sources.alarms import of_alarm
from genscribe.sources.base import Binary, Frame, Inlet
from genscribe.sources.conversations import Conversations, conversation_of, texts_of, topic_of
from genscribe.sources.discovery import LAG_MS, Discovery
from genscribe.sources.names import NameBook
from genscribe.sources.shard import ChannelMemory, Means, Shard, digest
from genscribe.sources.texts import Backlog, Texts
from genscribe.sources.websocket import Dialer
from genscribe.telemetry import Happening, Telemetry
from genscribe.telemetry import notifications as happenings

TICK_S = 0.25
IDLE_TICK_S = 1.0
PULSE_S = 5.0
FIRST_SWEEP_S = 60.0
"""How long the first sweep may hold up the moment from which we say that we hear."""
REUSE_LEFT_MS = 600_000
"""A channel of a crashed run is used again when it has that long to live."""
DOUBT_EVERY_S = 3.0
LEFT_AGAIN_S = 30.0
"""When conversations that an earlier run began are asked about again, after a look failed or did not show them."""
RETIRE_S = 120.0
"""How long a channel has had no topic before it is closed."""
FORBIDDEN_TOLD = 5
"""So many forbidden topics are named; the rest are counted."""
REFUSALS = 3
"""So many fresh tokens refused in a row are no accident."""

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """What is to be heard.

    Attributes:
        media_types: `None` = all.
        conversation_ids: Only these; empty = all.
        queues, exclude_queues: Names, globs or ids; empty = every queue, none.
    """

    media_types: tuple[str, ...] | None = None
    conversation_ids: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    exclude_queues: tuple[str, ...] = ()


class Begun(Protocol):
    """A conversation that was begun."""

    @property
    def conversation_id(self) -> str:
        """Its id."""


class Memory(ChannelMemory, Backlog, Protocol):
    """What the source keeps in the store: its channels, and the ids of messages to fetch.

    Attributes:
        queues: Is given the names of queues, by their ids.
    """

    queues: dict[str, str]

    async def unended(self) -> Sequence[Begun]:
        """Conversations that were begun and not ended, as the last run left them."""


class Notifications:
    """The source.

    Args:
        wanted: What to hear.
        tokens: Where access tokens come from.
        api: REST, with its manners.
        dialer: Opens sockets.
        memory: The journal.
        telemetry: Where happenings go.
    """

    name: ClassVar[str] = "notifications"

    def __init__(
        self,
        *,
        wanted: Wanted,
        tokens: TokenManager,
        api: ApiClient,
        dialer: Dialer,
        memory: Memory,
        telemetry: Telemetry,
    ) -> None:
        self._wanted = wanted
        self._api = api
        self._memory = memory
        self._telemetry = telemetry
        self._tokens = tokens
        self._plan = Plan()
        self._watch = Watch()
        self._choice = QueueChoice(wanted.queues, wanted.exclude_queues)
        self._names = NameBook(api, telemetry, memory.queues)
        self._means = Means(api, tokens, dialer, memory, telemetry, self._plan, anyio.Semaphore(1))
        self._shards: dict[int, Shard] = {}
        self._queue_topics: set[str] = set()
        self._stopping = anyio.Event()
        self._ready = False
        self._lost_early = False
        self._deaf = True
        self._fatal: GenscribeError | None = None
        self._permitted = False
        self._may_hear_calls = False
        self._empty_since: dict[int, float] = {}
        self._pressure = "ok"
        self._behind: dict[str, None] = {}
        self._texts_due = anyio.Event()
        self._shard_ended = anyio.Event()
        self._conversations: Conversations
        self._discovery: Discovery

    async def run(self, inlet: Inlet) -> None:
        """Feeds the inlet until `stop()`; raises `Fatal`."""
        self._assemble(inlet)
        async with anyio.create_task_group() as tasks:
            try:
                await self._listen(tasks)
            except GenscribeError as error:
                self._fatal = self._fatal or error
            await self._close()
            tasks.cancel_scope.cancel()
        if self._fatal is not None:
            raise self._fatal

    def stop(self) -> None:
        """Soft stop."""
        self._stopping.set()

    def _assemble(self, inlet: Inlet) -> None:
        media_types = self._wanted.media_types
        self._inlet = inlet
        self._conversations = Conversations(
            inlet=inlet,
            plan=self._plan,
            names=self._names,
            choice=self._choice,
            media_types=None if media_types is None else frozenset(media_types),
            only=frozenset(self._wanted.conversation_ids),
            watch=self._watch,
            telemetry=self._telemetry,
            planned=self._planned,
            has=self._has,
        )
        self._names.learned = self._conversations.learned
        self._discovery = Discovery(
            api=self._api,
            names=self._names,
            choice=self._choice,
            found=self._found,
            live=self._conversations.settled,
            queues_changed=self._queues_changed,
            telemetry=self._telemetry,
        )

    # The order of things.

    async def _listen(self, tasks: TaskGroup) -> None:
        """Queues first, then the first sweep; then all goes by itself until the stop."""
        self._tasks = tasks
        if await unless(self._stopping, self._prepare) is None:
            return
        for work in (self._names.run, self._keep_ticking, self._keep_catching_up, self._keep_doubting):
            tasks.start_soon(work)
        if self._conversations.text:
            texts = Texts(self._api, self._memory, self._inlet, self._telemetry, self.name)
            tasks.start_soon(texts.run)
        self._planned(0)
        for conversation_id in self._wanted.conversation_ids:
            if self._conversations.voice and (shard := self._plan.want(topic_of(conversation_id))) is not None:
                self._planned(shard)
        await unless(self._stopping, self._first_sweep)
        tasks.start_soon(self._discovery.run)
        await self._stopping.wait()

    async def _prepare(self) -> bool:
        with contextlib.suppress(RequestRefused):  # then there are none that we could use
            await self._patiently(self._adopt_channels)
        try:
            await self._patiently(self._discovery.list_queues)
        except (NotPermitted, RequestRefused) as error:
            self._telemetry.emit(happenings.QueuesRefused(str(error)))
        return True

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Tries until it works; fresh tokens that are refused again and again are a missing permission."""
        refusals = 0

        async def once() -> T:
            nonlocal refusals
            try:
                return await attempt()
            except Unauthorized as error:
                refusals += 1
                if refusals >= REFUSALS:
                    raise NotPermitted(
                        f"{error.message} A fresh access token changed nothing.", advice=error.advice
                    ) from None
                raise

        return await keep_trying(once, on_retry=self._told_retry)

    def _told_retry(self, error: Passing, delay: float) -> None:
        self._telemetry.emit(happenings.NotReady(str(error), delay))

    async def _adopt_channels(self) -> None:
        """Finds the channels of a run of ours that crashed, and counts those of others."""
        listed = await rest.list_channels(self._api)
        ours = dict(self._memory.remembered_channels)
        now = clock.wall_ms()
        for channel in listed:
            ends_at = min(ours.pop(digest(channel), 0), channel.expires_at_ms or 0)
            if ends_at > now + REUSE_LEFT_MS:
                self._means.orphans.append(channel.until(ends_at))
        for gone in ours:
            self._memory.forget_channel(gone)
        others = len(listed) - len(self._means.orphans)
        if self._means.orphans:
            self._telemetry.emit(happenings.ChannelsReused(len(self._means.orphans)))
        if others >= happenings.MANY_CHANNELS:
            self._telemetry.emit(happenings.OthersOnClient(others))

    async def _first_sweep(self) -> bool:
        """The first sweep, when all queues are subscribed; then we say that we hear."""
        with anyio.move_on_after(FIRST_SWEEP_S):
            await self._all_up()
            self._names.paused = True
            await self._discovery.sweep_all()
            await self._all_heard()
        if not self._discovery.swept:
            self._discovery.hurry()
        self._discovery.swept = True
        if self._discovery.forbidden and not self._queue_topics and not self._wanted.conversation_ids:
            raise NotPermitted(
                "neither queues nor the list of live conversations may be read, so no call can be found.",
                advice="Run `genscribe check --permissions` and give the OAuth client's role what it lists.",
            )
        await self._all_up()
        if self._lost_early:  # what began meanwhile, the sweep may have been too early for
            self._discovery.hurry()
        self._ready = True
        self._conversations.begin_hearing()
        self._tell_pressure()  # the first status is written when we say that we hear
        self._hear_all(clock.wall_ms())
        self._tasks.start_soon(self._keep_pulsing)
        self._tasks.start_soon(self._end_what_ended)
        return True

    async def _all_up(self) -> None:
        while not self._shards or not all(shard.is_up for shard in self._shards.values()):
            await anyio.sleep(TICK_S / 5)

    async def _all_heard(self) -> None:
        while self._conversations.waiting:
            await anyio.sleep(TICK_S / 5)

    async def _end_what_ended(self) -> None:
        """Conversations that a run before this one began and that are no longer live are ended now.

        Analytics lags: those that a look does not show are asked about again until it must know them. After that only
        those are that could not be asked about.
        """
        known = self._conversations.calls
        left = [each.conversation_id for each in await self._memory.unended()]
        shown_by = anyio.current_time() + LAG_MS / 1000
        while left := [each for each in left if each not in known]:
            lagging = anyio.current_time() < shown_by
            read, unasked = await self._discovery.look_up(left)
            for snapshot in read:
                self._conversations.ended_unseen(snapshot)
            self._conversations.flush()
            shown = {snapshot.conversation_id for snapshot in read}
            left = [each for each in left if each not in shown] if lagging else unasked
            if left:
                await anyio.sleep(LEFT_AGAIN_S)

    async def _close(self) -> None:
        shards = list(self._shards.values())
        for shard in shards:
            shard.stop()
        while self._shards:
            await self._shard_ended.wait()
            self._shard_ended = anyio.Event()
        self._conversations.tell_all()
        if self._ready and not self._deaf:
            self._inlet.hearing(heard_at=self._heard_until(shards))

    # What becomes due.

    async def _keep_ticking(self) -> None:
        while True:
            await anyio.sleep(TICK_S if self._conversations.busy else IDLE_TICK_S)
            self._conversations.tick()
            self._conversations.readmit()
            self._retire()
            self._tell_pressure()

    async def _keep_pulsing(self) -> None:
        while True:
            await anyio.sleep(PULSE_S)
            self._conversations.flush()
            up = [shard for shard in self._shards.values() if shard.is_up]
            if up and not self._deaf:
                self._inlet.hearing(heard_at=self._heard_until(up))
            for alarm in self._watch.look(anyio.current_time()):
                self._telemetry.emit(of_alarm(alarm, self._names.queue))

    def _heard_until(self, shards: Iterable[Shard]) -> int:
        """Up to when nothing is missed that is in no gap."""
        unheard = self._conversations.unheard_from
        return min([shard.heard_at for shard in shards] + ([] if unheard is None else [unheard]))

    async def _keep_catching_up(self) -> None:
        """Text conversations whose ids we may have missed are asked for them whole."""
        while True:
            await self._texts_due.wait()
            self._texts_due = anyio.Event()
            while self._behind:
                conversation_id = next(iter(self._behind))
                self._behind.pop(conversation_id)
                try:
                    snapshot = await rest_conversations.message_conversation(self._api, conversation_id)
                except GenscribeError:
                    continue  # the next sweep after an outage asks again
                if snapshot is not None:
                    self._conversations.seen(snapshot, event=True)

    async def _keep_doubting(self) -> None:
        """Conversations that may have ended without a word to us are looked at by themselves."""
        while True:
            await anyio.sleep(DOUBT_EVERY_S)
            doubted = self._conversations.doubtful() if self._ready else []
            if doubted:
                await self._discovery.look_up(doubted)

    def _retire(self) -> None:
        """Closes channels that have had nothing to do for a while; the first one stays."""
        now = anyio.current_time()
        for number in self._plan.shards:
            if self._plan.desired(number) or number == 0:
                self._empty_since.pop(number, None)
            elif now - self._empty_since.setdefault(number, now) >= RETIRE_S:
                self._plan.retire(number)
                del self._empty_since[number]
                self._shards[number].stop()

    def _tell_pressure(self) -> None:
        pressure = self._plan.pressure()
        if pressure != self._pressure:
            self._pressure = pressure
            if pressure == "near":
                self._telemetry.emit(happenings.LimitNear(self._plan.count, self._plan.capacity))
            elif pressure == "full":
                self._telemetry.emit(happenings.LimitReached(len(self._plan.refused)))
        gauges = self._telemetry.gauges
        gauges["channels"] = len(self._shards)
        gauges["topics"] = self._plan.count
        gauges["topics_limit"] = self._plan.capacity
        gauges["live"] = self._conversations.live
        gauges["waiting_s"] = self._conversations.unheard_s
        gauges["silent"] = self._watch.silent

    # Shards.

    def _planned(self, number: int, purge: bool = False) -> None:
        shard = self._shards.get(number)
        if shard is None:
            if self._stopping.is_set():
                return
            shard = self._shards[number] = Shard(number, self, self._means, self._inlet)
            self._tasks.start_soon(self._run_shard, shard)
        shard.changed(purge=purge)

    def _has(self, number: int, topic: str) -> bool:
        shard = self._shards.get(number)
        return shard is not None and shard.has(topic)

    async def _run_shard(self, shard: Shard) -> None:
        try:
            await shard.run()
        finally:
            del self._shards[shard.number]
            self._shard_ended.set()
        if self._plan.desired(shard.number):  # it was wanted again while it was being closed
            self._planned(shard.number)

    def up(self, shard: Shard) -> None:
        """A shard is heard: its gap ends, and the whole one, in favour of those of the shards that are not."""
        self._conversations.heard_again(self._plan.desired(shard.number))
        if shard.gap is not None:
            self._inlet.regain(shard.gap, heard_at=shard.heard_at)
            shard.gap = None
        if self._ready:
            self._hear_all(shard.heard_at)
            if shard.was_up:  # a new one has missed nothing
                self._discovery.hurry()
                self._catch_up()

    def _hear_all(self, heard_at: int) -> None:
        if not self._deaf or not any(shard.is_up for shard in self._shards.values()):
            return
        self._deaf = False
        self._inlet.hearing(heard_at=heard_at)
        for shard in self._shards.values():
            if not shard.is_up:
                self._miss(shard)

    def down(self, shard: Shard, *, since: int, reason: str) -> None:
        """A shard is not heard: a gap of its conversations, or of all when it was the last."""
        self._conversations.deafened(self._plan.desired(shard.number))
        if self._stopping.is_set():
            return
        if not self._ready:  # calls are heard from their subscription on, which is before we say that we hear
            self._lost_early = True
            self._inlet.deaf(since=since, reason=reason)
        elif any(other.is_up for other in self._shards.values()):
            self._miss(shard)
        elif not self._deaf:
            self._deaf = True
            self._inlet.deaf(since=since, reason=reason)

    def _miss(self, shard: Shard) -> None:
        ids = [each for topic in self._plan.desired(shard.number) if (each := conversation_of(topic))]
        if ids and shard.gap is None:
            shard.gap = self._inlet.miss(ids, since=shard.down_since, reason=shard.down_reason)

    def blame(self, shard: Shard, reason: str) -> None:
        """The reason of an open gap has turned out."""
        shard.down_reason = reason
        if shard.gap is not None or self._deaf:
            self._inlet.explain(shard.gap, reason)

    def confirmed(self, shard: Shard, topics: Iterable[str]) -> None:
        """Topics are heard."""
        confirmed = list(topics)
        self._permitted = self._permitted or bool(confirmed)
        self._may_hear_calls = self._may_hear_calls or any(map(conversation_of, confirmed))
        self._conversations.confirmed(confirmed, clock.wall_ms())

    def forbidden(self, shard: Shard, answers: Sequence[TopicAnswer]) -> None:
        """Topics that the platform forbids cost only themselves, unless all of their kind are forbidden."""
        for answer in answers:
            self._telemetry.counters.forbidden += 1
            if self._telemetry.counters.forbidden <= FORBIDDEN_TOLD:
                self._telemetry.emit(
                    happenings.TopicForbidden(answer.id, answer.missing_permissions, answer.reason or None)
                )
        self._conversations.denied(answer.id for answer in answers)
        calls = any(conversation_of(answer.id) for answer in answers)
        missing = sorted({name for answer in answers for name in answer.missing_permissions})
        if calls and not self._may_hear_calls:
            self._tasks.start_soon(self._try_any_call, shard, missing)
        elif not calls and not self._permitted:
            self._telemetry.emit(happenings.QueuesRefused(", ".join(missing) or "it does not say why"))

    async def _try_any_call(self, shard: Shard, missing: list[str]) -> None:
        """The permission is the organisation's, not a call's: where a call that nobody has is forbidden, all are."""
        if await shard.allows(topic_of(clock.fresh_id())) is False and not self._may_hear_calls:
            self.failed(happenings.all_forbidden(missing))

    def forgotten(self, shard: Shard, topics: Iterable[str], *, since: int) -> None:
        """The platform has lost topics: their conversations have a gap until they are confirmed again."""
        self._conversations.lost(topics, since=since)

    def failed(self, error: GenscribeError) -> None:
        """The run ends with this."""
        self._fatal = self._fatal or error
        self._stopping.set()

    # Finding.

    def _found(self, snapshots: Iterable[Snapshot], late: bool) -> None:
        calls = self._conversations.calls
        unknown = []
        for snapshot in snapshots:
            if snapshot.conversation_id not in calls:
                unknown.append(snapshot.conversation_id)
            self._conversations.seen(snapshot, event=False, late=late)
        self._conversations.flush()
        new = [calls[each] for each in dict.fromkeys(unknown) if each in calls]
        found_late = sum(call.found_late for call in new)
        if found_late:
            self._telemetry.emit(happenings.FoundLate(found_late))
        self._behind.update(dict.fromkeys(texts_of(new)))
        self._texts_due.set()

    def _catch_up(self) -> None:
        self._behind.update(dict.fromkeys(texts_of(self._conversations.calls.values())))
        self._texts_due.set()

    def _queues_changed(self, queue_ids: list[str]) -> None:
        topics = {f"v2.routing.queues.{queue_id}.conversations" for queue_id in queue_ids}
        changed = {self._plan.drop(topic) for topic in self._queue_topics - topics}
        changed |= {self._plan.want(topic, first=True) for topic in sorted(topics - self._queue_topics)}
        self._queue_topics = topics
        for shard in changed - {None}:
            self._planned(shard or 0)
        self._conversations.queues_changed()

    # Hearing.

    def hear(self, frames: list[Frame]) -> int:
        """Takes the frames of one wake-up."""
        counters = self._telemetry.counters
        received_at, received_ms = clock.now(), clock.wall_ms()
        heard = 0
        for frame in frames:
            decoded = decode.decode(frame, binary=isinstance(frame, Binary), received_at=received_at)
            for name in decoded.unknown_fields:
                self._count(counters.unknown_fields, name, happenings.UnknownField)
            for message in decoded.messages:
                heard += self._take(message, received_ms)
            self._conversations.also(decoded.unreadable)
        counters.frames += len(frames)
        self._conversations.flush()
        return heard

    def _take(self, message: decode.Message, received_ms: int) -> int:
        if isinstance(message, decode.Speech):
            self._telemetry.counters.empty += message.empty
            self._conversations.speech(message, received_ms)
            return 1
        if isinstance(message, decode.Seen):
            self._conversations.seen(message.snapshot, event=True)
            return 1
        if isinstance(message, decode.Other):
            self._count(self._telemetry.counters.unknown_topics, message.topic, happenings.UnknownTopic)
        return 0

    def _count(self, counter: dict[str, int], name: str, happening: Callable[[str], Happening]) -> None:
        if name not in counter:
            self._telemetry.emit(happening(name))
        counter[name] = counter.get(name, 0) + 1
