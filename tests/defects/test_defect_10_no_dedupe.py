"""Defect 10 of the tutorial, its first part: what comes twice, as after every reconnect, is taken twice."""

from __future__ import annotations

import json

from genscribe.core.decode import transcripts
from genscribe.core.dedupe import Window, content_of

LINES = [
    {"timestamp": f"2026-03-21T01:09:5{n}.000Z", "speaker": "agent", "text": text}
    for n, text in enumerate(["hello", "yes", "yes", "goodbye"])
]


def take(window: Window, lines: list[dict[str, str]], *, received_at: str) -> list[str]:
    """What is new of the lines, each of them in a frame of its own."""
    taken = []
    for line in lines:
        frame = json.dumps({"conversationId": "c", "mediaType": "voice", "transcript": [line]})
        for event in transcripts.decode(frame, binary=False, received_at=received_at).events:
            if window.judge(event.key, event.revision, content_of(event), 0.0) is not None:
                taken.append(line["text"])
    return taken


def test_what_comes_again_over_another_connection_is_taken_once() -> None:
    window = Window()
    assert take(window, LINES[:3], received_at="2026-03-21T01:10:00.000Z") == ["hello", "yes", "yes"]
    again = [LINES[3], *reversed(LINES)]
    assert take(window, again, received_at="2026-03-21T01:10:09.000Z") == ["goodbye"]
