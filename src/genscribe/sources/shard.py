"""One shard of the topics, and the channel on which it is heard: subscribed by one writer, replaced before it ends.

A shard outlives its channels. While a channel is replaced there are two, and both are kept up to date; dedupe makes the
overlap free. A channel whose socket broke is connected to again, one that is gone is replaced by a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

import anyio

from genscribe import clock
from genscribe.attempts import Pace
from genscribe.core import verdicts
from genscribe.core.channel import Action, ChannelLife, Happened
from genscribe.core.retry import Budget
from genscribe.core.subscriptions import Add, Plan, Replace, Subscribed, TopicAnswer
from genscribe.errors import (
    BadAnswer,
    GenscribeError,
    NotFound,
    NotPermitted,
    Passing,
    RequestRefused,
    Unauthorized,
    Unreachable,
)
from genscribe.genesys import notifications as rest
from genscribe.genesys.api import ApiClient
from genscribe.genesys.notifications import Channel
from genscribe.genesys.oauth import Token, TokenManager
from genscribe.sources.base import Frame, Inlet
from genscribe.sources.channel_link import ChannelLink
from genscribe.sources.supervisor import Supervisor
from genscribe.sources.websocket import Dialer
from genscribe.telemetry import Telemetry
from genscribe.telemetry.notifications import ChannelGone, ChannelOpened, TopicsForgotten

GATHER_S = 0.05
"""How long topics gather before a request."""
GATHER_MORE_S = 0.6
"""So much longer when the burst of the budget is used up, in proportion: so in a storm requests are as far apart at its
end as at its beginning, and none stands in line behind others.
"""
RECONCILE_S = 300.0
"""How often we ask what the platform says a channel has."""
RETRY_S = 1.0


class ChannelMemory(Protocol):
    """What survives a crash of the channels that we made, so that the next start uses them instead of more."""

    @property
    def remembered_channels(self) -> Sequence[tuple[str, int]]:
        """(digest of the id, epoch milliseconds of the end) as the last run left them."""

    def remember_channel(self, digest: str, ends_at_ms: int) -> None:
        """A channel is ours."""

    def forget_channel(self, digest: str) -> None:
        """It is gone."""


class Owner(Protocol):
    """Whom a shard tells."""

    def hear(self, frames: list[Frame]) -> int:
        """Frames have come. Returns how many held something."""

    def confirmed(self, shard: Shard, topics: Iterable[str]) -> None:
        """The platform has confirmed topics."""

    def forbidden(self, shard: Shard, answers: Sequence[TopicAnswer]) -> None:
        """The platform forbids topics."""

    def up(self, shard: Shard) -> None:
        """All its topics are heard."""

    def down(self, shard: Shard, *, since: int, reason: str) -> None:
        """None of its topics is heard."""

    def blame(self, shard: Shard, reason: str) -> None:
        """Why it went down, as it has turned out."""

    def forgotten(self, shard: Shard, topics: Iterable[str], *, since: int) -> None:
        """The platform has lost topics that it had confirmed; they are asked for again."""

    def failed(self, error: GenscribeError) -> None:
        """Going on is pointless."""


@dataclass
class Means:
    """What all shards share.

    Attributes:
        turn: One rollover at a time: the twentieth channel is kept free for it.
        orphans: Channels of a run of ours that crashed, to be used instead of new ones.
        pace: Makes the patience between dials.
    """

    api: ApiClient
    tokens: TokenManager
    dialer: Dialer
    memory: ChannelMemory
    telemetry: Telemetry
    plan: Plan
    turn: anyio.Semaphore
    orphans: list[Channel] = field(default_factory=list)


@dataclass(eq=False)
class Shard:
    """A share of the topics. `number` is the plan's."""

    number: int
    owner: Owner
    means: Means
    inlet: Inlet
    is_up: bool = field(default=False, init=False)
    was_up: bool = field(default=False, init=False)
    heard_at: int = field(default_factory=lambda: clock.wall_ms(), init=False)
    gap: str | None = field(default=None, init=False)
    """The key of the gap of its conversations, while that is open."""
    down_since: int = field(default_factory=lambda: clock.wall_ms(), init=False)
    down_reason: str = field(default="disconnected", init=False)
    _links: list[ChannelLink] = field(default_factory=list, init=False)
    _changed: anyio.Event = field(default_factory=anyio.Event, init=False)
    _last: ChannelLink | None = field(default=None, init=False)
    _made: tuple[Channel, bool, Token] | None = field(default=None, init=False)
    """A channel on which nothing is heard yet: whether we made it, and with which token. Used until it works."""
    _making: Add | Replace | None = field(default=None, init=False)
    _purge: bool = field(default=False, init=False)
    _supervisor: Supervisor | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Keeps the shard heard until `stop()`."""
        dials = Budget()
        self._supervisor = Supervisor(
            source="notifications",
            dial=self._dial,
            hear=self.owner.hear,
            inlet=_ShardInlet(self),
            make_pace=lambda: Pace(dials),
            telemetry=self.means.telemetry,
        )
        if self._stopped:
            self._supervisor.stop()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_subscribed)
            try:
                await self._supervisor.run()
            except GenscribeError as error:
                self.owner.failed(error)
            tasks.cancel_scope.cancel()

    def stop(self) -> None:
        """Soft stop."""
        self._stopped = True
        if self._supervisor is not None:
            self._supervisor.stop()

    def changed(self, *, purge: bool = False) -> None:
        """Its topics in the plan have changed. `purge`: what is no longer wanted must not be heard a moment longer."""
        self._purge = self._purge or purge
        self._changed.set()

    def has(self, topic: str) -> bool:
        """Whether a topic is heard, also one that was given up and not removed yet."""
        if isinstance(self._making, Replace) and topic not in self._making.topics:
            return False  # it is being removed
        return self.is_up and any(topic in link.subscribed.confirmed for link in self._links if link.open)

    @property
    def topics(self) -> int:
        """Topics on its channel."""
        return max((len(link.subscribed.confirmed) for link in self._links if link.open), default=0)

    async def allows(self, topic: str) -> bool | None:
        """Whether the platform permits a topic that nobody wants; `None` when that cannot be said now."""
        for link in [link for link in self._links if link.open]:
            try:
                answers = await rest.add_topics(self.means.api, link.channel, link.token if link.own else None, [topic])
            except NotPermitted:
                return False
            except GenscribeError:
                return None
            return next((answer.permitted for answer in answers if answer.id == topic), None)
        return None

    # Dialling.

    async def _dial(self) -> ChannelLink:
        """A socket on a channel that has all of the shard's topics."""
        try:
            return await self._link()
        except RequestRefused as error:  # no end of a run that may hear again
            raise BadAnswer(error.message, advice=error.advice) from None

    async def _link(self) -> ChannelLink:
        self._links = [link for link in self._links if link.open]
        token = await self.means.tokens.token()
        last, life = self._last, None
        if not self._links and last is not None and last.lost is not None and last.lost.action is Action.RECONNECT:
            channel, own, token, life = last.channel, last.own, last.token, last.life
        else:
            channel, own, token = self._made = self._made or await self._channel(token)
        try:
            link = await self._open(channel, token, own=own, life=life)
            await self._subscribe_all(link)
        except (NotFound, NotPermitted, Unauthorized) as error:
            raise self._gone(channel, error) from None
        self._made = None
        self._last = link
        for older in self._links:
            self.means.memory.forget_channel(digest(older.channel))
        self._links.append(link)
        self._tell_confirmed(link, set())
        self._changed.set()  # what was wanted meanwhile
        return link

    async def _channel(self, token: Token) -> tuple[Channel, bool, Token]:
        if self.means.orphans and not self._links:
            return self.means.orphans.pop(), False, token
        channel = await rest.create_channel(self.means.api, token)
        ends_at = min(channel.expires_at_ms or _never(), _token_ends(token))
        self.means.memory.remember_channel(digest(channel), ends_at)
        return channel, True, token

    async def _open(self, channel: Channel, token: Token, *, own: bool, life: ChannelLife | None) -> ChannelLink:
        socket = await self.means.dialer.dial(channel.connect_uri, refused=verdicts.of_channel_handshake)
        now = anyio.current_time()
        if life is None:
            life = ChannelLife(
                now,
                expires_in_s=_left_s(channel.expires_at_ms),
                uniform=clock.uniform,
                token_ends_in_s=token.expires_at - now if own else None,
                inherited=not own,
            )
        life.on(Happened.OPENED, now)
        self.means.telemetry.emit(ChannelOpened(self.number, len(self.means.plan.desired(self.number))))
        return ChannelLink(socket, channel, token, own, life, Subscribed(), self.means.tokens, self.means.turn)

    async def _subscribe_all(self, link: ChannelLink) -> None:
        try:
            await self._replace_all(link)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await link.aclose()
            raise

    async def _replace_all(self, link: ChannelLink) -> None:
        """The channel's whole list, until the platform has said yes or no to each topic."""
        first = True
        while True:
            desired = self.means.plan.desired(self.number)
            call = Replace(tuple(desired)) if first else link.subscribed.next_call(desired, anyio.current_time())
            if call is None:
                return
            await self._make(link, call)
            if link.subscribed.look_due:
                await self._reconcile(link)
            first = False

    def _tell_confirmed(self, link: ChannelLink, had: set[str]) -> None:
        """Tells what has been confirmed; nothing before the link is up: if its dial fails, nothing is heard on it."""
        if link in self._links:
            self.owner.confirmed(self, link.subscribed.confirmed - had)

    def _gone(self, channel: Channel, error: GenscribeError) -> GenscribeError:
        """The channel is no more, or was never ours to use: the next dial makes a new one."""
        self.means.memory.forget_channel(digest(channel))
        self._made = None
        last, self._last = self._last, None
        if last is not None and last.channel is channel:
            code = 401 if isinstance(error, Unauthorized) else 404
            decision = last.life.on(Happened.GONE, anyio.current_time(), code=code)
            self.means.telemetry.emit(ChannelGone(decision.why))
            self.owner.blame(self, decision.gap_reason)
            return Unreachable(decision.why)
        if isinstance(error, NotPermitted):
            return error
        return Unreachable(f"a channel of ours is not there any more: {error}")

    # Subscribing.

    async def _keep_subscribed(self) -> None:
        """The one writer of this shard's channels."""
        while True:
            wait_s = await self._bring_up_to_date()
            with anyio.move_on_after(wait_s):
                await self._changed.wait()
                await anyio.sleep(self._gather_s)
            self._changed = anyio.Event()

    @property
    def _gather_s(self) -> float:
        return GATHER_S + GATHER_MORE_S * self.means.api.turns.budget.burst_used(anyio.current_time())

    async def _bring_up_to_date(self) -> float:
        """Makes the calls that are due; returns the seconds until one may be due again."""
        again_s = 10.0
        for link in [link for link in self._links if link.open]:
            now = anyio.current_time()
            call = self._next_call(link, now)
            try:
                if call is not None:
                    await self._make(link, call)
                    again_s = 0.0
                if link.subscribed.look_due or (call is None and now - link.reconciled_at >= RECONCILE_S):
                    await self._reconcile(link)
                elif link.subscribed.stuck(now):
                    link.replace("the platform refuses changes of its topics")
            except (NotFound, Unauthorized):
                link.lost = link.life.on(Happened.GONE, anyio.current_time())
                link.socket.give_up()
            except Passing:
                again_s = RETRY_S
            except (RequestRefused, NotPermitted):  # of a look, or of an empty list: we go on without
                link.subscribed.look_due, link.reconciled_at = False, now
            except GenscribeError as error:  # no token any more
                self.owner.failed(error)
        desired = self.means.plan.desired(self.number)
        self._purge = self._purge and any(link.subscribed.stale(desired) for link in self._links if link.open)
        return again_s

    def _next_call(self, link: ChannelLink, now: float) -> Add | Replace | None:
        desired = self.means.plan.desired(self.number)
        if self._purge and link.subscribed.stale(desired) and not link.subscribed.stuck(now):
            return Replace(tuple(desired))
        return link.subscribed.next_call(desired, now)

    async def _make(self, link: ChannelLink, call: Add | Replace) -> None:
        make = rest.add_topics if isinstance(call, Add) else rest.replace_topics
        self._making = call
        try:
            answers = await make(self.means.api, link.channel, link.token if link.own else None, call.topics)
        except (RequestRefused, NotPermitted) as error:
            if not call.topics:
                raise
            given_up = link.subscribed.refused_call(call, str(error), anyio.current_time())
            if given_up:
                self.owner.forbidden(self, given_up)
            return
        finally:
            self._making = None
        had = set(link.subscribed.confirmed)
        refused = link.subscribed.answered(call, answers, anyio.current_time())
        lost = (had - link.subscribed.confirmed) & self.means.plan.desired(self.number)
        if lost and link.open:  # the platform has not named them again
            self.owner.forgotten(self, lost, since=clock.wall_ms())
        self._tell_confirmed(link, had)
        if refused:
            self.owner.forbidden(self, refused)

    async def _reconcile(self, link: ChannelLink) -> None:
        has = await rest.topics_of(self.means.api, link.channel, link.token if link.own else None)
        since, link.reconciled_at = link.reconciled_at, anyio.current_time()
        had = set(link.subscribed.confirmed)
        lost = link.subscribed.reconcile(set(has), self.means.plan.desired(self.number))
        self._tell_confirmed(link, had)
        if lost:
            ago_ms = round((anyio.current_time() - since) * 1000)
            self.means.telemetry.emit(TopicsForgotten(len(lost)))
            self.owner.forgotten(self, lost, since=clock.wall_ms() - ago_ms)
            self._changed.set()


