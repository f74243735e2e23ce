from __future__ import annotations

import pytest

from genscribe.cli.stream import refuse_later
from genscribe.errors import UsageError
from genscribe.settings import load


@pytest.mark.parametrize("source", ["auto", "notifications"])
@pytest.mark.parametrize("option", ["queues", "exclude_queues"])
def test_queues_are_for_the_source_notifications(source: str, option: str) -> None:
    refuse_later(load({"source": source, option: ("Sales",)}, environ={}))
    with pytest.raises(UsageError, match="need the source notifications"):
        refuse_later(load({"source": "transcripts", option: ("Sales",)}, environ={}))
