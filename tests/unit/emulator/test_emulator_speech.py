from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from genscribe.emulator import speech
from genscribe.emulator.conversation import Conversation
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.speech import ENDED, ONGOING, Word

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "genesys-samples"


def call(**more: Any) -> Conversation:
    return Organisation(**more).begin("c", now=1_000_000)


def say(conversation: Conversation, text: str, **more: Any) -> Any:
    said = {"side": "EXTERNAL", "spoken_at": 1_005_033, "now": 1_008_000, "duration_ms": 1440, **more}
    said.setdefault("communication_id", conversation.leg_at(said["spoken_at"]).id)
    return speech.transcription(conversation, text, **said)


def shape(value: object) -> object:
    """The keys, level by level; a list is as its first element."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(value[0])] if isinstance(value, list) else type(value).__name__


def test_an_utterance_field_by_field() -> None:
    conversation = call()
    body = say(conversation, "I need ten of them.", confidence=0.943)
    assert body["eventTime"] == "1970-01-01T00:16:48.000Z"
    assert body["conversationId"] == "c"
    assert body["organizationId"] == conversation.organization_id
    assert body["communicationId"] == conversation.parties[-1].leg.id
    assert (body["transcriptionStartTimeMs"], body["sessionStartTimeMs"]) == (1_000_000, 1_000_033)
    assert body["status"] == {"offsetMs": 5000, "status": "SESSION_ONGOING"}
    (result,) = body["transcripts"]
    assert (result["isFinal"], result["channel"], result["dialect"]) == (True, "EXTERNAL", "en-US")
    (alternative,) = result["alternatives"]
    assert (alternative["offsetMs"], alternative["durationMs"], alternative["confidence"]) == (5000, 1440, 0.943)
    assert alternative["transcript"] == "i need ten of them"
    assert alternative["decoratedTranscript"] == "i need 10 of them"
    assert [word["word"] for word in alternative["decoratedWords"]] == ["i", "need", "10", "of", "them"]


def test_words_lie_within_their_utterance() -> None:
    (result,) = say(call(), "It is twenty three dollars", duration_ms=2000)["transcripts"]
    (alternative,) = result["alternatives"]
    words, shown = alternative["words"], alternative["decoratedWords"]
    assert len(words) == 5
    assert len(shown) == 4
    for listed in (words, shown):
        assert listed[0]["offsetMs"] == 5000
        assert listed[-1]["offsetMs"] + listed[-1]["durationMs"] == 7000
        ends = [word["offsetMs"] + word["durationMs"] for word in listed]
        assert all(end <= word["offsetMs"] for end, word in zip(ends, listed[1:], strict=False))
    assert shown[2]["word"] == "23"
    assert shown[2]["offsetMs"] == words[2]["offsetMs"]
    assert shown[2]["offsetMs"] + shown[2]["durationMs"] == words[3]["offsetMs"] + words[3]["durationMs"]


def test_words_and_what_is_shown_may_be_given() -> None:
    words = [Word("how", 0, 40, 0.8764), Word("now", 60, 100, 0.5)]
    (result,) = say(call(), "ignored", words=words, decorated="How now")["transcripts"]
    (alternative,) = result["alternatives"]
    assert (alternative["transcript"], alternative["decoratedTranscript"]) == ("how now", "How now")
    assert [word["offsetMs"] for word in alternative["words"]] == [5000, 5060]
    assert [word["confidence"] for word in alternative["words"]] == [0.876, 0.5]
    assert [word["confidence"] for word in alternative["decoratedWords"]] == [0.88, 0.5]


def test_interim_results_keep_the_id_they_are_given_and_others_have_one_of_their_own() -> None:
    conversation = call()
    ids = [
        say(conversation, "a", **more)["transcripts"][0] for more in ({}, {}, {"utterance_id": "u", "is_final": False})
    ]
    assert len({result["utteranceId"] for result in ids}) == 3
    assert (ids[2]["utteranceId"], ids[2]["isFinal"]) == ("u", False)


def test_no_words_are_no_words() -> None:
    (result,) = say(call(), "...")["transcripts"]
    (alternative,) = result["alternatives"]
    assert (alternative["transcript"], alternative["words"], alternative["decoratedWords"]) == ("", [], [])


def test_a_session_begins_with_its_communication_and_each_has_its_own() -> None:
    house = Organisation()
    conversation = house.begin("c", now=1_000)
    first = say(conversation, "a", spoken_at=5_000)
    house.transfer("c", now=10_000)
    second = say(conversation, "b", spoken_at=12_033)
    assert first["communicationId"] != second["communicationId"]
    assert (first["sessionStartTimeMs"], second["sessionStartTimeMs"]) == (1_033, 10_033)
    assert second["status"]["offsetMs"] == 2_000
    early = say(house.begin("e", now=9_000), "a", spoken_at=8_000)
    assert early["sessionStartTimeMs"] == 8_000
    assert early["status"]["offsetMs"] == 0


def test_a_status_has_no_transcripts() -> None:
    conversation = call()
    body = speech.status(conversation, conversation.parties[-1].leg.id, ENDED, 1_063_053)
    assert "transcripts" not in body
    assert body["status"] == {"offsetMs": 63020, "status": "SESSION_ENDED"}


def test_statuses_come_at_the_start_every_five_minutes_and_after_the_end() -> None:
    house = Organisation()
    conversation = house.begin("c", now=0, ivr=True, connected=False)
    ivr = conversation.parties[-1].leg.id
    assert speech.due(conversation, 0) == [(ivr, ONGOING)]
    speech.status(conversation, ivr, ONGOING, 0)
    assert speech.due(conversation, 299_999) == []
    assert speech.due(conversation, 300_000) == [(ivr, ONGOING)]
    house.enqueue("c", now=300_000)
    assert speech.due(conversation, 300_000) == [(ivr, ENDED)]
    speech.status(conversation, ivr, ENDED, 300_000)
    assert speech.due(conversation, 300_000) == []
    house.connect("c", now=301_000)
    agent = conversation.parties[-1].leg.id
    assert speech.due(conversation, 301_000) == [(agent, ONGOING)]
    speech.status(conversation, agent, ONGOING, 301_000)
    house.end("c", now=310_000)
    assert speech.due(conversation, 311_999, linger_ms=2_000) == []
    assert speech.due(conversation, 312_000, linger_ms=2_000) == [(agent, ENDED)]
    assert speech.due(house.begin("m", now=0, media_type="message"), 0) == []


@pytest.mark.parametrize(("speaker", "side"), [("customer", "EXTERNAL"), ("agent", "INTERNAL"), ("ivr", "INTERNAL")])
def test_who_is_on_which_side(speaker: str, side: str) -> None:
    assert speech.side(speaker) == side


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")
def test_messages_have_exactly_the_fields_of_the_samples() -> None:
    conversation = call()
    spoken = json.loads((SAMPLES / "transcription-event.composed.json").read_text())["eventBody"]
    ended = json.loads((SAMPLES / "transcription-event-session-ended.composed.json").read_text())["eventBody"]
    assert shape(say(conversation, "i need ten of them")) == shape(spoken)
    assert shape(speech.status(conversation, conversation.parties[-1].leg.id, ENDED, 2_000_000)) == shape(ended)
