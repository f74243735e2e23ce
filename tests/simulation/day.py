"""A day of an organisation in virtual time: calls come and go, channels and tokens end, all words are accounted for.

Every line is numbered, so what was said and what was heard can be compared word for word. A line counts as due when the
platform had confirmed the topic of its call before it was said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import anyio

from genscribe import clock
from genscribe.emulator import Emulator
from genscribe.events import Utterance
from tests.fault.channels import ChannelRig, channel_rig

HOUR_S = 3600.0
TOKEN_S = 8 * HOUR_S
CLOSINGS = 8
"""Planned closes of a day."""

OUTAGES = (
    ("drop", {}),
    ("clean-close", {"code": 1001}),
    ("evict", {}),
    ("channel-gone", {"close": True}),
    ("no-longer-subscribed", {}),
    ("token-revoked", {}),
    ("heartbeat-stops", {}),
    ("silence", {}),
    ("second-process", {"returns": 3, "every_s": 1.0}),
)
HINDRANCES = (
    ("503", {"at": ("channels", "subscriptions"), "times": 3}),
    ("429", {"at": "subscriptions", "times": 2, "retry_after": 15}),
    ("500", {"at": "analytics", "times": 4}),
    ("503", {"at": "handshake", "times": 3}),
)


@dataclass(frozen=True)
class Line:
    """One that was said after its topic was confirmed."""

    text: str
    conversation: str
    at: int


@dataclass
class Day:
    """What happened.

    Attributes:
        due: Lines said on topics that were confirmed.
        struck: When faults were ordered, epoch milliseconds.
    """

    rig: ChannelRig
    chance: Random
    due: list[Line] = field(default_factory=list)
    said: int = 0
    calls: int = 0
    struck: list[int] = field(default_factory=list)
    confirmed: set[str] = field(default_factory=set)

    def note_confirmed(self) -> None:
        """Topics that the source was told are its own, from now on."""
        source = self.rig.source
        for call in source._conversations.calls.values():
            if call.subscribed_at is not None:
                self.confirmed.add(call.conversation_id)

    def say(self, conversation: str) -> None:
        self.said += 1
        text = f"line {self.said}"
        if conversation in self.confirmed:
            self.due.append(Line(text, conversation, clock.wall_ms()))
        self.rig.platform.say(text, conversation=conversation, speaker=self.chance.choice(("agent", "customer")))

    def missing(self) -> list[Line]:
        """Lines that were due and not heard."""
        heard = set(self.rig.heard.texts)
        return [line for line in self.due if line.text not in heard]

    def covered(self, line: Line) -> bool:
        """Whether a recorded gap admits that it may be missing."""
        whole = any(since <= line.at <= until for since, until, _ in self.rig.heard.gaps)
        return whole or any(
            line.conversation in missed.conversation_ids and missed.since <= line.at <= (missed.until or 2**62)
            for missed in self.rig.heard.missed
        )

    def gaps(self) -> list[tuple[int, int]]:
        """All recorded gaps."""
        whole = [(since, until) for since, until, _ in self.rig.heard.gaps]
        return whole + [(missed.since, missed.until or 2**62) for missed in self.rig.heard.missed]


async def live(day: Day, *, hours: float, every_s: float, outages: float) -> None:
    """Plays the day.

    Args:
        day: Where to note it.
        hours: How long.
        every_s: Seconds between two things that happen: a call, a line, an end.
        outages: How many faults an hour, on the average; 0 is a day without any.
    """
    chance, platform = day.chance, day.rig.platform
    end = anyio.current_time() + hours * HOUR_S
    closing = next_closing = hours * HOUR_S / (CLOSINGS + 1)
    began = anyio.current_time()
    calls: list[str] = []
    while anyio.current_time() < end:
        await anyio.sleep(chance.uniform(0, 2 * every_s))
        day.note_confirmed()
        roll = chance.random()
        if roll < 0.06 or not calls:
            day.calls += 1
            calls.append(platform.begin(f"call-{day.calls}", queue=chance.choice(("Support", "Sales", "Billing"))))
        elif roll < 0.11 and len(calls) > 3:
            platform.end(calls.pop(chance.randrange(len(calls))))
        elif roll < 0.13:
            platform.transfer(chance.choice(calls), queue=chance.choice(("Support", "Retentions")))
        else:
            day.say(chance.choice(calls))
        if anyio.current_time() - began >= next_closing:
            next_closing += closing
            platform.fault("socket-closing", warnings=chance.choice((1, 2)))
        if outages and chance.random() < outages * every_s / HOUR_S:
            day.struck.append(clock.wall_ms())
            name, settings = chance.choice(OUTAGES if chance.random() < 0.6 else HINDRANCES)
            platform.fault(name, **settings)
    await anyio.sleep(120)


async def run_day(seed: int, *, hours: float = 24.0, every_s: float = 6.0, outages: float = 0.0) -> Day:
    """One day of this seed, played to its end."""
    async with Emulator(expires_in=TOKEN_S * hours / 24, channel_life_s=hours * HOUR_S) as platform:
        async with channel_rig(platform) as rig:
            day = Day(rig, Random(seed))
            await rig.listens()
            await live(day, hours=hours, every_s=every_s, outages=outages)
        return day


def check(day: Day, *, outages: bool) -> None:
    """Says what is wrong with a day, as an `AssertionError`."""
    heard = day.rig.heard
    assert day.rig.ended is None, day.rig.ended
    said = [(event.key, event.text) for event in heard.events if isinstance(event, Utterance)]
    assert len({key for key, _ in said}) == len(set(said)) == len({text for _, text in said}), "a line has one key"
    missing = day.missing()
    if not outages:
        assert not missing, f"{len(missing)} of {len(day.due)} lines that were due are missing: {missing[:3]}"
        assert not day.gaps(), f"gaps without an outage: {day.gaps()[:3]}"
    uncovered = [line for line in missing if not day.covered(line)]
    assert not uncovered, f"{len(uncovered)} missing lines are in no gap: {uncovered[:3]}"
    for since, until in day.gaps():
        near = [at for at in day.struck if since - 120_000 <= at <= until]
        assert near, f"a gap {clock.iso(since)} to {clock.iso(min(until, 2**43))} without an outage"
