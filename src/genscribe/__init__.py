"""Live Genesys Cloud transcripts, committed and delivered.

async with genscribe.open_stream() as stream:
    async for utterance in stream:
        print(utterance.speaker, utterance.text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genscribe import errors
from genscribe.version import __version__

if TYPE_CHECKING:
    from genscribe.events import Conversation, Event, Gap, Participant, Utterance, Word
    from genscribe.reading import Filters, Store, open_store
    from genscribe.stream import Stream, open_stream

__all__ = [
    "Conversation",
    "Event",
    "Filters",
    "Gap",
    "Participant",
    "Store",
    "Stream",
    "Utterance",
    "Word",
    "__version__",
    "errors",
    "open_store",
    "open_stream",
]

_HOMES = {
    **dict.fromkeys(("Conversation", "Event", "Gap", "Participant", "Utterance", "Word"), "genscribe.events"),
    **dict.fromkeys(("Filters", "Store", "open_store"), "genscribe.reading"),
    **dict.fromkeys(("Stream", "open_stream"), "genscribe.stream"),
}


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used: `genscribe --help` must not wait for SQLite and HTTP."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genscribe' has no attribute {name!r}")
    import importlib

    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
