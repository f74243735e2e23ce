"""`core/decode/speech.py`: the transcription topic's body, every field of which may be missing, null, new or wrong."""

from __future__ import annotations

import json
from hashlib import sha256
from types import ModuleType
from typing import Any

import pytest

from genscribe.core.decode import notifications, speech
from genscribe.core.decode.notifications import Decoded, Speech
from genscribe.events import Unreadable, Utterance, Word

RECEIVED = "2026-03-21T01:09:56.000Z"
STARTED = 1_774_055_376_019
WORD = {"word": "ten", "offsetMs": 17_820, "durationMs": 80, "confidence": 0.9}
BEST = {
    "confidence": 0.643,
    "offsetMs": 17_820,
    "durationMs": 80,
    "transcript": "ten please",
    "words": [WORD, {"word": "please", "offsetMs": 17_900, "durationMs": 40, "confidence": 0.8}],
    "decoratedTranscript": "10 please",
    "decoratedWords": [{"word": "10", "offsetMs": 17_820, "durationMs": 80, "confidence": 0.9}],
}
RESULT = {
    "utteranceId": "u-1",
    "isFinal": True,
    "channel": "EXTERNAL",
    "alternatives": [BEST],
    "engineProvider": "GENESYS",
    "engineId": "r2d2",
    "dialect": "en-US",
    "agentAssistEnabled": False,
    "voiceTranscriptionEnabled": True,
}
BODY = {
    "eventTime": "2026-03-21T01:09:55.225Z",
    "organizationId": "o-1",
    "conversationId": "c-1",
    "communicationId": "l-1",
    "sessionStartTimeMs": STARTED,
    "transcriptionStartTimeMs": STARTED - 32,
    "transcripts": [RESULT],
    "status": {"offsetMs": 17_820, "status": "SESSION_ONGOING"},
}


def frame(body: object) -> str:
    return json.dumps({"topicName": "v2.conversations.c-1.transcription", "version": "2", "eventBody": body})


def read(body: object, *, received_at: str = RECEIVED) -> Decoded:
    payload = body if isinstance(body, str) else frame(body)
    return notifications.decode(payload.encode(), binary=False, received_at=received_at)


def said(decoded: Decoded) -> Speech:
    (message,) = decoded.messages
    assert isinstance(message, Speech)
    return message


def clean(body: object) -> Speech:
    """The speech of a body of which nothing is lost."""
    decoded = read(body)
    assert not decoded.unreadable
    return said(decoded)


def result(**fields: object) -> dict[str, Any]:
    return BODY | {"transcripts": [RESULT | fields]}


def best(**fields: object) -> dict[str, Any]:
    return result(alternatives=[BEST | fields])


def only(body: object) -> Utterance[str]:
    (utterance,) = clean(body).utterances
    return utterance


# What a good body says


def test_a_result_becomes_an_utterance() -> None:
    spoken = only(BODY)
    assert spoken == Utterance(
        key=spoken.key,
        revision=1,
        conversation_id="c-1",
        communication_id="l-1",
        utterance_id="u-1",
        media_type="voice",
        speaker="customer",
        side="external",
        text="10 please",
        is_final=True,
        spoken_at="2026-03-21T01:09:53.839Z",
        offset_ms=17_820,
        duration_ms=80,
        confidence=0.643,
        language="en-US",
        words=[Word("ten", 17_820, 80, 0.9), Word("please", 17_900, 40, 0.8)],
        emitted_at="2026-03-21T01:09:55.225Z",
        received_at=RECEIVED,
        source="notifications",
    )


def test_the_message_says_whose_session_it_is_and_how_it_stands() -> None:
    heard = clean(BODY)
    assert (heard.conversation_id, heard.communication_id, heard.session_started_at) == ("c-1", "l-1", STARTED)
    assert (heard.ended, heard.ongoing, heard.emitted_at, heard.empty) == (False, True, "2026-03-21T01:09:55.225Z", 0)


