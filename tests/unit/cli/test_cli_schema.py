from __future__ import annotations

import json

import pytest

from genscribe.cli.main import main
from genscribe.cli.schema import schema
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
    assert kinds == [[kind] for kind in KINDS]
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


def fits(value: object, part: dict[str, object]) -> bool:
    """Enough of a validator for what the schema uses."""
    if "anyOf" in part:
        return any(fits(value, each) for each in part["anyOf"])  # type: ignore[attr-defined]
    if "enum" in part:
        return value in part["enum"]  # type: ignore[operator]
    types = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "null": type(None)}
    return "$ref" in part or isinstance(value, types[part["type"]])  # type: ignore[index, arg-type]


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
