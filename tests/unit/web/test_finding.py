"""Search against the plain reading of what it promises."""

from __future__ import annotations

import random  # seeded
from collections.abc import Iterator

import pytest

from genscribe.events import Event, Participant, Utterance
from genscribe.store.database import open_for_writing
from genscribe.store.search import terms
from genscribe.web import bounds, calls, finding, trial
from genscribe.web.asking import MOST_SEQ, Filters
from genscribe.web.calls import find_calls
from genscribe.web.facets import Facets
from genscribe.web.finding import Deadline, Found, Search, find_lines
from tests.unit.store.conftest import Bench

WORDS = ("refund", "refuse", "card", "cards", "the", "über", "ubers", "日本", "a")
SPEAKERS = ("agent", "customer")


class Said:
    """What a test knows of a line."""

    def __init__(self, seq: int, call: str, speaker: str, words: list[str], at: str) -> None:
        self.seq, self.call, self.speaker, self.words, self.at = seq, call, speaker, words, at


class World:
    """A store, and what is in it."""

    def __init__(self, bench: Bench, seed: int) -> None:
        chance = random.Random(seed)
        self.db = bench.db
        self.agents = {f"c{n}": f"u{n % 3}" for n in range(12)}
        self.said: list[Said] = []
        self.first: dict[str, int] = {}
        events: list[Event[str]] = []
        for number in range(400):
            call = chance.choice(list(self.agents))
            if call not in self.first:
                self.first[call] = len(events) + 1
                key = f"{call}:p"
                user_id = self.agents[call]
                events.append(Participant(key=key, revision=1, conversation_id=call, purpose="agent", user_id=user_id))
            words = chance.choices(WORDS, weights=(1, 1, 2, 1, 8, 1, 1, 1, 5), k=chance.randrange(1, 5))
            at = f"2026-03-21T{8 + number // 60:02}:{number % 60:02}:00.000Z"
            one = Said(len(events) + 1, call, chance.choice(SPEAKERS), words, at)
            self.said.append(one)
            events.append(
                Utterance(
                    key=f"k{number}", revision=1, conversation_id=call, speaker=one.speaker, text=" ".join(words),
                    spoken_at=at, media_type="voice",
                )
            )  # fmt: skip
        bench.add(*events)

    def passing(self, filters: Filters) -> list[Said]:
        return [
            one
            for one in self.said
            if (filters.speakers is None or one.speaker in filters.speakers)
            and (filters.agents is None or self.agents[one.call] in filters.agents)
            and (filters.since is None or one.at >= filters.since)
            and (filters.until is None or one.at < filters.until)
        ]


FOLDED = {"über": "uber", "日本": "日本"}


def has(words: list[str], term: str) -> bool:
    folded = [FOLDED.get(word, word) for word in words]
    wanted = FOLDED.get(term.rstrip("*"), term.rstrip("*"))
    return any(word.startswith(wanted) if term.endswith("*") else word == wanted for word in folded)


QUESTIONS = [
    ("refund", ["refund*"], []),
    ("refu", ["refu*"], []),
    ("the card ", ["the", "card*"], []),
    ('"über" the', ["über", "the*"], []),
    ("日本", ["日本"], []),
    ("the -card", ["the"], ["card"]),
    ("refuse refund cards", ["refuse", "refund", "cards*"], []),
    ("nothing here", ["nothing", "here*"], []),
    ("-the", [], ["the"]),
    ("", [], []),
]
FILTERS = [
    Filters(),
    Filters(speakers=frozenset({"agent"})),
    Filters(speakers=frozenset({"nobody"})),
    Filters(agents=frozenset({"u1"})),
    Filters(agents=frozenset({"u1"}), speakers=frozenset({"customer"})),
    Filters(agents=frozenset({"none"})),
    Filters(since="2026-03-21T10:00:00.000Z", until="2026-03-21T12:30:00.000Z"),
    Filters(media_types=frozenset({"email"})),
]


@pytest.fixture(scope="module", params=[1, 2])
def world(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    """Tests only read it."""
    opened = open_for_writing(tmp_path_factory.mktemp("world") / "genscribe.db")
    yield World(Bench(opened), request.param)
    opened.db.close(True)


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "FIRST_BATCH", 7)
    monkeypatch.setattr(calls, "TRIED_AT_ONCE", 2)
    monkeypatch.setattr(trial, "FIRST_SLICE", 3)


