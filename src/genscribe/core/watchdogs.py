"""What we hear of calls, watched: a queue that stays silent, text that comes late, calls heard only from their middle.

Pure: `now` is any clock's seconds, always the same one's. The platform sends a status message when a transcription
session begins and every 5 minutes after, even when nobody speaks; so a call without any message has no session, and
that is a switch which somebody can find. [Genesys Cloud: transcription-notifications]
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from statistics import median

SILENT_AFTER_S = 120.0
"""A connected and subscribed call without any transcription message for so long is silent."""
SAY_AGAIN_S = 3600.0
"""A queue is named at most so often."""
LAST_CALLS = 5
"""A queue that was heard before is named when so many calls in a row are silent; one never heard, at the first."""
LATE_LAG_S = 25.0
"""A median lag from here on means that low latency is off: text then comes up to ~35 s after speech, otherwise 3 to 5 s
after it. [Genesys Cloud: transcription-notifications; two third parties]"""
PROMPT_LAG_S = 15.0
"""A median lag down to here means that it is on again."""
LAGS = 50
"""Messages that the median is taken over; nothing is said before so many came."""
MID_CALL_S = 30.0
"""How far into a session first words are not its beginning."""
MISSED_S = 10.0
"""How much later than its beginning a session must have been subscribed; most are, by a few seconds."""
MID_CALL_EVERY_S = 60.0
CALLS = 25_000
"""Calls watched at once, more than the platform's channels carry; beyond, the oldest is let go of. So many ended ones
are remembered."""
QUEUES = 10_000


@dataclass(frozen=True)
class Silent:
    """None of the last calls got any transcription message.

    Attributes:
        queue_id: Whose calls; `None` = those outside queues.
        calls: How many in a row.
        everywhere: Calls of all queues; `queue_id` says nothing then.
    """

    queue_id: str | None
    calls: int
    everywhere: bool = False


@dataclass(frozen=True)
class HeardAgain:
    """What was called silent is heard."""

    queue_id: str | None
    everywhere: bool = False


@dataclass(frozen=True)
class Late:
    """Text comes about 35 s after speech: low latency is off."""

    lag_s: float


@dataclass(frozen=True)
class Prompt:
    """Text comes soon again, after `Late`."""

    lag_s: float


@dataclass(frozen=True)
class MidCall:
    """Conversations whose first words for us were said `into_s` seconds after a beginning that we did not hear.

    Attributes:
        conversations: How many since they were last told.
        latest_id: The last of them.
    """

    conversations: int
    latest_id: str
    into_s: float


Alarm = Silent | HeardAgain | Late | Prompt | MidCall


@dataclass(eq=False)
class _Call:
    queue_id: str | None = None
    connected: float | None = None
    subscribed: float | None = None
    heard: bool = False
    silent: bool = False


@dataclass(eq=False)
class _Row:
    """How many silent calls in a row, of a queue or of all."""

    heard: bool = False
    heard_at: float | None = None
    """When the last message of any of its calls came."""
    in_a_row: int = 0
    said: float | None = None
    alarmed: bool = False
    """It was called silent and has not been heard since."""

    def suspicious(self) -> bool:
        return self.in_a_row >= (LAST_CALLS if self.heard else 1)

    def say(self, now: float) -> bool:
        """Whether to say it now, which is noted."""
        if self.said is not None and now - self.said < SAY_AGAIN_S:
            return False
        self.said, self.alarmed = now, True
        return True

    def hear(self) -> bool:
        """A call was heard; whether that ends an alarm."""
        ended, self.alarmed = self.alarmed, False
        self.heard, self.in_a_row = True, 0
        return ended


@dataclass(eq=False)
class Watch:
    """Watches voice calls. Every method takes constant time; `look` also one step for each call that fell silent.

    Attributes:
        silent: Calls in progress, connected and subscribed for two minutes or more without any message.
        mid_call: Conversations heard only from their middle, since the start.
        lag_s: The median lag of the last messages, in seconds, as of the last `look`; `None` before any.
    """

    silent: int = field(default=0, init=False)
    mid_call: int = field(default=0, init=False)
    lag_s: float | None = field(default=None, init=False)
    _calls: OrderedDict[str, _Call] = field(default_factory=OrderedDict, init=False, repr=False)
    _over: OrderedDict[str, None] = field(default_factory=OrderedDict, init=False, repr=False)
    _waiting: OrderedDict[str, float] = field(default_factory=OrderedDict, init=False, repr=False)
    """Since when calls are both connected and subscribed and nothing came, in that order."""
    _queues: OrderedDict[str | None, _Row] = field(default_factory=OrderedDict, init=False, repr=False)
    _all: _Row = field(default_factory=_Row, init=False, repr=False)
    _silent_queues: set[str | None] = field(default_factory=set, init=False, repr=False)
    """Two at most of those with silent calls since anything was heard."""
    _lags: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS), init=False, repr=False)
    _late: bool = field(default=False, init=False, repr=False)
    _alarms: list[Alarm] = field(default_factory=list, init=False, repr=False)
    _middle: MidCall | None = field(default=None, init=False, repr=False)
    _middle_told: float | None = field(default=None, init=False, repr=False)

    def connected(self, conversation_id: str, queue_id: str | None, now: float) -> None:
        """Somebody talks on a voice call. May be told often: the first time counts, and the last queue."""
        self._over.pop(conversation_id, None)
        call = self._call(conversation_id)
        call.queue_id = queue_id
        if call.connected is not None:
            return
        call.connected = now
        if call.heard:
            self._queue_heard(queue_id)
        self._wait(conversation_id, call, now)

    def subscribed(self, conversation_id: str, now: float) -> None:
        """The platform has confirmed its transcription topic. Told again, it counts only after `unsubscribed`."""
        if conversation_id in self._over:
            return
        call = self._call(conversation_id)
        if call.subscribed is None:
            call.subscribed = now
            self._wait(conversation_id, call, now)

    def unsubscribed(self, conversation_id: str) -> None:
        """Its topic was dropped, or the channel of it lost: nothing is expected until it is subscribed again."""
        call = self._calls.get(conversation_id)
        if call is not None:
            call.subscribed = None
            self._excuse(conversation_id, call)

    def _quiet(self, row: _Row, now: float) -> bool:
        """Whether no message of anybody has come for as long as one call may be silent."""
        return row.heard_at is None or now - row.heard_at >= SILENT_AFTER_S

    def heard(self, conversation_id: str, lag_s: float | None, now: float, *, into_s: float | None = None) -> None:
        """A transcription message of it came, with or without words.

        Args:
            conversation_id: Whose.
            lag_s: Seconds from the end of its first words to their arrival; `None` when it has none, or does not say.
                The first words, because without low latency messages are groups, whose last words are young.
            now: When.
            into_s: Offset of those words from the session's beginning, in seconds; `None` as above.
        """
        if lag_s is not None:
            self._lags.append(lag_s)
        if conversation_id in self._over:
            return
        call = self._call(conversation_id)
        self._all.heard_at = now
        if call.connected is not None and (row := self._queues.get(call.queue_id)) is not None:
            row.heard_at = now
        if call.heard:
            return
        call.heard = True
        self._excuse(conversation_id, call)
        if call.connected is not None:
            self._queue_heard(call.queue_id)
        if self._all.hear():
            self._alarms.append(HeardAgain(None, everywhere=True))
        self._silent_queues.clear()
        if into_s is not None:
            self._from_the_middle(conversation_id, call, now - into_s - (lag_s or 0.0), into_s)

    def ended(self, conversation_id: str) -> None:
        """It is over: nothing more is expected of it, and what still comes of it says nothing."""
        call = self._calls.pop(conversation_id, None)
        if call is not None:
            self._excuse(conversation_id, call)
            self._over[conversation_id] = None
            if len(self._over) > CALLS:
                self._over.popitem(last=False)

    def look(self, now: float) -> list[Alarm]:
        """What a person should be told now, each thing once. Call it every few seconds."""
        while self._waiting:
            conversation_id, since = next(iter(self._waiting.items()))
            if now - since < SILENT_AFTER_S:
                break
            del self._waiting[conversation_id]
            self._fallen_silent(self._calls[conversation_id], now)
        self._look_at_lags()
        alarms, self._alarms = self._alarms, []
        told = self._middle_told
        if self._middle is not None and (told is None or now - told >= MID_CALL_EVERY_S):
            alarms.append(self._middle)
            self._middle, self._middle_told = None, now
        return alarms

    # Calls.

    def _call(self, conversation_id: str) -> _Call:
        call = self._calls.get(conversation_id)
        if call is None:
            call = self._calls[conversation_id] = _Call()
            if len(self._calls) > CALLS:
                oldest, gone = self._calls.popitem(last=False)
                self._excuse(oldest, gone)
        return call

    def _wait(self, conversation_id: str, call: _Call, now: float) -> None:
        if call.connected is not None and call.subscribed is not None and not call.heard:
            self._waiting[conversation_id] = now

    def _excuse(self, conversation_id: str, call: _Call) -> None:
        self._waiting.pop(conversation_id, None)
        if call.silent:
            call.silent = False
            self.silent -= 1

    def _from_the_middle(self, conversation_id: str, call: _Call, began: float, into_s: float) -> None:
        missed = call.subscribed is None or call.subscribed - began >= MISSED_S
        if missed and into_s >= MID_CALL_S:
            self.mid_call += 1
            before = self._middle.conversations if self._middle is not None else 0
            self._middle = MidCall(before + 1, conversation_id, into_s)

    # Queues.

    def _row(self, queue_id: str | None) -> _Row:
        row = self._queues.pop(queue_id, None) or _Row()
        self._queues[queue_id] = row
        if len(self._queues) > QUEUES:
            self._queues.popitem(last=False)
        return row

    def _queue_heard(self, queue_id: str | None) -> None:
        if self._row(queue_id).hear():
            self._alarms.append(HeardAgain(queue_id))

    def _fallen_silent(self, call: _Call, now: float) -> None:
        call.silent = True
        self.silent += 1
        row = self._row(call.queue_id)
        row.in_a_row += 1
        self._all.in_a_row += 1
        if len(self._silent_queues) < 2:
            self._silent_queues.add(call.queue_id)
        if len(self._silent_queues) > 1 and self._all.suspicious() and self._quiet(self._all, now):
            # Nothing is heard of any queue: one line for all, not one for each of hundreds.
            if self._all.say(now):
                self._alarms.append(Silent(None, self._all.in_a_row, everywhere=True))
        elif row.suspicious() and self._quiet(row, now) and row.say(now):
            self._alarms.append(Silent(call.queue_id, row.in_a_row))

    # Lag.

    def _look_at_lags(self) -> None:
        if not self._lags:
            return
        self.lag_s = lag = median(self._lags)
        if len(self._lags) < LAGS:
            return
        if not self._late and lag >= LATE_LAG_S:
            self._late = True
            self._alarms.append(Late(lag))
        elif self._late and lag <= PROMPT_LAG_S:
            self._late = False
            self._alarms.append(Prompt(lag))
