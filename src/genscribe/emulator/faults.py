"""Faults to order, as a table, and the book of orders. Pure: what a fault does on a socket stands where the socket is.

A fault strikes at one of five stages. `ANSWER`: instead of the answer to an HTTP request, at the places `token`,
`handshake` (of any WebSocket), `probe` (a plain GET of the transcripts path) or `api` (everything else), of which
`channels`, `subscriptions`, `topics`, `analytics`, `queues`, `users`, `conversations` and `messages` are parts.
`CONNECTION`: an open WebSocket. `CHANNEL`: a notification channel with an open WebSocket. `FRAME`: the next frame that
carries a line. `EVENT`: the next event of a queue.

`times` counts requests, connections, frames or events; `None` means until lifted. A connection or channel fault strikes
every one that is open when it is ordered (together they are its first time), then those that open, as they open.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genscribe.errors import ConfigError

Settings = Mapping[str, Any]


class Stage(enum.Enum):
    """Where a fault strikes."""

    ANSWER = "answer"
    CONNECTION = "connection"
    CHANNEL = "channel"
    FRAME = "frame"
    EVENT = "event"


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        summary: One line for people.
        settings: What may be set, with defaults. `at` is the place or places of an `ANSWER` fault.
        times: How often when the order does not say; `None` means until lifted.
    """

    name: str
    stage: Stage
    summary: str
    settings: Settings = field(default_factory=dict)
    times: int | None = 1


HEADERS: Settings = {"retry_after": None, "retry_after_date_s": None, "headers": (), "body": None, "content_type": None}


def _status(code: int, summary: str) -> Fault:
    return Fault(str(code), Stage.ANSWER, summary, {"at": "handshake", **HEADERS})


def _answer(name: str, summary: str, at: str = "handshake", **settings: Any) -> Fault:
    return Fault(name, Stage.ANSWER, summary, {"at": at, **settings})


def _connection(name: str, summary: str, times: int | None = 1, **settings: Any) -> Fault:
    return Fault(name, Stage.CONNECTION, summary, {"after": 0, **settings}, times)


def _channel(name: str, summary: str, times: int | None = 1, **settings: Any) -> Fault:
    return Fault(name, Stage.CHANNEL, summary, settings, times)


def _frame(name: str, summary: str, times: int | None = 1, **settings: Any) -> Fault:
    return Fault(name, Stage.FRAME, summary, settings, times)


