"""The streaming host: the sockets of notification channels, what is published on them and what befalls them.

Sources: envelope, heartbeat, `{"message": "ping"}` and its pong, `v2.system.*` and the subscribing on the socket are as
the platform's documentation and several clients have them. Close codes are documented nowhere; `close_codes` says which
are used here.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from genscribe import clock
from genscribe.emulator import wire
from genscribe.emulator.channels import EVICTED, EXPIRED, GONE, TOKEN_EXPIRED, TOKEN_REVOKED, Channel, Channels
from genscribe.emulator.connection import Connection, Parcel
from genscribe.emulator.damage import altered
from genscribe.emulator.faults import Order, Orders
from genscribe.emulator.ledger import ChannelEnd, Emission, Ledger
from genscribe.emulator.notifications import Notifications
from genscribe.emulator.platform import Platform, encode

HEARTBEAT = encode({"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}})
PONG = encode({"topicName": "channel.metadata", "eventBody": {"message": "pong"}})
CLOSING = encode({"topicName": "v2.system.socket_closing"})

CLOSE_CODES: Mapping[str, int] = {
    EVICTED: 1000,
    EXPIRED: 1000,
    GONE: 1000,
    TOKEN_EXPIRED: 1000,
    TOKEN_REVOKED: 1000,
    "taken": 1000,
}


class Streaming:
    """Everything about channels that needs a socket.

    Attributes:
        heartbeat_s: Seconds between heartbeats.
        close_codes: By what ended a channel, and `taken` for a second socket on it.
        silent: Ends after which a socket is not closed but only falls silent.
        confirmed: Topics that a client was told to have, and has not given back.
        notify: Is called when something has happened that somebody may wait for.
    """

    def __init__(
        self,
        platform: Platform,
        notifications: Notifications,
        ledger: Ledger,
        orders: Orders,
        heartbeat_s: float = 30.0,
    ) -> None:
        self.heartbeat_s = heartbeat_s
        self.close_codes: dict[str, int] = dict(CLOSE_CODES)
        self.silent: set[str] = set()
        self.confirmed: set[str] = set()
        self.notify: Callable[[], None] = lambda: None
        self.notifications = notifications
        self.channels: Channels = notifications.channels
        self.channels.ended = self.ended
        notifications.changed = self.given_back
        self._platform, self._ledger, self._orders = platform, ledger, orders
        self._sockets: dict[int, Connection] = {}
        self._spare: set[str] = set()
        self._rivals: dict[str, tuple[int, float]] = {}
        self._alarm: asyncio.TimerHandle | None = None

    # Sockets.

    def open(self, connection: Connection, identity: str) -> Channel | None:
        """A socket was opened on a channel; `None`, and it is closed, when that ended in between."""
        channel = self.channels.find(identity)
        if channel is None:
            connection.close(self.close_codes[GONE])
            return None
        before = self.channels.connect(channel, connection.number)
        taken = self._sockets.get(before) if before is not None else None
        if taken is not None:
            taken.close(self.close_codes["taken"])
        self._sockets[connection.number] = connection
        connection.heard = lambda payload: self._heard(connection, identity, payload)
        self._beat_later(connection)
        self._retake(connection, identity)
        self.wake()
        return channel

    def close(self, number: int) -> None:
        """A socket is gone."""
        self._sockets.pop(number, None)
        self.channels.disconnect(number)

    @property
    def sockets(self) -> Sequence[Connection]:
        """The open sockets of channels, oldest first."""
        return [socket for number, socket in self._sockets.items() if self.channels.of(number) is not None]

    def _beat_later(self, connection: Connection) -> None:
        def beat() -> None:
            if connection.open:
                if not connection.hushed:
                    connection.tell(HEARTBEAT)
                self._beat_later(connection)

        connection.beat = asyncio.get_running_loop().call_later(self.heartbeat_s, beat)

    def _heard(self, connection: Connection, identity: str, payload: bytes) -> None:
        try:
            asked: Any = json.loads(payload)
        except ValueError:
            asked = None
        message = asked.get("message") if isinstance(asked, dict) else None
        if message == "ping":
            if connection.pongs:
                connection.tell(PONG)
        elif not connection.hushed:
            answer = self._subscribed(identity, asked) if message == "subscribe" else _failure(400, "unknown message")
            if isinstance(asked, dict) and "correlationId" in asked:
                answer["correlationId"] = asked["correlationId"]
            connection.tell(encode(answer))

    def _subscribed(self, identity: str, asked: Mapping[str, Any]) -> dict[str, object]:
        channel = self.channels.find(identity)
        if channel is None:
            return _failure(404, "channel not found")
        names = asked.get("topics")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return _failure(400, "topics must be a list of topics")
        answer = self.notifications.subscribe(channel, names, asyncio.get_running_loop().time())
        if answer.status != 200:
            document: Any = answer.document
            return _failure(400, document["message"])
        self.confirm(channel.names)
        return {"result": "200", "status": "subscribed"}

    # Publishing.

    def publish(self, topic: str, body: Mapping[str, object], lines: tuple[Emission, ...] = ()) -> None:
        """Sends an event to every channel that has the topic, in the order of subscribing.

        `lines` are those that the event carries; then faults of frames may strike it.
        """
        heard = [
            self._sockets.get(one.connection) for one in self.channels.audience(topic) if one.connection is not None
        ]
        audience = [connection for connection in heard if connection is not None]
        if not audience:
            return
        document = envelope(topic, body)
        whole = [wire.text(encode(document))]
        orders = self._orders.frame(one.number for one in audience) if lines else []
        used: list[Order] = []
        for connection in audience:
            due = [order for order in orders if order.concerns(connection.number)]
            change = altered(due, document, whole, holding=bool(connection.lane.held))
            connection.deliver(Parcel(b"".join(change.messages), len(change.messages), lines), change.hold)
            used += [order for order in change.used if order not in used]
        for order in used:
            order.use()

    def confirm(self, names: AbstractSet[str]) -> None:
        """The client was told that it has these topics."""
        self.confirmed |= names

    def given_back(self, before: AbstractSet[str]) -> None:
        """The client asked for a change that may have taken some of these topics away."""
        self.confirmed -= {name for name in before if not self.channels.audience(name)}

    # Ends.

    def ended(self, channel: Channel, reason: str) -> None:
        """A channel ended; its socket is closed, or falls silent."""
        self._ledger.channel_ends.append(ChannelEnd(clock.wall_ms(), channel.number, reason))
        socket = self._sockets.get(channel.connection) if channel.connection is not None else None
        if socket is not None and reason not in self.silent and channel.id not in self._spare:
            socket.close(self.close_codes[reason])
        self.notify()

    def expire(self) -> None:
        """Ends the channels whose time is over, and waits for the next."""
        now = asyncio.get_running_loop().time()
        self.channels.expire(now, lambda token: self._platform.expiry(token, now))
        self.wake()

    def wake(self) -> None:
        """Sets the alarm for the next end of a channel with a socket."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        ends = [
            min(channel.ends_at, self._platform.expiry(channel.token, now) or now)
            for channel in self.channels.all
            if channel.connection is not None
        ]
        if ends:
            self._alarm = loop.call_at(min(ends) + 0.001, self.expire)

    def stop(self) -> None:
        """Cancels the alarm."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def revoked(self, token: str | None) -> None:
        """A token, or every token, was revoked: its channels end, with a word about it."""
        for channel in self.channels.all:
            if token in (None, channel.token):
                self._tell(channel, "token_revoked", "user_tokens_revoked")
                self.channels.end(channel, TOKEN_REVOKED)

    # Faults.

    def struck(self, connection: Connection, order: Order) -> None:
        """A channel suffers a fault of the stage CHANNEL."""
        channel = self.channels.of(connection.number)
        if channel is not None:
            _STRIKES[order.name](self, connection, channel, order)

    def concerned(self, order: Order) -> Sequence[Connection]:
        """The open sockets whose channels this order strikes; an eviction takes only one."""
        struck = [socket for socket in self.sockets if order.concerns(socket.number)]
        if order.name != "evict":
            return struck
        return sorted(struck, key=self._used)[:1]

    def _used(self, connection: Connection) -> int:
        channel = self.channels.of(connection.number)
        return 0 if channel is None else channel.used

    def _close_soon(self, connection: Connection, channel: Channel, order: Order) -> None:
        for _ in range(int(order["warnings"])):
            connection.tell(CLOSING)
        connection.after(float(order["after_s"]), lambda: connection.close(int(order["code"])))

    def _evict(self, connection: Connection, channel: Channel, order: Order) -> None:
        self._end(channel, EVICTED, close=bool(order["close"]))

    def _go(self, connection: Connection, channel: Channel, order: Order) -> None:
        self._end(channel, GONE, close=bool(order["close"]))

    def _end(self, channel: Channel, reason: str, *, close: bool) -> None:
        if not close:
            self._spare.add(channel.id)
        self.channels.end(channel, reason)
        self._spare.discard(channel.id)

    def _unsubscribe(self, connection: Connection, channel: Channel, order: Order) -> None:
        count = len(channel.topics) if order["count"] is None else int(order["count"])
        self.channels.forget(channel, count)
        self._tell(channel, "no_longer_subscribed", "another_channel_subscribed")

    def _revoke(self, connection: Connection, channel: Channel, order: Order) -> None:
        self._platform.revoke(channel.token)
        self.revoked(channel.token)

    def _forget(self, connection: Connection, channel: Channel, order: Order) -> None:
        self.channels.forget(channel, int(order["count"]))

    def _hush(self, connection: Connection, channel: Channel, order: Order) -> None:
        connection.hushed = True
        connection.pongs = bool(order["pong"])

    def _take(self, connection: Connection, channel: Channel, order: Order) -> None:
        self._rivals[channel.id] = (int(order["returns"]), float(order["every_s"]))
        connection.close(self.close_codes["taken"])

    def _retake(self, connection: Connection, identity: str) -> None:
        """The other process takes the channel back, as often as was ordered."""
        left, every_s = self._rivals.pop(identity, (0, 0.0))
        if left > 0:
            self._rivals[identity] = (left - 1, every_s)
            connection.after(every_s, lambda: connection.close(self.close_codes["taken"]))

    def _tell(self, channel: Channel, kind: str, reason: str) -> None:
        socket = self._sockets.get(channel.connection) if channel.connection is not None else None
        if socket is not None and not socket.hushed:
            words = kind.replace("_", " ")
            body = {"channelId": channel.id, "systemTopicType": kind, "reason": reason, "message": words}
            socket.tell(encode(envelope(f"v2.system.{kind}.{channel.id}", body)))


def envelope(topic: str, body: Mapping[str, object]) -> dict[str, object]:
    """A notification as it goes over the socket."""
    return {
        "topicName": topic,
        "version": "2",
        "eventBody": body,
        "metadata": {"CorrelationId": str(uuid.UUID(clock.fresh_id()))},
    }


def _failure(result: int, message: str) -> dict[str, object]:
    return {"result": str(result), "status": "failure", "message": message}


_STRIKES: Mapping[str, Callable[[Streaming, Connection, Channel, Order], None]] = {
    "socket-closing": Streaming._close_soon,
    "evict": Streaming._evict,
    "channel-gone": Streaming._go,
    "no-longer-subscribed": Streaming._unsubscribe,
    "token-revoked": Streaming._revoke,
    "second-process": Streaming._take,
    "forget-topics": Streaming._forget,
    "heartbeat-stops": Streaming._hush,
}
