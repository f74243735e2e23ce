"""A call as it is played: who says what, when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Utterance:
    """What one speaker says in one breath.

    Attributes:
        offset_ms: When it begins, from the start of the call; `duration_ms` is how long it takes.
        delay_ms: From its end to the moment the platform sends it.
        type: `final`, or `system` for a line that no person said.
    """

    speaker: str
    text: str
    offset_ms: int
    duration_ms: int = 0
    delay_ms: int = 1500
    type: str = "final"

    @property
    def due_ms(self) -> int:
        """When the platform sends it, from the start of the call."""
        return self.offset_ms + self.duration_ms + self.delay_ms


@dataclass(frozen=True)
class Call:
    """One conversation. `starts_ms` counts from the start of the script, negative when it is in progress by then.

    `language` is the dialect that is spoken in it.
    """

    id: str
    utterances: tuple[Utterance, ...]
    media_type: str = "voice"
    topic: str = ""
    starts_ms: int = 0
    language: str = "en-US"

    @property
    def duration_ms(self) -> int:
        """From the start until the last word is sent."""
        return max((said.due_ms for said in self.utterances), default=0)
