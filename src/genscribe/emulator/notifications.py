"""The REST side of the Notifications API: channels, subscriptions, the list of topics. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from genscribe import clock
from genscribe.emulator import topics
from genscribe.emulator.channels import Channel, Channels
from genscribe.emulator.directory import complaint
from genscribe.emulator.faults import Order
from genscribe.emulator.platform import Answer, encode, error
from genscribe.emulator.topics import Ruling

ROOT = "/api/v2/notifications"
CHANNELS = f"{ROOT}/channels"
AVAILABLE = f"{ROOT}/availabletopics"


@dataclass(frozen=True)
class Asked:
    """A request of somebody who is known. `now` is monotonic seconds; `order` a fault that alters the answer."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    body: bytes = field(repr=False)
    token: str = field(repr=False)
    now: float
    order: Order | None = None

    def first(self, name: str, default: str = "") -> str:
        """A query parameter, the first of several."""
        return next(iter(self.query.get(name, ())), default)

    def listed(self, name: str) -> list[str]:
        """A query parameter that is a list: repeated, or separated by commas."""
        return [part for value in self.query.get(name, ()) for part in value.split(",") if part]


@dataclass
class Notifications:
    """Answers for `/api/v2/notifications/...`.

    Attributes:
        permissions: What the client may do; shared with whoever changes it.
        forbidden: Topics that are refused in spite of that.
        base: The streaming host, `ws://127.0.0.1:PORT`.
        changed: Is told after each change of a channel's topics what was delivered before.
    """

    channels: Channels
    permissions: set[str]
    forbidden: set[str] = field(default_factory=set)
    base: str = ""
    changed: Callable[[AbstractSet[str]], None] = field(default=lambda before: None)

    def answer(self, asked: Asked) -> Answer | None:
        """The answer; `None` for a path that is none of this API's."""
        if asked.path == AVAILABLE:
            return self._available(asked) if asked.method == "GET" else error(405, ("Allow", "GET"))
        if asked.path == CHANNELS:
            return _by_method(asked, {"GET": self._list, "POST": self._create})
        identity, slash, rest = asked.path.removeprefix(f"{CHANNELS}/").partition("/")
        if not asked.path.startswith(f"{CHANNELS}/") or rest not in ("", "subscriptions"):
            return None
        channel = self.channels.find(identity, asked.token)
        if channel is None:
            return complaint(404, "not.found", "The requested channel was not found.")
        if not slash:
            return _by_method(asked, {"HEAD": lambda _: Answer(200)})
        return self._subscriptions(channel, asked)

    def subscribe(self, channel: Channel, names: Sequence[str], now: float) -> Answer:
        """Adds topics as a POST without `ignoreErrors` does, for those who ask on the socket."""
        return self._change(channel, Asked("POST", "", {}, encode([{"id": name} for name in names]), "", now))

    def _available(self, asked: Asked) -> Answer:
        return Answer(200, encode({"entities": topics.available(asked.listed("expand"))}))

    def _list(self, asked: Asked) -> Answer:
        """Channels of other tokens are only shown to exist, as the platform's reference has it."""
        every = asked.first("includechannels", "token") == "oauthclient"
        shown = [channel for channel in self.channels.all if every or channel.token == asked.token]
        named = [one.token == asked.token or not self.channels.token_bound for one in shown]
        return _entities(
            self._entity(one) if ours else {"expires": one.expires} for one, ours in zip(shown, named, strict=True)
        )

    def _create(self, asked: Asked) -> Answer:
        told = asked.order["value"] if asked.order is not None and asked.order.name == "channel-expires" else None
        return Answer(200, encode(self._entity(self.channels.create(asked.token, asked.now, clock.wall_ms(), told))))

    def _entity(self, channel: Channel) -> dict[str, object]:
        return {"connectUri": f"{self.base}/channels/{channel.id}", "id": channel.id, "expires": channel.expires}

    def _subscriptions(self, channel: Channel, asked: Asked) -> Answer:
        return _by_method(
            asked,
            {
                "GET": lambda _: _entities(_listed(channel.topics.values())),
                "DELETE": lambda _: self._clear(channel),
                "POST": lambda _: self._change(channel, asked),
                "PUT": lambda _: self._change(channel, asked),
            },
        )

    def _clear(self, channel: Channel) -> Answer:
        before = channel.names
        self.channels.clear(channel)
        self.changed(before)
        return Answer(200, encode({}))

    def _change(self, channel: Channel, asked: Asked) -> Answer:
        names = _names(asked.body)
        if names is None:
            return complaint(400, "bad.request", "The request body must be a list of topics.")
        rulings = _rejected(
            [topics.rule(name, self.permissions, self.forbidden) for name in dict.fromkeys(names)], asked.order
        )
        forgiving = asked.first("ignoreErrors").lower() == "true"
        refusal = None if forgiving else _refusal(rulings)
        if refusal is not None:
            return refusal
        before, replacing = channel.names, asked.method == "PUT"
        if not self.channels.subscribe(channel, rulings, asked.now, clock.wall_ms(), replace=replacing):
            most = self.channels.most_topics
            return complaint(400, "bad.request", "A channel holds at most {most} topics.", most=str(most))
        self.changed(before)
        return _entities(_entity for ruling in rulings for _entity in _verdicts(ruling))


