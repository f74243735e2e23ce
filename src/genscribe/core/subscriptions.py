"""Which topics are on which channel, and what to ask of the platform until it is so. Pure: `now` is handed in.

A **shard** is a channel of ours in the plan: it outlives the platform's channels and lives on one at a time, on two
during a rollover. `Plan` says which topics a shard should have, `Subscribed` what one channel of the platform has and
what to ask next.

REST calls are what is scarce: 300 a minute for everything. So starts go to one **filling** shard at a time, where those
of a moment are one call, until it has `FILL` topics. It is then left alone until ends have brought it down to `REOPEN`:
were each freed place used at once, a batch would be strewn over all shards, a call for each. Of the shards open again
the fullest is filled: how full it is hardly matters to the calls, but the emptiest then run dry and are retired, so
that few channels are left when the day ends. Only when none is open again is a new one begun. An end costs no call of
its own: its topic stays, unwanted, until many can go at once, at best in a call that adds others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, KeysView, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, Union

MOST_TOPICS = 1_000
"""On one channel; more is refused with 400. [facts, sections 2.2 and 2.3]"""

MOST_CHANNELS = 20
"""Of one OAuth client; one more removes another without a word. [facts, section 2.1]"""

MOST_SHARDS = MOST_CHANNELS - 1
"""The last channel is kept free for the rollover."""

FILL = 900
"""A shard is filled up to here unless all are as full: the rest is for topics that wait to be removed."""

REOPEN = 750
"""A shard that was full takes topics again from here down."""

NEAR = 0.9
NEAR_ENDS = 0.85
"""Shares of the capacity at which pressure is `near`, and at which it is no longer."""

STALE_SHARE = 0.1
STALE_FEW = 10
"""Unwanted topics are removed when they are this share of the channel's, and so many at least."""

STALE_S = 60.0
"""Fewer of them are removed after this time, once nothing is to add."""

RETRY_FORBIDDEN_S = 300.0
RETRY_FORBIDDEN_MOST_S = 3_600.0
"""When a forbidden topic is asked for again. One for which whole calls are refused, ever later, for that costs many."""

TRIALS = 64
"""So many calls a search for bad topics may cost; those not found good by then wait as if they were bad."""

UNNAMED_MOST = 3
"""Asked for so often and never named in an answer, a topic counts as forbidden."""

_OWN_ACCORD = "v2.system."
"""What the platform sends unasked. [facts, section 2.4]"""

Pressure = Literal["ok", "near", "full"]


