"""Times as text, to count with."""

from __future__ import annotations

from datetime import datetime


def epoch_ms(text: str) -> int:
    """Epoch milliseconds of a time in the store's form."""
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
