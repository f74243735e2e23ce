"""What routes an event is found in every kind of it, and what is no event is refused alone."""

from __future__ import annotations

import pytest

from genscribe.events import Record
from genscribe.sinks.base import RowsRejected
from genscribe.sinks.conformance import events
from genscribe.sinks.envelope import Envelope, envelope


def test_every_kind_has_one() -> None:
    found = {record.seq: envelope(record) for record in events(0)}
    assert found[2] == Envelope("full", 2, "c1")
    assert found[8] == Envelope("g1", 1, None)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"key":1}', b'{"key":"\xff"}', b'{"kind":"x"'])
def test_what_is_no_event(body: bytes) -> None:
    with pytest.raises(RowsRejected) as refused:
        envelope(Record(17, "utterance", body))
    assert list(refused.value.reasons) == [17]


def test_what_has_none_is_let_through() -> None:
    assert envelope(Record(1, "document", b'{"conversation":{}}')) == Envelope("", 1, None)