_ROWS = (
    _status(401, "the token is refused"),
    _status(403, "the client may not do that"),
    _status(404, "there is no such thing"),
    _status(429, "too many requests; retry_after (text or seconds) or retry_after_date_s from now"),
    _status(500, "the server failed"),
    _status(502, "a gateway failed"),
    _status(503, "unavailable"),
    _status(504, "a gateway gave up waiting"),
    _answer("redirect", "an HTTP redirect to `location`", status=302, location="http://127.0.0.1:9/elsewhere"),
    _answer("html", "a page of a proxy or captive portal", status=200),
    _answer("no-answer", "the request is read and never answered"),
    _answer("reset-answer", "the connection is reset instead of an answer"),
    _answer("slow-answer", "the right answer, `chunk` bytes every `every_s` seconds", chunk=1, every_s=0.05),
    _answer("huge-headers", "the right answer behind `size` bytes of headers", size=1 << 20),
    _answer("bad-accept", "101 with a wrong Sec-WebSocket-Accept"),
    _answer("bad-extension", "101 with an extension nobody offered"),
    _answer("invalid_client", "400 invalid_client", at="token", description="authentication failed"),
    _answer("refuse-basic", "400 invalid_client for HTTP Basic; a form is taken", at="token"),
    _answer("refuse-form", "400 invalid_client for a form; HTTP Basic is taken", at="token"),
    _answer("token-not-json", "200 with half a JSON object", at="token"),
    _answer("token-list", "200 with a JSON list", at="token"),
    _answer("token-null", "200 with null", at="token"),
    _answer("token-missing", "200 without access_token", at="token"),
    _answer("token-wrong-types", "200 with a number for access_token", at="token"),
    _answer("token-type", "200 with token_type `value`", at="token", value="mac"),
    _answer(
        "token-value", "200 with `value` for access_token, which is then a good token", at="token", value="a b\r\n"
    ),
    _answer(
        "token-expires-in",
        "200 with expires_in `value`; lives `lives_s` (default: the usual)",
        at="token",
        value="3600",
        lives_s=None,
    ),
    _answer("token-no-expires-in", "200 without expires_in", at="token"),
    _answer("token-oversized", "200 with `size` bytes of padding in the object", at="token", size=5 << 20),
    _answer("token-bomb", "200 with Content-Encoding: gzip that unpacks to `size` bytes", at="token", size=50 << 20),
    _answer("channel-expires", "a new channel that says it expires at `value`", at="channels", value="soon"),
    _answer(
        "reject-topic",
        "topics that match `topic` (default: the first of the request) are refused for want of `missing`",
        at="subscriptions",
        topic=None,
        missing=("conversation:transcription:view",),
    ),
    _answer(
        "late-topic",
        "topics are delivered at once, but the request is answered after `after_s` seconds",
        at="subscriptions",
        after_s=10.0,
    ),
    _connection("drop", "TCP reset"),
    _connection("eof", "TCP end without a Close frame"),
    _connection("torn", "half a frame, then TCP reset"),
    _connection("clean-close", "a Close frame with `code`, then TCP end", code=1000, reason=""),
    _connection("flap", "every connection is closed as soon as it opens", None, code=1000, reason=""),
    _connection("close-without-tcp-close", "a Close frame, then nothing: TCP stays open", code=1012, reason=""),
    _connection("close-payload", "a Close frame with exactly `payload`, then TCP end", payload=b"\x03"),
    _connection("silence", "nothing is sent any more, pongs neither; TCP stays. read=False: nor read", read=True),
    _connection("stall", "pings are answered, no lines come"),
    _connection("slow", "`chunk` bytes every `every_s` seconds", chunk=64, every_s=0.05),
    _connection("violation", "one frame that breaks the protocol, see VIOLATIONS", kind="rsv"),
    _channel(
        "socket-closing",
        "`warnings` times v2.system.socket_closing, and `after_s` later a Close frame with `code`; the channel stays",
        after_s=60.0,
        warnings=1,
        code=1001,
    ),
    _channel(
        "evict", "the channel that the quota would choose is evicted; close=False: its socket falls silent", close=True
    ),
    _channel(
        "channel-gone", "REST knows the channel no more (404), its socket falls silent; or close=True", close=False
    ),
    _channel(
        "no-longer-subscribed", "v2.system.no_longer_subscribed, and `count` topics (default: all) are gone", count=None
    ),
    _channel("token-revoked", "the channel's token is revoked, with v2.system.token_revoked"),
    _channel(
        "second-process",
        "another socket connects to the channel, and `returns` times again `every_s` after it lost it",
        returns=0,
        every_s=1.0,
    ),
    _channel("forget-topics", "the platform loses `count` topics without a word", count=1),
    _channel("heartbeat-stops", "no events and no heartbeats come; pong=True: pings are answered", pong=False),
    Fault("lose-queue-events", Stage.EVENT, "an event of a queue is never sent"),
    _frame("malformed", "a frame with `kind` of MALFORMED, or each kind in turn; the good line is not lost", kind=None),
    _frame("duplicate", "the frame is sent `copies` times", copies=2),
    _frame("out-of-order", "the frame is held back behind `by` later ones", by=1),
    _frame("burst", "frames are held back until the last, then sent in one write", 50),
    _frame(
        "oversized",
        "a frame of `size` bytes before the good one; declared=N only declares N",
        size=(1 << 20) + 1,
        declared=None,
    ),
    _frame("fragmented", "the frame comes in fragments of `size` bytes", size=1),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ROWS}
"""Every fault by name. Besides these, any status from 400 to 599 and any close code from 1000 to 4999 is a name."""

API_PLACES = ("channels", "subscriptions", "topics", "analytics", "queues", "users", "conversations", "messages")
PLACES = ("token", "handshake", "probe", "api", *API_PLACES)


def find(name: str) -> Fault:
    """The fault of this name.

    Raises:
        ConfigError: There is none.
    """
    if name in FAULTS:
        return FAULTS[name]
    if name.isascii() and name.isdigit() and 400 <= int(name) <= 599:
        return _status(int(name), f"HTTP {name}")
    if name.isascii() and name.isdigit() and 1000 <= int(name) <= 4999:
        return _connection(name, f"a Close frame with {name}, then TCP end", code=int(name), reason="")
    raise ConfigError(f"there is no fault named {name!r}.", advice=f"Choose one of: {', '.join(FAULTS)}.")


