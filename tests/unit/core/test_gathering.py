"""When a conversation is over, where the cursor stands meanwhile, and what its document says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genscribe.core.batches import Batch
from genscribe.core.documents import Documents
from genscribe.core.feeds import Moment
from genscribe.core.gathering import FORGOTTEN_S, LATE_S, MARGIN_S, Gathering
from genscribe.events import Conversation, Gap, Participant, Record, Utterance, Word, encode
from genscribe.settings.parameters import SinkFilters

BEGAN_MS = 1_774_051_200_000  # 2026-03-21T00:00:00.000Z
IDLE_S = 600.0


def at(seconds: float) -> str:
    whole = int(seconds)
    return f"2026-03-21T{whole // 3600:02d}:{whole // 60 % 60:02d}:{seconds % 60:06.3f}Z"


def line(seq: int, came_s: float, conversation: str | None = "c", **fields: Any) -> Record:
    fields = {"spoken_at": at(came_s), "received_at": at(came_s), "text": f"line {seq}", **fields}
    return Record(
        seq, "utterance", encode(Utterance[str](key=f"k{seq}", revision=1, conversation_id=conversation, **fields))
    )


def told(seq: int, state: str, at_s: float, conversation: str = "c", **fields: Any) -> Record:
    event = Conversation[str](f"{conversation}:{state}", 1, conversation, state, at=at(at_s), **fields)
    return Record(seq, "conversation", encode(event))


def joined(seq: int, conversation: str = "c", **fields: Any) -> Record:
    return Record(seq, "participant", encode(Participant[str](f"{conversation}:p{seq}", 1, conversation, **fields)))


def gap(seq: int, begin_s: float, end_s: float, ids: list[str] | None = None) -> Record:
    return Record(seq, "gap", encode(Gap[str](f"g{seq}", 1, at(begin_s), at(end_s), "disconnected", None, ids)))


def moment(seconds: float, *, more: bool = False, ending: bool = False) -> Moment:
    return Moment(seconds, BEGAN_MS + round(seconds * 1000), more, ending)


def gathered(*rows: Record, now_s: float, after: int = 0) -> Gathering:
    feed = Gathering(after, IDLE_S)
    feed.add(rows, rows[-1].seq, moment(now_s))
    return feed


def due(batches: list[Batch]) -> list[str | None]:
    return [each.ended for each in batches]


def test_a_conversation_is_over_some_seconds_after_its_end() -> None:
    feed = gathered(told(1, "started", 0), line(2, 5), told(3, "ended", 10), line(4, 12), joined(5), now_s=12)
    assert feed.ready(moment(12)) == []
    over_s = 12 + LATE_S + MARGIN_S
    assert feed.wait_s(moment(12)) == over_s - 12
    assert feed.ready(moment(over_s - 0.01)) == []
    (batch,) = feed.ready(moment(over_s))
    assert (batch.ended, batch.known_to, batch.upto) == ("c", 4, 5)
    assert feed.wait_s(moment(over_s)) is None


def test_without_a_word_of_its_start_silence_is_its_end() -> None:
    feed = gathered(line(1, 5), now_s=5)
    over_s = 5 + IDLE_S + MARGIN_S
    assert due(feed.ready(moment(over_s - 1))) == []
    feed.add([line(2, 100)], 2, moment(100))
    assert feed.ready(moment(over_s)) == []
    assert due(feed.ready(moment(over_s + 95))) == ["c"]


def test_one_that_started_may_be_silent_for_long() -> None:
    feed = gathered(told(1, "started", 0), line(2, 5), now_s=5)
    assert feed.ready(moment(5 + 3600)) == []
    assert due(feed.ready(moment(5 + FORGOTTEN_S + MARGIN_S))) == ["c"]


def test_the_cursor_stays_before_the_oldest_that_is_open() -> None:
    feed = gathered(gap(1, 0, 1), line(2, 5, "a"), line(3, 5, "b"), told(4, "ended", 6, "b"), now_s=6)
    (first,) = feed.ready(moment(6))
    assert (first.ended, first.upto) == (None, 1)
    (second,) = feed.ready(moment(60))
    assert (second.ended, second.upto) == ("b", 1)
    feed.add([told(5, "ended", 61, "a")], 5, moment(61))
    (third,) = feed.ready(moment(99))
    assert (third.ended, third.known_to, third.upto) == ("a", 5, 5)


def test_every_event_is_counted_once() -> None:
    rows = [gap(1, 0, 1), line(3, 5), line(4, 5, None), line(5, 5, is_final=False), joined(6), told(7, "ended", 6)]
    made = gathered(*rows, now_s=6).ready(moment(60))
    assert due(made) == ["c"]
    assert sum(each.filtered for each in made) == 4
    assert sum(each.purged for each in made) == 1
    assert sum(each.gathered for each in made) == 2 - 1, "the document counts for one"


def test_a_backlog_is_gathered_by_its_own_time() -> None:
    feed = Gathering(0, IDLE_S)
    day = 86400.0
    feed.add([line(1, 5), line(2, 100)], 2, moment(day, more=True))
    assert due(feed.ready(moment(day, more=True))) == []
    feed.add([line(3, 5000, "d")], 3, moment(day, more=True))
    assert due(feed.ready(moment(day, more=True))) == ["c"]
    assert due(feed.ready(moment(day))) == ["d"]


def test_what_comes_later_opens_it_again() -> None:
    feed = gathered(line(1, 5), told(2, "ended", 6), now_s=6)
    assert due(feed.ready(moment(60))) == ["c"]
    feed.add([line(3, 61)], 3, moment(61))
    assert due(feed.ready(moment(700))) == ["c"]


def test_participants_who_leave_after_the_end_open_nothing() -> None:
    feed = gathered(line(1, 5), told(2, "ended", 6), now_s=6)
    feed.ready(moment(60))
    feed.add([joined(3, left_at=at(61))], 3, moment(61))
    assert due(feed.ready(moment(9999))) == [None]


def test_an_end_waits_for_nobody() -> None:
    feed = gathered(line(1, 5), now_s=5)
    assert feed.ready(moment(6, ending=True)) == []


# --- the document -----------------------------------------------------------------------------------------------------


CALL = [
    told(1, "started", 0, media_type="voice", direction="inbound", queue_id="q"),
    gap(2, -0.0, 3),
    joined(3, purpose="customer"),
    joined(4, purpose="agent", queue_id="q", queue_name="Sales"),
    line(5, 20, spoken_at=at(18), speaker="agent", queue_id="q", words=[Word("line")]),
    line(6, 21, spoken_at=at(17), speaker="customer", queue_id="q", text="I want to cancel"),
    gap(7, 19, 20, ["other"]),
    gap(8, 19, 20, ["c", "other"]),
    told(9, "ended", 30, media_type="voice"),
    gap(10, 31, 40),
]


def document(*rows: Record, filters: SinkFilters | None = None) -> dict[str, Any] | None:
    documents = Documents(filters or SinkFilters(), IDLE_S)
    record = documents.document("c", rows)
    if record is None:
        return None
    assert record.kind == "transcript"
    found: dict[str, Any] = json.loads(record.json())
    assert found["seq"] == record.seq
    return found


def test_a_document_has_everything() -> None:
    found = document(*CALL)
    assert found is not None
    assert list(found) == [
        "kind", "seq", "key", "revision", "conversation_id", "conversation", "participants", "lines", "gaps",
    ]  # fmt: skip
    assert [found[name] for name in ("kind", "seq", "key", "revision")] == ["transcript", 9, "c:transcript", 1]
    assert found["conversation"] == {
        "media_type": "voice",
        "queue_id": "q",
        "queue_name": "Sales",
        "direction": "inbound",
        "started_at": at(0),
        "ended_at": at(30),
        "first_spoken_at": at(17),
        "last_spoken_at": at(18),
    }
    assert [one["seq"] for one in found["participants"]] == [3, 4]
    assert [one["seq"] for one in found["lines"]] == [6, 5]
    assert [one["seq"] for one in found["gaps"]] == [2, 8]
    assert found["lines"][1]["words"]


def test_a_document_of_a_source_that_tells_no_ends() -> None:
    found = document(line(1, 20, media_type="chat"), line(2, 10))
    assert found is not None
    whole = found["conversation"]
    assert (whole["media_type"], whole["started_at"], whole["ended_at"]) == ("chat", None, None)
    assert [one["seq"] for one in found["lines"]] == [2, 1]


@pytest.mark.parametrize(
    ("filters", "lines"),
    [
        (SinkFilters(match=("cancel",)), [6, 5]),
        (SinkFilters(match=("lawyer",)), None),
        (SinkFilters(speakers=frozenset({"agent"})), [5]),
        (SinkFilters(speakers=frozenset({"agent"}), match=("cancel",)), None),
        (SinkFilters(queues=("Sales",)), [6, 5]),
        (SinkFilters(queues=("Support",)), None),
        (SinkFilters(media_types=frozenset({"chat"})), None),
        (SinkFilters(words=False), [6, 5]),
    ],
)
def test_filters_choose_lines_and_match_chooses_conversations(filters: SinkFilters, lines: list[int] | None) -> None:
    found = document(*CALL, filters=filters)
    assert (found and [one["seq"] for one in found["lines"]]) == lines
    if found and not filters.words:
        assert found["lines"][1]["words"] is None


def test_a_conversation_in_which_nothing_was_said() -> None:
    silent = [told(1, "started", 0), told(2, "ended", 5)]
    found = document(*silent)
    assert found is not None
    assert found["lines"] == []
    assert document(*silent, filters=SinkFilters(match=("x",))) is None
    assert document() is None


@pytest.mark.parametrize(
    ("rows", "revision"),
    [
        ([line(1, 0), line(2, 500)], 1),
        ([line(1, 0), line(2, 700)], 2),
        ([line(1, 0), line(2, 700), line(3, 1400)], 3),
        ([told(1, "started", 0), line(2, 0), line(3, 5000)], 1),
        ([told(1, "started", 0), line(2, 0), told(3, "ended", 5000), line(4, 5000 + LATE_S)], 1),
        ([told(1, "started", 0), line(2, 0), told(3, "ended", 5000), line(4, 5001 + LATE_S)], 2),
        ([line(1, 0), told(2, "ended", 5), line(3, 10), line(4, 20), line(5, 30)], 1),
        ([line(1, 0), told(2, "ended", 5), line(3, 10), line(4, 30), line(5, 50)], 3),
        ([line(1, 0), told(2, "ended", 800)], 1),
        ([line(1, 0), told(2, "ended", 800), line(3, 801)], 2),
    ],
)
def test_what_was_said_after_it_was_due_is_a_revision(rows: list[Record], revision: int) -> None:
    found = document(*rows)
    assert found is not None
    assert found["revision"] == revision


@pytest.mark.parametrize("pauses", [(1, 30, 30), (700, 1, 700), (20, 20), (14, 14), (4000, 16, 1)])
@pytest.mark.parametrize("ended_after", [0, 1, 9])
def test_a_document_that_differs_has_a_higher_revision(pauses: tuple[float, ...], ended_after: int) -> None:
    """Whatever came when, what is written next under the key replaces what was written before."""
    came, rows = 0.0, []
    for pause in (0.0, *pauses):
        came += pause
        rows.append(line(len(rows) + 1, came))
        if len(rows) == ended_after:
            rows.append(told(len(rows) + 1, "ended", came))
    feed, written, known = Gathering(0, IDLE_S), [], []
    times = iter([*rows, None])
    upcoming = next(times)
    for second in range(12000):
        now = moment(second)
        while upcoming is not None and json.loads(upcoming.body).get("received_at", at(0)) <= at(second):
            feed.add([upcoming], upcoming.seq, now)
            known.append(upcoming)
            upcoming = next(times)
        for batch in feed.ready(now):
            if batch.ended is not None:
                found = document(*known)
                assert found is not None
                written.append((found["revision"], found["lines"]))
    revisions = [revision for revision, _ in written]
    assert revisions == sorted(set(revisions)), "each higher than the one before"
    assert len(written[-1][1]) == len(pauses) + 1