def pages(
    world: World, words: str, filters: Filters, facets: Facets, *, anywhere: bool, deadline: Deadline
) -> list[Found]:
    found, before = [], MOST_SEQ
    find = find_calls if anywhere else find_lines
    for _ in range(1000):
        search = Search(terms(words), filters, before, 3, anywhere)
        found.append(find(world.db, search, facets, deadline))
        if found[-1].next is None:
            return found
        assert found[-1].next < before
        before = found[-1].next
    pytest.fail("no end")


class Never(Deadline):
    over = False  # type: ignore[assignment]


class Always(Deadline):
    over = True  # type: ignore[assignment]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("deadline", [Never(), Always()], ids=["time", "no time"])
def test_lines_are_those_with_all_words(
    world: World, filters: Filters, few: int, deadline: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "FEW_CALLS", few)
    facets = Facets()
    for words, wanted, unwanted in QUESTIONS:
        expected = [
            one.seq
            for one in reversed(world.passing(filters))
            if filters.media_types is None
            and all(has(one.words, term) for term in wanted)
            and not any(has(one.words, term) for term in unwanted)
        ]
        found = pages(world, words, filters, facets, anywhere=False, deadline=deadline)
        assert [result.lines[0].seq for page in found for result in page.results] == expected, words
        if isinstance(deadline, Never):
            assert all(page.complete for page in found)


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("few", [2, 30, 1000])
@pytest.mark.parametrize("deadline", [Never(), Always()], ids=["time", "no time"])
def test_calls_are_those_that_have_all_words_somewhere(
    world: World, filters: Filters, few: int, deadline: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "FEW", few)
    facets = Facets()
    for words, wanted, unwanted in QUESTIONS:
        expected = []
        for call in sorted(world.first, key=world.first.__getitem__, reverse=True):
            lines = [one.words for one in world.passing(filters) if one.call == call and filters.media_types is None]
            every = [one.words for one in world.said if one.call == call]
            if (
                lines
                and all(any(has(line, term) for line in lines) for term in wanted)
                and not any(has(line, term) for line in every for term in unwanted)
            ):
                expected.append(call)
        found = pages(world, words, filters, facets, anywhere=True, deadline=deadline)
        results = [result for page in found for result in page.results]
        assert [result.draft and result.draft.card.id for result in results] == expected, words
        for result in results:
            assert 0 < len(result.lines) <= trial.HITS_SHOWN
            assert all(any(has(line.text.split(), term) for term in wanted) for line in result.lines) or not wanted


def test_time_that_is_up_is_told(world: World) -> None:
    filters = Filters(speakers=frozenset({"nobody"}))
    for anywhere in (False, True):
        found = pages(world, "the", filters, Facets(), anywhere=anywhere, deadline=Always())
        assert not found[0].complete
        assert not found[0].results
        assert found[-1].complete


def test_no_word_is_counted_once_time_is_up(world: World) -> None:
    assert calls._with_rare_words(world.db, ["refund"], Never()) is not None
    assert calls._with_rare_words(world.db, ["refund"], Always()) is None


def test_facets_that_are_not_read_yet_change_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = Filters(agents=frozenset({"u1"}))
    for anywhere in (False, True):
        known = pages(world, "the", filters, Facets(), anywhere=anywhere, deadline=Never())
        with monkeypatch.context() as patched:
            patched.setattr(Facets, "_read_on", lambda self, db: False)
            asked = pages(world, "the", filters, Facets(), anywhere=anywhere, deadline=Never())
        assert [[line.seq for line in one.lines] for page in known for one in page.results] == [
            [line.seq for line in one.lines] for page in asked for one in page.results
        ]


def test_facets_know_the_calls_of_agents(world: World) -> None:
    facets = Facets()
    assert facets.calls(world.db, Filters()) is None, "there is nothing to ask"
    found = facets.calls(world.db, Filters(agents=frozenset({"u1", "u2"})))
    rows = world.db.execute("select conversation_id, first_seq from conversation_rows")
    assert found == {seq for call, seq in rows if world.agents[str(call)] in ("u1", "u2")}
    assert facets.calls(world.db, Filters(agents=frozenset({"u1"}), queues=frozenset({"q"}))) == set()


def test_times_are_found_by_halving(world: World) -> None:
    low, high = bounds.seqs(world.db, "2026-03-21T12:00:00.000Z", "2026-03-21T09:00:00.000Z")
    by_time = {one.at: one.seq for one in world.said}
    assert low == by_time["2026-03-21T10:00:00.000Z"] - 1
    assert high == by_time["2026-03-21T11:00:00.000Z"]
    assert bounds.seqs(world.db, None, None) == (0, MOST_SEQ)
    assert bounds.seqs(world.db, "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")[0] <= 1
