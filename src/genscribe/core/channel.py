"""A channel's life as one table: what happens to it, and what to do. Pure: `now` is handed in, in seconds.

A channel of the platform lives 24 hours or as `expires` says, belongs to the token that made it, and has one socket
at a time; a second one disconnects the first. It says something about every 30 s. [facts, sections 2.1 to 2.5]

                   | NEW                       | OPEN                      | DOUBTED
    opened         | OPEN                      |                           |
    frame          |                           |                           | OPEN
    pong           |                           |                           | OPEN
    heartbeat late |                           | DOUBTED ping              |
    pong missing   |                           |                           | NEW reconnect silent
    closing        |                           | OPEN replace              | DOUBTED replace
    aged           | NEW replace               | OPEN replace              | DOUBTED replace
    renewed        | NEW replace               | OPEN replace              | DOUBTED replace
    revoked        |                           | DEAD renew disconnected   | DEAD renew disconnected
    taken          |                           | DEAD renew evicted        | DEAD renew evicted
    ended          | DEAD renew disconnected   | DEAD renew disconnected   | DEAD renew disconnected
    token ended    | DEAD renew disconnected   | DEAD renew disconnected   | DEAD renew disconnected
    evicted        | DEAD renew evicted        | DEAD renew evicted        | DEAD renew evicted
    unborn         | DEAD renew                |                           |
    closed         |                           | NEW reconnect disconnected | NEW reconnect disconnected
    cast out       |                           | DEAD renew disconnected   | DEAD renew disconnected
    kicked         |                           | DEAD renew disconnected   | DEAD renew disconnected
    replaced       | DEAD                      | DEAD                      | DEAD

NEW has no socket, at first or again; OPEN hears; DOUBTED was silent for too long and has been sent a ping; DEAD is
over. An empty field changes nothing, and nothing changes DEAD. A replacement is asked for once a connection: whoever is
asked tries until there is one, or until the connection is lost.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import NamedTuple

LIFE_S = 24 * 3_600.0
"""When `expires` is missing. [facts, section 2.3]"""

BEFORE_END_S = 300.0
"""The replacement begins so long before the end; for a short life, a tenth of it before."""

JITTER_S = 3_600.0
"""And earlier by chance up to this, or a tenth of the life: channels made together do not end together."""

SOONEST_S = 5.0
PAST_S = 60.0
"""No channel is replaced for its age sooner; for one that was over before it began the second holds."""

HEARTBEAT_LATE_S = 36.0
"""1.2 times the platform's 30 s. [reliability, C1]"""

PONG_S = 10.0

QUICKLY_S = 10.0
"""A socket that closes within this was closed quickly; twice in a row, on a channel that others can know, by them."""

PROVED_S = 60.0
"""A channel that was open so long is no stillbirth. One that we made just now is known to nobody else."""

LONGEST_WAIT_S = 3_600.0
"""`due` says no more, however far away the next timer is."""


class State(enum.Enum):
    """Where a channel stands; see the table."""

    NEW = "new"
    OPEN = "open"
    DOUBTED = "doubted"
    DEAD = "dead"


class Action(enum.Enum):
    """What to do."""

    NONE = ""
    PING = "ping"
    """Send `{"message":"ping"}`."""
    REPLACE = "replace"
    """Make before break: a new channel with the same topics, and then drop this one, which hears until then."""
    RECONNECT = "reconnect"
    """This socket is lost; open another on the same channel, whose topics stay."""
    RENEW = "renew"
    """This channel is lost; make a new one. If a replacement is on its way, that is it."""


class Happened(enum.Enum):
    """What the owner of a channel tells it."""

    OPENED = "opened"
    """Its socket is open."""
    FRAME = "frame"
    """It said something: a heartbeat, an event, anything."""
    PONG = "pong"
    TIMER = "timer"
    """The time that `due` named has come."""
    CLOSING = "closing"
    """`v2.system.socket_closing`: the socket closes within a minute."""
    RENEWED = "renewed"
    """There is a newer access token than the one that made the channel."""
    REVOKED = "revoked"
    """`v2.system.token_revoked`, or `no_longer_subscribed` with the reason `user_tokens_revoked`."""
    TAKEN = "taken"
    """`v2.system.no_longer_subscribed`: another channel has subscribed."""
    GONE = "gone"
    """REST or the handshake does not know the channel: 401, 404 or 410."""
    CLOSED = "closed"
    """The socket has closed."""
    REPLACED = "replaced"
    """Its successor hears all of its topics."""


class Cause(enum.Enum):
    """What `TIMER`, `GONE` and `CLOSED` turn out to be."""

    HEARTBEAT_LATE = "heartbeat late"
    PONG_MISSING = "pong missing"
    AGED = "aged"
    ENDED = "ended"
    """Gone at its time."""
    TOKEN_ENDED = "token ended"  # noqa: S105  # not a token
    """Gone with the token that made it."""
    EVICTED = "evicted"
    """Gone before its time."""
    UNBORN = "unborn"
    """Gone before it was ever open."""
    CAST_OUT = "cast out"
    """Closed with 1008."""
    KICKED = "kicked"
    """Closed quickly again and again."""


