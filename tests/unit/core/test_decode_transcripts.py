"""`core/decode/transcripts.py`: the contract's frame, read without loss whatever its bytes are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.decode import transcripts
from genscribe.core.decode.transcripts import Decoded
from genscribe.events import Unreadable, Utterance

RECEIVED = "2026-03-21T01:09:56.000Z"
LINE = {"timestamp": "2026-03-21T01:09:55.225Z", "speaker": "agent", "text": "how can i help", "type": "final"}
FRAME = {"conversationId": "c-1", "mediaType": "voice", "timestamp": "2026-03-21T01:09:55.900Z", "transcript": [LINE]}
GOOD = json.dumps(LINE | {"text": "good"})


def read(frame: object, *, received_at: str = RECEIVED) -> Decoded:
    payload = frame if isinstance(frame, str | bytes) else json.dumps(frame)
    return transcripts.decode(payload, binary=False, received_at=received_at)


def line(**fields: object) -> dict[str, Any]:
    return FRAME | {"transcript": [LINE | fields]}


def raw_lines(*lines: str) -> str:
    return json.dumps(FRAME | {"transcript": "HERE"}).replace('"HERE"', f"[{','.join(lines)}]")


def utterances(decoded: Decoded) -> list[Utterance[str]]:
    return [event for event in decoded.events if isinstance(event, Utterance)]


def unreadable(decoded: Decoded) -> list[Unreadable[str]]:
    return [event for event in decoded.events if isinstance(event, Unreadable)]


def only(decoded: Decoded) -> Utterance[str]:
    (event,) = decoded.events
    assert isinstance(event, Utterance)
    return event


def texts_of(decoded: Decoded) -> list[str]:
    return [event.text for event in utterances(decoded)]


# What a good frame says


def test_a_line_becomes_a_final_utterance() -> None:
    event = only(read(FRAME))
    assert event == Utterance(
        key=event.key,
        revision=1,
        conversation_id="c-1",
        media_type="voice",
        speaker="agent",
        text="how can i help",
        is_final=True,
        spoken_at="2026-03-21T01:09:55.225Z",
        emitted_at="2026-03-21T01:09:55.900Z",
        received_at=RECEIVED,
        source="transcripts",
    )
    assert len(event.key) == 32


@pytest.mark.parametrize("frame", [{}, {"transcript": None}, {"transcript": []}, {"conversationId": "c", "more": [1]}])
def test_a_frame_without_lines_is_no_fault(frame: object) -> None:
    assert read(frame) == Decoded([])


def test_fields_that_nobody_knows_are_skipped() -> None:
    frame = json.dumps({"more": {"a": [None]}} | line(words=[{"offsetMs": "HUGE"}], confidence=2**70))
    assert only(read(frame.replace('"HUGE"', "1e999"))) == only(read(FRAME))


def test_a_field_not_sent_is_null_and_never_invented() -> None:
    event = only(read({"transcript": [{"text": "hello"}]}))
    assert (event.conversation_id, event.media_type, event.spoken_at, event.emitted_at) == (None,) * 4
    assert (event.side, event.participant_id, event.user_id, event.queue_id, event.utterance_id) == (None,) * 5
    assert event.speaker == "unknown"


@pytest.mark.parametrize("name", [*FRAME, *LINE])
def test_null_is_the_same_as_missing(name: str) -> None:
    whole = FRAME if name in FRAME and name != "timestamp" else LINE
    nulled, lacking = dict(whole) | {name: None}, {k: v for k, v in whole.items() if k != name}
    if whole is LINE:
        nulled, lacking = FRAME | {"transcript": [nulled]}, FRAME | {"transcript": [lacking]}
    assert read(nulled) == read(lacking)
    assert not unreadable(read(nulled))


def test_an_empty_id_is_no_id() -> None:
    assert only(read(FRAME | {"conversationId": "", "mediaType": ""})).conversation_id is None


@pytest.mark.parametrize("text", [None, "", " ", "\t\n\r", "\u00a0\u2003"])
def test_empty_text_is_counted_and_not_delivered(text: str | None) -> None:
    assert read(line(text=text)) == Decoded([], empty=1)


@pytest.mark.parametrize("kind", ["system", "System", "SYSTEM", " system "])
@pytest.mark.parametrize("text", ["call started", "", None])
def test_system_lines_are_counted_and_not_delivered(kind: str, text: str | None) -> None:
    assert read(line(type=kind, text=text)) == Decoded([], system=1)


@pytest.mark.parametrize("kind", [None, "", "final", "partial", "systemic"])
def test_lines_of_any_other_type_are_final(kind: str | None) -> None:
    event = only(read(line(type=kind)))
    assert (event.is_final, event.revision) == (True, 1)


@pytest.mark.parametrize(
    ("word", "speaker", "side"),
    [
        ("agent", "agent", None),
        ("Agent", "agent", None),
        (" CUSTOMER ", "customer", None),
        ("internal", "agent", "internal"),
        ("External", "customer", "external"),
        ("IVR", "ivr", None),
        ("acd", "acd", None),
        ("Voice Bot", "voice bot", None),
        ("", "unknown", None),
        ("  ", "unknown", None),
        (None, "unknown", None),
    ],
)
def test_speaker_is_our_reading_and_side_the_platforms_word(word: str | None, speaker: str, side: str | None) -> None:
    event = only(read(line(speaker=word)))
    assert (event.speaker, event.side) == (speaker, side)


def test_text_is_delivered_as_it_came() -> None:
    text = "  don't  \u202e\x1b[2J\r\n=1+1 AC-130 \U0001f600 café <b>&amp;  "
    assert only(read(line(text=text))).text == text


@pytest.mark.parametrize("bad", ["\0", chr(0xD800), chr(0xDFFF)], ids=["NUL", "high", "low"])
def test_nul_and_lone_surrogates_become_the_replacement_character(bad: str) -> None:
    frame = FRAME | {"conversationId": f"c{bad}", "mediaType": f"m{bad}"}
    frame["transcript"] = [{"text": f"a{bad}b", "speaker": f"s{bad}", "type": f"t{bad}"}]
    event = only(read(frame))
    assert (event.text, event.speaker) == ("a\ufffdb", "s\ufffd")
    assert (event.conversation_id, event.media_type) == ("c\ufffd", "m\ufffd")


@pytest.mark.parametrize("time", ["yesterday", "2026-02-30T00:00:00.000Z", -1, 2**70, 1e300])
def test_a_time_that_cannot_be_read_costs_the_time_and_nothing_else(time: object) -> None:
    event = only(read(line(timestamp=time) | {"timestamp": time}))
    assert (event.text, event.spoken_at, event.emitted_at) == ("how can i help", None, None)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000])
def test_a_time_beyond_any_number_costs_the_time_and_nothing_else(number: str) -> None:
    assert only(read(raw_lines(f'{{"text":"a","timestamp":{number}}}'))).spoken_at is None
    decoded = read(f'{{"timestamp":{number},"transcript":[{{"text":"a"}}]}}')
    assert only(decoded).emitted_at is None


def test_times_beyond_any_number_make_keys_of_their_own() -> None:
    frames = [raw_lines(f'{{"text":"a","timestamp":{number}}}') for number in ("1e999", "2e999")]
    assert keys(frames[0]) != keys(frames[1])


def test_order_is_the_frames() -> None:
    texts = [f"line {n}" for n in range(50)]
    assert texts_of(read(FRAME | {"transcript": [LINE | {"text": text} for text in texts]})) == texts


# What cannot be read

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", "not JSON"),
        ("   ", "not JSON"),
        ("ping", "not JSON"),
        ("{", "not JSON"),
        (json.dumps(FRAME)[:-1], "not JSON"),
        (json.dumps(FRAME) + "x", "not JSON"),
        (json.dumps(FRAME) * 2, "not JSON"),
        (json.dumps(FRAME).replace("'", '"').replace('"', "'"), "not JSON"),
        ("\ufeff" + json.dumps(FRAME), "not JSON"),
        ("NaN", "not an object"),
        (raw_lines(GOOD, '{"text":-NaN}'), "not JSON"),
        (raw_lines(GOOD, '{"text":"a\tb"}'), "not JSON"),
        (raw_lines(GOOD, ""), "not JSON"),
        ('{"text":"\\u12"}', "not JSON"),
        ("null", "not an object"),
        ("true", "not an object"),
        ("17", "not an object"),
        ('"text"', "not an object"),
        ("[]", "not an object"),
        (json.dumps([FRAME]), "not an object"),
        (DEEP, "not an object"),
        ("[" * 100_000, "not an object"),
        ('{"transcript":"text"}', "transcript is not a list"),
        ('{"transcript":{"text":"a"}}', "transcript is not a list"),
        ('{"transcript":0}', "transcript is not a list"),
        ('{"transcript":false}', "transcript is not a list"),
    ],
    ids=range(26),
)
def test_a_frame_that_cannot_be_read_is_kept_verbatim(frame: str, reason: str) -> None:
    decoded = read(frame)
    (event,) = unreadable(decoded)
    assert event.raw == frame.encode()
    assert event.reason.startswith(reason)
    assert (event.revision, event.received_at, event.source) == (1, RECEIVED, "transcripts")
    assert not utterances(decoded)


@pytest.mark.parametrize("frame", [b"", b"\x00\xff", json.dumps(FRAME).encode(), json.dumps(FRAME)])
def test_a_binary_frame_is_kept_verbatim(frame: str | bytes) -> None:
    (event,) = unreadable(transcripts.decode(frame, binary=True, received_at=RECEIVED))
    assert event.raw == (frame if isinstance(frame, bytes) else frame.encode())
    assert event.reason == "binary frame"


def test_bytes_and_text_are_read_alike() -> None:
    frame = json.dumps(line(text="caf\u00e9 \U0001f600"), ensure_ascii=False)
    assert read(frame.encode()) == read(frame)


BAD_LINES = {
    "null": "null",
    "string": '"hello"',
    "number": "17",
    "list": "[]",
    "text is a number": '{"text":17}',
    "text is a list": '{"text":["a"]}',
    "text is an object": '{"text":{"a":"b"}}',
    "text is true": '{"text":true}',
    "text is huge": '{"text":' + "9" * 5000 + "}",
    "speaker is a list": '{"text":"a","speaker":["agent"]}',
    "type is an object": '{"text":"a","type":{}}',
    "timestamp is a list": '{"text":"a","timestamp":[2026]}',
    "timestamp is true": '{"text":"a","timestamp":true}',
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_costs_only_itself(bad: str) -> None:
    decoded = read(raw_lines(GOOD, bad, GOOD.replace("good", "better")))
    assert texts_of(decoded) == ["good", "better"]
    (event,) = unreadable(decoded)
    assert event.raw == bad.encode()
    assert event.reason.startswith("line: ")


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_reason_quotes_nothing_that_was_said(bad: str) -> None:
    secret = bad.replace('"a"', '"hunter2"').replace('"hello"', '"hunter2"')
    assert all("hunter2" not in event.reason for event in unreadable(read(raw_lines(secret))))


def test_neighbours_of_a_bad_line_keep_their_keys() -> None:
    alone = read(raw_lines(GOOD, GOOD))
    assert utterances(read(raw_lines("null", GOOD, "17", GOOD, "[]"))) == alone.events


def test_invalid_utf_8_costs_only_its_line() -> None:
    bad = b'{"text":"\xff"}'
    decoded = read(raw_lines(GOOD, "BAD", GOOD).encode().replace(b"BAD", bad))
    assert texts_of(decoded) == ["good", "good"]
    assert [event.raw for event in unreadable(decoded)] == [bad]


def test_nesting_beyond_any_stack_costs_only_its_line() -> None:
    frame = raw_lines(GOOD, f'{{"text":{DEEP}}}', f'{{"text":"also good","more":{DEEP}}}')
    decoded = read(frame)
    assert texts_of(decoded) == ["good", "also good"]
    assert frame.encode() in [event.raw for event in unreadable(decoded)]


def test_nesting_beyond_any_stack_where_nobody_looks_costs_nothing() -> None:
    assert texts_of(read(raw_lines(GOOD, f'{{"text":"also good","more":{DEEP}}}'))) == ["good", "also good"]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_costs_only_itself(constant: str) -> None:
    frame = raw_lines(GOOD, f'{{"text":"NaN said","confidence":{constant}}}', f'{{"text":{constant}}}')
    decoded = read(frame)
    assert texts_of(decoded) == ["good", "NaN said"]
    assert [event.raw for event in unreadable(decoded)] == [frame.encode()]
    assert decoded.empty == 1


@pytest.mark.parametrize("name", ["conversationId", "mediaType", "timestamp"])
@pytest.mark.parametrize("wrong", [["x"], {"a": 1}, True])
def test_a_field_of_the_frame_of_the_wrong_type_costs_only_itself(name: str, wrong: object) -> None:
    frame = FRAME | {name: wrong}
    decoded = read(frame)
    (event,) = unreadable(decoded)
    assert event.raw == json.dumps(frame).encode()
    assert name in event.reason
    assert utterances(decoded) == read(FRAME | {name: None}).events


def test_a_name_that_occurs_twice_has_its_last_value() -> None:
    assert only(read('{"transcript":[{"text":"a"}],"transcript":[{"text":"b","text":"c"}]}')).text == "c"


# Keys


def keys(frame: object, **fields: str) -> list[str]:
    return [event.key for event in read(frame, **fields).events]


def test_keys_are_these_for_ever() -> None:
    """Stores outlive releases: a change here makes every redelivered utterance new."""
    frame = FRAME | {"transcript": [LINE, LINE, {"text": "caf\u00e9"}, 17]}
    assert keys(frame) == [
        "79b0606ecb943f66a10cdcde31dd29a6",
        "62a0541e5665d09d5307fcce06422cfb",
        "f630e7813dad6bf73bda2825ca0259ac",
        "5d26d6482709bb696e593629878315f7",
    ]
    assert keys("not json") == ["aa54cc416a4ded3b23bde8ee3d958bcc"]


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_keys_do_not_depend_on_the_process(seed: str) -> None:
    program = (
        "import sys; from genscribe.core.decode import transcripts;"
        "print(transcripts.decode(sys.argv[1], binary=False, received_at='later').events[0].key)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, json.dumps(FRAME)],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == keys(FRAME)


def test_keys_do_not_depend_on_when_it_was_received() -> None:
    frame = raw_lines(GOOD, "17")
    assert keys(frame) == keys(frame, received_at="2027-01-01T00:00:00.000Z")


def test_keys_do_not_depend_on_how_the_json_is_written() -> None:
    spread = json.dumps(dict(reversed(FRAME.items())) | {"more": "é"}, indent=3, ensure_ascii=False)
    assert keys(spread) == keys(FRAME)


def test_keys_do_not_depend_on_how_a_time_is_spelled() -> None:
    assert keys(line(timestamp="2026-03-21T03:09:55.225000+02:00")) == keys(FRAME)


def test_the_lines_time_makes_the_key_and_else_the_frames() -> None:
    assert keys(FRAME | {"timestamp": "2026-03-21T02:00:00.000Z"}) == keys(FRAME)
    timeless = line(timestamp=None)
    assert keys(timeless) != keys(timeless | {"timestamp": "2026-03-21T02:00:00.000Z"})


@pytest.mark.parametrize(
    "other",
    [
        FRAME | {"conversationId": "c-2"},
        FRAME | {"conversationId": None},
        line(timestamp="2026-03-21T01:09:55.226Z"),
        line(timestamp="2026-03-21T01:09:55.2251Z"),
        line(timestamp="yesterday"),
        line(timestamp=None),
        line(speaker="customer"),
        line(speaker=None),
        line(type="partial"),
        line(type=None),
        line(text="how can i help you"),
    ],
    ids=range(11),
)
def test_each_part_of_an_utterances_identity_changes_the_key(other: object) -> None:
    assert keys(other) != keys(FRAME)


def test_equal_lines_in_one_frame_are_utterances_of_their_own() -> None:
    twice = FRAME | {"transcript": [LINE, {"text": "between"}, LINE]}
    first, _, second = keys(twice)
    assert first == keys(FRAME)[0] != second


def test_parts_of_an_identity_cannot_run_into_each_other() -> None:
    frames = [
        {"conversationId": "a", "transcript": [{"speaker": "b", "text": "c"}]},
        {"conversationId": "ab", "transcript": [{"text": "c"}]},
        {"conversationId": "a", "transcript": [{"type": "b", "text": "c"}]},
        {"conversationId": "a", "transcript": [{"text": "bc"}]},
        {"conversationId": "a", "transcript": [{"text": "b\0c"}]},
    ]
    assert len({key for frame in frames for key in keys(frame)}) == len(frames)


def test_what_cannot_be_read_is_known_by_its_frame_and_place() -> None:
    assert keys("ping") == keys("ping") != keys("pong")
    here, there = raw_lines("17", "17"), raw_lines("17", "17").replace("c-1", "c-2")
    assert len({*keys(here), *keys(there)}) == 4


# For any input

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=8,
)
SOMETIMES = st.one_of(st.none(), st.text(st.characters()), ANY_JSON)
ANY_LINE = st.fixed_dictionaries({}, optional=dict.fromkeys(LINE, SOMETIMES)) | ANY_JSON
ANY_FRAME = st.fixed_dictionaries({}, optional=dict.fromkeys(FRAME, SOMETIMES) | {"transcript": st.lists(ANY_LINE)})


@given(ANY_FRAME | ANY_JSON)
def test_any_json_is_read_and_every_line_accounted_for(frame: Any) -> None:
    decoded = read(frame)
    for event in utterances(decoded):
        event.text.encode()
        assert "\0" not in event.text
        assert event.text.strip()
    if isinstance(frame, dict) and isinstance(frame.get("transcript"), list):
        spoken = utterances(decoded)
        bad = [event for event in unreadable(decoded) if event.reason.startswith("line: ")]
        assert len(spoken) + len(bad) + decoded.empty + decoded.system == len(frame["transcript"])


@given(st.binary() | st.text(st.characters()), st.booleans())
def test_any_bytes_and_any_text_are_taken(payload: bytes | str, binary: bool) -> None:
    decoded = transcripts.decode(payload, binary=binary, received_at=RECEIVED)
    assert isinstance(decoded, Decoded)


TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
TIME = st.none() | st.text(max_size=9) | st.integers(0, 10**14) | st.floats(0, 1e12) | st.just(LINE["timestamp"])
GOOD_FRAME = st.fixed_dictionaries(
    {
        "conversationId": TEXT,
        "mediaType": TEXT,
        "timestamp": TIME,
        "transcript": st.lists(st.fixed_dictionaries({"timestamp": TIME, "speaker": TEXT, "text": TEXT, "type": TEXT})),
    }
)


@given(GOOD_FRAME)
def test_both_ways_of_reading_agree(frame: object) -> None:
    payload = json.dumps(frame).encode()
    if "\\u0000" in payload.decode():
        return
    assert transcripts._decode_piecewise(payload, RECEIVED) == read(payload)
