"""The data API over a real store and a real connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import apsw
import httpx2
import pytest

from genscribe import clock
from genscribe.events import Conversation, Event, Gap, Participant, Utterance, encode
from genscribe.store.journal import Journal
from genscribe.store.reader import Reader
from genscribe.telemetry import Telemetry
from genscribe.web import conversations, talk, wire
from genscribe.web.cards import Card, known_to
from genscribe.web.missing import MOST_GAPS, concerning
from tests.unit.web.serving import client, serving

pytestmark = pytest.mark.anyio

NOW = clock.wall_ms()
ODD = 'a/b?c#d"é\u202e'
HOSTILE = "<script>alert(1)</script> \x1b[31m\u202egnp.exe refund"


def at(seconds: float) -> str:
    """A time, in seconds from a minute ago."""
    return clock.iso(NOW - 60_000 + int(seconds * 1000))


def line(key: str, text: str, conversation: str | None = "c1", **rest: Any) -> Event[str]:
    known = {"revision": 1, "media_type": "voice", "speaker": "agent", "spoken_at": at(10), "received_at": at(11)}
    return Utterance(key=key, conversation_id=conversation, text=text, **{**known, **rest})


def turn(conversation: str, state: str, when: str, **rest: Any) -> Event[str]:
    key = f"{conversation}:{state}"
    return Conversation(key=key, revision=1, conversation_id=conversation, state=state, at=when, **rest)


def person(conversation: str, who: str, purpose: str, **rest: Any) -> Event[str]:
    key = f"{conversation}:{who}"
    return Participant(key=key, revision=1, conversation_id=conversation, participant_id=who, purpose=purpose, **rest)


EVENTS: list[Event[str]] = [
    turn("c1", "started", at(0), media_type="voice", queue_id="q1", direction="inbound"),
    person("c1", "p1", "customer", joined_at=at(0)),
    person("c1", "p2", "agent", user_id="u2", user_name="Zoë", joined_at=at(9)),
    person("c1", "p3", "agent", user_id="u1", user_name=None, joined_at=at(5), queue_id="q2", queue_name="Sales"),
    line("k1", "i would like a refund", speaker="customer", participant_id="p1", spoken_at=at(2), duration_ms=900),
    line("k3", "third", spoken_at=at(8), user_id="u2", participant_id="p2", revision=0, is_final=False),
    line("k2", "of course", spoken_at=at(5), user_id="u2", participant_id="p2"),
    turn("c2", "started", at(20), media_type="message", queue_id="q2"),
    line("m1", HOSTILE, "c2", media_type="message", speaker="customer", spoken_at=at(21)),
    line("m2", "x" * 5000, "c2", media_type="message", speaker="bot", spoken_at=at(22)),
    turn("c2", "ended", at(30), media_type="message"),
    line("o1", "odd refund", ODD, spoken_at=at(40)),
    line("n1", "refund of nobody", None, spoken_at=at(41)),
    Gap(key="g1", revision=1, started_at=at(3), ended_at=at(4), reason="disconnected"),
    Gap(key="g2", revision=1, started_at=at(1), ended_at=at(2), reason="late", conversation_ids=["c2"]),
    Gap(key="g3", revision=1, started_at=at(-900), ended_at=at(-800), reason="stopped"),
]


@asynccontextmanager
async def recording(path: Path, events: list[Event[str]]) -> AsyncIterator[Journal]:
    """A store that somebody writes, with these events."""
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        await record(journal, events)
        yield journal


async def record(journal: Journal, events: list[Event[str]]) -> None:
    journal.append([(event.kind, encode(event), None) for event in events])
    await journal.flush()
    with Reader.open(journal.path) as reader:
        while reader.ask(known_to) < journal.head:
            await anyio.sleep(0.002)


async def stored(path: Path, events: list[Event[str]]) -> Path:
    """A store that nobody writes any more."""
    async with recording(path, events):
        return path


@pytest.fixture
async def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    monkeypatch.setattr(clock, "wall_ms", lambda: NOW)  # what goes on ends when nothing was heard for ten minutes
    path = tmp_path / "s.db"
    async with (
        recording(path, EVENTS),
        serving(path) as page,
        client(page) as made,
    ):
        yield made


async def got(ask: httpx2.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await ask.get(f"/api/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def ids(found: Any) -> list[str]:
    return [card["id"] for card in found["conversations"]]


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_all_conversations_newest_begun_first(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, "conversations")
    assert ids(found) == [ODD, "c2", "c1"]
    assert (found["head"], found["next"]) == (len(EVENTS), None)
    card = found["conversations"][2]
    assert card["lines"] == 2, "what may still change is not counted"
    assert card["last"]["key"] == "k3", "but it is what was said last"
    assert card["last"]["is_final"] is False
    assert card["agents"] == [{"id": "u1", "name": None}, {"id": "u2", "name": "Zoë"}], "in order of joining"
    assert card["queues"] == [{"id": "q1", "name": None}, {"id": "q2", "name": "Sales"}], "the first is the call's own"
    assert (card["first_spoken_at"], card["last_spoken_at"]) == (at(2), at(8))
    assert (card["queue_id"], card["direction"], card["started_at"]) == ("q1", "inbound", at(0))


async def test_pages_of_a_list(ask: httpx2.AsyncClient) -> None:
    first = await got(ask, "conversations", limit=2)
    assert ids(first) == [ODD, "c2"]
    second = await got(ask, "conversations", limit=2, before=first["next"])
    assert (ids(second), second["next"]) == (["c1"], None)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"live": "yes"}, [ODD, "c1"]),
        ({"live": "no"}, ["c2"]),
        ({"live": "yes", "limit": 1}, [ODD]),
        ({"queue": "q1"}, ["c1"]),
        ({"queue": "q2"}, ["c2", "c1"]),
        ({"queue": ["q1", "nope"]}, ["c1"]),
        ({"agent": "u1"}, ["c1"]),
        ({"agent": "u1", "live": "yes"}, ["c1"]),
        ({"agent": "nobody"}, []),
        ({"media_type": "chat"}, ["c2"]),
        ({"media_type": "voice"}, [ODD, "c1"]),
        ({"speaker": "bot"}, ["c2"]),
        ({"speaker": "customer", "live": "yes"}, ["c1"]),
        ({"since": at(30)}, [ODD]),
        ({"until": at(15)}, ["c1"]),
        ({"since": at(15), "until": at(35), "live": "no"}, ["c2"]),
        ({"unknown": "x", "queue": ""}, [ODD, "c2", "c1"]),
    ],
)
async def test_filters_of_a_list(ask: httpx2.AsyncClient, parameters: dict[str, Any], expected: list[str]) -> None:
    assert ids(await got(ask, "conversations", **parameters)) == expected


async def test_a_filter_that_lets_nothing_through_says_where_to_go_on(
    ask: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "SLICE", 1)
    monkeypatch.setattr(conversations, "BUDGET_S", 0.0)
    seen: list[str] = []
    before = None
    for _ in range(10):
        found = await got(ask, "conversations", queue="q1", **({} if before is None else {"before": before}))
        seen += ids(found)
        before = found["next"]
        if before is None:
            break
    else:
        pytest.fail("no end")
    assert seen == ["c1"]


# --- one --------------------------------------------------------------------------------------------------------------


async def test_one_conversation(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, "conversations/c1")
    assert [each["key"] for each in found["lines"]] == ["k1", "k2", "k3"], "as it was spoken"
    assert not {"words", "source", "emitted_at"} & set(found["lines"][0])
    assert found["lines"][2]["is_final"] is False
    assert [each["participant_id"] for each in found["participants"]] == ["p1", "p2", "p3"]
    assert all(each["seq"] for each in [*found["participants"], *found["lines"], *found["gaps"]])
    assert [gap["key"] for gap in found["gaps"]] == ["g1"], "not another's, not one before it"
    assert (found["earlier"], found["head"]) == (0, len(EVENTS))
    assert found["conversation"]["last"]["key"] == "k3"


def gap(begin: float, end: float | None, *ids: str) -> Gap[str]:
    return Gap(
        key=f"g{begin}",
        revision=1,
        started_at=at(begin),
        ended_at=None if end is None else at(end),
        reason="disconnected",
        conversation_ids=list(ids) or None,
    )


def test_which_gaps_concern_a_conversation() -> None:
    card = Card("c1", 1, "voice", None, None, None, at(0), at(100))
    gaps = [gap(-9, -1), gap(-9, 1), gap(50, 60, "c2"), gap(50, 60, "c2", "c1"), gap(99, None), gap(101, 102)]
    others = [gap(50 + n / 1000, 60, "c3") for n in range(MOST_GAPS)]  # they take nothing of what may be shown
    db = apsw.Connection(":memory:")
    db.execute("create table gaps (seq, key, started_at, ended_at, reason, source, conversation_ids)")

    def tell(*told: Gap[str]) -> None:
        rows = [
            (
                1,
                one.key,
                one.started_at,
                one.ended_at,
                one.reason,
                one.source,
                one.conversation_ids and json.dumps(one.conversation_ids),
            )
            for one in told
        ]
        db.executemany("insert into gaps values (?, ?, ?, ?, ?, ?, ?)", rows)

    def found(now_ms: int) -> list[str]:
        return [one.key for one in concerning(db, card, now_ms)]

    tell(*others, *gaps[::-1])
    assert found(NOW) == [gaps[1].key, gaps[3].key, gaps[4].key]
    card.ended_at = None
    assert found(NOW + 200_000)[-1] == gaps[5].key, "it may still go on"
    card.started_at, card.first_spoken_at, card.last_spoken_at = None, at(0), at(90)
    tell(gap(90 + 700, None))
    assert found(NOW + 5_000_000)[-1] == gaps[5].key, "its end may be what was missed"
    db.close()


async def test_an_id_may_hold_anything(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, f"conversations/{quote(ODD, safe='')}")
    assert found["conversation"]["id"] == ODD
    assert [each["text"] for each in found["lines"]] == ["odd refund"]


async def test_a_long_text_is_cut_in_the_page_and_whole_in_a_file(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, "conversations/c2")
    assert [(len(each["text"]), each["cut"]) for each in found["lines"]][1] == (wire.MAX_TEXT, True)
    assert "x" * 5000 in (await ask.get("/api/conversations/c2?format=txt")).text


async def test_what_is_not_there(ask: httpx2.AsyncClient) -> None:
    for path in ("/api/conversations/nope", "/api/conversations/nope?format=txt"):
        answer = await ask.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["what"] == "There is no such conversation."


async def test_what_is_not_indexed_yet_is_there(tmp_path: Path) -> None:
    """The stream tells at once; a view that is opened then may not know less."""
    later = [
        line("k3", "third, and final", spoken_at=at(8), user_id="u2"),
        line("k4", "the last", spoken_at=at(50)),
        person("c1", "p9", "agent", user_id="u9", user_name="New", joined_at=at(49)),
        turn("c1", "ended", at(51)),
        turn("c9", "started", at(50), media_type="voice"),
        line("z", "new", "c9", spoken_at=at(52)),
    ]
    path = await stored(tmp_path / "s.db", EVENTS)
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        journal.archive.wait = lambda now, head, *, closing: None  # type: ignore[method-assign]
        journal.append([(event.kind, encode(event), None) for event in later])
        await journal.flush()
        async with serving(path) as page, client(page) as ask:
            found = await got(ask, "conversations/c1")
            assert [each["text"] for each in found["lines"]][2:] == ["third, and final", "the last"]
            assert found["head"] == len(EVENTS) + len(later)
            card = found["conversation"]
            assert (card["lines"], card["ended_at"], card["last"]["key"]) == (4, at(51), "k4")
            assert {"id": "u9", "name": "New"} in card["agents"]
            assert (await got(ask, "conversations"))["head"] == len(EVENTS), "a list is honest about what it knows"
            new = await got(ask, "conversations/c9")
            assert (new["conversation"]["started_at"], new["conversation"]["lines"]) == (at(50), 1)


# --- downloads --------------------------------------------------------------------------------------------------------


async def test_a_text_file_does_nothing(ask: httpx2.AsyncClient) -> None:
    answer = await ask.get("/api/conversations/c2?format=txt")
    assert answer.headers["content-disposition"] == 'attachment; filename="conversation-c2.txt"'
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    assert "<script>alert(1)</script>" in answer.text
    text = (await ask.get("/api/conversations/c1?format=txt")).text
    assert "Queue: q1, then Sales\n" in text
    assert f"{at(5)[:19].replace('T', ' ')}  Agent Zoë: of course" in text
    assert "third" not in text, "what may still change is not in a file"


async def test_a_file_for_programs(ask: httpx2.AsyncClient) -> None:
    answer = await ask.get("/api/conversations/c1?format=jsonl")
    events = [json.loads(each) for each in answer.text.splitlines()]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert [event["kind"] for event in events].count("utterance") == 2
    assert {"words", "source"} <= set(next(event for event in events if event["kind"] == "utterance"))


async def test_the_name_of_a_file_is_safe(ask: httpx2.AsyncClient) -> None:
    answer = await ask.get(f"/api/conversations/{quote(ODD, safe='')}?format=jsonl")
    assert answer.headers["content-disposition"] == 'attachment; filename="conversation-a-b-c-d.jsonl"'


# --- talk and choices -------------------------------------------------------------------------------------------------


async def test_who_talked_when(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, "talk", id=["c1", "c2", "nope"])
    assert found["talk"]["c1"] == {
        "from": at(2),
        "spans": [[0, 900, "customer"], [3000, 9 * talk.A_LETTER_MS, "agent"], [6000, 5 * talk.A_LETTER_MS, "agent"]],
    }
    assert found["talk"]["c2"]["spans"][1] == [1000, talk.LONGEST_MS, "other"]
    assert found["talk"]["nope"] == {"from": None, "spans": []}


async def test_choices(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, "choices")
    assert {"id": "q2", "name": "Sales"} in found["queues"]
    assert {one["id"] for one in found["agents"]} == {"u1", "u2"}
    assert found["media_types"] == ["voice", "message"]


# --- search -----------------------------------------------------------------------------------------------------------


async def test_search_in_a_line(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, "search", q="refu")
    assert [one["hits"][0]["key"] for one in found["results"]] == ["n1", "o1", "m1", "k1"], "newest first"
    assert found["results"][0]["conversation"] is None
    assert found["results"][3]["conversation"]["agents"][1]["name"] == "Zoë"
    assert found["results"][3]["hits"][0]["snippet"] == [["i would like a ", False], ["refund", True]]
    assert (found["complete"], found["next"]) == (True, None)
    hostile = "".join(text for text, _ in found["results"][2]["hits"][0]["snippet"])
    assert hostile == HOSTILE, "it is for the page to show text as text"


@pytest.mark.parametrize("words", ["😀", "!!!", "€ …"])
async def test_signs_alone_are_found_nowhere(ask: httpx2.AsyncClient, words: str) -> None:
    for where in ("line", "call"):
        found = await got(ask, "search", **{"q": words, "in": where})
        assert (found["results"], found["next"], found["complete"]) == ([], None, True)


async def test_search_in_a_call(ask: httpx2.AsyncClient) -> None:
    found = await got(ask, "search", q="refund course", **{"in": "call"})
    (result,) = found["results"]
    assert result["conversation"]["id"] == "c1"
    assert [hit["key"] for hit in result["hits"]] == ["k1", "k2"]
    assert (await got(ask, "search", q="refund course"))["results"] == []
    assert (await got(ask, "search", q="refund third", **{"in": "call"}))["results"] == [], "not yet final"
    assert (await got(ask, "search", q="refund -course", **{"in": "call"}))["results"][-1]["conversation"]["id"] == "c2"


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("conversations?live=maybe", "live must be yes or no."),
        ("conversations?limit=0", "limit must be at least 1."),
        ("conversations?limit=x", "limit must be a whole number."),
        ("conversations?before=-1", "before must be a whole number."),
        ("conversations?since=yesterday", "since must be a time such as 2026-03-21T14:30:00Z."),
        ("conversations?until=9999-99-99", "until must be a time such as 2026-03-21T14:30:00Z."),
        ("conversations?queue=" + "x" * 1001, "queue may have at most 1000 characters."),
        ("conversations?" + "&".join(f"agent={n}" for n in range(201)), "agent may be given at most 200 times."),
        ("conversations/" + "x" * 1001, "An id may have at most 1000 characters."),
        ("conversations/c1?format=pdf", "format must be txt or jsonl."),
        ("search?q=" + "x" * 501, "q may have at most 500 characters."),
        ("search?q=x&in=book", "in must be line or call."),
        ("talk", "Name conversations with id=."),
        ("talk?" + "&".join(f"id={n}" for n in range(61)), "id may be given at most 60 times."),
    ],
)
async def test_every_bad_value_is_told(ask: httpx2.AsyncClient, path: str, sentence: str) -> None:
    answer = await ask.get(f"/api/{path}")
    assert answer.status_code == 400
    assert answer.json()["error"]["what"] == sentence


async def test_limits_are_capped(ask: httpx2.AsyncClient) -> None:
    assert len((await got(ask, "search", q="refund", limit=10**15))["results"]) == 4
    assert len((await got(ask, "conversations", limit=10**15))["conversations"]) == 3


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-03-21T14:30:00+02:00", "2026-03-21T12:30:00.000Z"),
        ("2026-03-21T14:30:00 02:00", "2026-03-21T12:30:00.000Z"),
        ("2026-03-21T14:30:00.5Z", "2026-03-21T14:30:00.500Z"),
        ("2026-03-21T14:30:00.1234567z", "2026-03-21T14:30:00.124Z"),
        ("2026-03-21", "2026-03-21T00:00:00.000Z"),
    ],
)
def test_times_in_all_forms(given: str, meant: str) -> None:
    from starlette.datastructures import QueryParams

    from genscribe.web.asking import moment

    assert moment(QueryParams([("since", given)]), "since") == meant