class Decision(NamedTuple):
    """What to do, and what to say of it.

    Attributes:
        action: What to do.
        why: For the log. A clause for `REPLACE`, which follows a colon; else a sentence. Empty when there is nothing.
        gap_reason: The contract's word for the gap that begins at the last moment this channel was known to hear, or
            the better word for the one that has begun. Empty where nothing is lost.
    """

    action: Action = Action.NONE
    why: str = ""
    gap_reason: str = ""


class Rule(NamedTuple):
    """One field of the table."""

    state: State
    decision: Decision = Decision()


NOTHING = Decision()

_SILENT = Decision(
    Action.RECONNECT,
    f"The channel was silent for {HEARTBEAT_LATE_S:.0f} s and did not answer a ping within {PONG_S:.0f} s.",
    "silent",
)
_CLOSING = Decision(Action.REPLACE, "the platform is about to close its connection (v2.system.socket_closing)")
_AGED = Decision(Action.REPLACE, "it nears its end")
_RENEWED = Decision(Action.REPLACE, "the access token to which it belongs is about to end")
_REVOKED = Decision(
    Action.RENEW,
    "The platform has revoked the access token of the channel (v2.system.token_revoked).",
    "disconnected",
)
_TAKEN = Decision(
    Action.RENEW,
    "The platform has ended the channel's subscriptions because another channel subscribed "
    "(v2.system.no_longer_subscribed). Give each program an OAuth client of its own.",
    "evicted",
)
_ENDED = Decision(Action.RENEW, "The channel's time is over: the platform no longer knows it.", "disconnected")
_TOKEN_ENDED = Decision(
    Action.RENEW, "The channel has ended with the access token to which it belonged.", "disconnected"
)
_EVICTED = Decision(
    Action.RENEW,
    "The platform has removed the channel before its time: this OAuth client has more than 20 channels, and each one "
    "too many removes another. Another program uses the same client: give each an OAuth client of its own.",
    "evicted",
)
_UNBORN = Decision(Action.RENEW, "The platform no longer knows the channel, which was not open yet.")
_CLOSED = Decision(Action.RECONNECT, "The channel itself goes on and is connected to again.", "disconnected")
_CAST_OUT = Decision(
    Action.RENEW, "A channel that is closed by policy (1008) is not connected to again.", "disconnected"
)
_KICKED = Decision(
    Action.RENEW,
    "Another process has connected to our channel, which disconnects us: the channel is left to it. Is a copy of this "
    "store in use?",
    "disconnected",
)

TABLE: dict[State, dict[Happened | Cause, Rule]] = {
    State.NEW: {
        Happened.OPENED: Rule(State.OPEN),
        Cause.AGED: Rule(State.NEW, _AGED),
        Happened.RENEWED: Rule(State.NEW, _RENEWED),
        Cause.ENDED: Rule(State.DEAD, _ENDED),
        Cause.TOKEN_ENDED: Rule(State.DEAD, _TOKEN_ENDED),
        Cause.EVICTED: Rule(State.DEAD, _EVICTED),
        Cause.UNBORN: Rule(State.DEAD, _UNBORN),
        Happened.REPLACED: Rule(State.DEAD),
    },
    State.DEAD: {},
    **{
        hearing: {
            Happened.CLOSING: Rule(hearing, _CLOSING),
            Cause.AGED: Rule(hearing, _AGED),
            Happened.RENEWED: Rule(hearing, _RENEWED),
            Happened.REVOKED: Rule(State.DEAD, _REVOKED),
            Happened.TAKEN: Rule(State.DEAD, _TAKEN),
            Cause.ENDED: Rule(State.DEAD, _ENDED),
            Cause.TOKEN_ENDED: Rule(State.DEAD, _TOKEN_ENDED),
            Cause.EVICTED: Rule(State.DEAD, _EVICTED),
            Happened.CLOSED: Rule(State.NEW, _CLOSED),
            Cause.CAST_OUT: Rule(State.DEAD, _CAST_OUT),
            Cause.KICKED: Rule(State.DEAD, _KICKED),
            Happened.REPLACED: Rule(State.DEAD),
        }
        for hearing in (State.OPEN, State.DOUBTED)
    },
}
TABLE[State.OPEN][Cause.HEARTBEAT_LATE] = Rule(State.DOUBTED, Decision(Action.PING, "The heartbeat is late."))
TABLE[State.DOUBTED] |= {
    Happened.FRAME: Rule(State.OPEN),
    Happened.PONG: Rule(State.OPEN),
    Cause.PONG_MISSING: Rule(State.NEW, _SILENT),
}