@pytest.mark.parametrize(
    "transcripts", [{}, {"transcripts": None}, {"transcripts": []}], ids=["absent", "null", "none"]
)
@pytest.mark.parametrize(
    ("status", "ended", "ongoing"),
    [
        ("SESSION_ENDED", True, False),
        ("SESSION_ONGOING", False, True),
        ("session_ended", True, False),
        ("UNKNOWN", False, False),
        ("SESSION_PAUSED", False, False),
        (None, False, False),
    ],
)
def test_a_message_may_tell_the_status_only(
    transcripts: dict[str, Any], status: str, ended: bool, ongoing: bool
) -> None:
    body = {name: BODY[name] for name in BODY if name != "transcripts"} | transcripts
    heard = clean(body | {"status": {"offsetMs": 1, "status": status}})
    assert (heard.utterances, heard.ended, heard.ongoing) == ([], ended, ongoing)


@pytest.mark.parametrize("body", [{}, None])
def test_an_empty_body_says_nothing_but_the_conversation(body: object) -> None:
    assert clean(body) == Speech("c-1", None, None, [], ended=False, ongoing=False, emitted_at=None, empty=0)


def test_a_field_not_sent_is_null_and_never_invented() -> None:
    bare = only({"transcripts": [{"alternatives": [{"transcript": "hello"}]}]})
    assert bare == Utterance(
        key=bare.key,
        revision=1,
        conversation_id="c-1",
        media_type="voice",
        text="hello",
        received_at=RECEIVED,
        source="notifications",
    )


@pytest.mark.parametrize("name", [*BODY, *RESULT, *BEST, *WORD])
def test_null_is_the_same_as_missing(name: str) -> None:
    def without(value: Any, nulled: bool) -> Any:
        if isinstance(value, list):
            return [without(item, nulled) for item in value]
        if isinstance(value, dict):
            kept = {key: without(inner, nulled) for key, inner in value.items() if key != name}
            return kept | ({name: None} if nulled and name in value else {})
        return value

    assert clean(without(BODY, nulled=True)) == clean(without(BODY, nulled=False))


@pytest.mark.parametrize(
    ("channel", "speaker", "side"),
    [
        ("EXTERNAL", "customer", "external"),
        ("INTERNAL", "agent", "internal"),
        ("External", "customer", "external"),
        (" internal ", "agent", "internal"),
        ("BOTH", "unknown", "both"),
        ("UNKNOWN", "unknown", "unknown"),
        ("SUPERVISOR", "unknown", "supervisor"),
        ("", "unknown", None),
        (None, "unknown", None),
    ],
)
def test_the_channel_is_the_side(channel: str | None, speaker: str, side: str | None) -> None:
    spoken = only(result(channel=channel))
    assert (spoken.speaker, spoken.side) == (speaker, side)


@pytest.mark.parametrize(("is_final", "revision"), [(True, 1), (None, 1), (False, 0)])
def test_an_interim_result_is_revision_0_of_the_same_key(is_final: bool | None, revision: int) -> None:
    spoken = only(result(isFinal=is_final, alternatives=[{"transcript": "so far"}]))
    assert (spoken.revision, spoken.is_final, spoken.key) == (revision, revision == 1, only(BODY).key)


@pytest.mark.parametrize(
    ("decorated", "plain", "text"),
    [("10", "ten", "10"), (None, "ten", "ten"), ("", "ten", "ten"), ("  ", "ten", "ten"), ("10", None, "10")],
)
def test_the_decorated_transcript_comes_before_the_plain(decorated: str | None, plain: str | None, text: str) -> None:
    assert only(best(decoratedTranscript=decorated, transcript=plain)).text == text


