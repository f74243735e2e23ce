"""`core/decode/messages.py`: the texts in the bulk answer, a bad one costing only itself."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genscribe.core.decode import messages
from genscribe.core.decode.messages import Text

ENTITY = {
    "id": "m-1",
    "providerMessageId": "x",
    "timestamp": "2026-03-21T01:09:55.225Z",
    "fromAddress": "+15550100002",
    "toAddress": "+15550100001",
    "direction": "outbound",
    "messengerType": "sms",
    "status": "delivery-success",
    "normalizedMessage": {"id": "n-1", "type": "Text", "text": "where is my parcel", "content": []},
    "createdBy": {"id": "u-1", "name": "Ann"},
    "conversationId": "c-1",
}
TEXT = Text(
    "m-1", "c-1", "where is my parcel", "2026-03-21T01:09:55.225Z", "outbound", "sms", "u-1", "delivery-success"
)


def read(*entities: object) -> list[Text]:
    return messages.read(json.dumps({"entities": list(entities)}).encode())


def test_a_message_becomes_a_text() -> None:
    assert read(ENTITY) == [TEXT]


def test_an_id_is_enough() -> None:
    assert read({"id": "m-1"}) == [Text("m-1")]


@pytest.mark.parametrize("name", [name for name in ENTITY if name != "id"])
def test_null_is_the_same_as_missing(name: str) -> None:
    lacking = {key: value for key, value in ENTITY.items() if key != name}
    assert read(ENTITY | {name: None}) == read(lacking)


@pytest.mark.parametrize(
    "normalized",
    [{"type": "Structured", "content": [{"contentType": "Attachment"}]}, {"text": ""}, {"text": None}, {}, None],
    ids=range(5),
)
def test_structured_content_has_no_text_of_its_own(normalized: object) -> None:
    (text,) = read(ENTITY | {"normalizedMessage": normalized})
    assert text.text is None


def test_structured_content_keeps_the_text_beside_it() -> None:
    quick = {"type": "Structured", "text": "which one?", "content": [{"contentType": "QuickReply"}]}
    assert read(ENTITY | {"normalizedMessage": quick})[0].text == "which one?"


def test_words_are_in_lower_case_and_times_in_our_form() -> None:
    (text,) = read(ENTITY | {"direction": "INBOUND", "messengerType": "Open", "timestamp": 1_774_055_395_225})
    assert (text.direction, text.messenger_type, text.at) == ("inbound", "open", "2026-03-21T01:09:55.225Z")


def test_nul_and_lone_surrogates_become_the_replacement_character() -> None:
    assert read(ENTITY | {"normalizedMessage": {"text": "a\0b\ud800"}})[0].text == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    "bad",
    [
        5,
        None,
        "x",
        [],
        {},
        ENTITY | {"id": 5},
        ENTITY | {"id": ""},
        ENTITY | {"normalizedMessage": "x"},
        ENTITY | {"normalizedMessage": {"text": 5}},
    ],
    ids=range(9),
)
def test_a_bad_entity_costs_only_itself(bad: object) -> None:
    assert read(ENTITY, bad, ENTITY | {"id": "m-2"}) == [TEXT, *read(ENTITY | {"id": "m-2"})]


@pytest.mark.parametrize("name", [name for name in ENTITY if name not in ("id", "normalizedMessage")])
@pytest.mark.parametrize("wrong", [5, [5], {"x": 5}, True, 10**30, "x"])
def test_a_wrong_field_beside_the_text_costs_no_text(name: str, wrong: object) -> None:
    (text,) = read(ENTITY | {name: wrong})
    assert (text.message_id, text.text) == ("m-1", "where is my parcel")


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"{}", b'{"entities":null}', b'{"entities":5}', b"\xff"])
def test_what_is_no_listing_has_no_texts(body: bytes) -> None:
    assert messages.read(body) == []


def test_nan_and_nesting_cost_only_themselves() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    body = json.dumps({"entities": [ENTITY | {"more": float("nan")}, ENTITY | {"status": "DEEP"}]}).replace(
        '"DEEP"', deep
    )
    assert [text.text for text in messages.read(body.encode())] == [TEXT.text] * 2


@pytest.mark.slow
def test_every_name_read_is_one_of_the_official_sdks(sdk: ModuleType) -> None:
    assert set(messages._Entity.__struct_encode_fields__) <= set(sdk.MessageData().attribute_map.values())
    assert "text" in sdk.ConversationNormalizedMessage().attribute_map.values()
    assert "entities" in sdk.TextMessageListing().attribute_map.values()


NAMES = [*ENTITY, "entities", "text"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@given(ANY_JSON | st.fixed_dictionaries({"entities": st.lists(ANY_JSON)}))
def test_any_json_is_read(value: Any) -> None:
    for text in messages.read(json.dumps(value).encode()):
        assert text.message_id
        assert "\0" not in (text.text or "")


@given(st.binary())
def test_any_bytes_are_taken(body: bytes) -> None:
    messages.read(body)
