"""`genscribe show CONVERSATION`: one conversation as a dialogue, with what is missing in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import msgspec

from genscribe import clock, terminal
from genscribe.cli import output
from genscribe.cli.filters import filter_options, given, lets_through, whole
from genscribe.cli.options import Command, config_option, settings_options
from genscribe.errors import UsageError
from genscribe.events import Gap, Participant, Record, decode, encode
from genscribe.sinks.console import DIM, Lines
from genscribe.store.queries import Filters
from genscribe.store.reader import Reader
from genscribe.store.views import Conversation
from genscribe.telemetry.base import counted
from genscribe.terminal import Screen

GAPS = 100_000


@click.command(
    cls=Command,
    examples=[
        ("genscribe show 3f9a1c", "The beginning of an id is enough, as the screen shows it."),
        ("genscribe show 3f9a1c --json | jq -r .text", "For programs."),
    ],
)
@click.argument("conversation_id", metavar="CONVERSATION")
@filter_options()
@settings_options("show")
@config_option
def command(conversation_id: str, as_json: bool, **options: Any) -> None:
    """Show one conversation in the order in which it was spoken, with the times that were not recorded.

    CONVERSATION is its id, or a beginning of it that no other conversation has.
    """
    with output.open_store(options) as reader:
        filters = given(options).resolve(reader)
        conversation = the_one(reader, conversation_id)
        said = [record for record in reader.lines(conversation.conversation_id) if lets_through(filters, record)]
        people = reader.participants(conversation.conversation_id)
        gaps = [gap for gap in reader.gaps(limit=GAPS) if concerns(gap, conversation, filters)]
    records = woven(said, gaps)
    if as_json:
        output.write_json(record.json() for record in records if record.seq)
        return
    screen = output.screen()
    if screen.columns is not None:
        output.write(heading(conversation, people, screen))
    lines = Lines(screen, tagged=screen.columns is None)
    for record in records:
        output.write(lines.draw(decode(record.body)))
    if not said:
        click.echo("Nothing was said in it." if filters == Filters() else "Nothing of it passes the filters.", err=True)


def the_one(reader: Reader, beginning: str) -> Conversation[str]:
    """The conversation whose id begins so.

    Raises:
        UsageError: There is none, or several.
    """
    beginning = whole(beginning.strip())
    ids = reader.conversation_ids(beginning, limit=4) if beginning else []
    found = reader.conversation(ids[0]) if len(ids) == 1 else None
    if found is not None:
        return found
    if not ids:
        raise UsageError(f"no conversation begins with {beginning!r}.", advice="See `genscribe conversations`.")
    raise UsageError(f"{beginning!r} is the beginning of several: {', '.join(ids[:3])}.", advice="Type more of it.")


def concerns(gap: Gap[str], conversation: Conversation[str], filters: Filters) -> bool:
    """Whether a gap lies within the conversation, as far as we know when that was, and within the filters' time."""
    if gap.conversation_ids is not None and conversation.conversation_id not in gap.conversation_ids:
        return False
    began = conversation.started_at or conversation.first_spoken_at
    ended = conversation.ended_at or conversation.last_spoken_at
    if began is None or ended is None:
        return False
    within = gap.started_at < max(ended, conversation.last_spoken_at or ended)
    within = within and (gap.ended_at is None or gap.ended_at > began)
    return (
        within
        and (filters.until is None or gap.started_at < filters.until)
        and (filters.since is None or gap.ended_at is None or gap.ended_at > filters.since)
    )


def woven(said: list[Record], gaps: list[Gap[str]]) -> list[Record]:
    """Utterances in their order, and each gap before the first that was spoken after it began."""
    rest = sorted(gaps, key=lambda gap: gap.started_at)
    records: list[Record] = []
    for record in said:
        at = decode(record.body).spoken_at  # type: ignore[union-attr]  # only utterances are said
        while rest and at is not None and rest[0].started_at < _iso(at):
            records.append(_record(rest.pop(0)))
        records.append(record)
    return records + [_record(gap) for gap in rest]


def _iso(at: datetime) -> str:
    return clock.iso(round(at.timestamp() * 1000))


def _record(gap: Gap[str]) -> Record:
    """A gap as the journal has it; one that is open has no `seq` yet and gets 0."""
    seq = gap.seq if isinstance(gap.seq, int) else 0
    return Record(seq, Gap.kind, encode(msgspec.structs.replace(gap, seq=msgspec.UNSET)))


def heading(conversation: Conversation[str], people: list[Record], screen: Screen) -> str:
    """Who, where and when, above the dialogue."""
    facts = [
        conversation.media_type or "",
        conversation.direction or "",
        conversation.queue_name or "",
        counted(conversation.utterance_count, "utterance"),
        "" if conversation.ended_at or not conversation.started_at else "not ended",
    ]
    names = [person for record in people if (person := _name(decode(record.body)))]
    shown = [conversation.conversation_id, ", ".join(filter(None, facts)), ", ".join(dict.fromkeys(names))]
    columns = (screen.columns or 80) - 1
    lines = [line for text in shown if text for line in terminal.wrap(terminal.safe(text), columns)]
    return screen.paint(lines[0], "1") + "\n" + "".join(screen.paint(line, DIM) + "\n" for line in lines[1:])


def _name(event: object) -> str:
    if not isinstance(event, Participant):
        return ""
    if event.user_name and event.purpose:
        return f"{event.user_name} ({event.purpose})"
    return event.user_name or event.purpose or ""