@pytest.mark.parametrize(
    "body",
    [
        best(decoratedTranscript=None, transcript=None),
        best(decoratedTranscript="", transcript=" \t"),
        result(alternatives=[]),
        result(alternatives=None),
        BODY | {"transcripts": [{}]},
    ],
    ids=range(5),
)
def test_empty_text_is_counted_and_not_delivered(body: object) -> None:
    heard = clean(body)
    assert (heard.utterances, heard.empty) == ([], 1)


def test_only_the_first_alternative_is_read() -> None:
    assert only(result(alternatives=[BEST, BEST | {"decoratedTranscript": "tent"}])).text == "10 please"


def test_words_are_as_spoken_or_not_there() -> None:
    assert only(best(words=None)).words is None
    assert only(best(words=[])).words == []


@pytest.mark.parametrize(
    ("session", "transcription", "started"),
    [
        (STARTED, STARTED - 32, STARTED),
        (None, STARTED - 32, STARTED - 32),
        (0, STARTED - 32, STARTED - 32),
        (None, None, None),
        (0, 0, None),
        (-5, None, None),
    ],
)
def test_times_count_from_the_session(session: int | None, transcription: int | None, started: int | None) -> None:
    heard = clean(BODY | {"sessionStartTimeMs": session, "transcriptionStartTimeMs": transcription})
    assert heard.session_started_at == started
    (spoken,) = heard.utterances
    expected = {
        STARTED: "2026-03-21T01:09:53.839Z",
        STARTED - 32: "2026-03-21T01:09:53.807Z",
        None: None,
    }
    assert spoken.spoken_at == expected[started]


def test_without_an_offset_there_is_no_time() -> None:
    assert only(best(offsetMs=None)).spoken_at is None
    assert only(best(offsetMs=0)).spoken_at == "2026-03-21T01:09:36.019Z"


def test_a_time_beyond_the_calendar_is_none() -> None:
    assert only(best(offsetMs=2**52)).spoken_at is None


@pytest.mark.parametrize(
    ("dialect", "language"),
    [
        ("en-US", "en-US"),
        ("en-us", "en-US"),
        ("EN_us", "en-US"),
        ("EN", "en"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("es-419", "es-419"),
        ("sl-ROZAJ-biske", "sl-rozaj-biske"),
        ("en-x-US", "en-x-us"),
        ("de-CH-u-CO-phonebk", "de-CH-u-co-phonebk"),
        (" pt-br ", "pt-BR"),
        ("klingon of the north", "klingon of the north"),
        ("x" * 99, "x" * 99),
        ("", None),
        (None, None),
    ],
)
def test_a_language_has_one_case(dialect: str | None, language: str | None) -> None:
    assert only(result(dialect=dialect)).language == language


def test_nul_and_lone_surrogates_become_the_replacement_character() -> None:
    spoken = only(best(decoratedTranscript="a\0b\ud800c"))
    assert spoken.text == "a\ufffdb\ufffdc"


def test_order_is_the_frames() -> None:
    results = [RESULT | {"utteranceId": f"u-{n}"} for n in range(9)]
    assert [spoken.utterance_id for spoken in clean(BODY | {"transcripts": results}).utterances] == [
        f"u-{n}" for n in range(9)
    ]


# Keys


def key(body: object) -> str:
    return only(body).key


def test_keys_are_these_for_ever() -> None:
    """Stores outlive releases: a change here makes every redelivered utterance new."""
    assert key(BODY) == sha256(b"c-1\0l-1\0u-1").hexdigest()[:32] == "61001723759412148be556bf1403a944"
    assert key(result(utteranceId=None)) == "577b5bcd05663113cceab80a911202c9"
    bad = read(BODY | {"transcripts": [17]}).unreadable
    assert [event.key for event in bad] == ["9c39d51a1e8a4544901a98ef53fe7273"]


def test_where_there_is_an_id_it_alone_makes_the_key() -> None:
    other = BEST | {"offsetMs": 1, "decoratedTranscript": "another"}
    assert key(result(channel="INTERNAL", alternatives=[other]) | {"eventTime": None}) == key(BODY)
    assert read(BODY, received_at="later").messages != read(BODY).messages
    assert said(read(BODY, received_at="later")).utterances[0].key == key(BODY)


@pytest.mark.parametrize(
    "other",
    [
        BODY | {"conversationId": "c-2"},
        BODY | {"communicationId": "l-2"},
        BODY | {"communicationId": None},
        result(utteranceId="u-2"),
        result(utteranceId=None),
    ],
    ids=range(5),
)
def test_each_id_changes_the_key(other: object) -> None:
    assert key(other) != key(BODY)


NAMELESS = result(utteranceId=None)
TIMELESS = result(utteranceId=None, alternatives=[BEST | {"offsetMs": None}])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (NAMELESS, NAMELESS | {"eventTime": None}, True),
        (NAMELESS, result(utteranceId="", dialect="de"), True),
        (NAMELESS, result(utteranceId=None, alternatives=[BEST | {"offsetMs": 17_820.0}]), True),
        (NAMELESS, result(utteranceId=None, alternatives=[BEST | {"offsetMs": 17_821}]), False),
        (NAMELESS, result(utteranceId=None, alternatives=[BEST | {"decoratedTranscript": "11"}]), False),
        (NAMELESS, result(utteranceId=None, channel="INTERNAL"), False),
        (NAMELESS, TIMELESS, False),
        (TIMELESS, TIMELESS | {"eventTime": "2026-03-21T02:09:55.225+01:00"}, True),
        (TIMELESS, TIMELESS | {"eventTime": "2026-03-21T01:09:55.226Z"}, False),
    ],
    ids=range(9),
)
def test_without_an_id_place_channel_and_text_make_the_key(one: object, other: object, same: bool) -> None:
    assert (key(one) == key(other)) is same


