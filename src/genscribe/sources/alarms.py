"""What the watchdogs find, as happenings: ids become names."""

from __future__ import annotations

from collections.abc import Callable

from genscribe.core.watchdogs import Alarm, HeardAgain, Late, MidCall, Prompt, Silent
from genscribe.telemetry import Happening
from genscribe.telemetry.watchdogs import (
    HeardInMidCall,
    LowLatencyOff,
    LowLatencyOn,
    TranscriptionHeard,
    TranscriptionSilent,
)


def of_alarm(alarm: Alarm, name_of: Callable[[str], str | None]) -> Happening:
    """The happening of an alarm.

    Args:
        alarm: What `Watch.look` returned.
        name_of: A queue's name by its id; `None` when it is not known, and then the id stands for it.
    """
    if isinstance(alarm, Silent):
        return TranscriptionSilent(_name(alarm.queue_id, name_of), alarm.calls, alarm.everywhere)
    if isinstance(alarm, HeardAgain):
        return TranscriptionHeard(_name(alarm.queue_id, name_of), alarm.everywhere)
    if isinstance(alarm, Late):
        return LowLatencyOff(alarm.lag_s)
    if isinstance(alarm, Prompt):
        return LowLatencyOn(alarm.lag_s)
    assert isinstance(alarm, MidCall)
    return HeardInMidCall(alarm.conversations, alarm.latest_id, alarm.into_s)


def _name(queue_id: str | None, name_of: Callable[[str], str | None]) -> str | None:
    return None if queue_id is None else name_of(queue_id) or queue_id
