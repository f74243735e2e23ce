"""A second reading of the platform's documents, to develop, demonstrate and test against.

It imports nothing of what it tests: a misreading in the decoder must not be mirrored here.
"""

from genscribe.emulator.calls import Call, Utterance
from genscribe.emulator.faults import FAULTS
from genscribe.emulator.platform import DEFAULT_CONVERSATION, Line
from genscribe.emulator.recorded import load_calls
from genscribe.emulator.script import arrange, play, schedule
from genscribe.emulator.server import Emulator

__all__ = [
    "DEFAULT_CONVERSATION",
    "FAULTS",
    "Call",
    "Emulator",
    "Line",
    "Utterance",
    "arrange",
    "load_calls",
    "play",
    "schedule",
]