@dataclass
class _ShardInlet:
    """What the supervisor of one shard tells, as the owner wants to hear it."""

    shard: Shard

    def accept(self, events: Sequence[object]) -> None:
        """The owner takes the frames itself."""

    @property
    def full(self) -> bool:
        return self.shard.inlet.full

    async def room(self) -> None:
        await self.shard.inlet.room()

    def hearing(self, *, heard_at: int) -> None:
        self.shard.heard_at = heard_at
        if not self.shard.is_up:
            self.shard.is_up = True
            self.shard.owner.up(self.shard)
            self.shard.was_up = True

    def deaf(self, *, since: int, reason: str) -> None:
        self.shard.is_up = False
        last = self.shard._last
        if last is not None and last.lost is not None and last.lost.gap_reason:
            reason = last.lost.gap_reason
        self.shard.down_since, self.shard.down_reason = since, reason
        self.shard.owner.down(self.shard, since=since, reason=reason)

    def miss(self, conversation_ids: Sequence[str], *, since: int, reason: str) -> str:
        return self.shard.inlet.miss(conversation_ids, since=since, reason=reason)

    def explain(self, key: str | None, reason: str) -> None:
        self.shard.inlet.explain(key, reason)

    def regain(self, key: str, *, heard_at: int) -> None:
        self.shard.inlet.regain(key, heard_at=heard_at)


def digest(channel: Channel) -> str:
    """What of a channel may be written down: the id itself is as good as a password."""
    return sha256(channel.id.reveal().encode()).hexdigest()


def _left_s(expires_at_ms: int | None) -> float | None:
    return None if expires_at_ms is None else (expires_at_ms - clock.wall_ms()) / 1000


def _token_ends(token: Token) -> int:
    return clock.wall_ms() + round((token.expires_at - anyio.current_time()) * 1000)


def _never() -> int:
    return 2**53
