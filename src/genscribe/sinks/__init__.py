"""What a sink of your own is made of; and ours, one file a destination.

These names stay. Everything else in this package is ours to change.
"""

from __future__ import annotations

from genscribe.events import Position, Record, decode
from genscribe.settings.sinks import SinkSetting
from genscribe.sinks.base import (
    KeepsPosition,
    Looks,
    Means,
    Reaches,
    Reopens,
    RowsRejected,
    Sink,
    SinkMisconfigured,
    SinkUnavailable,
    Tidies,
)

__all__ = [
    "KeepsPosition",
    "Looks",
    "Means",
    "Position",
    "Reaches",
    "Record",
    "Reopens",
    "RowsRejected",
    "Sink",
    "SinkMisconfigured",
    "SinkSetting",
    "SinkUnavailable",
    "Tidies",
    "decode",
]
