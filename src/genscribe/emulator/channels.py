"""Notification channels as the platform keeps them: quota and eviction, life, topics, one socket each. Pure.

What is documented: 20 channels a user and app, a further one takes the place of the one that was used longest ago,
those without a socket first; 1,000 topics; 24 hours, prolonged by subscribing; bound to the token that made it; a
second socket disconnects the first. Assumed: that a channel is used by connecting to it and by any change of topics.
`now` is any monotonic time in seconds, `wall_ms` epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from genscribe import clock
from genscribe.emulator.topics import Ruling

EVICTED = "evicted"
EXPIRED = "expired"
TOKEN_EXPIRED = "token expired"  # noqa: S105 - a reason, not a secret
TOKEN_REVOKED = "token revoked"  # noqa: S105
GONE = "gone"

Ended = Callable[["Channel", str], None]


@dataclass(eq=False)
class Channel:
    """One channel.

    Attributes:
        number: From 1, in the order of making.
        token: The access token that made it.
        ends_at: When it ends by itself; `expires_ms` is the same by the wall clock.
        told: What the platform says of its end instead of the truth.
        topics: What was asked for and given, in that order.
        names: What is delivered: `topics` with combined ones expanded, less what the platform forgot.
        connection: The number of its socket; `None` while there is none.
    """

    number: int
    id: str = field(repr=False)
    token: str = field(repr=False)
    ends_at: float
    expires_ms: int
    told: str | None = None
    used: int = 0
    topics: dict[str, Ruling] = field(default_factory=dict, repr=False)
    names: set[str] = field(default_factory=set, repr=False)
    connection: int | None = None

    @property
    def expires(self) -> str:
        """When it ends, as the platform says it."""
        return clock.iso(self.expires_ms) if self.told is None else self.told


class Channels:
    """All channels of the one client.

    Attributes:
        quota: How many there may be.
        life_s: How long one lives after it was made or last subscribed.
        most_topics: How many topics one may hold.
        prolonged: Whether subscribing prolongs a channel's life.
        token_bound: Whether a channel is unknown to other tokens of the same client.
        ended: Is told of each end and its reason, while the channel still names its socket.
    """

    def __init__(
        self, quota: int = 20, life_s: float = 86_400, most_topics: int = 1000, ended: Ended = lambda channel, why: None
    ) -> None:
        self.quota, self.life_s, self.most_topics = quota, life_s, most_topics
        self.prolonged = True
        self.token_bound = True
        self.made = 0
        self.ended = ended
        self._channels: dict[str, Channel] = {}
        self._by_connection: dict[int, Channel] = {}
        self._by_topic: dict[str, dict[Channel, None]] = {}
        self._uses = 0

    def __len__(self) -> int:
        return len(self._channels)

    @property
    def all(self) -> Sequence[Channel]:
        """The channels that there are, oldest first."""
        return list(self._channels.values())

    @property
    def topic_count(self) -> int:
        """Different topics that any channel holds."""
        return len(self._by_topic)

    # Life.

    def create(self, token: str, now: float, wall_ms: int, expires: str | None = None) -> Channel:
        """A new channel; beyond the quota another one is evicted for it.

        `expires` is what the answer says instead of the truth.
        """
        while len(self._channels) >= max(1, self.quota):
            self.end(self.victim(), EVICTED)
        self.made += 1
        identity = f"streaming-0-{clock.fresh_id()}"
        life_ms = round(self.life_s * 1000)
        channel = Channel(self.made, identity, token, now + self.life_s, wall_ms + life_ms, expires)
        self._channels[identity] = channel
        self._use(channel)
        return channel

    def victim(self) -> Channel:
        """The channel that a new one takes the place of."""
        return min(self._channels.values(), key=lambda one: (one.connection is not None, one.used))

    def find(self, identity: str, token: str | None = None) -> Channel | None:
        """The channel of this id, as far as `token` may know it; `None` asks for no token."""
        channel = self._channels.get(identity)
        if channel is None or (token is not None and self.token_bound and channel.token != token):
            return None
        return channel

    def end(self, channel: Channel, reason: str) -> None:
        """The channel is no more; whoever listens is told why."""
        if self._channels.pop(channel.id, None) is None:
            return
        self._assign(channel, {})
        self.ended(channel, reason)
        if channel.connection is not None:
            self._by_connection.pop(channel.connection, None)
            channel.connection = None

    def expire(self, now: float, token_ends: Callable[[str], float | None]) -> None:
        """Ends the channels whose time, or whose token's time, is over."""
        for channel in self.all:
            if channel.ends_at <= now:
                self.end(channel, EXPIRED)
            elif token_ends(channel.token) is None:
                self.end(channel, TOKEN_EXPIRED)

    # Sockets.

    def connect(self, channel: Channel, connection: int) -> int | None:
        """A socket is connected to the channel; the number of the one that it takes the place of."""
        before = channel.connection
        if before is not None:
            self._by_connection.pop(before, None)
        channel.connection = connection
        self._by_connection[connection] = channel
        self._use(channel)
        return before

    def disconnect(self, connection: int) -> None:
        """A socket is gone; the channel stays."""
        channel = self._by_connection.pop(connection, None)
        if channel is not None:
            channel.connection = None

    def of(self, connection: int) -> Channel | None:
        """The channel that this socket is connected to."""
        return self._by_connection.get(connection)

    # Topics.

    def subscribe(
        self, channel: Channel, rulings: Iterable[Ruling], now: float, wall_ms: int, *, replace: bool = False
    ) -> bool:
        """Adds topics, or puts them in place of all others; False, and no change, when that were too many."""
        topics = {} if replace else dict(channel.topics)
        topics.update((ruling.asked, ruling) for ruling in rulings if ruling.names)
        if len(topics) > self.most_topics:
            return False
        if self.prolonged:
            channel.ends_at, channel.expires_ms = now + self.life_s, wall_ms + round(self.life_s * 1000)
        self._assign(channel, topics)
        self._use(channel)
        return True

    def clear(self, channel: Channel) -> None:
        """Takes all topics away."""
        self._assign(channel, {})
        self._use(channel)

    def forget(self, channel: Channel, count: int) -> list[str]:
        """The platform loses the channel's oldest topics without a word; those lost."""
        lost = list(channel.topics)[:count]
        self._assign(channel, {asked: one for asked, one in channel.topics.items() if asked not in set(lost)})
        return lost

    def audience(self, topic: str) -> Iterable[Channel]:
        """The channels that hold a topic, in the order of subscribing."""
        return self._by_topic.get(topic, _NOBODY)

    def holds(self, topic: str) -> bool:
        """Whether a connected channel holds the topic."""
        return any(channel.connection is not None for channel in self.audience(topic))

    def _assign(self, channel: Channel, topics: dict[str, Ruling]) -> None:
        names = {name for ruling in topics.values() for name in ruling.names}
        for name in channel.names - names:
            holders = self._by_topic[name]
            del holders[channel]
            if not holders:
                del self._by_topic[name]
        for name in names - channel.names:
            self._by_topic.setdefault(name, {})[channel] = None
        channel.topics, channel.names = topics, names

    def _use(self, channel: Channel) -> None:
        self._uses += 1
        channel.used = self._uses


_NOBODY: Mapping[Channel, None] = {}
