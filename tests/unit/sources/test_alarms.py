from __future__ import annotations

import pytest

from genscribe.core.watchdogs import Alarm, HeardAgain, Late, MidCall, Prompt, Silent
from genscribe.sources.alarms import of_alarm
from genscribe.telemetry import Happening
from genscribe.telemetry.watchdogs import (
    HeardInMidCall,
    LowLatencyOff,
    LowLatencyOn,
    TranscriptionHeard,
    TranscriptionSilent,
)

NAMES = {"q1": "Sales"}


@pytest.mark.parametrize(
    ("alarm", "happening"),
    [
        (Silent("q1", 3), TranscriptionSilent("Sales", 3)),
        (Silent("q2", 1), TranscriptionSilent("q2", 1)),
        (Silent(None, 1), TranscriptionSilent(None, 1)),
        (Silent(None, 9, everywhere=True), TranscriptionSilent(None, 9, everywhere=True)),
        (HeardAgain("q1"), TranscriptionHeard("Sales")),
        (HeardAgain(None, everywhere=True), TranscriptionHeard(None, everywhere=True)),
        (Late(34.0), LowLatencyOff(34.0)),
        (Prompt(3.0), LowLatencyOn(3.0)),
        (MidCall(2, "c", 90.0), HeardInMidCall(2, "c", 90.0)),
    ],
)
def test_ids_become_names(alarm: Alarm, happening: Happening) -> None:
    assert of_alarm(alarm, NAMES.get) == happening
