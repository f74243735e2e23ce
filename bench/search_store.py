"""A store to search in: a million lines of invented calls, made once and kept in the temporary folder."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import random  # noqa: TID251
import tempfile
from collections.abc import Iterator
from pathlib import Path

from genscribe import clock
from genscribe.events import Conversation, Event, Participant, Utterance, encode
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry

COMMON = """
the to you i and a that it is my for of in have can on your me this we be with not but so just okay yes do are was
if will now what or at please thank let know get would there time need order call number account check help one
""".split()  # noqa: SIM905
SYLLABLES = """
ba be ca co de di en fa fo ga he in ka la li ma mo na ne or pa po ra re ri sa se ta te ti un va vi zo
""".split()  # noqa: SIM905
WORDS = 20_000
LIVE = 300
LINES_A_CALL = 60
BEGIN_MS = 1_774_055_395_000
LINE_MS = 250
"""So a million lines are three days."""
QUEUES = [f"queue-{number}" for number in range(40)]
AGENTS = [f"agent-{number}" for number in range(600)]


def vocabulary() -> list[str]:
    """Words, the most frequent first; those beyond the common ones are made of syllables."""
    chance = random.Random(7)
    found = dict.fromkeys(COMMON)
    while len(found) < WORDS:
        found["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4)))] = None
    return list(found)


def build(lines: int) -> Path:
    """The store with so many lines, made if it is not there."""
    path = Path(tempfile.gettempdir()) / f"genscribe-bench-search-{lines}" / "genscribe.db"
    done = path.with_name("done")
    if not done.exists():
        path.unlink(missing_ok=True)
        asyncio.run(_fill(path, lines))
        done.touch()
    return path


async def _fill(path: Path, lines: int) -> None:
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        rows = ((one.kind, encode(one), None) for one in events(lines))
        while batch := list(itertools.islice(rows, 500)):
            journal.append(batch)
            await journal.room()
            await asyncio.sleep(0)
        await journal.flush()
        while journal.archive.behind(journal.head):
            await asyncio.sleep(0.05)


def events(lines: int) -> Iterator[Event[str]]:
    """What `LIVE` calls at a time bring; one in five is a chat, one in ten goes to a second queue."""
    chance = random.Random(1)
    words = vocabulary()
    weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(words))))
    total = weights[-1]
    calls: list[str] = []
    media: dict[str, str] = {}
    agents: dict[str, str] = {}
    for number in range(lines):
        at = clock.iso(BEGIN_MS + number * LINE_MS)
        if len(calls) < LIVE or number % LINES_A_CALL == 0:
            if len(calls) == LIVE:
                ended = calls.pop(chance.randrange(LIVE))
                yield _turn(ended, "ended", at, media.pop(ended))
                agents.pop(ended)
            call = f"{chance.getrandbits(128):032x}"
            calls.append(call)
            media[call] = "message" if chance.random() < 0.2 else "voice"
            agents[call] = chance.choice(AGENTS)
            yield from _began(call, media[call], agents[call], at, chance)
        call = chance.choice(calls)
        speaker = chance.choice(("agent", "customer"))
        count = chance.randint(4, 16)
        drawn = [words[bisect.bisect(weights, chance.random() * total)] for _ in range(count)]
        yield Utterance(
            key=f"{chance.getrandbits(128):032x}",
            revision=1,
            conversation_id=call,
            media_type=media[call],
            speaker=speaker,
            user_id=agents[call] if speaker == "agent" else None,
            text=" ".join(drawn),
            spoken_at=at,
            duration_ms=count * 350,
            confidence=0.94,
            language="en-US",
            received_at=at,
            source="notifications",
        )


def _began(call: str, medium: str, agent: str, at: str, chance: random.Random) -> Iterator[Event[str]]:
    yield _turn(call, "started", at, medium)
    for queue in chance.choices(QUEUES, k=2 if chance.random() < 0.1 else 1):
        yield _person(call, "acd", at, queue_id=queue, queue_name=queue.title())
    yield _person(call, "agent", at, user_id=agent, user_name=agent.title())
    yield _person(call, "customer", at)


def _turn(call: str, state: str, at: str, medium: str) -> Conversation[str]:
    return Conversation(key=f"{call}:{state}", revision=1, conversation_id=call, state=state, at=at, media_type=medium)


def _person(call: str, purpose: str, at: str, **known: str) -> Participant[str]:
    who = "".join(known.values())
    return Participant(
        key=f"{call}:{purpose}{who}", revision=1, conversation_id=call, purpose=purpose, joined_at=at, **known
    )