class Plan:
    """Desired topics in shards. A topic stays in its shard until it is dropped.

    Args:
        shards: The most shards.
        topics: The most topics of a shard.
        fill: A shard takes new topics up to here, as long as another shard has room below it.
        reopen: A shard that has been at `fill` takes new ones again from here down.
    """

    def __init__(
        self, *, shards: int = MOST_SHARDS, topics: int = MOST_TOPICS, fill: int = FILL, reopen: int = REOPEN
    ) -> None:
        self.capacity = shards * topics
        self._most_shards, self._most_topics, self._fill, self._reopen = shards, topics, fill, reopen
        self._topics: dict[int, dict[str, None]] = {}
        self._shard_of: dict[str, int] = {}
        self._refused: dict[str, bool] = {}
        self._filling: int | None = None
        self._brim = fill
        self._pressure: Pressure = "ok"

    def want(self, topic: str, *, first: bool = False) -> int | None:
        """Desires a topic. Returns its shard; `None` when all are full, and then it is in `refused`.

        Args:
            topic: One topic; a combined one (`prefix?a&b`) is a topic of its own here and not understood.
            first: If it is refused, it is admitted before all others when room comes: topics by which calls are found.
        """
        shard = self._shard_of.get(topic)
        if shard is None:
            shard = self._place(topic)
            if shard is None:
                self._refused[topic] = first or self._refused.get(topic, False)
            self._weigh()
        return shard

    def drop(self, topic: str) -> int | None:
        """No longer desires it. Returns the shard that had it, if one had. See `readmitted`."""
        self._refused.pop(topic, None)
        shard = self._shard_of.pop(topic, None)
        if shard is not None:
            del self._topics[shard][topic]
        self._weigh()
        return shard

    def readmitted(self) -> list[tuple[str, int]]:
        """Places refused topics where there is room again; returns each with its shard. To be called after drops.

        Those wanted `first` go first, then the oldest.
        """
        placed: list[tuple[str, int]] = []
        if self._refused and self.count < self.capacity:
            for topic in sorted(self._refused, key=lambda each: not self._refused[each]):
                shard = self._place(topic)
                if shard is None:
                    break
                placed.append((topic, shard))
            self._weigh()
        return placed

    def desired(self, shard: int) -> KeysView[str]:
        """The topics of a shard, oldest first; empty for one not in use. A view: it changes with the plan."""
        return self._topics.get(shard, {}).keys()

    def shard_of(self, topic: str) -> int | None:
        """Where a topic is; `None` when it is not desired or refused."""
        return self._shard_of.get(topic)

    def retire(self, shard: int) -> None:
        """Gives up an empty shard; its number may be used again. Raises `ValueError` when it has topics."""
        if self._topics.get(shard):
            raise ValueError(f"shard {shard} has topics")
        self._topics.pop(shard, None)
        if self._filling == shard:
            self._filling = None

    @property
    def shards(self) -> list[int]:
        """The numbers in use, from 0 on; also of shards that are empty and not yet retired."""
        return sorted(self._topics)

    @property
    def count(self) -> int:
        """Topics that have a shard."""
        return len(self._shard_of)

    @property
    def refused(self) -> set[str]:
        """Desired, but without a place."""
        return set(self._refused)

    def pressure(self) -> Pressure:
        """`full` while topics are refused, `near` from nine tenths of the capacity until it falls clearly below."""
        return self._pressure

    def _place(self, topic: str) -> int | None:
        shard = self._filling
        if shard is None or len(self._topics[shard]) >= self._brim:
            shard = self._filling = self._choose()
        if shard is not None:
            self._topics[shard][topic] = None
            self._shard_of[topic] = shard
            self._refused.pop(topic, None)
        return shard

    def _choose(self) -> int | None:
        """The next shard to fill, and up to where."""
        self._brim = self._fill
        sizes = {shard: len(topics) for shard, topics in sorted(self._topics.items())}
        reopened = [shard for shard, size in sizes.items() if size <= self._reopen]
        if reopened:
            return max(reopened, key=sizes.__getitem__)
        if len(sizes) < self._most_shards:
            shard = next(number for number in range(self._most_shards) if number not in sizes)
            self._topics[shard] = {}
            return shard
        shard = min(sizes, key=sizes.__getitem__)
        if sizes[shard] >= self._fill:
            self._brim = self._most_topics
        return shard if sizes[shard] < self._most_topics else None

    def _weigh(self) -> None:
        if self._refused:
            self._pressure = "full"
        elif self.count >= self.capacity * NEAR:
            self._pressure = "near"
        elif self._pressure != "ok":
            self._pressure = "ok" if self.count < self.capacity * NEAR_ENDS else "near"


@dataclass(frozen=True)
class Add:
    """`POST .../subscriptions`: these topics beside those that the channel has."""

    topics: tuple[str, ...]


@dataclass(frozen=True)
class Replace:
    """`PUT .../subscriptions`: these topics and no others. With none it empties the channel, as `DELETE` does."""

    topics: tuple[str, ...]


Call = Union[Add, Replace]


@dataclass(frozen=True)
class TopicAnswer:
    """What the platform's answer says of one topic (ChannelTopic).

    Attributes:
        id: The topic.
        permitted: Its `state` is `Permitted`, or there is none.
        reason: The `rejectionReason`; empty when there is none.
        missing_permissions: The permissions to grant, as far as it names them.
    """

    id: str
    permitted: bool = True
    reason: str = ""
    missing_permissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forbidden:
    """Why a topic is not on the channel, and when it is asked for again."""

    reason: str
    missing_permissions: tuple[str, ...]
    retry_at: float
    wait_s: float


