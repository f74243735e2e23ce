from __future__ import annotations

import json
from typing import Any

import pytest

from genscribe.cli.main import main
from genscribe.cli.schema import schema
from genscribe.core.documents import Documents
from genscribe.events import Conversation, Gap, Message, Participant, Record, Utterance, Word, encode
from genscribe.settings.sinks import KINDS
from genscribe.sinks.postgresql_schema import ddl


def test_it_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_dialect_and_kinds() -> None:
    made = schema()
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    kinds = [made["$defs"][ref["$ref"].rpartition("/")[2]]["properties"]["kind"]["enum"] for ref in made["oneOf"]]
    assert kinds == [[kind] for kind in (*KINDS, "transcript")]
    assert "additionalProperties" not in json.dumps(made)


EVENTS = [
    Utterance(key="k", revision=1, text="hi", words=[Word("hi", 1, 2, 0.5)], spoken_at="2026-03-21T01:09:55.225Z"),
    Conversation(key="k", revision=1, conversation_id="c", state="started"),
    Participant(key="k", revision=1, conversation_id="c"),
    Gap(key="k", revision=1, started_at="2026-03-21T01:09:55.225Z", ended_at=None, reason="stopped"),
    Message(key="k", revision=1, conversation_id="c", message_id="m"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_it_describes_exactly_the_fields_that_are_delivered(event: object) -> None:
    sent = json.loads(Record(7, "", encode(event)).json())
    described = schema()["$defs"][type(event).__name__]
    assert set(described["properties"]) == set(described["required"]) == set(sent)
    for name, value in sent.items():
        assert fits(value, described["properties"][name]), name


def test_a_document_of_a_conversation_is_what_is_described() -> None:
    at = "2026-03-21T01:09:55.225Z"
    told = [
        Conversation(key="c:started", revision=1, conversation_id="c", state="started", at=at, media_type="voice"),
        Participant(key="c:p:1", revision=1, conversation_id="c", participant_id="p", joined_at=at, queue_name="Sales"),
        Utterance(key="k", revision=1, conversation_id="c", text="hi", words=[Word("hi", 1, 2, 0.5)], spoken_at=at),
        Gap(key="g", revision=1, started_at=at, ended_at="2026-03-21T01:10:55.225Z", reason="disconnected"),
        Conversation(key="c:ended", revision=1, conversation_id="c", state="ended", at="2026-03-21T01:11:55.225Z"),
    ]
    records = [Record(seq, event.kind, encode(event)) for seq, event in enumerate(told, 1)]
    record = Documents().document("c", records)
    assert record is not None
    document = json.loads(record.json())
    assert [len(document[name]) for name in ("participants", "lines", "gaps")] == [1, 1, 1]
    described = schema()["$defs"]["Transcript"]
    assert set(described["required"]) == set(document)
    assert set(schema()["$defs"]["Whole"]["required"]) == set(document["conversation"])
    assert fits(document, described)
    for wrong in ({"lines": [{"text": 5}]}, {"conversation": {"started_at": 5}}, {"revision": "1"}):
        assert not fits({**document, **wrong}, described), wrong


def fits(value: object, part: dict[str, Any]) -> bool:
    """Enough of a validator for what the schema uses."""
    if "$ref" in part:
        return fits(value, schema()["$defs"][part["$ref"].rpartition("/")[2]])
    if "properties" in part:
        if not isinstance(value, dict) or not set(part.get("required", ())) <= value.keys():
            return False
        return all(fits(each, part["properties"][name]) for name, each in value.items())
    if "items" in part:
        return isinstance(value, list) and all(fits(each, part["items"]) for each in value)
    if "anyOf" in part:
        return any(fits(value, each) for each in part["anyOf"])
    if "enum" in part:
        return value in part["enum"]
    types = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "null": type(None)}
    return isinstance(value, types[part["type"]])  # type: ignore[arg-type]


def test_times_are_date_times() -> None:
    gap = schema()["$defs"]["Gap"]["properties"]
    assert gap["started_at"] == {"type": "string", "format": "date-time"}
    assert {"type": "null"} in gap["ended_at"]["anyOf"]


def test_descriptions_are_one_sentence() -> None:
    for part in schema()["$defs"].values():
        assert part["description"]
        assert "\n" not in part["description"]


def test_it_prints_the_tables_of_postgresql(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "postgresql"]) == 0
    assert capsys.readouterr().out == ddl()
    assert main(["schema", "postgresql", "--schema", "calls"]) == 0
    assert 'create table if not exists "calls".utterances (' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--schema", "calls"], 2), (["postgresql", "--schema", ""], 78), (["mysql"], 2)]
)
def test_it_refuses_what_makes_no_sense(arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", *arguments]) == status
    assert capsys.readouterr().out == ""