def _by_method(asked: Asked, answers: Mapping[str, Callable[[Asked], Answer]]) -> Answer:
    answer = answers.get(asked.method)
    return error(405, ("Allow", ", ".join(answers))) if answer is None else answer(asked)


def _names(body: bytes) -> list[str] | None:
    """The topics of `[{"id": "..."}]`; `None` when it is something else."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    if not isinstance(document, list):
        return None
    names = [one.get("id") if isinstance(one, dict) else None for one in document]
    return [name for name in names if isinstance(name, str)] if all(isinstance(n, str) for n in names) else None


def _rejected(rulings: Sequence[Ruling], order: Order | None) -> Sequence[Ruling]:
    """The rulings after the fault `reject-topic`: the topics of its pattern, or the first, are refused."""
    if order is None or order.name != "reject-topic":
        return rulings
    pattern = order["topic"]
    struck = [one for one in rulings if pattern is not None and fnmatchcase(one.asked, pattern)]
    chosen = {one.asked for one in (struck if pattern is not None else rulings[:1])}
    missing = tuple(order["missing"])
    return [
        replace(one, names=(), refused=((one.asked, missing),), unknown=False) if one.asked in chosen else one
        for one in rulings
    ]


def _refusal(rulings: Iterable[Ruling]) -> Answer | None:
    """What the whole request is answered with when any topic is refused."""
    ruled = list(rulings)
    unknown = [one.asked for one in ruled if one.unknown]
    if unknown:
        return complaint(400, "invalid.value", "Invalid topic: {topic}", topic=unknown[0])
    missing = sorted({one for ruling in ruled for _, needed in ruling.refused for one in needed})
    if any(ruling.refused for ruling in ruled):
        text = "Unable to perform the requested action. You are missing the following permission(s): {permissions}"
        return complaint(403, "missing.permissions", text, permissions=", ".join(missing))
    return None


def _entities(entities: Iterable[Mapping[str, object]]) -> Answer:
    return Answer(200, encode({"entities": list(entities)}))


def _listed(rulings: Iterable[Ruling]) -> Iterable[Mapping[str, object]]:
    return ({"id": ruling.asked, "state": "Permitted"} for ruling in rulings)


def _verdicts(ruling: Ruling) -> Iterable[Mapping[str, object]]:
    """The entities of one topic: a combined one of which a part is refused has one of its own and one a refusal."""
    if ruling.unknown:
        yield {"id": ruling.asked, "state": "Rejected", "rejectionReason": "Invalid topic"}
    if ruling.names:
        yield {"id": ruling.asked, "state": "Permitted"}
    for name, missing in ruling.refused:
        reason = "Missing permissions" if missing else "Forbidden"
        yield {"id": name, "state": "Rejected", "rejectionReason": reason, "missingPermissions": list(missing)}