class Subscribed:
    """What one channel of the platform has, as far as we know, and what to ask of it next.

    One call at a time: `next_call`, make it, then `answered` or `refused_call`; neither when no answer came: its topics
    may be on the channel or not then, count as if they were, and are asked for again.

    Attributes:
        confirmed: Topics that the channel has by the platform's word, wanted or not.
        forbidden: Topics that it may not have.
        look_due: An answer cannot be trusted: `GET` the channel's list and hand it to `reconcile`.
    """

    def __init__(self, most: int = MOST_TOPICS) -> None:
        self.confirmed: set[str] = set()
        self.forbidden: dict[str, Forbidden] = {}
        self.look_due = False
        self._most = most
        self._maybe: set[str] = set()
        self._pending: frozenset[str] = frozenset()
        self._unnamed: dict[str, int] = {}
        self._stale_since: float | None = None
        self._replace_at = float("-inf")
        self._suspects: deque[tuple[str, ...]] = deque()
        self._trial: Add | None = None
        self._trials_left = TRIALS

    def stale(self, desired: AbstractSet[str]) -> set[str]:
        """What the channel has, or may have, and should not."""
        return (self.confirmed | self._maybe) - desired

    def stuck(self, now: float) -> bool:
        """The platform refuses the channel's own list, so nothing can be removed: only a new channel helps."""
        return now < self._replace_at

    def next_call(self, desired: AbstractSet[str], now: float) -> Call | None:
        """The next call, or `None` when there is nothing to do for now. Never more than 1,000 topics on the channel.

        Args:
            desired: The shard's topics, at most 1,000.
            now: Seconds of any clock that only goes forward.
        """
        assert len(desired) <= self._most
        self._forget(desired)
        fresh = self._fresh(desired)
        topics = self._turn(fresh, now)
        stale = self.stale(desired)
        if not stale:
            self._stale_since = None
        elif self._stale_since is None:
            self._stale_since = now
        held = len(self.confirmed | self._maybe)
        room = self._most - held
        needed = sum(topic not in self._maybe for topic in topics)
        crowded = needed > room
        if (crowded or self._cleaning_due(len(stale), held, now, adding=bool(topics))) and not self.stuck(now):
            keep = [topic for topic in desired if topic in self.confirmed]
            self._maybe |= self.confirmed - desired
            self.confirmed &= desired  # should the answer be lost, they may be gone: they are not heard any more
            return self._propose(Replace((*keep, *fresh)))
        if crowded:
            topics = self._fitting(fresh, room)
        return self._propose(Add(topics)) if topics else None

    def answered(self, call: Call, entities: Sequence[TopicAnswer], now: float) -> list[TopicAnswer]:
        """The call succeeded. Returns what the answer forbids, and what no answer ever names.

        An answer may name the topics of the call or all of the channel: whatever it permits is confirmed. What was
        asked for and is not named is not confirmed but asked for again, and `look_due` is set; an answer to `Replace`
        that names nothing at all leaves confirmed what was so before.
        """
        self._settle(call)
        named = {entity.id: entity for entity in entities if not entity.id.startswith(_OWN_ACCORD)}
        concerned = self.confirmed.union(call.topics)
        rejected = [entity for entity in named.values() if not entity.permitted and entity.id in concerned]
        if isinstance(call, Replace) and (named or not call.topics):
            self._replaced()
        for entity in named.values():
            if entity.permitted:
                self._confirm(entity.id)
        for entity in rejected:
            self.confirmed.discard(entity.id)
            self._maybe.discard(entity.id)
            self._forbid(entity, now, RETRY_FORBIDDEN_S)
        unnamed = [topic for topic in call.topics if topic not in named]
        self.look_due = self.look_due or bool(unnamed)
        return rejected + self._count_unnamed(unnamed, now)

    def refused_call(self, call: Call, reason: str, now: float) -> list[TopicAnswer]:
        """The platform refused the whole call (400, 403, 413, ...). Returns the topics that are given up for it.

        Those of its topics that the channel does not have yet are tried by halves, so that a bad one costs only itself.
        The first time `look_due` is set too: the channel may have more than we know.
        """
        searching = bool(self._suspects)
        self._settle(call)
        self._maybe -= self._pending
        suspects = tuple(topic for topic in call.topics if topic not in self.confirmed)
        if not suspects:
            self._replace_at = now + RETRY_FORBIDDEN_S
            return []
        if not searching:
            self.look_due = True
            self._trials_left = TRIALS
        self._trials_left -= 1
        if self._trials_left <= 0:
            untried = [topic for part in self._suspects for topic in part]
            self._suspects.clear()
            return self._give_up([*suspects, *untried], reason, now)
        if len(suspects) == 1 and isinstance(call, Add):
            return self._give_up(suspects, reason, now)
        half = len(suspects) // 2
        self._suspects += (suspects[:half], suspects[half:])
        return []

    def reconcile(self, platform_has: Iterable[str], desired: AbstractSet[str]) -> list[str]:
        """The platform's own list of the channel's topics. Returns the desired ones that it has lost.

        They are asked for again. What it has beyond `desired` becomes stale; what we did not know it had is confirmed.
        """
        has = {topic for topic in platform_has if not topic.startswith(_OWN_ACCORD)}
        lost = [topic for topic in desired if topic in self.confirmed and topic not in has]
        self.confirmed.clear()
        self._maybe.clear()
        for topic in has:
            self._confirm(topic)
        self.look_due = False
        return lost

    # What to ask for.

    def _fresh(self, desired: AbstractSet[str]) -> tuple[str, ...]:
        suspected = {topic for part in self._suspects for topic in part}
        return tuple(
            topic
            for topic in desired
            if topic not in self.confirmed and topic not in self.forbidden and topic not in suspected
        )

    def _turn(self, fresh: tuple[str, ...], now: float) -> tuple[str, ...]:
        """Whose turn it is: what is forbidden and due, and then suspects and the rest one after the other."""
        tried, self._trial = self._trial is not None, None
        due = tuple(topic for topic, known in self.forbidden.items() if known.retry_at <= now)
        if due and not self._suspects:
            return due
        if self._suspects and not (tried and fresh):
            self._trial = Add(self._suspects[0])
            return self._suspects[0]
        return fresh

    def _fitting(self, fresh: tuple[str, ...], room: int) -> tuple[str, ...]:
        new = [topic for topic in fresh if topic not in self._maybe]
        left_out = set(new[max(0, room) :])
        return tuple(topic for topic in fresh if topic not in left_out)

    def _cleaning_due(self, stale: int, held: int, now: float, *, adding: bool) -> bool:
        if stale >= max(STALE_FEW, held * STALE_SHARE):
            return True
        return not adding and self._stale_since is not None and now - self._stale_since >= STALE_S

    def _propose(self, call: Call) -> Call:
        self._pending = frozenset(call.topics) - self.confirmed - self._maybe
        self._maybe |= self._pending
        return call

    def _forget(self, desired: AbstractSet[str]) -> None:
        for known in (self.forbidden, self._unnamed):
            for topic in known.keys() - desired:
                del known[topic]
        wanted = desired - self.confirmed
        parts = (tuple(topic for topic in part if topic in wanted) for part in self._suspects)
        self._suspects = deque(part for part in parts if part)

    # What came of it.

    def _settle(self, call: Call) -> None:
        if call == self._trial:
            self._suspects.popleft()

    def _confirm(self, topic: str) -> None:
        self.confirmed.add(topic)
        self._maybe.discard(topic)
        self.forbidden.pop(topic, None)
        self._unnamed.pop(topic, None)

    def _replaced(self) -> None:
        self.confirmed.clear()
        self._maybe.clear()
        self._stale_since = None

    def _count_unnamed(self, topics: list[str], now: float) -> list[TopicAnswer]:
        given_up: list[str] = []
        for topic in topics:
            if topic in self.confirmed:
                continue
            self._maybe.add(topic)
            self._unnamed[topic] = self._unnamed.get(topic, 0) + 1
            if self._unnamed[topic] >= UNNAMED_MOST:
                given_up.append(topic)
        answers = [TopicAnswer(topic, permitted=False, reason="not in the answer") for topic in given_up]
        return [self._forbid(answer, now, RETRY_FORBIDDEN_S) for answer in answers]

    def _give_up(self, topics: Iterable[str], reason: str, now: float) -> list[TopicAnswer]:
        given_up = [TopicAnswer(topic, permitted=False, reason=reason) for topic in topics]
        for answer in given_up:
            known = self.forbidden.get(answer.id)
            self._forbid(answer, now, min(2 * known.wait_s, RETRY_FORBIDDEN_MOST_S) if known else RETRY_FORBIDDEN_S)
        return given_up

    def _forbid(self, answer: TopicAnswer, now: float, wait_s: float) -> TopicAnswer:
        self.forbidden[answer.id] = Forbidden(answer.reason, answer.missing_permissions, now + wait_s, wait_s)
        return answer