@dataclass(eq=False)
class Order:
    """A fault that was ordered.

    Attributes:
        left: How often it still strikes; `None` until lifted.
        connection: Only the connection of this number; `None` any.
        used: How often it has struck.
    """

    fault: Fault
    settings: Settings
    left: int | None
    connection: int | None = None
    used: int = 0

    def __getitem__(self, setting: str) -> Any:
        return self.settings[setting]

    @property
    def name(self) -> str:
        """The fault's name."""
        return self.fault.name

    @property
    def active(self) -> bool:
        """Whether it will strike again."""
        return self.left is None or self.left > 0

    def concerns(self, connection: int | None) -> bool:
        """Whether this connection may be struck."""
        return self.active and self.connection in (None, connection)

    def at(self, place: str) -> bool:
        """Whether an `ANSWER` order strikes at this place."""
        places = self.settings["at"]
        named = (places,) if isinstance(places, str) else places
        return place in named or (place in API_PLACES and "api" in named)

    def use(self) -> None:
        """It has struck once."""
        self.used += 1
        if self.left is not None:
            self.left -= 1


class Orders:
    """The book of orders, oldest first."""

    def __init__(self) -> None:
        self._orders: list[Order] = []

    def place(
        self, name: str, *, times: int | str | None = "default", connection: int | None = None, **settings: Any
    ) -> Order:
        """Takes an order.

        Args:
            name: A fault's name.
            times: How often, `None` until lifted; the default is the fault's own.
            connection: Only the connection of this number.
            settings: The fault's settings.

        Raises:
            ConfigError: The fault or one of its settings does not exist.
        """
        fault = find(name)
        unknown = settings.keys() - fault.settings.keys()
        if unknown:
            raise ConfigError(f"the fault {name} has no setting {', '.join(sorted(unknown))}.")
        merged = {**fault.settings, **settings}
        _check_place(merged.get("at"))
        left = fault.times if isinstance(times, str) else times
        order = Order(fault, merged, left, connection)
        self._orders = [*(known for known in self._orders if known.active), order]
        return order

    def answer(self, place: str, basic: bool = False, *, changes: bool = True) -> Order | None:
        """The order that strikes this request, counted as used; `None` when none does.

        `changes` says whether the request is to make or change something, as POST and PUT do.
        """
        for order in self._of(Stage.ANSWER):
            if order.name in _ALTERS and not changes:
                continue
            if order.at(place) and _REFUSES.get(order.name, basic) == basic:
                order.use()
                return order
        return None

    def opening(self, connection: int, stage: Stage = Stage.CONNECTION) -> list[Order]:
        """The orders that strike a connection, or channel, that has just opened, counted as used."""
        due = [order for order in self._of(stage) if order.concerns(connection)]
        for order in due:
            order.use()
        return due

    def frame(self, connections: Iterable[int]) -> list[Order]:
        """The orders that may strike a frame that goes to these connections; the caller counts them as used."""
        numbers = list(connections)
        return [order for order in self._of(Stage.FRAME) if any(order.concerns(number) for number in numbers)]

    def event(self) -> Order | None:
        """The order that strikes an event of a queue, counted as used; `None` when none does."""
        for order in self._of(Stage.EVENT):
            order.use()
            return order
        return None

    def lift(self, name: str | None = None) -> None:
        """Ends the orders of this name, or all of them."""
        self._orders = [order for order in self._orders if name not in (None, order.name)]

    def _of(self, stage: Stage) -> list[Order]:
        return [order for order in self._orders if order.active and order.fault.stage is stage]


_REFUSES = {"refuse-basic": True, "refuse-form": False}
_ALTERS = frozenset({"channel-expires", "reject-topic", "late-topic"})
"""Faults of the right answer to a request that makes or changes something."""


def _check_place(places: str | Sequence[str] | None) -> None:
    named = (places,) if isinstance(places, str) else places or ()
    for place in named:
        if place not in PLACES:
            raise ConfigError(f"there is no place named {place!r}.", advice=f"Choose one of: {', '.join(PLACES)}.")
