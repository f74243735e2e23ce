"""Search in a million stored lines, as the page asks: what it takes, beside targets and the plain way.

    python bench/search.py [--lines 1000000] [--rounds 5]

The store is made once (about a minute) and kept in the temporary folder. Everything but HTTP is timed: plan, rows,
cards, snippets, JSON. Ratios are to the plain query of the same words in the same run.
"""

from __future__ import annotations

import argparse
import json
import random  # noqa: TID251
import statistics
import time
from collections.abc import Callable

import apsw
from search_store import AGENTS, QUEUES, build, vocabulary
from starlette.datastructures import QueryParams

from genscribe.store.reader import Reader
from genscribe.web.facets import Facets
from genscribe.web.searching import answer, asked

LINE_MS, CALL_MS = 50, 300
NOBODY = "nobody"
ADVERSE = frozenset(
    {
        "by a queue that is none",
        "by a speaker that is none",
        "sixty frequent words",
        "never together",
        "before all time",
    }
)
"""Questions that are asked to make us work for nothing: they must end in bounded time, and say that they did."""
BOUND_MS = 400

Questions = dict[str, list[list[tuple[str, str]]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    path = build(arguments.lines)
    facets = Facets()
    with Reader.open(path) as reader:
        for place, target in (("line", LINE_MS), ("call", CALL_MS)):
            _report(reader, facets, place, target, questions(place, arguments.rounds))


def questions(place: str, rounds: int) -> Questions:
    """Kinds of questions, each as parameters of `/api/search`."""
    chance = random.Random(5)
    words = vocabulary()
    often, some, seldom = words[:40], words[200:2000], words[8000:]

    def one(*text: str, **filters: str) -> list[tuple[str, str]]:
        return [("q", " ".join(text)), ("in", place), *filters.items()]

    def pick(among: list[str]) -> str:
        return chance.choice(among)

    day = "2026-03-22T00:00:00Z"
    kinds: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "frequent": lambda: one(pick(often) + " "),
        "usual": lambda: one(pick(some)),
        "rare": lambda: one(pick(seldom)),
        "no hit": lambda: one("qqqq"),
        "two letters": lambda: one(pick(some)[:2]),
        "three letters": lambda: one(pick(some)[:3]),
        "four letters": lambda: one(pick([word for word in (*often, *some) if len(word) > 3])[:4]),
        "frequent, frequent": lambda: one(pick(often), pick(often)),
        "frequent, rare": lambda: one(pick(often), pick(seldom)),
        "usual, usual": lambda: one(pick(some), pick(some)),
        "rare, rare": lambda: one(pick(seldom), pick(seldom)),
        "four words": lambda: one(pick(often), pick(often), pick(some), pick(some)),
        "phrase": lambda: one(f'"{pick(often)} {pick(often)}"'),
        "excluded": lambda: one(pick(often), f"-{pick(often)}"),
        "only excluded": lambda: one(f"-{pick(often)}"),
        "by queue": lambda: one(pick(often), queue=pick(QUEUES)),
        "by agent": lambda: one(pick(often), agent=pick(AGENTS)),
        "by agent, usual": lambda: one(pick(some), agent=pick(AGENTS)),
        "by speaker": lambda: one(pick(often), speaker="agent"),
        "by medium": lambda: one(pick(often), media_type="message"),
        "by day": lambda: one(pick(often), since=day, until="2026-03-22T12:00:00Z"),
        "newest of all": lambda: one(""),
        "by a queue that is none": lambda: one(pick(often), queue=NOBODY),
        "by a speaker that is none": lambda: one(pick(often), speaker=NOBODY),
        "sixty frequent words": lambda: one(*chance.sample(words[:100], 60)),
        "never together": lambda: one("the", "to", "-the"),
        "before all time": lambda: one(pick(often), until="2020-01-01T00:00:00Z"),
    }
    return {name: [make() for _ in range(rounds * 4)] for name, make in kinds.items()}


def _report(
    reader: Reader, facets: Facets, place: str, target: int, kinds: dict[str, list[list[tuple[str, str]]]]
) -> None:
    print(f"\nwords {'in one line' if place == 'line' else 'anywhere in a call'}, target p95 {target} ms")
    print(f"{'':28}{'p50':>8}{'p95':>8}{'max':>8} ms{'plain':>10} ms{'ratio':>8}  results, complete")
    everything: list[float] = []
    adverse: list[float] = []
    for name, asked_for in kinds.items():
        spent, plain, results, complete = [], [], 0, 0
        for parameters in asked_for:
            began = time.perf_counter()
            body = reader.ask(lambda db, parameters=parameters: answer(db, asked(QueryParams(parameters)), facets))
            spent.append((time.perf_counter() - began) * 1000)
            found = json.loads(body)
            results += len(found["results"])
            complete += found["complete"]
        for parameters in asked_for[:2]:
            plain.append(_plain(reader, dict(parameters)["q"], place))
        (adverse if name in ADVERSE else everything).extend(spent)
        p50, p95 = statistics.median(spent), _quantile(spent, 0.95)
        ratio = p50 / statistics.median(plain)
        print(
            f"{name:28}{p50:8.1f}{p95:8.1f}{max(spent):8.1f}   {statistics.median(plain):10.1f}   {ratio:8.3f}"
            f"  {results / len(spent):.0f}, {complete * 100 // len(spent)} %"
        )
    for name, values, limit in (("all but those", everything, target), ("adverse", adverse, BOUND_MS)):
        p95 = _quantile(values, 0.95)
        verdict = f"{'met' if p95 <= limit else 'MISSED'}: p95 {limit} ms"
        print(f"{name:28}{statistics.median(values):8.1f}{p95:8.1f}{max(values):8.1f}   {verdict}")


def _plain(reader: Reader, words: str, place: str) -> float:
    """Milliseconds of what one would write first: every hit, sorted by time; for calls, an intersection of all hits."""
    terms = [word for word in words.replace('"', "").split() if not word.startswith("-")]
    match = [f'"{term}"' for term in terms] or ['"the"']
    if place == "line":
        sql = """
            select u.seq, u.spoken_at from utterance_words w join utterances u on u.seq = w.rowid
            where utterance_words match ?1 order by u.spoken_at desc limit 50"""
        bindings = [" AND ".join(match)]
    else:
        part = """
            select u.conversation_id from utterance_words w join utterance_rows u on u.seq = w.rowid
            where utterance_words match ?"""
        among = " intersect ".join([part] * len(match))
        sql = f"select * from conversations where conversation_id in ({among}) order by first_seq desc limit 50"
        bindings = match
    began = time.perf_counter()

    def run(db: apsw.Connection) -> None:
        db.execute(sql, bindings).fetchall()

    reader.ask(run)
    return (time.perf_counter() - began) * 1000


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    main()
