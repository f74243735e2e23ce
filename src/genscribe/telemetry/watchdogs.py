"""What the watchdogs find; `sources/alarms.py` makes these of what `core/watchdogs.py` finds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from genscribe.telemetry import admin
from genscribe.telemetry.notifications import OfDiscovery


@dataclass(frozen=True)
class TranscriptionSilent(OfDiscovery):
    """Calls are connected and subscribed for two minutes, and nothing comes.

    Attributes:
        queue: The queue's name; `None` = calls outside queues.
        calls: The last calls, none of which was heard.
        everywhere: Calls of all queues; `queue` says nothing then.
    """

    level: ClassVar[int] = logging.WARNING

    queue: str | None
    calls: int
    everywhere: bool = False

    def __str__(self) -> str:
        where = admin.TRANSCRIPTION
        if self.queue is not None and not self.everywhere:
            where = f"{admin.queue(self.queue)}, and {where}"
        calls = "the last call" if self.calls == 1 else f"the last {self.calls} calls"
        return (
            f"transcription may be off {_whose(self.queue, everywhere=self.everywhere)}: in two minutes not one "
            f"transcription message came of {calls}, though connected and subscribed. Look at {where}; a flow may "
            "switch it too."
        )


@dataclass(frozen=True)
class TranscriptionHeard(OfDiscovery):
    """What was said to be silent is heard again; attributes as above."""

    queue: str | None
    everywhere: bool = False

    def __str__(self) -> str:
        return f"transcription comes again {_whose(self.queue, everywhere=self.everywhere)}."


def _whose(queue: str | None, *, everywhere: bool) -> str:
    if everywhere:
        return "for the whole organisation"
    return "for calls outside queues" if queue is None else f"for queue {queue}"


@dataclass(frozen=True)
class LowLatencyOff(OfDiscovery):
    """Text comes about 35 s after speech, as it does while low latency is off. Said once until it changes."""

    level: ClassVar[int] = logging.WARNING

    lag_s: float

    def __str__(self) -> str:
        return (
            f"text comes {self.lag_s:.0f} s after speech (median): Low Latency Transcription looks off. Switch it on: "
            f"{admin.LOW_LATENCY}."
        )


@dataclass(frozen=True)
class LowLatencyOn(OfDiscovery):
    """Text comes soon again, after `LowLatencyOff`."""

    lag_s: float

    def __str__(self) -> str:
        return f"text comes {self.lag_s:.1f} s after speech (median) again."


@dataclass(frozen=True)
class HeardInMidCall(OfDiscovery):
    """The first that came of these conversations was said long after their beginning, which was before our topic."""

    conversations: int
    latest_id: str
    into_s: float

    def __str__(self) -> str:
        these = "conversation was" if self.conversations == 1 else "conversations were"
        return (
            f"{self.conversations} {these} heard only in mid-call, the last ({self.latest_id}) {self.into_s:.0f} s "
            "into it: it began before its topic was subscribed. The platform does not repeat what was said before."
        )
