"""For those who test against genscribe.

In `conftest.py`: `from genscribe.testing import genesys_cloud`. In a test, `genesys_cloud.settings()` is the
environment that points genscribe at the stand-in, `.say("how can i help")` says a line to every connection,
`.fault("drop")` orders a fault, `.end(...)` ends a conversation. `await check_sink(make_sink)` says whether a sink of
yours keeps the contract.
"""

from __future__ import annotations

from collections.abc import Iterator

from genscribe.emulator.thread import GenesysCloud, running
from genscribe.sinks.conformance import check_sink

try:
    import pytest
except ImportError as missing:
    raise ImportError("genscribe.testing needs pytest: pip install pytest") from missing

__all__ = ["GenesysCloud", "check_sink", "genesys_cloud"]


@pytest.fixture
def genesys_cloud() -> Iterator[GenesysCloud]:
    """A stand-in of Genesys Cloud on a free port, in a thread of its own, for one test."""
    with running() as cloud:
        yield cloud
