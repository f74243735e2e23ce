"""Defect 9 of the tutorial: one `null` text aborts the rest of its batch; a list, a string or a binary frame too;
malformed frames are lost with a log line."""

from __future__ import annotations

import json

import pytest

from genscribe.core.decode import transcripts
from genscribe.events import Unreadable, Utterance


def hear(payload: str | bytes) -> tuple[list[str], list[bytes]]:
    """What was said in a message, and what of it is listed as unreadable."""
    decoded = transcripts.decode(payload, binary=isinstance(payload, bytes), received_at="2026-03-21T01:09:56.000Z")
    said = [event.text for event in decoded.events if isinstance(event, Utterance)]
    kept = [event.raw for event in decoded.events if isinstance(event, Unreadable)]
    return said, [raw for raw in kept if isinstance(raw, bytes)]


def batch(*lines: object) -> str:
    return json.dumps({"conversationId": "c", "mediaType": "voice", "transcript": lines})


BEFORE, AFTER = {"speaker": "agent", "text": "before"}, {"speaker": "customer", "text": "after"}


def test_one_null_text_does_not_abort_its_batch() -> None:
    assert hear(batch(BEFORE, {"speaker": "agent", "text": None}, AFTER)) == (["before", "after"], [])


@pytest.mark.parametrize("bad", [None, [], "a string", 17, {"text": ["a"]}, {"text": 17}, {"text": "a", "speaker": {}}])
def test_one_bad_line_does_not_abort_its_batch(bad: object) -> None:
    assert hear(batch(BEFORE, bad, AFTER)) == (["before", "after"], [json.dumps(bad).encode()])


@pytest.mark.parametrize(
    "payload", ["[]", '["a"]', '"a string"', "null", "not json", '{"transcript":"a"}', b"\x00\xff", b"{}"]
)
def test_a_frame_that_cannot_be_read_is_kept_and_not_only_logged(payload: str | bytes) -> None:
    assert hear(payload) == ([], [payload.encode() if isinstance(payload, str) else payload])