def replace_after_s(expires_in_s: float | None, uniform: Callable[[float, float], float]) -> float:
    """The age in seconds at which a channel's replacement begins: `expires` is obeyed, whatever it says.

    Args:
        expires_in_s: Seconds from now to `expires`; negative when that is past, `None` or NaN when it is missing.
        uniform: Chance.
    """
    life_s = LIFE_S if expires_in_s is None or math.isnan(expires_in_s) else expires_in_s
    if life_s <= 0:
        return PAST_S
    tenth_s = life_s / 10
    return max(SOONEST_S, life_s - min(BEFORE_END_S, tenth_s) - uniform(0.0, min(JITTER_S, tenth_s)))


class ChannelLife:
    """One channel, from its making to its end.

    Args:
        now: When it was made, or taken over.
        expires_in_s: Seconds from `now` to its `expires`, as the platform says; `None` when it does not.
        uniform: Chance, for the jitter.
        token_ends_in_s: Seconds from `now` to the end of the token that made it; `None` when not known.
        inherited: An earlier run made it, so others may know it too.

    Attributes:
        state: Where it stands.
        leaving: Its replacement has been asked for since it was last opened.
    """

    def __init__(
        self,
        now: float,
        *,
        expires_in_s: float | None,
        uniform: Callable[[float, float], float],
        token_ends_in_s: float | None = None,
        inherited: bool = False,
    ) -> None:
        self.state = State.NEW
        self.leaving = False
        self._replace_at = now + replace_after_s(expires_in_s, uniform)
        self._ends_at = now + (LIFE_S if expires_in_s is None or math.isnan(expires_in_s) else expires_in_s)
        self._token_ends_at = math.inf if token_ends_in_s is None else now + token_ends_in_s
        self._was_open = inherited
        self._proved = inherited
        self._opened_at = now
        self._heard_at = now
        self._pinged_at = now
        self._closed_quickly = False

    def on(self, happened: Happened, now: float, *, code: int | None = None) -> Decision:
        """What has happened, and so what to do.

        Args:
            happened: What.
            now: When.
            code: The close code for `CLOSED`, the HTTP status for `GONE`, if known.
        """
        if happened in (Happened.FRAME, Happened.PONG, Happened.OPENED):
            self._heard_at = now
            if happened is not Happened.OPENED and self.state is State.OPEN:
                return NOTHING
        cause = self._cause(happened, now, code)
        if cause is None or cause not in TABLE[self.state]:
            return NOTHING
        rule = TABLE[self.state][cause]
        self._note(happened, rule, now)
        self.state = rule.state
        if rule.decision.action is not Action.REPLACE:
            return rule.decision
        if self.leaving:
            return NOTHING
        self.leaving = True
        return rule.decision

    def due(self, now: float) -> float:
        """Seconds until `TIMER` has to be told, from 0 to 3600; what then happens may be nothing."""
        times = [now + LONGEST_WAIT_S]
        if self.state is State.OPEN:
            times.append(self._heard_at + HEARTBEAT_LATE_S)
        elif self.state is State.DOUBTED:
            times.append(self._pinged_at + PONG_S)
        if not self.leaving and self.state is not State.DEAD:
            times.append(self._replace_at)
        return max(0.0, min(times) - now)

    def _cause(self, happened: Happened, now: float, code: int | None) -> Happened | Cause | None:
        if happened is Happened.TIMER:
            return self._timer(now)
        if happened is Happened.GONE:
            return self._gone(now, code)
        if happened is Happened.CLOSED:
            return self._closed(now, code)
        return happened

    def _timer(self, now: float) -> Cause | None:
        if self.state is State.DOUBTED and now >= self._pinged_at + PONG_S:
            return Cause.PONG_MISSING
        if self.state is State.OPEN and now >= self._heard_at + HEARTBEAT_LATE_S:
            return Cause.HEARTBEAT_LATE
        return Cause.AGED if now >= self._replace_at else None

    def _gone(self, now: float, code: int | None) -> Cause:
        if not self._was_open:
            return Cause.UNBORN
        if now >= self._token_ends_at or code == 401:
            return Cause.TOKEN_ENDED
        return Cause.ENDED if now >= self._ends_at else Cause.EVICTED

    def _closed(self, now: float, code: int | None) -> Happened | Cause:
        if not self._proved_at(now):
            return Happened.CLOSED  # or a platform that closes all at once would get channel after channel of us
        if code == 1008:
            return Cause.CAST_OUT
        return Cause.KICKED if self._closed_quickly and self._quickly(now) else Happened.CLOSED

    def _proved_at(self, now: float) -> bool:
        return self._proved or now - self._opened_at >= PROVED_S

    def _quickly(self, now: float) -> bool:
        return now - self._opened_at < QUICKLY_S

    def _note(self, happened: Happened, rule: Rule, now: float) -> None:
        """What later decisions ask for."""
        if happened is Happened.OPENED:
            self._opened_at, self._was_open, self.leaving = now, True, False
        elif rule.decision.action is Action.PING:
            self._pinged_at = now
        elif rule.decision.action is Action.RECONNECT:
            self._proved, self._closed_quickly = self._proved_at(now), self._quickly(now)
