"""What happens around the words of a scripted call: flow, queue, agent, now and then a transfer or a consult. Pure.

The scenes are drawn from the call's own id, so they follow the script's seed and change nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded: the same call has the same scenes

from genscribe.emulator.calls import Call, Utterance
from genscribe.emulator.cast import LOCALES
from genscribe.emulator.organisation import Organisation

TRANSFERS = 0.08
"""How often a call is handed on in the middle."""

CONSULTS = 0.06
"""How often the agent asks someone for advice; every other time that one takes over."""

LONG_ENOUGH = 10
"""Utterances that a call has at least in which anything of that happens."""

ANSWER_MS = 250
"""From an agent's answering to the first word."""

LAST_WORDS_MS = 900
"""The last words are sent so long after the end at most: before the word that the session has ended."""

CONSULT_MS = 8_000
"""How long an agent asks for advice."""

MACHINES = ("ivr", "bot", "acd", "workflow")

_QUEUES = (
    ("Billing", re.compile("bill|charg|card|tax|mortgage|payment")),
    ("Retentions", re.compile("cancel|moving|forfait|donation")),
    ("Sales", re.compile("order|ticket|booking|catering|flower|shoe|gym|hotel")),
)

_BY_NAME = {name: locale for locale in LOCALES.values() for name in locale.agents}


@dataclass(frozen=True)
class Scene:
    """Something that happens to a call.

    Attributes:
        at_ms: When, from the start of the call.
        act: A method of `Organisation`: `begin`, `enqueue`, `connect`, `transfer`, `consult`, `leave`, `end`.
        agent: Whom it concerns; `None` takes turns.
        queue: A queue's name; `None` is none, or the same one.
    """

    at_ms: int
    act: str
    agent: str | None = None
    queue: str | None = None


def scenes(call: Call) -> list[Scene]:
    """The scenes of a call, in order, from `begin` to `end`, which is before the last words are sent.

    A call that is in progress when the script begins has its agent by then, unless a machine has yet to speak.
    """
    chance = Random(call.id)
    queue = _queue(call, chance)
    greeted = [said for said in call.utterances if said.speaker in MACHINES]
    people = [said for said in call.utterances if said.speaker in ("agent", "customer")]
    agents = [said for said in people if said.speaker == "agent"]
    first = min((said.offset_ms for said in (agents if greeted else people)), default=0)
    answered = max(0, first - ANSWER_MS)
    machine = bool(greeted) and (not agents or greeted[0].offset_ms < agents[0].offset_ms)
    if call.starts_ms < 0 and not machine:
        answered = 0
    queued = 0
    if machine:
        queued = min(answered, max((_end(said) for said in greeted if said.offset_ms < first), default=0))
    agent = _named(agents, chance)
    found = [Scene(0, "begin", queue=queue), Scene(queued, "enqueue", agent), Scene(answered, "connect", agent)]
    found += _middle(call, agents, answered, queue, chance)
    over = max((_end(said) for said in call.utterances), default=0)
    return [*found, Scene(max(over, call.duration_ms - LAST_WORDS_MS, found[-1].at_ms), "end")]


def perform(organisation: Organisation, call: Call, scene: Scene, now: int) -> None:
    """Lets a scene happen in an organisation at `now`, epoch milliseconds. Agents it does not know are taken on."""
    if scene.agent is not None:
        organisation.add_user(scene.agent)
    if scene.act == "begin":
        organisation.begin(
            call.id,
            now=now,
            media_type=call.media_type,
            queue=scene.queue,
            language=call.language,
            connected=False,
            ivr=True,
        )
    elif scene.act == "transfer":
        organisation.transfer(call.id, now=now, queue=scene.queue, agent=scene.agent)
    elif scene.act == "end":
        organisation.end(call.id, now=now)
    else:
        getattr(organisation, scene.act)(call.id, now=now, agent=scene.agent)


def _middle(call: Call, agents: Sequence[Utterance], answered: int, queue: str, chance: Random) -> list[Scene]:
    """Between two utterances of agents when half of them are said, so that nobody speaks who has left."""
    if call.media_type != "voice" or len(call.utterances) < LONG_ENOUGH or len(agents) < 4:
        return []
    drawn = chance.random()
    turn = agents[len(agents) // 2]
    spoken_before = max((_end(said) for said in agents if said.offset_ms < turn.offset_ms), default=0)
    at = min(turn.offset_ms, spoken_before)
    other = chance.choice(sorted({"Support", "Sales", "Billing", "Retentions"} - {queue}))
    if drawn < TRANSFERS:
        return [Scene(at, "transfer", queue=chance.choice((other, queue)))]
    if drawn < TRANSFERS + CONSULTS:
        begins = max(answered, at - CONSULT_MS)
        return [Scene(begins, "consult"), Scene(at, chance.choice(("transfer", "leave")))]
    return []


def _queue(call: Call, chance: Random) -> str:
    fitting = [name for name, words in _QUEUES if words.search(call.topic)]
    return fitting[0] if fitting else chance.choice(("Support", "Support", "Sales"))


def _named(agents: Sequence[Utterance], chance: Random) -> str | None:
    """Whoever says his name at the beginning has it in the directory, too."""
    words = [word for said in agents[:3] for word in re.findall(r"\w+", said.text)]
    name = next((word for word in words if word in _BY_NAME), None)
    return None if name is None else f"{name} {chance.choice(_BY_NAME[name].surnames)}"


def _end(said: Utterance) -> int:
    return said.offset_ms + said.duration_ms
