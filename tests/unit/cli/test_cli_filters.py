"""What people type to narrow things down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from genscribe.cli.filters import Given, lets_through, moment
from genscribe.events import Conversation, Gap, Record, encode
from genscribe.store.queries import Filters
from tests.fakes import record

NOW = datetime(2026, 3, 21, 12, 0, 0, tzinfo=timezone.utc)  # 13:00 in Berlin


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2h", "2026-03-21T10:00:00+00:00"),
        ("90", "2026-03-21T11:58:30+00:00"),
        ("30d", "2026-02-19T12:00:00+00:00"),
        ("today", "2026-03-20T23:00:00+00:00"),
        ("Yesterday", "2026-03-19T23:00:00+00:00"),
        ("9:30", "2026-03-21T08:30:00+00:00"),
        ("09:30:05", "2026-03-21T08:30:05+00:00"),
        ("2026-03-21", "2026-03-20T23:00:00+00:00"),
        ("2026-07-01", "2026-06-30T22:00:00+00:00"),
        ("2026-03-21 14:30", "2026-03-21T13:30:00+00:00"),
        ("2026-03-21T14:30:15", "2026-03-21T13:30:15+00:00"),
        ("2026-03-21T14:30:15.225Z", "2026-03-21T14:30:15.225000+00:00"),
        ("2026-03-21T14:30z", "2026-03-21T14:30:00+00:00"),
        ("2026-03-21T14:30:15.1234567+05:30", "2026-03-21T09:00:15.123456+00:00"),
        ("2026-03-21T14:30:15-0800", "2026-03-21T22:30:15+00:00"),
    ],
)
def test_moments(text: str, utc: str) -> None:
    assert moment(text, round(NOW.timestamp() * 1000)) == datetime.fromisoformat(utc).timestamp()


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "25:00", "2026-03-21T", "-2h", "2h ago", "1e9", "9" * 30])
def test_no_moments(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        moment(text, round(NOW.timestamp() * 1000))


class Store:
    """Knows two conversations."""

    def conversation_ids(self, beginning: str, *, limit: int = 10) -> list[str]:
        return [name for name in ("abc-1", "abd-2") if name.startswith(beginning)]


def test_the_beginning_of_an_id_stands_for_all_that_begin_so() -> None:
    given = Given(conversations=("ab", "zzz"))
    filters = given.resolve(Store())  # type: ignore[arg-type]
    assert filters.conversation_ids == {"abc-1", "abd-2", "zzz"}
    assert Given().resolve(Store()) == Filters()  # type: ignore[arg-type]


GAP = Record(
    2,
    "gap",
    encode(Gap[str](key="g", revision=1, started_at="2026-03-21T01:09:05.000Z", ended_at=None, reason="late")),
)
GAP_OF_C = Record(
    3,
    "gap",
    encode(
        Gap[str](
            key="g",
            revision=1,
            started_at="2026-03-21T01:09:05.000Z",
            ended_at=None,
            reason="late",
            conversation_ids=["c"],
        )
    ),
)
CONVERSATION = Record(4, "conversation", encode(Conversation[str]("k", 1, "c", "started", media_type="message")))
SAID = record(5)  # by the agent, in c, by voice, at 01:09:05


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        (Filters(), {2, 3, 4, 5}),
        (Filters(since="2026-03-21T01:09:05.000Z"), {2, 3, 5}),
        (Filters(since="2026-03-21T01:09:05.001Z"), set()),
        (Filters(until="2026-03-21T01:09:05.000Z"), set()),
        (Filters(until="2026-03-21T01:09:05.001Z"), {2, 3, 5}),
        (Filters(conversation_ids=frozenset({"c"})), {2, 3, 4, 5}),
        (Filters(conversation_ids=frozenset({"d"})), {2}),
        (Filters(media_types=frozenset({"voice"})), {2, 3, 5}),
        (Filters(media_types=frozenset({"chat"})), {2, 3, 4}),
        (Filters(speakers=frozenset({"agent"})), {2, 3, 5}),
        (Filters(speakers=frozenset({"customer"})), {2, 3}),
    ],
)
def test_what_passes(filters: Filters, passing: set[int]) -> None:
    assert {row.seq for row in (GAP, GAP_OF_C, CONVERSATION, SAID) if lets_through(filters, row)} == passing
