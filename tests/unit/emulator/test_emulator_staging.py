from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise
from typing import Any

import pytest

from genscribe.emulator.calls import Call, Utterance
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.script import play, schedule
from genscribe.emulator.staging import Scene, perform, scenes


def call(*lines: tuple[str, int], **more: Any) -> Call:
    return Call(more.pop("id", "c"), tuple(Utterance(who, "words", at, 1000, 0) for who, at in lines), **more)


def acts(one: Call) -> list[tuple[int, str]]:
    return [(scene.at_ms, scene.act) for scene in scenes(one)]


def test_a_call_is_in_a_queue_until_the_first_word() -> None:
    assert acts(call(("customer", 800), ("agent", 2000))) == [
        (0, "begin"),
        (0, "enqueue"),
        (550, "connect"),
        (3000, "end"),
    ]


def test_a_machine_speaks_before_the_queue() -> None:
    assert acts(call(("ivr", 100), ("customer", 2000), ("ivr", 4000), ("agent", 9000))) == [
        (0, "begin"),
        (5000, "enqueue"),
        (8750, "connect"),
        (10000, "end"),
    ]


def test_a_call_in_progress_has_its_agent() -> None:
    one = call(("customer", 60_000), ("agent", 70_000), starts_ms=-59_000)
    assert acts(one)[:3] == [(0, "begin"), (0, "enqueue"), (0, "connect")]


def test_scenes_of_every_scripted_call_come_in_order_and_follow_the_seed() -> None:
    calls = list(islice(schedule(4, 20), 400))
    staged = [scenes(one) for one in calls]
    assert staged == [scenes(one) for one in islice(schedule(4, 20), 400)]
    for listed in staged:
        assert all(first.at_ms <= second.at_ms for first, second in pairwise(listed))
        assert [listed[0].act, listed[-1].act] == ["begin", "end"]
    seen = Counter(scene.act for listed in staged for scene in listed)
    assert seen["begin"] == seen["connect"] == seen["end"] == 400
    assert 8 < seen["transfer"] < 80
    assert 8 < seen["consult"] < 60
    assert seen["leave"] > 2


def test_who_says_his_name_has_it_in_the_directory() -> None:
    said = (Utterance("agent", "Hi, this is Derek with Skylark.", 0), Utterance("customer", "Naomi here.", 900))
    house = Organisation()
    staged = [scene for scene in scenes(Call("c", said)) if scene.act == "connect"]
    assert staged[0].agent is not None
    assert staged[0].agent.startswith("Derek ")
    for scene in scenes(Call("c", said)):
        perform(house, Call("c", said), scene, scene.at_ms)
    assert [user.name for user in house.conversations["c"].users] == [staged[0].agent]


def test_scripted_calls_play_as_whole_conversations() -> None:
    house = Organisation()
    parties: Counter[str] = Counter()
    for one in islice(schedule(6, 10), 200):
        for scene in scenes(one):
            perform(house, one, scene, one.starts_ms + scene.at_ms)
            if scene.act == "connect":
                assert house.conversations[one.id].agent is not None
        conversation = house.conversations[one.id]
        assert not conversation.live
        assert conversation.language == one.language
        parties.update(party.purpose for party in conversation.parties)
        for said in one.utterances:
            if said.speaker == "agent" and conversation.media_type == "voice":
                leg = conversation.leg_at(one.starts_ms + said.offset_ms)
                party = next(party for party in conversation.parties if party.leg is leg)
                assert party.purpose == "agent"
    assert parties["agent"] > 210
    assert set(parties) == {"customer", "ivr", "workflow", "acd", "agent"}


@pytest.mark.anyio
async def test_scenes_are_played_between_the_words_only_when_asked_for() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def say(self, text: str | None, *, at: int | None, **_: Any) -> None:
            self.heard.append("word")

        def end(self, conversation: str) -> None:
            self.heard.append("sent")

        def act(self, one: Call, scene: Scene, at: int) -> None:
            self.heard.append(scene.act)
            self.at = at

    one = Call("c", (Utterance("agent", "a", 400, 100, 300), Utterance("customer", "b", 600, 100, 300)))
    with_scenes, without = Recorder(), Recorder()
    await play(with_scenes, [one], 50, with_scenes.act)
    await play(without, [one], 50)
    assert with_scenes.heard == ["begin", "enqueue", "connect", "end", "word", "word", "sent"]
    assert without.heard == ["word", "word", "sent"]