def test_the_conversation_is_the_topics_where_the_body_has_none() -> None:
    assert key(BODY | {"conversationId": None}) == key(BODY | {"conversationId": ""}) == key(BODY)


# What cannot be read

WRONG: list[object] = [5, "x", [5], {"x": 5}, True, 1.5, 10**18, 10**30, -(2**60)]


def raw(event: Unreadable[str]) -> bytes:
    assert isinstance(event.raw, bytes)
    return event.raw


@pytest.mark.parametrize(
    "bad",
    [
        17,
        None,
        "hello",
        [],
        RESULT | {"utteranceId": 5},
        RESULT | {"isFinal": "yes"},
        RESULT | {"channel": ["EXTERNAL"]},
        RESULT | {"dialect": {}},
        RESULT | {"alternatives": BEST},
        RESULT | {"alternatives": [None]},
        RESULT | {"alternatives": [BEST | {"transcript": 5}]},
        RESULT | {"alternatives": [BEST | {"decoratedTranscript": ["a"]}]},
        RESULT | {"alternatives": [BEST | {"offsetMs": "17820"}]},
        RESULT | {"alternatives": [BEST | {"offsetMs": 10**18}]},
        RESULT | {"alternatives": [BEST | {"durationMs": 1e300}]},
        RESULT | {"alternatives": [BEST | {"confidence": "high"}]},
        RESULT | {"alternatives": [BEST | {"words": "ten"}]},
        RESULT | {"alternatives": [BEST | {"words": [WORD | {"word": 10}]}]},
        RESULT | {"alternatives": [BEST | {"words": [WORD | {"offsetMs": 10**40}]}]},
    ],
    ids=range(19),
)
def test_a_bad_result_costs_only_itself(bad: object) -> None:
    decoded = read(BODY | {"transcripts": [RESULT | {"utteranceId": "before"}, bad, RESULT | {"utteranceId": "after"}]})
    assert [spoken.utterance_id for spoken in said(decoded).utterances] == ["before", "after"]
    assert said(decoded).ongoing
    (event,) = decoded.unreadable
    assert json.loads(raw(event)) == bad
    assert event.reason.startswith("transcript: ")
    assert "please" not in event.reason
    assert (event.revision, event.received_at, event.source) == (1, RECEIVED, "notifications")


