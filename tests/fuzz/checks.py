"""What must hold for every frame there is."""

from __future__ import annotations

import json

from genscribe.core.decode import transcripts
from genscribe.core.decode.transcripts import Decoded
from genscribe.events import Unreadable, Utterance, encode

from .frames import Case

RECEIVED = "2026-03-21T01:09:56.000Z"


def check(case: Case) -> Decoded:
    """Decodes a case. `AssertionError` when it lost, invented or spoiled something; any other exception is a fault."""
    decoded = transcripts.decode(case.payload, binary=case.binary, received_at=RECEIVED)
    said = [event.text for event in decoded.events if isinstance(event, Utterance)]
    heard = iter(said)
    assert all(text in heard for text in case.good), "a neighbour was lost"
    for event in decoded.events:
        body = encode(event)
        assert b"\\u0000" not in body or isinstance(event, Unreadable), "NUL in an event"
        assert len(event.key) == 32
        assert event.revision == 1
    if case.binary:
        assert [type(event) for event in decoded.events] == [Unreadable]
    if not decoded.events and not decoded.empty and not decoded.system:
        assert _holds_no_line(case.payload), "a line vanished"
    return decoded


def _holds_no_line(payload: str | bytes) -> bool:
    text = payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
    # Integers as text: Python refuses to read very long ones.
    frame = json.loads(text, parse_int=str)
    return isinstance(frame, dict) and frame.get("transcript") in (None, [])
