"""`genscribe schema`: the JSON Schema of the events, or the definition of a database's tables."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

import click
import msgspec

from genscribe.cli.options import Command
from genscribe.core.documents import Transcript
from genscribe.errors import UsageError
from genscribe.events import Conversation, Gap, Message, Participant, Utterance
from genscribe.sinks.postgresql_schema import checked_schema, ddl

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS = (Utterance, Conversation, Participant, Gap, Message)


@click.command(
    cls=Command,
    examples=[
        ("genscribe schema > events.schema.json", "Keep it for code that reads events."),
        ("genscribe schema postgresql | psql calls", "Create the tables as somebody who may."),
    ],
)
@click.argument("what", type=click.Choice(["events", "postgresql"]), default="events")
@click.option("--schema", "name", metavar="NAME", help="For postgresql: where the tables are to stand; public.")
def command(what: str, name: str | None) -> None:
    """Print what sinks and exports get: the JSON Schema of the events, or PostgreSQL's tables.

    The JSON Schema is draft 2020-12; it also has the document that a sink with per=conversation gets. Every field is
    always there, null where the platform said nothing. Readers must ignore fields and kinds that they do not know: a
    later version may add some, none changes its meaning.

    The tables are those that a postgresql sink creates by itself where it may. What is there already is left alone.
    """
    if what == "postgresql":
        click.echo(ddl(checked_schema("public" if name is None else name)), nl=False)
        return
    if name is not None:
        raise UsageError("--schema is for postgresql only.", advice="Write genscribe schema postgresql --schema NAME.")
    click.echo(json.dumps(schema(), indent=2))


def schema() -> dict[str, Any]:
    """One schema for all that sinks can get: what they get only when they ask, `message` and documents, among it."""
    aware = Annotated[datetime, msgspec.Meta(tz=True)]
    types = [kind[aware] for kind in KINDS]
    _, made = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    bodies = {part["properties"]["kind"]["enum"][0]: part for part in made.values() if "kind" in part["properties"]}
    definitions = {kind.__name__: _delivered(bodies[kind.kind], kind.__name__) for kind in KINDS} | _document()
    return {
        "$schema": DIALECT,
        "title": "Event",
        "description": "What genscribe delivers: one JSON object an event, or, where asked for, a conversation.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in definitions if name != "Whole"],
        "$defs": {**definitions, "Word": _described(made["Word"], "Word")},
    }


def _document() -> dict[str, Any]:
    """A conversation as one document, and what is known of the conversation itself."""
    _, made = msgspec.json.schema_components([Transcript], ref_template="#/$defs/{name}")
    whole = _described({**made["Whole"], "required": list(made["Whole"]["properties"])}, "Whole")
    for name, part in whole["properties"].items():
        part.pop("default")
        if name.endswith("_at"):
            part["anyOf"][0]["format"] = "date-time"
    document = _delivered(made["Transcript"], "Transcript")
    for name, kind in (("participants", Participant), ("lines", Utterance), ("gaps", Gap)):
        document["properties"][name] = {"type": "array", "items": {"$ref": f"#/$defs/{kind.__name__}"}}
    return {"Transcript": document, "Whole": whole}


def _delivered(body: dict[str, Any], title: str) -> dict[str, Any]:
    """A kind as delivered: with `seq`, and with every field there."""
    properties = {**body["properties"], "seq": {"type": "integer", "minimum": 1}}
    return _described({**body, "properties": properties, "required": list(properties)}, title)


def _described(body: dict[str, Any], title: str) -> dict[str, Any]:
    summary = str(body.get("description", "")).partition("\n")[0].replace("`None`", "null")
    return {**body, "title": title, "description": summary}