@pytest.mark.parametrize("name", [name for name in BODY if name not in ("organizationId", "transcripts")])
@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_a_wrong_field_of_the_body_costs_only_itself(name: str, wrong: object) -> None:
    body = BODY | {name: wrong}
    decoded = read(body)
    assert [spoken.text for spoken in said(decoded).utterances] == ["10 please"]
    for event in decoded.unreadable:
        assert event.raw == frame(body).encode()
        assert name in event.reason
    if not decoded.unreadable:
        expected = {"eventTime", "sessionStartTimeMs", "transcriptionStartTimeMs"}
        assert name in expected or isinstance(wrong, str) or (name, wrong) == ("status", {"x": 5})


@pytest.mark.parametrize("wrong", [5, "x", True, {"a": []}])
def test_transcripts_that_are_no_list_leave_the_status(wrong: object) -> None:
    body = BODY | {"transcripts": wrong, "status": {"status": "SESSION_ENDED"}}
    decoded = read(body)
    assert (said(decoded).utterances, said(decoded).ended) == ([], True)
    assert [event.raw for event in decoded.unreadable] == [frame(body).encode()]


@pytest.mark.parametrize("wrong", [5, "x", True, ["a"]])
def test_a_body_that_is_no_object_is_listed(wrong: object) -> None:
    decoded = read(wrong if not isinstance(wrong, str) else frame(wrong))
    assert said(decoded).conversation_id == "c-1"
    assert [event.raw for event in decoded.unreadable] == [frame(wrong).encode()]


@pytest.mark.parametrize("name", [*RESULT, *BEST, *WORD, "agentAssistantId", "engineName", "startTimeMs"])
@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_no_value_of_any_field_spoils_its_neighbours(name: str, wrong: object) -> None:
    word = WORD | ({name: wrong} if name in (*WORD, "startTimeMs") else {})
    alternative = BEST | {"words": [word]} | ({name: wrong} if name in BEST else {})
    bad = RESULT | {"alternatives": [alternative]} | ({name: wrong} if name in RESULT or "ngi" in name else {})
    decoded = read(BODY | {"transcripts": [bad, RESULT | {"utteranceId": "after"}]})
    heard = said(decoded)
    assert heard.utterances[-1].utterance_id == "after"
    assert len(heard.utterances) + len(decoded.unreadable) + heard.empty == 2


def test_nan_costs_only_itself() -> None:
    payload = frame(best(confidence=float("nan")))
    decoded = read(payload)
    assert [(spoken.text, spoken.confidence) for spoken in said(decoded).utterances] == [("10 please", None)]
    assert [event.raw for event in decoded.unreadable] == [payload.encode()]


def test_nesting_beyond_any_stack_costs_only_its_result() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    payload = frame(BODY | {"transcripts": [RESULT | {"channel": "DEEP"}, RESULT]}).replace('"DEEP"', deep)
    decoded = read(payload)
    assert len(said(decoded).utterances) == 1
    assert payload.encode() in [raw(event) for event in decoded.unreadable]


def test_equal_bad_results_are_listed_each() -> None:
    decoded = read(BODY | {"transcripts": [17, 17]})
    assert len({event.key for event in decoded.unreadable}) == 2


# The platform's model


@pytest.mark.slow
def test_the_model_is_the_official_sdks(sdk: ModuleType) -> None:
    for ours, theirs in (
        (speech.KnownBody, "TranscriptionMessage"),
        (speech.KnownStatus, "TranscriptionRequestStatus"),
        (speech.KnownResult, "TranscriptResult"),
        (speech.KnownAlternative, "TranscriptAlternative"),
        (speech.KnownWord, "TranscriptWord"),
    ):
        model = getattr(sdk, f"TranscriptionTopic{theirs}")()
        assert set(ours.__struct_encode_fields__) == set(model.attribute_map.values())
